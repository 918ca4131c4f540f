package results

// Format is the version of the run format that this program writes. It reads
// this one and older ones, and refuses newer ones.
const Format = 2

// A Verdict is the conclusion of a run.
type Verdict string

// The verdicts.
const (
	Pass         Verdict = "pass"
	Fail         Verdict = "fail"
	Inconclusive Verdict = "inconclusive"
	Aborted      Verdict = "aborted"
)

// Result is result.json. Names end in their unit: _ns, _bytes, _ratio, _per_s.
// Figures are of the measured load, which begins when the warm-up ends, except
// ledgers, which are of the whole run. Times called at_ns count from the same
// instant.
type Result struct {
	Format     int         `json:"format"`
	Scenario   string      `json:"scenario"`
	Verdict    Verdict     `json:"verdict"`
	Reasons    []string    `json:"reasons"` // why the verdict is not pass
	Seed       uint64      `json:"seed"`
	StartedAt  string      `json:"started_at"` // RFC 3339, of time 0
	DurationNS int64       `json:"duration_ns"`
	Command    string      `json:"command"` // repeats the run
	Version    string      `json:"version"`
	SignIns    SignIns     `json:"sign_ins"`
	Response   Percentiles `json:"response_ns"` // done - due
	Service    Percentiles `json:"service_ns"`  // done - sent
	Lag        Percentiles `json:"lag_ns"`      // sent - due: the generator's own health
	Rate       Rate        `json:"rate"`
	Time       TimeSpent   `json:"time_spent_ns"`
	// FederationTime is where that of federated ones went: Connector is the
	// federation server, Rest the cloud and the network.
	FederationTime *TimeSpent  `json:"federation_time_spent_ns,omitempty"`
	Preset         string      `json:"preset"`     // whose behaviour the cloud reproduced
	TimeScale      int         `json:"time_scale"` // how many times as fast detection ran
	Network        string      `json:"network"`    // loopback or namespaces
	Ceiling        Ceiling     `json:"ceiling"`
	Gates          []Gate      `json:"gates"` // whether the run may be believed
	Unavailable    Unavailable `json:"unavailable"`
	Objectives     []Objective `json:"objectives"`
	Tenants        []Tenant    `json:"tenants,omitempty"`  // of a load on several
	Capacity       *Capacity   `json:"capacity,omitempty"` // nil unless it was looked for
	Connectors     []Connector `json:"connectors"`
	Balance        Balance     `json:"balance"`
	Faults         []Fault     `json:"faults"`
	WrongByCause   []Wrong     `json:"wrong_by_cause"`
	Events         []Happened  `json:"events,omitempty"`    // what happened to users
	Sync           *Sync       `json:"hash_sync,omitempty"` // nil without an agent
	Processes      []Process   `json:"processes"`
	Machine        Machine     `json:"machine"`
	Ledgers        Ledgers     `json:"ledgers"`
	Intervals      []Interval  `json:"intervals"` // one a second
	Warnings       []string    `json:"warnings"`  // shown as footnotes
}

// SignIns counts sign-ins. Planned = Sent + Unsent, and
// Sent = Accepted + Refused + Failed + Unknown.
type SignIns struct {
	Planned       uint64            `json:"planned"`
	Sent          uint64            `json:"sent"`
	Accepted      uint64            `json:"accepted"`
	Refused       uint64            `json:"refused"`    // definite, by the directory or the hash store
	Failed        uint64            `json:"failed"`     // definite, the path broke
	Unknown       uint64            `json:"unknown"`    // no answer: it may have happened
	Unsent        uint64            `json:"unsent"`     // the generator could not send it
	HandedOff     uint64            `json:"handed_off"` // answered after more than one attempt, that is, after a handoff
	WrongAccepts  uint64            `json:"wrong_accepts"`
	WrongRefusals uint64            `json:"wrong_refusals"`
	OtherReason   uint64            `json:"other_reason"` // rightly refused, with another code than the directory's
	ByPath        ByPath            `json:"by_path"`
	ByCode        map[string]uint64 `json:"by_code"` // AADSTS code, "0" for accepted; "other" past 256 codes
	Errors        map[string]uint64 `json:"errors"`  // unknown and failed ones by class of error: timeout, reset, refused ...
}

