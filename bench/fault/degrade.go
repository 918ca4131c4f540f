package fault

import (
	"hash/fnv"

	"ptabench/bench/fault/kernel"
	"ptabench/observe"
	"ptabench/scenarios"
)

// newDegrade makes ports worse for all connectors or one: delay, jitter and
// bandwidth by a gate, loss by the kernel unless the fault says by=gate.
func newDegrade(s scene) (leaf, Tier) {
	f := s.fault
	gate := observe.Gate{
		Mode:    observe.GateDegrade,
		DelayNS: int64(f.Delay), JitterNS: int64(f.Jitter), BitsPerS: float64(f.Bandwidth),
		Seed: seedOf(f),
	}
	byKernel := f.Loss > 0 && f.By != scenarios.ByGate
	if !byKernel {
		gate.LossRatio = float64(f.Loss)
		return newGated(s, gate), TierGate
	}
	loss := &ruled{scene: s, rule: kernel.Rule{ID: s.id, Direction: way(f), Verdict: kernel.Drop, Loss: float64(f.Loss)}}
	if f.Delay == 0 && f.Jitter == 0 && f.Bandwidth == 0 {
		return loss, TierKernel
	}
	return together{newGated(s, gate), loss}, TierGateAndKernel
}

// seedOf has equal faults choose equally.
func seedOf(f scenarios.Fault) uint64 {
	h := fnv.New64a()
	h.Write([]byte(f.String()))
	return h.Sum64()
}
