package fault

import "ptabench/observe"

// newSlow delays the directory's answer to every bind.
func newSlow(s scene) *binds {
	return newBinds(s, observe.BindFault{Mode: observe.BindSlow, DelayNS: int64(s.fault.Delay)})
}