// ByPath counts accepted and refused sign-ins by who decided them.
type ByPath struct {
	PassThrough uint64 `json:"pass_through"`
	HashSync    uint64 `json:"hash_sync"`
	Federation  uint64 `json:"federation,omitempty"`
}

// Percentiles of a time, in nanoseconds, over Samples values.
type Percentiles struct {
	Samples uint64 `json:"samples"`
	P50     int64  `json:"p50"`
	P90     int64  `json:"p90"`
	P99     int64  `json:"p99"`
	P999    int64  `json:"p999"`
	Max     int64  `json:"max"`
	Mean    int64  `json:"mean"`
	// P99Interval bounds P99 with 95 % confidence, by order statistics; zero
	// when there are too few samples.
	P99Interval [2]int64 `json:"p99_interval"`
}

// Rate compares arrivals with the plan.
type Rate struct {
	PlannedPerS  float64 `json:"planned_per_s"`
	AchievedPerS float64 `json:"achieved_per_s"` // sent
	AnsweredPerS float64 `json:"answered_per_s"` // accepted and refused
}

// Spent is where the time went of the sign-ins that are drawn over time.
type Spent struct {
	Of, Server string // pass-through, connector or federated, federation server
	Mean       TimeSpent
	In         func(*Stretch) *TimeSpent
}

// Spent is of pass-through sign-ins; of federated ones where those are all that
// anybody but the cloud decided.
func (r *Result) Spent() Spent {
	if r.FederationTime != nil && r.SignIns.ByPath.PassThrough == 0 {
		return Spent{"federated", "federation server", *r.FederationTime, func(s *Stretch) *TimeSpent { return &s.FederationTime }}
	}
	return Spent{"pass-through", "connector", r.Time, func(s *Stretch) *TimeSpent { return &s.Time }}
}

// TimeSpent is where the time of pass-through sign-ins went, on average.
type TimeSpent struct {
	Queue     int64 `json:"queue"`     // in the tenant's queue
	Connector int64 `json:"connector"` // in the connector, the directory aside
	Directory int64 `json:"directory"`
	Rest      int64 `json:"rest"` // network, TLS, tokens, scheduling
}

// Objective is one comparison and how it ended.
type Objective struct {
	Text    string  `json:"text"`
	Verdict Verdict `json:"verdict"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"` // count, ns, ratio, per_s
	Reason  string  `json:"reason,omitempty"`
	Window  string  `json:"window"`  // whole, steady, during(crash-1) ...
	Limit   float64 `json:"limit"`   // what the value is compared with
	Samples uint64  `json:"samples"` // sign-ins that it rests on
	// Interval bounds the value with 95 % confidence; nil for what was counted
	// whole. Of a percentile, the value and the upper bound are -1 when so many
	// sign-ins had no answer.
	Interval *[2]float64 `json:"interval,omitempty"`
	Method   string      `json:"method,omitempty"` // of the interval: order statistics, block bootstrap
}

// Ceiling is what the load generator reaches on this machine against a target
// that does nothing, measured before the run; zero when it was not.
type Ceiling struct {
	PerS     float64 `json:"per_s"`
	Duration int64   `json:"duration_ns"`
	P99      int64   `json:"p99_ns"` // service time while at it
}

// A Gate is one condition without which a run says nothing of the system under
// test.
type Gate struct {
	Name   string  `json:"name"` // lag, unsent, rate, generator-cpu, arrivals, steady, samples, ceiling
	Text   string  `json:"text"` // the condition, in words
	Value  float64 `json:"value"`
	Limit  float64 `json:"limit"`
	Unit   string  `json:"unit"`
	Holds  bool    `json:"holds"`
	Reason string  `json:"reason,omitempty"` // why it does not hold or, when it does, why it was not measured
}

