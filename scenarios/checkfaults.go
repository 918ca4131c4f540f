package scenarios

import (
	"fmt"
	"slices"
	"strings"
)

// nameFaults gives faults without a name their kind and its number, and those
// with other mistakes too: whoever refers to them makes none.
func (d *decoder) nameFaults(s *Scenario) {
	numbers := map[FaultKind]int{}
	taken := map[string]int{}
	for i := range s.Faults {
		f, path := &s.Faults[i], fmt.Sprintf("faults[%d]", i)
		numbers[f.Kind]++
		if f.Kind == "" || d.below[path+".name"] {
			continue
		}
		if f.Name == "" {
			f.Name = fmt.Sprintf("%s-%d", f.Kind, numbers[f.Kind])
		}
		if first, twice := taken[f.Name]; twice {
			d.wrong(path+".name", f.Name, fmt.Sprintf("a name of its own: faults[%d] has it", first))
		} else {
			taken[f.Name] = i
		}
	}
}

// checkFaults finds what is wrong with a fault in this scenario, whatever the
// others are.
func (d *decoder) checkFaults(s *Scenario) {
	for i, f := range s.Faults {
		path := fmt.Sprintf("faults[%d]", i)
		d.checkTarget(s, f, path)
		if f.Kind == AddConnector && d.sound("connectors.count", "cloud.connector_limit", "cloud.several_per_host") &&
			s.Connectors.Count < s.Cloud.ConnectorLimit && (f.Host == "" || bool(s.Cloud.SeveralPerHost)) {
			d.wrong(path+".kind", string(f.Kind), fmt.Sprintf("a cloud that refuses the newcomer, whose answers are in nobody's books: "+
				"cloud.connector_limit as connectors.count, which is %d, or host with cloud.several_per_host off", s.Connectors.Count))
		}
		if f.Kind == StaleHashes && d.sound(path+".age", "population.users", "population.states", "population.password_changes") && f.Age != 0 && s.Population.ChangedUsers(f.Age) < 1 {
			d.wrong(path+".age", f.Age.String(), fmt.Sprintf("an age within which somebody changed their password: population.password_changes is %s", s.Population.PasswordChanges))
		}
		if f.Until != 0 && d.sound(path+".until", "load.duration") && f.Until > s.Load.Duration {
			d.wrong(path+".until", f.Until.String(), fmt.Sprintf("at most %s, when the load ends", s.Load.Duration))
		}
	}
}

// checkTarget looks for the processes that a fault names.
func (d *decoder) checkTarget(s *Scenario, f Fault, path string) {
	count, counted := s.Connectors.Count, d.sound("connectors.count")
	switch {
	case f.Kind == Nemesis && counted && count < 2:
		d.wrong(path+".kind", string(f.Kind), fmt.Sprintf("at least 2 connectors for it: connectors.count is %d", count))
	case d.sound(path+".target") && d.targetKnown(s, f.Target) && !s.exists(f.Target):
		d.wrong(path+".target", f.Target, d.targetsOf(s, f.Kind)+": "+s.missingWhy(f.Target))
	case d.sound(path+".target", path+".kind", "directory.kind") && (f.Target != HashStoreTarget || d.syncKnown(s)):
		if value, expected := s.cannot(f); value != "" {
			d.wrong(path+".kind", value, expected)
		}
	}
	if !counted {
		return
	}
	missing := func(name string) bool { return connectorNumber(name) > count }
	if d.sound(path+".host") && missing(f.Host) {
		d.wrong(path+".host", f.Host, connectorsOf(count))
	}
	if d.sound(path+".only") && missing(f.Only) {
		d.wrong(path+".only", f.Only, connectorsOf(count))
	}
	if f.Kind == Nemesis && count >= 2 && d.sound(path+".budget") && f.Budget > count {
		d.wrong(path+".budget", fmt.Sprint(f.Budget), fmt.Sprintf("at most %d: connectors.count is %d", count, count))
	}
}

