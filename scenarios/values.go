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
)

// Fallback says whether hash sync answers when pass-through fails.
type Fallback string

// The fallback policies.
const (
	FallbackAutomatic Fallback = "automatic"
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
	Crash         FaultKind = "crash"  // SIGKILL, started again afterwards
	Freeze        FaultKind = "freeze" // SIGSTOP, SIGCONT afterwards
	Stop          FaultKind = "stop"   // SIGTERM: drains; started again afterwards
	Block         FaultKind = "block"  // ports of the cloud, for some connectors
	SlowDirectory FaultKind = "slow-directory"
)

// BlockMode is what a blocked port does.
type BlockMode string

// The modes of a block.
const (
	Refuse BlockMode = "refuse"
	Reset  BlockMode = "reset"
	Stall  BlockMode = "stall"
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
func (Method) words() []string      { return words(PassThrough, HashSync) }
func (Fallback) words() []string    { return words(FallbackAutomatic, FallbackManual, FallbackOff) }
func (Arrivals) words() []string    { return words(Poisson, Constant) }
func (Connections) words() []string { return words(Pooled, PerSignIn) }
func (Intent) words() []string {
	return words(IntentRight, IntentWrong, IntentDisabled, IntentLocked, IntentExpired, IntentMustChange, IntentAccountExpired, IntentUnknown)
}
func (FaultKind) words() []string { return words(Crash, Freeze, Stop, Block, SlowDirectory) }
func (BlockMode) words() []string { return words(Refuse, Reset, Stall) }

func words[T ~string](values ...T) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = string(v)
	}
	return all
}
