package scenarios

import (
	"reflect"
	"slices"
	"strings"
)

// A faultKind says what one kind of fault acts on and which settings it takes;
// others it must not have.
type faultKind struct {
	targets []string // oneConnector and the like stand for each of them
	target  string   // when none is written; empty when one must be
	needs   []string
	allows  []string
}

// The targets of groups of kinds.
var (
	processes     = []string{oneConnector, AllConnectors, DirectoryTarget, oneDirectory, CloudTarget, oneADFS, ADFSTarget, BalancerTarget, HashSyncTarget, CheckerTarget, AllTarget}
	connectors    = []string{oneConnector, AllConnectors}
	withPorts     = []string{oneConnector, AllConnectors, DirectoryTarget, oneDirectory, oneADFS, ADFSTarget}
	directories   = []string{DirectoryTarget, oneDirectory}
	adfs          = []string{oneADFS, ADFSTarget}
	onlyHashStore = []string{HashStoreTarget}
	onlyNewcomer  = []string{Newcomer}
)

var kinds = map[FaultKind]faultKind{
	Crash:       {targets: processes},
	Freeze:      {targets: processes},
	Stop:        {targets: processes},
	PowerLoss:   {targets: connectors},
	LimitCPU:    {targets: processes, needs: []string{"cpu"}},
	LimitMemory: {targets: processes, needs: []string{"memory"}},

	Block:   {targets: withPorts, needs: []string{"ports", "mode"}, allows: []string{"direction", "by", "register"}},
	Degrade: {targets: withPorts, needs: []string{"ports"}, allows: []string{"direction", "by", "delay", "jitter", "bandwidth", "loss"}},

	SlowDirectory:     {targets: directories, target: DirectoryTarget, needs: []string{"delay"}, allows: []string{"only"}},
	RefusingDirectory: {targets: directories, target: DirectoryTarget, allows: []string{"only"}},
	HangingDirectory:  {targets: directories, target: DirectoryTarget, allows: []string{"only"}},
	CrowdedDirectory:  {targets: directories, target: DirectoryTarget, needs: []string{"connections"}, allows: []string{"only"}},

	SlowADFS:     {targets: adfs, target: ADFSTarget, needs: []string{"delay"}},
	RefusingADFS: {targets: adfs, target: ADFSTarget},
	HangingADFS:  {targets: adfs, target: ADFSTarget},

	StaleHashes:   {targets: onlyHashStore, target: HashStoreTarget, needs: []string{"age"}},
	MissingHashes: {targets: onlyHashStore, target: HashStoreTarget, needs: []string{"share"}},

	Revoke:        {targets: connectors},
	PublishUpdate: {targets: []string{CloudTarget}, target: CloudTarget, allows: []string{"version", "flaw"}},

	AddConnector: {targets: onlyNewcomer, target: Newcomer, allows: []string{"host"}},

	Nemesis: {targets: []string{AllConnectors}, target: AllConnectors, allows: []string{"kinds", "budget", "seed"}},
}

// nemesisKinds are what a nemesis may do, and what it does unless it is told.
var (
	nemesisKinds    = []FaultKind{Crash, Freeze, Stop, PowerLoss, Block, SlowDirectory}
	nemesisStandard = []FaultKind{Crash, Freeze, Block}
)

// minNemesis is how long a nemesis must last to do anything.
const minNemesis = nemesisShortest

// faultSettings are the fields of a fault that its line has in the brackets
// after the target: those from ports on.
var faultSettings = func() []*field {
	info := structOf(reflect.TypeFor[Fault]())
	return info.fields[slices.Index(info.names, "ports"):]
}()

func isSetting(name string) bool {
	return slices.ContainsFunc(faultSettings, func(f *field) bool { return f.name == name })
}

// takes says whether the kind has a setting.
func (k faultKind) takes(setting string) bool {
	return slices.Contains(k.needs, setting) || slices.Contains(k.allows, setting)
}

// settingForms are what a setting that is missing should have been.
var settingForms = map[string]string{
	"ports":       "the ports, such as requests, responses or 9350",
	"mode":        oneOf(Refuse.words()),
	"delay":       "a duration to add to each bind or sign-in, such as 200ms",
	"cpu":         "a share of one processor, such as 10%",
	"memory":      bytesForm,
	"connections": "how many connections it serves, such as 10",
	"age":         "how old the hash store is, such as 1h",
	"share":       "the share of users without a hash, such as 5%",
}

// A flaw is something wrong with one field of a fault.
type flaw struct{ field, value, expected string }

