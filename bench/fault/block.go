package fault

import (
	"sync"

	"ptabench/bench/fault/kernel"
	"ptabench/observe"
	"ptabench/scenarios"
)

// newBlock breaks ports for all connectors or one: drop and reject are the
// kernel's, the other modes a gate's. By either, what the kernel cannot be had
// for is the gate's: bytes that are held are as silent as packets dropped, and
// a reset is as definite as a rejection.
func newBlock(s scene) (leaf, Tier) {
	mode := s.fault.Mode
	if s.fault.By == scenarios.ByEither && s.noKernel() != nil {
		mode = byGate[mode]
	}
	switch mode {
	case scenarios.Drop, scenarios.Reject:
		return &ruled{scene: s, rule: kernel.Rule{ID: s.id, Direction: way(s.fault), Verdict: kernel.Verdict(mode)}}, TierKernel
	}
	return newGated(s, observe.Gate{Mode: observe.GateMode(mode)}), TierGate
}

// byGate are the modes that come nearest to those of the kernel.
var byGate = map[scenarios.BlockMode]scenarios.BlockMode{scenarios.Drop: scenarios.Stall, scenarios.Reject: scenarios.Refuse}

// noKernel is why the kernel has no rules for this process, nil when it has.
func (s scene) noKernel() error {
	if s.kernel != nil {
		return s.kernel()
	}
	return kernelToBeHad()
}

// kernelToBeHad says once why the kernel has no rules for this process.
var kernelToBeHad = sync.OnceValue(kernel.Supported)
