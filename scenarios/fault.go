package scenarios

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The targets of a fault that are not one connector.
const (
	AllConnectors   = "connectors"
	DirectoryTarget = "directory"
)

// A faultKind says what one kind of fault acts on and which fields it needs
// besides target, at and for; the others it must not have.
type faultKind struct {
	connectors, directory bool
	needs                 []string
}

var kinds = map[FaultKind]faultKind{
	Crash:         {connectors: true, directory: true},
	Freeze:        {connectors: true, directory: true},
	Stop:          {connectors: true, directory: true},
	Block:         {connectors: true, needs: []string{"ports", "mode"}},
	SlowDirectory: {directory: true, needs: []string{"delay"}},
}

// String is the line that ParseFault reads back: kind, target and settings in
// brackets, then when and how long. A name is added when it is not of the form
// that faults without one get.
func (f Fault) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s(%s", f.Kind, f.Target)
	if len(f.Ports) > 0 {
		fmt.Fprintf(&b, ", ports=%s", strings.Join(portRanges(f.Ports), ","))
	}
	if f.Mode != "" {
		fmt.Fprintf(&b, ", mode=%s", f.Mode)
	}
	if f.Delay != 0 {
		fmt.Fprintf(&b, ", delay=%s", f.Delay)
	}
	fmt.Fprintf(&b, ") at %s for %s", f.At, f.For)
	if f.Name != "" && !f.defaultNamed() {
		fmt.Fprintf(&b, " as %s", f.Name)
	}
	return b.String()
}

// defaultNamed says whether the name is a kind and a number.
func (f Fault) defaultNamed() bool {
	number, ok := strings.CutPrefix(f.Name, string(f.Kind)+"-")
	n, err := strconv.Atoi(number)
	return ok && err == nil && n > 0 && strconv.Itoa(n) == number
}

// End is when the fault is undone.
func (f Fault) End() Duration { return f.At + f.For }

func connectorName(n int) string { return "connector-" + strconv.Itoa(n) }

// connectorNumber is the N of connector-N, 0 when target is no such name.
func connectorNumber(target string) int {
	number, ok := strings.CutPrefix(target, "connector-")
	n, err := strconv.Atoi(number)
	if !ok || err != nil || n < 1 || connectorName(n) != target {
		return 0
	}
	return n
}

// A flaw is something wrong with one field of a fault.
type flaw struct{ field, value, expected string }

// flaws checks what can be said of a fault on its own. Its target is set.
func (f Fault) flaws() []flaw {
	kind, known := kinds[f.Kind]
	if !known {
		return nil // the kind itself has been complained about
	}
	var all []flaw
	given := map[string]bool{"ports": len(f.Ports) > 0, "mode": f.Mode != "", "delay": f.Delay != 0}
	forms := map[string]string{
		"ports": "the ports to block, such as requests, responses or 9350",
		"mode":  oneOf(Refuse.words()),
		"delay": "a duration to add to each bind, such as 200ms",
	}
	for _, field := range []string{"ports", "mode", "delay"} {
		switch needed := slices.Contains(kind.needs, field); {
		case needed && !given[field]:
			all = append(all, flaw{field, "missing", forms[field]})
		case !needed && given[field]:
			all = append(all, flaw{field, "given for " + string(f.Kind), "it only for " + kindThatNeeds(field)})
		}
	}
	onDirectory := f.Target == DirectoryTarget
	switch {
	case f.Target == "":
		all = append(all, flaw{"target", "missing", kind.targets()})
	case onDirectory && !kind.directory, !onDirectory && !kind.connectors:
		all = append(all, flaw{"target", f.Target, kind.targets() + " for " + string(f.Kind)})
	}
	return all
}

func (k faultKind) targets() string {
	var all []string
	if k.connectors {
		all = append(all, "a connector such as connector-1", AllConnectors)
	}
	if k.directory {
		all = append(all, DirectoryTarget)
	}
	return oneOf(all)
}

func kindThatNeeds(field string) string {
	for name, kind := range kinds {
		if slices.Contains(kind.needs, field) {
			return string(name)
		}
	}
	return ""
}

// conflict says what two faults both act on, so that the undo of one would
// undo the other; empty when nothing.
func (f Fault) conflict(other Fault) string {
	if (f.Kind == Block) != (other.Kind == Block) {
		return ""
	}
	shared := f.Target
	switch {
	case f.Target == other.Target:
	case f.Target == AllConnectors && connectorNumber(other.Target) > 0:
		shared = other.Target
	case other.Target == AllConnectors && connectorNumber(f.Target) > 0:
	default:
		return ""
	}
	if f.Kind != Block {
		return shared
	}
	for _, port := range f.Ports {
		if slices.Contains(other.Ports, port) {
			return "port " + port + " of " + shared
		}
	}
	return ""
}
