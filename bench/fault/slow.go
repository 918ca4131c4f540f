package fault

import "ptabench/observe"

// newSlow delays the answer to every bind, or of federation servers to every
// sign-in.
func newSlow(s scene) *binds {
	return newBinds(s, observe.BindFault{Mode: observe.BindSlow, DelayNS: int64(s.fault.Delay)})
}