// blamed are the fields whose mistakes make others look wrong.
var blamed = map[string][]string{
	"until":  {"every"},
	"delay":  {"bandwidth", "loss"},
	"jitter": {"delay"},
	"by":     {"loss", "mode"},
	"settle": {"for", "expect"},
}

// flaws checks what can be said of a fault on its own, but for the fields that
// are bad already and what follows from that. Its target is set.
func (f Fault) flaws(bad func(field string) bool) []flaw {
	return slices.DeleteFunc(f.allFlaws(), func(wrong flaw) bool {
		return bad(wrong.field) || slices.ContainsFunc(blamed[wrong.field], bad)
	})
}

func (f Fault) allFlaws() []flaw {
	kind, known := kinds[f.Kind]
	if !known {
		return nil // the kind itself has been complained about
	}
	var all []flaw
	v := reflect.ValueOf(f)
	for _, setting := range faultSettings {
		given := !v.Field(setting.index).IsZero()
		switch {
		case slices.Contains(kind.needs, setting.name) && !given:
			all = append(all, flaw{setting.name, "missing", settingForms[setting.name]})
		case !kind.takes(setting.name) && given:
			all = append(all, flaw{setting.name, "given for " + string(f.Kind), "it only for " + kindsWith(setting.name)})
		}
	}
	switch {
	case f.Target == "":
		all = append(all, flaw{"target", "missing", kind.targetForm()})
	case !kind.acceptsTarget(f.Target):
		all = append(all, flaw{"target", f.Target, kind.targetForm() + " for " + string(f.Kind)})
	}
	all = append(all, f.timeFlaws()...)
	all = append(all, f.expectFlaws()...)
	switch f.Kind {
	case Block:
		all = append(all, f.blockFlaws()...)
		if f.Direction != "" && f.Mode != "" && f.Mode != Stall && f.Mode != Drop {
			all = append(all, flaw{"direction", "given for mode " + string(f.Mode), "it only for stall or drop: the others end connections, both ways"})
		}
	case Degrade:
		all = append(all, f.degradeFlaws()...)
	case Nemesis:
		all = append(all, f.nemesisFlaws()...)
	}
	all = append(all, f.portFlaws()...)
	if f.Host != "" && connectorNumber(f.Host) == 0 {
		all = append(all, flaw{"host", f.Host, "a connector such as connector-1"})
	}
	if f.Only != "" && connectorNumber(f.Only) == 0 {
		all = append(all, flaw{"only", f.Only, "a connector such as connector-1"})
	}
	return all
}

// timeFlaws checks when the fault is on.
func (f Fault) timeFlaws() []flaw {
	var all []flaw
	if f.After != "" && f.With != "" {
		all = append(all, flaw{"with", f.With, "after or with, one of them"})
	}
	if f.Every != 0 && f.For != 0 && f.Every <= f.For {
		all = append(all, flaw{"every", f.Every.String(), "more than " + f.For.String() + ", which each repetition lasts"})
	}
	if f.Until != 0 && f.Every == 0 {
		all = append(all, flaw{"until", f.Until.String(), "every beside it, which says how often to repeat until then"})
	}
	if f.Until != 0 && !f.relative() && f.Until <= f.At {
		all = append(all, flaw{"until", f.Until.String(), "more than " + f.At.String() + ", when the first begins"})
	}
	return all
}

// portFlaws checks whose ports are broken.
func (f Fault) portFlaws() []flaw {
	if !f.ofPorts() || len(f.Ports) == 0 {
		return nil
	}
	own := f.ownPort()
	var all []flaw
	switch {
	case own != "" && (len(f.Ports) > 1 || f.Ports[0] != own):
		all = append(all, flaw{"ports", strings.Join(portRanges(f.Ports), ", "), own + ", the port of " + f.Target})
	case own == "" && slices.Contains(f.Ports, httpsPort):
		all = append(all, flaw{"ports", httpsPort, "it only for federation servers, such as adfs-1"})
	case slices.Contains(f.Ports, ldapsPort) && len(f.Ports) > 1:
		all = append(all, flaw{"ports", "ldaps and ports of the cloud", "one of them: two faults can break both, the second with the first"})
	}
	if own == "" {
		return all
	}
	// The kernel's rules tell peers apart by address, and those of a server
	// are all the same.
	if _, kernel := f.means(); kernel && f.Kind == Block {
		all = append(all, flaw{"mode", string(f.Mode), "refuse, reset or stall for " + f.Target + ", whose peers the kernel cannot tell apart"})
	} else if kernel {
		all = append(all, flaw{"by", "kernel", "gate, for " + f.Target + ", whose peers the kernel cannot tell apart"})
	}
	if f.Register {
		all = append(all, flaw{"register", "given for " + f.Target, "it only for connectors"})
	}
	return all
}

