package fault

import "ptabench/bench/fault/cgroup"

// newLimitMemory has the kernel kill each process of the target that holds
// more than so much.
func newLimitMemory(s scene) *limit {
	return &limit{scene: s, kind: cgroup.Memory, limit: cgroup.Limit{Memory: int64(s.fault.Memory)}}
}
