package fault

import (
	"fmt"

	"ptabench/observe"
)

// newStale has the hash store be as it was some time ago: users who changed
// their password since have their former one's hash.
func newStale(s scene) *hashes {
	h := newHashes(s, observe.HashFault{})
	h.complete = func(put *observe.HashFault) error {
		if put.Changed = s.ChangedUsers(s.fault.Age); put.Changed == 0 {
			return fmt.Errorf("age %v: no user changed the password within it: expected more of population.password_changes", s.fault.Age)
		}
		return nil
	}
	return h
}