// ownPort is the port of a server that is itself the target of a fault of
// ports; empty when connectors are, and the ports are those they dial.
func (f Fault) ownPort() string {
	switch {
	case within(f.Target, DirectoryTarget):
		return ldapsPort
	case within(f.Target, ADFSTarget):
		return httpsPort
	}
	return ""
}

// blockFlaws checks by what a port is blocked.
func (f Fault) blockFlaws() []flaw {
	kernel := f.Mode == Drop || f.Mode == Reject
	switch {
	case f.By == "" || f.Mode == "" || f.By == ByKernel && kernel:
	case f.By == ByEither && !kernel:
		return []flaw{{"by", "either for mode " + string(f.Mode), "mode drop or reject beside it: the others are the gate's anyway"}}
	case f.By != ByEither:
		return []flaw{{"by", string(f.By), "either, or nothing: mode refuse, reset or stall is the gate's, drop and reject are the kernel's"}}
	}
	return nil
}

func (f Fault) degradeFlaws() []flaw {
	var all []flaw
	if f.By == ByEither {
		all = append(all, flaw{"by", string(f.By), "kernel or gate: loss is not the same by either"})
	}
	if f.Delay == 0 && f.Bandwidth == 0 && f.Loss == 0 {
		all = append(all, flaw{"delay", "missing", "delay, bandwidth or loss: without them nothing is degraded"})
	}
	if f.Jitter > f.Delay {
		all = append(all, flaw{"jitter", f.Jitter.String(), "at most the delay, which is " + f.Delay.String()})
	}
	if f.By != "" && f.Loss == 0 {
		all = append(all, flaw{"by", string(f.By), "it only with loss: delay and bandwidth are the gate's"})
	}
	return all
}

func (f Fault) nemesisFlaws() []flaw {
	var all []flaw
	if f.Every != 0 {
		all = append(all, flaw{"every", f.Every.String(), "it not for nemesis, which goes on for as long as it lasts"})
	}
	if f.For != 0 && f.For < minNemesis {
		all = append(all, flaw{"for", f.For.String(), "at least " + minNemesis.String() + " for nemesis: its faults last that long"})
	}
	for i, kind := range f.Kinds {
		if slices.Contains(f.Kinds[:i], kind) {
			all = append(all, flaw{"kinds", string(kind) + " twice", "each kind once"})
		}
	}
	return all
}

// acceptsTarget says whether the kind can act on the target.
func (k faultKind) acceptsTarget(target string) bool {
	if m, n := memberOf(target); n > 0 {
		return slices.Contains(k.targets, m.stands)
	}
	return slices.Contains(k.targets, target) && !slices.ContainsFunc(members, func(m member) bool { return m.stands == target })
}

// targetForm lists what the kind acts on.
func (k faultKind) targetForm() string {
	all := slices.Clone(k.targets)
	for i, target := range all {
		for _, m := range members {
			switch {
			case target != m.stands:
			case target == oneConnector:
				all[i] = "a connector such as connector-1"
			default:
				all[i] = m.name(1)
			}
		}
	}
	return oneOf(all)
}

// example is a target of the kind.
func (k faultKind) example() string {
	for _, m := range members {
		if m.stands == k.targets[0] {
			return m.name(1)
		}
	}
	return k.targets[0]
}

// settingsForm says what may stand in the brackets after the target.
func (k faultKind) settingsForm(kind FaultKind) string {
	var all []string
	for _, setting := range faultSettings {
		if k.takes(setting.name) {
			all = append(all, setting.name+"=")
		}
	}
	if len(all) == 0 {
		return "no settings: " + string(kind) + " has none"
	}
	return oneOf(all) + " with its value"
}

// kindsWith lists the kinds that take a setting.
func kindsWith(setting string) string {
	var all []string
	for _, kind := range Crash.words() {
		if kinds[FaultKind(kind)].takes(setting) {
			all = append(all, kind)
		}
	}
	return oneOf(all)
}

// targetPattern is every target there is, for the rule of the field.
func targetPattern() string {
	return `^((connector|directory|adfs)-[1-9][0-9]{0,3}|` + strings.Join([]string{AllConnectors, DirectoryTarget, CloudTarget,
		ADFSTarget, BalancerTarget, HashSyncTarget, CheckerTarget, AllTarget, HashStoreTarget, Newcomer}, "|") + `)$`
}
