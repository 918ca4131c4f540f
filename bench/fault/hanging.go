package fault

import "ptabench/observe"

// newHanging has the directory keep binds until the fault is over.
func newHanging(s scene) *binds {
	return newBinds(s, observe.BindFault{Mode: observe.BindHang})
}
