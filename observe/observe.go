// Package observe is what a role tells whoever watches it: the ready line it
// prints when it listens, its counters, and the events of its life. The types
// are the contract between roles and harness, which know each other only as
// processes; so they are a room of their own that both sides may import.
//
// Times are nanoseconds since the Unix epoch by the clock of the host that
// stamped them.
package observe

// Ready is the one JSON line by which a role says that it serves.
type Ready struct {
	Role    string `json:"role"` // directory, cloudsim, connector
	Name    string `json:"name"` // of this process, unique within a run
	PID     int    `json:"pid"`
	Version string `json:"version"`
	// Ports says where the role listens: the documented port number, or a word
	// where there is none ("ldaps", "observe"), to host:port.
	Ports map[string]string `json:"ports"`
	// CAPEM is the certificate that signs the role's server certificates.
	CAPEM string `json:"ca_pem,omitempty"`
	// Info holds what is particular to a role, such as a directory's base DN.
	Info map[string]string `json:"info,omitempty"`
}

// Kind names an event. The values are part of the run format: never reuse one.
type Kind string

// The events of the cloud simulator.
const (
	ConnectorAttached  Kind = "connector-attached"
	ConnectorLost      Kind = "connector-lost"   // Cause: connection-lost, heartbeat, responses-lost, replaced, succeeded, revoked, deregistered, certificate-expired, drained ...
	ConnectorStatus    Kind = "connector-status" // Cause: directory-unreachable, directory-reachable, responses-lost, draining, fit
	ConnectorPath      Kind = "connector-path"   // Cause: fast, signalling; by which it is given sign-ins from now on
	HandedOff          Kind = "handed-off"       // Count sign-ins left Connector for others
	Dropped            Kind = "dropped"          // Count sign-ins were lost with Connector (handoff: off)
	AttemptTimedOut    Kind = "attempt-timed-out"
	FallbackBegan      Kind = "fallback-began" // the first sign-in answered by hash sync
	FallbackEnded      Kind = "fallback-ended" // pass-through answers again, and has done so alone for a while
	BreakerOpened      Kind = "breaker-opened"
	BreakerProbing     Kind = "breaker-probing" // a probe was answered: more follow
	BreakerClosed      Kind = "breaker-closed"
	GateSet            Kind = "gate-set"
	GateCleared        Kind = "gate-cleared"
	AnswerNotGiven     Kind = "answer-not-given" // an answer to a request the connector did not have
	RegistrationDenied Kind = "registration-denied"
	CertificateRenewed Kind = "certificate-renewed"
	RenewalDenied      Kind = "renewal-denied"    // Cause: the reason, as it is counted
	ConnectorRemoved   Kind = "connector-removed" // Cause: deregistered (by itself), operator, inactive
	MethodChosen       Kind = "method-chosen"     // Cause: the sign-in method that an administrator chose
	EventsOverflowed   Kind = "events-overflowed" // Count events were lost to a slow reader
)

// An Event is one thing that happened in a role.
type Event struct {
	AtNS      int64  `json:"at_ns"`
	Kind      Kind   `json:"kind"`
	Tenant    string `json:"tenant,omitempty"`
	Connector string `json:"connector,omitempty"`
	Cause     string `json:"cause,omitempty"`
	Count     int64  `json:"count,omitempty"`
}

// CloudCounters is what the cloud simulator counted since it started.
type CloudCounters struct {
	Tenants []TenantCounters `json:"tenants"`
	// Denied counts refused input by reason: malformed sign-ins, unknown
	// tenants, bad certificates, used registration tokens.
	Denied map[string]uint64 `json:"denied"`
	// RevocationList is what port 80 serves.
	RevocationList RevocationList `json:"revocation_list"`
}

// TenantCounters counts the sign-ins of one tenant. Received = Accepted +
// Refused + Failed + those not yet answered; PassThrough and HashSync split the
// answered ones that somebody decided.
type TenantCounters struct {
	Name        string              `json:"name"`
	Received    uint64              `json:"received"`
	Accepted    uint64              `json:"accepted"`
	Refused     uint64              `json:"refused"`
	Failed      uint64              `json:"failed"`
	PassThrough uint64              `json:"pass_through"` // decided by a connector
	HashSync    uint64              `json:"hash_sync"`    // decided by the hash store
	Federation  uint64              `json:"federation"`   // decided by an assertion of the federation server
	Attempts    uint64              `json:"attempts"`     // sign-ins given to connectors, each handoff once more
	HandedOff   uint64              `json:"handed_off"`   // attempts given up and given to another connector
	Expired     uint64              `json:"expired"`      // answered because their deadline passed
	Overflowed  uint64              `json:"overflowed"`   // refused at a full queue
	Queued      int                 `json:"queued"`       // at present
	QueuePeak   int                 `json:"queue_peak"`
	InFlight    int                 `json:"in_flight"` // at present
	Breaker     string              `json:"breaker"`   // closed, open, probing
	Connectors  []ConnectorCounters `json:"connectors"`
}