// cannot says what a directory of its kind cannot have done to it; value is
// empty when it can.
func (s *Scenario) cannot(f Fault) (value, expected string) {
	kind := s.Directory.Kind
	value = string(f.Kind)
	switch {
	case f.Target == HashStoreTarget && s.HashSync.On():
		return value, "no section hash_sync beside it: a directory that pushes its hashes by itself can push wrong ones"
	case f.Target == HashStoreTarget && kind == Outside:
		return value, "another directory.kind than external, of which no hashes are synced"
	case f.Target == HashStoreTarget, kind == Embedded:
		return "", ""
	case within(f.Target, DirectoryTarget) && f.ofBinds(), f.Kind == SlowDirectory:
		return value, "directory.kind embedded, whose binds can be changed: it is " + string(kind)
	case f.ofPorts() && slices.Contains(f.Ports, ldapsPort) && kind != Embedded:
		if gate, _ := f.means(); gate {
			return value, "directory.kind embedded, whose ports have gates, or mode drop or reject, which are the kernel's: it is " + string(kind)
		}
	case f.Kind == LimitCPU && within(f.Target, DirectoryTarget), f.Kind == LimitMemory && within(f.Target, DirectoryTarget):
		return value, "directory.kind embedded, which is one process: it is " + string(kind)
	}
	return "", ""
}

// connectorsOf lists the connectors there are.
func connectorsOf(count int) string {
	switch count {
	case 0:
		return "no connector: connectors.count is 0"
	case 1:
		return "connector-1: connectors.count is 1"
	}
	return fmt.Sprintf("connector-1 to connector-%d: connectors.count is %d", count, count)
}

// targetsOf lists the targets that there surely are for a kind.
func (d *decoder) targetsOf(s *Scenario, kind FaultKind) string {
	var all []string
	for _, target := range kinds[kind].targets {
		i := slices.IndexFunc(members, func(m member) bool { return m.stands == target })
		if i < 0 {
			if d.targetKnown(s, target) && s.exists(target) {
				all = append(all, target)
			}
			continue
		}
		m := members[i]
		if !d.targetKnown(s, m.name(1)) {
			continue
		}
		switch n := s.several(m); {
		case n > 1:
			all = append(all, fmt.Sprintf("%s to %s", m.name(1), m.name(n)))
		case n == 1 && m.stands != oneDirectory:
			all = append(all, m.name(1))
		}
	}
	if len(all) == 0 {
		all = []string{"no " + string(kind)}
	}
	return oneOf(all)
}

// checkSchedule writes the faults out and finds the mistakes that they have
// beside each other. It returns what is placed, nil when that is not certain.
func (d *decoder) checkSchedule(s *Scenario) []Fault {
	p := s.plan(func(i int) bool { return d.placeable(s.Faults[i], fmt.Sprintf("faults[%d]", i)) })
	for _, wrong := range p.wrong {
		d.wrong(join(fmt.Sprintf("faults[%d]", wrong.index), wrong.field), wrong.value, wrong.expected)
	}
	if d.sound("load.duration") {
		d.checkEnds(p)
	}
	d.checkConflicts(p)
	if !d.sound("load.duration") || !d.timed(s) {
		return nil
	}
	return s.Schedule()
}

// timed says whether it is certain when faults begin and end, whatever they do.
// Those of a nemesis depend on all that the others do, too.
func (d *decoder) timed(s *Scenario) bool {
	for i := range s.Faults {
		for _, field := range []string{"name", "kind", "at", "after", "with", "for", "every", "until"} {
			if !d.sound(fmt.Sprintf("faults[%d].%s", i, field)) {
				return false
			}
		}
	}
	random := slices.ContainsFunc(s.Faults, func(f Fault) bool { return f.Kind == Nemesis })
	return !d.bad["faults"] && (!random || d.sound("faults", "seed", "connectors.count"))
}

// placeable says whether enough of a fault is right to compare it with others.
func (d *decoder) placeable(f Fault, path string) bool {
	for _, field := range []string{"kind", "target", "at", "after", "with", "for", "every", "until", "ports", "mode", "by", "only", "kinds", "budget", "seed"} {
		if !d.sound(path + "." + field) {
			return false
		}
	}
	return kinds[f.Kind].acceptsTarget(f.Target) &&
		(f.Kind != Nemesis || d.sound("seed", "connectors.count")) &&
		(f.Every == 0 || d.sound("load.duration"))
}

// checkEnds compares the faults with the end of the load.
func (d *decoder) checkEnds(p *plan) {
	end := p.scenario.Load.Duration
	for i, f := range p.scenario.Faults {
		at := p.starts[i]
		if at.state != found || at.to <= end {
			continue
		}
		path := fmt.Sprintf("faults[%d]", i)
		if at.from < end {
			d.wrong(path+".for", f.For.String(), fmt.Sprintf("at most %s: from %s, the load lasts until %s", end-at.from, at.from, end))
			continue
		}
		field, value := f.begins()
		d.wrong(join(path, field), value+from(at.from, f.relative()), fmt.Sprintf("less than %s, when the load ends", end))
	}
}

