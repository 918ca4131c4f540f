package fault

import "ptabench/observe"

// newMissing has the hash store lack a share of the users.
func newMissing(s scene) *hashes {
	return newHashes(s, observe.HashFault{Missing: float64(s.fault.Share)})
}