// ConnectorCounters counts one connector as the cloud sees it, over all the
// sessions it had.
type ConnectorCounters struct {
	Name         string `json:"name"`
	Attached     bool   `json:"attached"`
	Sessions     uint64 `json:"sessions"`
	Attempts     uint64 `json:"attempts"`      // sign-ins given to it
	Answered     uint64 `json:"answered"`      // definite answers it gave that were used
	PathFailures uint64 `json:"path_failures"` // it answered that it could not ask the directory
	HandedOff    uint64 `json:"handed_off"`    // taken from it and given to another
	Late         uint64 `json:"late"`          // answers after the sign-in was taken from it
	NotGiven     uint64 `json:"not_given"`     // answers to what it was never given
	// Attempts by path. One whose stream was lost before it arrived came by two.
	Pushed       uint64 `json:"pushed"`    // sent on the fast path, without being asked for
	Signalled    uint64 `json:"signalled"` // announced on a signalling port
	Accepted     uint64 `json:"accepted"`  // of those, sent because the connector asked in time
	InFlight     int    `json:"in_flight"`
	InFlightPeak int    `json:"in_flight_peak"`
	Credit       int    `json:"credit"` // its concurrency
}

// AgentCounters is what a connector counted since it started.
type AgentCounters struct {
	Taken              uint64            `json:"taken"`     // sign-ins read off the request stream
	Pushed             uint64            `json:"pushed"`    // of those, without being asked for
	Signalled          uint64            `json:"signalled"` // sign-ins that the cloud announced; each was asked for
	Accepted           uint64            `json:"accepted"`  // of those, the ones that came
	Answers            uint64            `json:"answers"`   // answers queued for the response stream
	Resent             uint64            `json:"resent"`    // of those, sent again on another response port
	Binds              uint64            `json:"binds"`     // bind requests written to the directory for users
	BindReplies        uint64            `json:"bind_replies"`
	ReasonLookups      uint64            `json:"reason_lookups"`
	NameLookups        uint64            `json:"name_lookups,omitempty"` // searches for what a user binds as
	DirectoryRedials   uint64            `json:"directory_redials"`
	DirectoryMoves     uint64            `json:"directory_moves,omitempty"` // sign-ins that went on from one of its servers to another
	CloudSessions      uint64            `json:"cloud_sessions"`
	Results            map[string]uint64 `json:"results"` // answers by wire.Result name, lower case
	InFlight           int               `json:"in_flight"`
	DirectoryReachable bool              `json:"directory_reachable"`
	// The ports that the session's streams are on; empty for one that there is
	// not.
	SignallingPort string `json:"signalling_port,omitempty"`
	FastPort       string `json:"fast_port,omitempty"`
	ResponsePort   string `json:"response_port,omitempty"`
	// Reports and Bootstraps count attempts: by the port by which one came
	// about, or as failed.
	Reports         map[string]uint64  `json:"status_reports,omitempty"`
	Bootstraps      map[string]uint64  `json:"bootstraps,omitempty"`
	Renewals        uint64             `json:"renewals"`         // of the certificate
	RenewalFailures uint64             `json:"renewal_failures"` // attempts at one
	Revocation      RevocationCounters `json:"revocation"`
	// DirectoryServers are the servers of the directory, in the order in which
	// they were told, since this process started; the sums above are theirs.
	DirectoryServers []ServerCounters `json:"directory_servers,omitempty"`
}

// DirectoryCounters is what the directory counted since it started.
type DirectoryCounters struct {
	Binds    map[string]uint64 `json:"binds"`         // user binds by outcome: success, wrong-password, disabled ...
	Delayed  uint64            `json:"delayed_binds"` // of those, slowed or held by a fault
	Service  uint64            `json:"service_binds"`
	Searches uint64            `json:"searches"`
	Open     int               `json:"open_connections"`
	Accepted uint64            `json:"accepted_connections"`
	// Unavailable counts binds that a fault refused without a look at the
	// account, which are not among the others.
	Unavailable uint64 `json:"unavailable_binds"`
	// Counts says how much of this is counted; what is not is 0.
	Counts DirectoryCounts `json:"counts,omitempty"`
	// Total is the binds of every kind, those of service accounts included, where
	// that is all that is counted.
	Total uint64 `json:"total_binds,omitempty"`
}

// DirectoryCounts is how much a directory server can say of what it did.
type DirectoryCounts string

// The ways to count.
const (
	CountsOutcomes DirectoryCounts = ""      // the test directory counts everything
	CountsTotal    DirectoryCounts = "total" // binds, searches and connections, no outcomes
	CountsNone     DirectoryCounts = "none"
)

// UserBinds counts the binds of one user. It is served apart from the
// counters, because it is as long as the population.
type UserBinds struct {
	User    string `json:"user"` // user principal name
	Success uint64 `json:"success"`
	Refused uint64 `json:"refused"`
}

