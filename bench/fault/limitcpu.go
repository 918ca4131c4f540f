package fault

import "ptabench/bench/fault/cgroup"

// newLimitCPU gives each process of the target a share of a processor.
func newLimitCPU(s scene) *limit {
	return &limit{scene: s, kind: cgroup.CPU, limit: cgroup.Limit{CPU: float64(s.fault.CPU)}}
}
