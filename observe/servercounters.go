package observe

// ServerCounters is what was done to one server of a directory by whoever binds
// to it.
type ServerCounters struct {
	Server        string `json:"server"` // host:port
	InService     bool   `json:"in_service"`
	Connections   int    `json:"connections"`
	Outstanding   int    `json:"outstanding"` // sign-ins that it has
	Dialect       string `json:"dialect"`
	Binds         uint64 `json:"binds"`
	BindReplies   uint64 `json:"bind_replies"`
	ReasonLookups uint64 `json:"reason_lookups"`
	FailedLookups uint64 `json:"failed_lookups"` // of those, without an answer
	NameLookups   uint64 `json:"name_lookups"`
	Redials       uint64 `json:"redials"`
	Moved         uint64 `json:"moved"`    // sign-ins that went on to another server
	Outages       uint64 `json:"outages"`  // times out of service
	Silences      uint64 `json:"silences"` // of those, for answering nothing in time
	Probes        uint64 `json:"probes"`   // binds of the service account that tried whether it is back
}