// Gate asks the cloud simulator to break some of its own ports. It is put and
// deleted by its ID, so that doing either twice does no harm.
type Gate struct {
	ID    string   `json:"id"`
	Ports []string `json:"ports"` // documented port numbers, as in Ready.Ports
	// Sources limits the gate to peers that dial from these addresses; empty
	// means every peer.
	Sources []string `json:"sources,omitempty"`
	Mode    GateMode `json:"mode"`
	// Direction limits GateStall and GateDegrade to one way; empty means both.
	Direction GateDirection `json:"direction,omitempty"`
	// The rest is for GateDegrade; 0 leaves a thing as it is.
	DelayNS    int64   `json:"delay_ns,omitempty"`      // added each way
	JitterNS   int64   `json:"jitter_ns,omitempty"`     // the delay varies evenly by up to this much, more or less
	BitsPerS   float64 `json:"bits_per_s,omitempty"`    // of each connection and direction
	LossRatio  float64 `json:"loss_ratio,omitempty"`    // of segments, each held for RetransmitNS
	Retransmit int64   `json:"retransmit_ns,omitempty"` // 200 ms when 0: the shortest timeout of Linux
	Seed       uint64  `json:"seed,omitempty"`          // of jitter and loss
}

// A GateDirection is one way through a gate, as who dialled sees it.
type GateDirection string

// The directions.
const (
	GateOut GateDirection = "out" // what the peer that dialled sends
	GateIn  GateDirection = "in"  // what it is sent
)

// A GateMode is what a broken port does to its peers.
type GateMode string

const (
	// GateRefuse resets established connections and refuses new ones: by a
	// closed listener when every peer is meant, else by a reset after accept.
	GateRefuse GateMode = "refuse"
	// GateReset accepts new connections and resets them, and resets those
	// that are established.
	GateReset GateMode = "reset"
	// GateStall holds bytes until it is cleared.
	GateStall GateMode = "stall"
	// GateDegrade delays bytes, limits their rate, and holds some as if they
	// had been lost and sent again.
	GateDegrade GateMode = "degrade"
)

// GateEffect is how far a gate has reached.
type GateEffect struct {
	ID string `json:"id"`
	// Injections counts connections reset, refused or stalled.
	Injections uint64 `json:"injections"`
	// RefusedByReset says that new connections are reset after accept, because
	// only some peers of a shared listener are meant.
	RefusedByReset bool `json:"refused_by_reset,omitempty"`
}

// A BindFault is put to a directory at /faults/{id}, to change how it treats
// binds from now on, and deleted to end that. BindSlow means user binds only.
type BindFault struct {
	ID   string        `json:"id"`
	Mode BindFaultMode `json:"mode"`
	// Sources limits it to peers that dial from these addresses; empty means
	// every peer.
	Sources     []string `json:"sources,omitempty"`
	DelayNS     int64    `json:"delay_ns,omitempty"`    // for BindSlow
	Connections int      `json:"connections,omitempty"` // for BindCrowded
}

// A BindFaultMode is how a directory treats binds.
type BindFaultMode string

// The modes.
const (
	BindSlow    BindFaultMode = "slow"    // answers later
	BindRefuse  BindFaultMode = "refuse"  // answers: unavailable (LDAP result 52)
	BindHang    BindFaultMode = "hang"    // answers when the fault is over
	BindCrowded BindFaultMode = "crowded" // serves so many connections; closes the rest
)

// FaultEffect is how far a fault put to a role has reached.
type FaultEffect struct {
	ID         string `json:"id"`
	Injections uint64 `json:"injections"` // binds slowed, refused or held; connections closed; hashes changed
}

// A HashFault is put to a directory at /hash-store/{id}: it syncs the hash
// store to a wrong state, and when it is deleted to the right one.
type HashFault struct {
	ID      string  `json:"id"`
	Changed int     `json:"changed,omitempty"` // that many users have their former password's hash
	Missing float64 `json:"missing,omitempty"` // that share of users is not in the store
}

// RevocationList is the list that the cloud publishes.
type RevocationList struct {
	Number  uint64 `json:"number"`
	Revoked int    `json:"revoked"` // certificates that it names
}

// RevocationCounters is how a connector fares with the revocation list of the
// cloud's certificates.
type RevocationCounters struct {
	Mode    string            `json:"mode"`    // hard, soft, off
	Refused map[string]uint64 `json:"refused"` // connections to the cloud, by why: revoked, no-list
	Warned  uint64            `json:"warned"`  // connections made although there was no list
	Lists   uint64            `json:"lists"`   // fetched and taken
	Faults  map[string]uint64 `json:"faults"`  // fetches that gave no good list, by why
	// The rest is of the list in use; Number is empty when there is none.
	Number    string `json:"number,omitempty"`
	Revoked   int    `json:"revoked,omitempty"` // certificates that it names
	AgeNS     int64  `json:"age_ns,omitempty"`
	LeftNS    int64  `json:"left_ns,omitempty"`    // until it runs out; negative once it has
	FailingNS int64  `json:"failing_ns,omitempty"` // since fetches began to fail; 0 while they do not
}
