package scenarios

// enumerated is a type whose values are a few words.
type enumerated interface{ words() []string }

// Dispatch is the policy by which a tenant's dispatcher chooses a connector.
type Dispatch string

// The dispatch policies.
const (
	LeastOutstanding Dispatch = "least-outstanding"
	Random           Dispatch = "random"
	RoundRobin       Dispatch = "round-robin"
	FirstAvailable   Dispatch = "first-available"
)

// Method says who checks the passwords of a tenant.
type Method string

// The sign-in methods.
const (
	PassThrough Method = "pass-through"
	HashSync    Method = "hash-sync"
	Federated   Method = "federation"
)

// Fallback says whether hash sync answers when pass-through fails.
type Fallback string

// The fallback policies.
const (
	FallbackAutomatic Fallback = "automatic"
	FallbackNoneLeft  Fallback = "none-left" // only while no connector is there
	FallbackManual    Fallback = "manual"
	FallbackOff       Fallback = "off"
)

// Arrivals is the process by which sign-ins arrive.
type Arrivals string

// The arrival processes.
const (
	Poisson  Arrivals = "poisson"
	Constant Arrivals = "constant"
)

// Connections says how the clients' connections are used.
type Connections string

// The ways to use connections.
const (
	Pooled    Connections = "pooled"
	PerSignIn Connections = "per-sign-in"
)

// Intent is what kind of sign-in a user attempts. The words after the first
// two are states of the user, who then gives the right password.
type Intent string

// The intents.
const (
	IntentRight          Intent = "right"
	IntentWrong          Intent = "wrong" // an active user, the wrong password
	IntentOld            Intent = "old"   // an active user, the password before the last
	IntentDisabled       Intent = "disabled"
	IntentLocked         Intent = "locked"
	IntentExpired        Intent = "expired"
	IntentMustChange     Intent = "must-change"
	IntentAccountExpired Intent = "account-expired"
	IntentUnknown        Intent = "unknown"
)

// FaultKind names a fault.
type FaultKind string

// The kinds of fault.
const (
	Crash             FaultKind = "crash"      // SIGKILL, started again afterwards
	Freeze            FaultKind = "freeze"     // SIGSTOP, SIGCONT afterwards
	Stop              FaultKind = "stop"       // SIGTERM: drains; started again afterwards
	PowerLoss         FaultKind = "power-loss" // its packets are dropped, then SIGKILL: nobody says goodbye
	LimitCPU          FaultKind = "limit-cpu"
	LimitMemory       FaultKind = "limit-memory"
	Block             FaultKind = "block"   // ports of the cloud or the directory, for some connectors; or those of one server, for all
	Degrade           FaultKind = "degrade" // delay, jitter, bandwidth, loss on such ports
	SlowDirectory     FaultKind = "slow-directory"
	RefusingDirectory FaultKind = "refusing-directory" // answers binds: unavailable
	HangingDirectory  FaultKind = "hanging-directory"  // takes binds and does not answer them
	CrowdedDirectory  FaultKind = "crowded-directory"  // a limit of connections
	SlowADFS          FaultKind = "slow-adfs"
	RefusingADFS      FaultKind = "refusing-adfs" // answers: not now
	HangingADFS       FaultKind = "hanging-adfs"
	StaleHashes       FaultKind = "stale-hashes"   // the hash store is as it was some time ago
	MissingHashes     FaultKind = "missing-hashes" // it lacks a share of the users
	Revoke            FaultKind = "revoke"         // the operator revokes its certificate; registered again afterwards
	AddConnector      FaultKind = "add-connector"  // a further connector registers, or tries to
	PublishUpdate     FaultKind = "publish-update" // a version of the connector is offered for a while
	Nemesis           FaultKind = "nemesis"        // random faults within a budget
)

// BlockMode is what a blocked port does.
type BlockMode string

// The modes of a block. Drop and Reject are the kernel's.
const (
	Refuse BlockMode = "refuse"
	Reset  BlockMode = "reset"
	Stall  BlockMode = "stall"
	Drop   BlockMode = "drop"
	Reject BlockMode = "reject"
)

// Direction is which way a port is blocked or degraded, as the connector sees
// it.
type Direction string

// The directions.
const (
	Both     Direction = "both"
	Outbound Direction = "out" // what the connector sends
	Inbound  Direction = "in"  // what it is sent
)

// Means is what injects a fault where there is a choice.
type Means string

// The means.
const (
	ByGate   Means = "gate"   // the simulator's own listeners; needs no privilege
	ByKernel Means = "kernel" // nftables
	ByEither Means = "either" // the kernel where it is to be had, else the gate
)

// OnNoList is what connectors do when nothing is known of a certificate of
// the cloud.
type OnNoList string

// What they can do.
const (
	HardFail    OnNoList = "hard" // refuse the connection
	SoftFail    OnNoList = "soft" // warn
	NoListCheck OnNoList = "off"
)

// Preset is the documented behaviour of a product.
type Preset string

// The presets.
const (
	PresetDefault Preset = "default"
	PresetEntra   Preset = "entra"
	PresetOkta    Preset = "okta"
	PresetPingOne Preset = "pingone"
)

// Network is where the processes of a run meet.
type Network string

// The networks.
const (
	Loopback   Network = "loopback"
	Namespaces Network = "namespaces" // one for each connector, with the real port numbers
)

// Unit is what the value of an objective is measured in.
type Unit string

// The units.
const (
	Count     Unit = "count"
	Time      Unit = "ns"
	Ratio     Unit = "ratio"
	PerSecond Unit = "per_s"
)

func (Dispatch) words() []string {
	return words(LeastOutstanding, Random, RoundRobin, FirstAvailable)
}
func (Method) words() []string { return words(PassThrough, HashSync, Federated) }
func (Fallback) words() []string {
	return words(FallbackAutomatic, FallbackNoneLeft, FallbackManual, FallbackOff)
}
func (Arrivals) words() []string    { return words(Poisson, Constant) }
func (Connections) words() []string { return words(Pooled, PerSignIn) }
func (Intent) words() []string {
	return words(IntentRight, IntentWrong, IntentOld, IntentDisabled, IntentLocked, IntentExpired, IntentMustChange, IntentAccountExpired, IntentUnknown)
}
func (FaultKind) words() []string {
	return words(Crash, Freeze, Stop, PowerLoss, LimitCPU, LimitMemory, Block, Degrade, SlowDirectory,
		RefusingDirectory, HangingDirectory, CrowdedDirectory, SlowADFS, RefusingADFS, HangingADFS, StaleHashes, MissingHashes, Revoke, AddConnector, PublishUpdate, Nemesis)
}
func (BlockMode) words() []string { return words(Refuse, Reset, Stall, Drop, Reject) }
func (Direction) words() []string { return words(Both, Outbound, Inbound) }
func (Means) words() []string     { return words(ByGate, ByKernel, ByEither) }
func (OnNoList) words() []string  { return words(HardFail, SoftFail, NoListCheck) }
func (Preset) words() []string    { return words(PresetDefault, PresetEntra, PresetOkta, PresetPingOne) }
func (Network) words() []string   { return words(Loopback, Namespaces) }

func words[T ~string](values ...T) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = string(v)
	}
	return all
}
