package fault

import "ptabench/observe"

// newCrowded has the directory serve so many connections and close the rest.
func newCrowded(s scene) *binds {
	return newBinds(s, observe.BindFault{Mode: observe.BindCrowded, Connections: s.fault.Connections})
}