// Unavailable is what users felt of it.
type Unavailable struct {
	Repeated uint64 `json:"repeated"` // sign-ins that their users had to repeat: failed or unknown
	Seconds  int    `json:"seconds"`  // in which fewer than 99.9 % succeeded
	Of       int    `json:"of"`       // seconds in which any were due
}

// Connector is one connector's part of the pass-through sign-ins.
type Connector struct {
	Name         string  `json:"name"`
	SignIns      uint64  `json:"sign_ins"` // answered by it
	Share        float64 `json:"share_ratio"`
	InFlightPeak int     `json:"in_flight_peak"`
	HandedOff    uint64  `json:"handed_off"` // handoffs: attempts taken from it and given to another
	Restarts     int     `json:"restarts"`
	Capacity     int     `json:"capacity"`           // sign-ins it takes at once
	DelayNS      int64   `json:"directory_delay_ns"` // what its directory takes longer
}

// Balance says how evenly connectors were used.
type Balance struct {
	Jain    float64  `json:"jain"` // (Σx)²/(n·Σx²) of sign-ins per capacity; 1 is even
	Least   string   `json:"least_loaded"`
	Most    string   `json:"most_loaded"`
	Nothing []string `json:"got_nothing"` // connectors without a sign-in
}

// Fault is what one injected fault did. Times that were not observed are -1.
type Fault struct {
	Name         string  `json:"name"`
	Kind         string  `json:"kind"`
	Target       string  `json:"target"`
	Text         string  `json:"text"` // as it parses
	Tier         string  `json:"tier"` // process, gate, kernel, cgroup, role
	At           int64   `json:"at_ns"`
	Duration     int64   `json:"duration_ns"`
	Injections   uint64  `json:"injections"`
	Detect       int64   `json:"detect_ns"`       // until its first effect in the cloud's eyes
	Failover     int64   `json:"failover_ns"`     // until the first sign-in served another way
	Recover      int64   `json:"recover_ns"`      // from the undo until its target serves again
	Group        string  `json:"group,omitempty"` // the fault of the scenario that this one is a part of
	Rebalance    int64   `json:"rebalance_ns"`    // from the undo until the shares of connectors are as before, and stay
	ErrorWindow  int64   `json:"error_window_ns"` // from when the first lost sign-in was due to when the last one was; 0 when none was
	Lost         uint64  `json:"lost"`            // failed or unknown, due within the fault or its recovery
	BadSeconds   int     `json:"bad_seconds"`     // seconds in it in which fewer than 99.9 % succeeded
	DoubledBinds uint64  `json:"doubled_binds"`   // binds made again for sign-ins handed to another connector
	WouldLock    uint64  `json:"would_lock"`      // accounts that only these would have locked, at LockThreshold
	Wrong        []Wrong `json:"wrong"`           // answered differently from the directory, by cause
	HandedOff    uint64  `json:"handed_off"`      // answered after a handoff
	HashSync     uint64  `json:"hash_sync"`       // answered by hash sync within it
	P99          int64   `json:"p99_ns"`          // response of sign-ins due within it
	Healed       bool    `json:"healed"`
	Idle         bool    `json:"idle,omitempty"` // no sign-in needs its target while all is well
	Note         string  `json:"note,omitempty"`
	// Shows says in words what effect is expected; Expected are the comparisons
	// that were made, empty when nothing in particular was expected.
	Shows    string     `json:"shows,omitempty"`
	Expected []Expected `json:"expected,omitempty"`
}

// Expected is one thing that was expected of a fault, and what was seen.
// Verdict is pass, fail, or inconclusive when it could not be seen.
type Expected struct {
	Text     string  `json:"text"`  // such as: serving(connector-1) == 0
	Phase    string  `json:"phase"` // row, on, settled, after
	Observed string  `json:"observed"`
	Verdict  Verdict `json:"verdict"`
}

