package fault

import (
	"ptabench/bench/fault/kernel"
	"ptabench/observe"
	"ptabench/scenarios"
)

// newBlock breaks ports for all connectors or one: drop and reject are the
// kernel's, the other modes a gate's.
func newBlock(s scene) (leaf, Tier) {
	switch s.fault.Mode {
	case scenarios.Drop, scenarios.Reject:
		return &ruled{scene: s, rule: kernel.Rule{ID: s.id, Direction: way(s.fault), Verdict: kernel.Verdict(s.fault.Mode)}}, TierKernel
	}
	return newGated(s, observe.Gate{Mode: observe.GateMode(s.fault.Mode)}), TierGate
}