// begins is the field that says when a fault begins, and what it says.
func (f Fault) begins() (field, value string) {
	switch {
	case f.After != "":
		return "after", f.After
	case f.With != "":
		return "with", f.With
	}
	return "at", f.At.String()
}

// from adds the time that another fault, or a repetition, comes to.
func from(at Duration, worth bool) string {
	if !worth {
		return ""
	}
	return ", which is " + at.String()
}

// checkConflicts compares the faults that are on at the same time, each two of
// the scenario once.
func (d *decoder) checkConflicts(p *plan) {
	var on []placed
	told := map[[2]int]bool{}
	for _, later := range p.placed {
		on = slices.DeleteFunc(on, func(earlier placed) bool { return !earlier.overlaps(later.Fault) })
		for _, earlier := range on {
			pair := [2]int{earlier.index, later.index}
			if told[pair] {
				continue
			}
			why := earlier.conflict(later.Fault)
			if why == "" {
				continue
			}
			told[pair] = true
			f := p.scenario.Faults[later.index]
			field, value := f.begins()
			again := later.At != p.starts[later.index].from
			d.wrong(fmt.Sprintf("faults[%d].%s", later.index, field), value+from(later.At, again || f.relative()),
				fmt.Sprintf("more than %s, when %s ends: %s", earlier.End(), called(earlier), why))
			break
		}
		on = append(on, later)
	}
}

func called(f placed) string {
	if f.Name != "" {
		return f.Name
	}
	return fmt.Sprintf("faults[%d]", f.index)
}

// checkObjectives compares the objectives with the schedule, which is nil when
// it is not known.
func (d *decoder) checkObjectives(s *Scenario, schedule []Fault) {
	names := s.faultNames(-1)
	complete := d.sound("faults")
	exists := func(name string) bool {
		return slices.Contains(names, name) || slices.ContainsFunc(schedule, func(f Fault) bool { return f.called(name) })
	}
	for i, o := range s.Objectives {
		path := fmt.Sprintf("objectives[%d]", i)
		if !d.sound(path) {
			continue
		}
		nobodys := o.Tenant != "" && d.ofTenants(s, "name") && !slices.Contains(d.loadedNames(s), o.Tenant)
		if nobodys {
			d.add(d.at[path+".tenant"], path, o.Tenant, "a tenant that the load signs in to: "+oneOf(d.loadedNames(s)))
		}
		if o.Metric == "jain(connectors)" && s.Connectors.Count == 0 && d.sound("connectors.count") {
			d.wrong(path, o.Text, "nothing about connectors: connectors.count is 0")
		}
		fault, part := o.Fault(), ".fault"
		if fault == "" {
			fault, part = o.Window.Fault, ".window.fault"
		}
		if fault != "" && !exists(fault) {
			switch {
			case s.mayBeUnnamed(fault):
			case len(names) > 0 && (complete || !mayBePart(fault, names)):
				d.add(d.at[path+part], path, fault, "a fault of this scenario"+didYouMean(fault, names))
			case len(names) == 0 && complete:
				d.add(d.at[path+part], path, fault, "a fault of this scenario, and it has none")
			}
			continue
		}
		if !d.windowKnown(o.Window, schedule) {
			continue
		}
		if o.Window.Name != Whole && len(s.spans(o.Window, schedule)) == 0 {
			d.add(d.at[path+".window"], path, o.Window.String(), "a window that is not empty: "+s.whyEmpty(o.Window, schedule))
			continue
		}
		if !nobodys && d.sound("load.rate") {
			d.checkSamples(s, o, path, schedule)
		}
	}
}

// mayBePart says whether the name may be that of a repetition.
func mayBePart(name string, names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(name, n+"-") })
}

// whyEmpty says why a window is.
func (s *Scenario) whyEmpty(w Window, schedule []Fault) string {
	switch {
	case w.Name == Warmup:
		return "load.warmup is 0s"
	case w.Name == Steady:
		return schedule[0].Name + " begins at 0s"
	case len(schedule) == 0:
		return "there is no fault"
	case w.Name == After:
		return "when " + w.Fault + " ends another fault begins, or the load ends"
	}
	return fmt.Sprintf("load.recovery, which is %s, lasts until after the end of the load", s.Load.Recovery)
}
