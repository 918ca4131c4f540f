package observe

// Inventory is the connectors of one tenant, by name, as the cloud has them.
type Inventory struct {
	Tenant string `json:"tenant"`
	AtNS   int64  `json:"at_ns"` // when it was made, by the cloud's clock
	// Connectors is never null.
	Connectors []InventoryConnector `json:"connectors"`
}

// A ConnectorState is what has become of a connector's registration.
type ConnectorState string

// The states.
const (
	StateActive   ConnectorState = "active"   // it has a session, or was heard of lately
	StateInactive ConnectorState = "inactive" // it was not
	StateExpired  ConnectorState = "expired"  // so has its certificate: it must register again
	StateRevoked  ConnectorState = "revoked"
)

// An InventoryConnector is one registered connector. Sign-ins, failures and
// share are what the cloud counted since it started.
type InventoryConnector struct {
	Name         string         `json:"name"`
	ID           string         `json:"id"` // of its registration
	Host         string         `json:"host"`
	Version      string         `json:"version"`
	State        ConnectorState `json:"state"`
	Serving      bool           `json:"serving"` // it has a session that is fit: one that is active and not serving is broken
	RegisteredNS int64          `json:"registered_ns"`
	ExpiresNS    int64          `json:"expires_ns"`   // its certificate
	LastSeenNS   int64          `json:"last_seen_ns"` // 0 for never
	SignIns      uint64         `json:"sign_ins"`     // decided by it
	Failures     uint64         `json:"failures"`     // given to it, and it could not ask the directory
	ShareRatio   float64        `json:"share_ratio"`  // of the sign-ins that connectors of the tenant decided
	// LastReport is what it said of itself last; null when the cloud has not
	// heard of it since it started.
	LastReport *InventoryReport `json:"last_report"`
}

// InventoryReport is a connector's status report.
type InventoryReport struct {
	AtNS               int64  `json:"at_ns"` // when it came, by the cloud's clock
	UptimeNS           int64  `json:"uptime_ns"`
	DirectoryReachable bool   `json:"directory_reachable"`
	Authentications    uint64 `json:"authentications"` // since the connector started, like the rest
	Successful         uint64 `json:"successful_authentications"`
	Failed             uint64 `json:"failed_authentications"`
	Errors             uint64 `json:"authentication_errors"`
	// Update is what it has to say of updates; null for nothing.
	Update *InventoryUpdate `json:"update,omitempty"`
}

// Status is a state in words, for tables: "active, not serving" is one whose
// reports come and whose sign-ins do not.
func (c *InventoryConnector) Status() string {
	if c.State == StateActive && !c.Serving {
		return "active, not serving"
	}
	return string(c.State)
}
