package scenarios

import "slices"

// conflict says why two faults cannot be on at the same time: the undo of one
// would undo the other, or could not be done. It is empty when they can.
func (f Fault) conflict(other Fault) string {
	shared := ""
	switch {
	case f.ofProcess() && other.ofProcess():
		shared = sharedTarget(f.Target, other.Target)
	case f.ofPorts() && other.ofPorts():
		shared = f.sharedPort(other)
	case f.ofBinds() && f.Kind == other.Kind:
		if shared = sharedTarget(f.Target, other.Target); shared != "" && within(shared, DirectoryTarget) {
			shared = sharedOnly(f.Only, other.Only)
		}
	case f.Target == HashStoreTarget && f.Kind == other.Kind:
		shared = "the hash store"
	case f.Kind == PublishUpdate && f.Kind == other.Kind:
		shared = "the version that is offered"
	case f.newcomer() && other.newcomer():
		return "both start a newcomer, and there is one at a time"
	}
	if shared != "" {
		return "both act on " + shared + ", and one would undo the other"
	}
	for _, pair := range [][2]Fault{{f, other}, {other, f}} {
		if setting, process := pair[0], pair[1]; process.interrupts(setting.holder()) {
			return setting.holder() + " holds what " + string(setting.Kind) + " sets, and " + string(process.Kind) + " takes that away or keeps it from being undone"
		}
	}
	return ""
}

// ofProcess says whether the fault acts on processes.
func (f Fault) ofProcess() bool {
	return slices.Contains([]FaultKind{Crash, Freeze, Stop, PowerLoss, LimitCPU, LimitMemory, Revoke}, f.Kind) || bool(f.Register)
}

// newcomer says whether the fault starts one, or something expected of it does.
func (f Fault) newcomer() bool { return f.Kind == AddConnector || f.ExpectsNewcomer() }

// ofPorts says whether it acts on ports between connectors and a role.
func (f Fault) ofPorts() bool { return f.Kind == Block || f.Kind == Degrade }

// ofBinds says whether it changes how the directory treats binds, or a
// federation server sign-ins.
func (f Fault) ofBinds() bool {
	return slices.Contains([]FaultKind{SlowDirectory, RefusingDirectory, HangingDirectory, CrowdedDirectory}, f.Kind) || f.OfADFS()
}

// OfADFS says whether it changes how federation servers treat sign-ins.
func (f Fault) OfADFS() bool {
	return slices.Contains([]FaultKind{SlowADFS, RefusingADFS, HangingADFS}, f.Kind)
}

// means says by what a fault of ports is made; both may be true.
func (f Fault) means() (gate, kernel bool) {
	switch {
	case f.Kind == Block:
		kernel = f.Mode == Drop || f.Mode == Reject
		return !kernel || f.By == ByEither, kernel
	case f.Kind == Degrade:
		kernel = f.Loss != 0 && f.By != ByGate
		return f.Delay != 0 || f.Bandwidth != 0 || f.Loss != 0 && !kernel, kernel
	}
	return false, false
}

// holder is the process that holds what the fault sets, and forgets it when it
// ends; empty when none does.
func (f Fault) holder() string {
	gate, _ := f.means()
	switch {
	case f.ofBinds(), gate && f.ownPort() != "":
		return f.Target
	case gate && slices.Contains(f.Ports, ldapsPort), f.Target == HashStoreTarget:
		return DirectoryTarget
	case gate:
		return CloudTarget
	}
	return ""
}

// interrupts says whether the fault may end a process, or keep it from
// answering. One with less of a processor still answers.
func (f Fault) interrupts(process string) bool {
	return process != "" && f.ofProcess() && f.Kind != LimitCPU && sharedTarget(f.Target, process) != ""
}

// sharedTarget is what two targets have in common, empty when nothing.
func sharedTarget(a, b string) string {
	switch {
	case within(a, b):
		return a
	case within(b, a):
		return b
	}
	return ""
}

// sharedPort is a port on which both faults act by the same means, and whose.
func (f Fault) sharedPort(other Fault) string {
	shared := sharedTarget(f.Target, other.Target)
	// What connectors dial and a server's own port are the same listeners.
	if f.ownPort() == ldapsPort && slices.Contains(other.Ports, ldapsPort) && shared == "" {
		shared = f.Target
	} else if other.ownPort() == ldapsPort && slices.Contains(f.Ports, ldapsPort) && shared == "" && f.ownPort() == "" {
		shared = other.Target
	}
	gate, kernel := f.means()
	otherGate, otherKernel := other.means()
	if shared == "" || !(gate && otherGate || kernel && otherKernel) {
		return ""
	}
	for _, port := range f.Ports {
		if slices.Contains(other.Ports, port) {
			return "port " + port + " of " + shared
		}
	}
	return ""
}

// sharedOnly is whose binds two faults of the directory both change; empty
// when nobody's. A fault without such a limit changes everybody's.
func sharedOnly(a, b string) string {
	switch {
	case a == "" && b == "":
		return "all binds"
	case a == "" || a == b:
		return "the binds of " + b
	case b == "":
		return "the binds of " + a
	}
	return ""
}