// Wrong counts sign-ins answered differently from the directory, by cause.
type Wrong struct {
	Kind  string `json:"kind"` // wrong-accept, wrong-refusal, other-reason
	Path  string `json:"path"`
	Cause string `json:"cause"` // such as: locked is not carried by hash sync
	Count uint64 `json:"count"`
	// Event is what had happened to the user during the load, and the ages how
	// long before the answers; they are left out where that was nothing.
	Event  string `json:"event,omitempty"` // change-password, disable ...
	AgeP50 int64  `json:"age_p50_ns,omitempty"`
	AgeMax int64  `json:"age_max_ns,omitempty"`
}

// Process is what one process cost, over all its starts.
type Process struct {
	Name         string `json:"name"`
	Role         string `json:"role"`
	Starts       int    `json:"starts"`
	CPU          int64  `json:"cpu_ns"` // user and system, from time 0 to the end of the load
	CPUPerSignIn int64  `json:"cpu_per_sign_in_ns"`
	RSSMax       int64  `json:"rss_bytes_max"`
}

// Machine is where the run was made.
type Machine struct {
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	Kernel   string `json:"kernel"`
	CPUModel string `json:"cpu_model"`
	CPUs     int    `json:"cpus"`
	Memory   int64  `json:"memory_bytes"`
	Go       string `json:"go"`
}

// Ledgers are the books of the harness, the cloud, the connectors and the
// directory, and whether they balance.
type Ledgers struct {
	Balanced   bool              `json:"balanced"`
	Harness    map[string]uint64 `json:"harness"`
	Cloud      map[string]uint64 `json:"cloud"`
	Connectors map[string]uint64 `json:"connectors"`
	Directory  map[string]uint64 `json:"directory"`
	Federation map[string]uint64 `json:"federation,omitempty"` // of the federation servers; nil without any
	// Checks are the equations, each with both sides.
	Checks []LedgerCheck `json:"checks"`
	// Missing and Doubled name sign-ins (client request ids), at most 100 each.
	Missing []string `json:"missing"`
	Doubled []string `json:"doubled"`
}

// LedgerCheck is one equation between ledgers.
type LedgerCheck struct {
	Text  string `json:"text"` // such as: sent by the harness = received by the cloud
	Left  uint64 `json:"left"`
	Op    string `json:"op"` // =, <=
	Right uint64 `json:"right"`
	Holds bool   `json:"holds"`
	// Waived says that it is not demanded of this run, for the reason in the note.
	Waived bool   `json:"waived,omitempty"`
	Note   string `json:"note,omitempty"` // what excuses an inequality
}

// Interval is one second of the load: the sign-ins that were due within it,
// whenever they ended.
type Interval struct {
	At       int64  `json:"at_ns"`
	Sent     uint64 `json:"sent"`
	Accepted uint64 `json:"accepted"`
	Refused  uint64 `json:"refused"`
	Failed   uint64 `json:"failed"`
	Unknown  uint64 `json:"unknown"`
	HashSync uint64 `json:"hash_sync"`
	// HashSyncRefused and P95 came later than the rest of format 2: both are 0
	// where a run did not record them, and Run.Course has them all the same.
	HashSyncRefused uint64 `json:"hash_sync_refused,omitempty"` // of those by hash sync
	P50             int64  `json:"p50_ns"`                      // response
	P95             int64  `json:"p95_ns,omitempty"`
	P99             int64  `json:"p99_ns"`
	Max             int64  `json:"max_ns"`
	// Federation and FederationRefused count those by federation.
	Federation        uint64            `json:"federation,omitempty"`
	FederationRefused uint64            `json:"federation_refused,omitempty"`
	ByConnector       map[string]uint64 `json:"by_connector"`
}

// Event is one line of events.jsonl.
type Event struct {
	At        int64  `json:"at_ns"`  // from time 0
	Source    string `json:"source"` // harness, cloudsim, connector-1 ...
	Kind      string `json:"kind"`
	Tenant    string `json:"tenant,omitempty"`
	Connector string `json:"connector,omitempty"`
	Cause     string `json:"cause,omitempty"`
	Count     int64  `json:"count,omitempty"`
}
