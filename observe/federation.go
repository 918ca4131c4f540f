package observe

import "time"

// FederationCounters is what a federation server counted since it started.
// Received = Accepted + Refused + Failed + those in flight.
type FederationCounters struct {
	Received uint64            `json:"received"` // sign-ins by a name and a password
	Accepted uint64            `json:"accepted"` // of those, answered with a token
	Refused  map[string]uint64 `json:"refused"`  // definitely, by AADSTS code
	Failed   map[string]uint64 `json:"failed"`   // undecided, by AADSTS code
	// Sessions counts tokens for browsers that had signed in before.
	Sessions uint64            `json:"sessions"`
	Denied   map[string]uint64 `json:"denied"` // input that never became a sign-in, by reason
	InFlight int               `json:"in_flight"`
	Held     uint64            `json:"held"` // sign-ins slowed, held or refused by a fault
	// The rest is of the directory.
	Binds              uint64 `json:"binds"`
	BindReplies        uint64 `json:"bind_replies"`
	ReasonLookups      uint64 `json:"reason_lookups"`
	NameLookups        uint64 `json:"name_lookups"`
	DirectoryRedials   uint64 `json:"directory_redials"`
	DirectoryReachable bool   `json:"directory_reachable"`

	Signing SigningCertificates `json:"signing"`
}

// SigningCertificates is what a federation server says at /signing of the
// certificates of its farm.
type SigningCertificates struct {
	Signs  SigningCertificate  `json:"signs"`
	Next   *SigningCertificate `json:"next,omitempty"`   // published, will sign
	Before *SigningCertificate `json:"before,omitempty"` // published, has signed
}

// SigningCertificate is one of them.
type SigningCertificate struct {
	Thumbprint string    `json:"thumbprint"` // SHA-1, upper case
	Since      time.Time `json:"since"`      // it has been what it is
	Ends       time.Time `json:"ends"`
}

// BalancerCounters is what a balancer counted since it started.
type BalancerCounters struct {
	Accepted uint64            `json:"accepted"` // connections
	Refused  uint64            `json:"refused"`  // closed, because no backend could be reached or there were too many
	Open     int               `json:"open"`
	Backends []BackendCounters `json:"backends"` // by name
}

// BackendCounters counts one backend of a balancer.
type BackendCounters struct {
	Name        string `json:"name"`
	Address     string `json:"address"`
	Healthy     bool   `json:"healthy"`
	Open        int    `json:"open"`        // connections
	Connections uint64 `json:"connections"` // in all
	DialErrors  uint64 `json:"dial_errors"`
	CheckErrors uint64 `json:"check_errors"` // health checks that did not succeed
	Fallen      uint64 `json:"fallen"`       // times that it was taken out
	Cut         uint64 `json:"cut"`          // connections ended because it was
}

// A Backend is put to a balancer at /backends/{name}.
type Backend struct {
	Address string `json:"address"` // host:port
}
