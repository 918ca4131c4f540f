package fault

import "ptabench/observe"

// newRefusing has the directory answer binds: unavailable.
func newRefusing(s scene) *binds {
	return newBinds(s, observe.BindFault{Mode: observe.BindRefuse})
}
