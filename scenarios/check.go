package scenarios

import (
	"fmt"
	"math"
	"slices"

	"ptabench/population"
)

// maxSignIns is how many sign-ins a run may plan. They are numbered with 32
// bits, in samples and in client request ids; random arrivals need some room.
const maxSignIns = 4_200_000_000

// check completes what depends on several fields and finds the mistakes that
// no field has on its own. What has a mistake already is left alone.
func (d *decoder) check(s *Scenario) {
	d.checkStates(s)
	d.checkTenants(s)
	d.checkLoad(s)
	d.checkMix(s)
	d.nameFaults(s)
	d.checkFaults(s)
	d.checkObjectives(s)
}

func (d *decoder) checkStates(s *Scenario) {
	if !d.sound("population") {
		return
	}
	total := 0.0
	for _, share := range s.Population.States {
		total += float64(share)
	}
	if total > 1+tolerance {
		d.wrong("population.states", fmt.Sprintf("adds up to %s", percent(total)), "at most 100%; the rest of the users are active")
	} else if active(s.Population) < 0 {
		d.wrong("population.states", "", fmt.Sprintf("no more states than %d users can have, at least one each", s.Population.Users))
	}
}

// tolerance is what the sum of shares may be off, by the rounding of floats.
const tolerance = 1e-9

// percent shows a sum of shares without the rounding of floats.
func percent(sum float64) string { return Share(math.Round(sum*1e9) / 1e9).String() }

// inState is how many users population.New gives a state.
func (p Population) inState(state population.State) int {
	share := float64(p.States[state])
	n := int(math.Round(share * float64(p.Users)))
	if share > 0 {
		n = max(n, 1)
	}
	return n
}

// active is how many users are left for no other state; negative when the
// states want more than there are.
func active(p Population) int {
	n := p.Users
	for state := range p.States {
		n -= p.inState(state)
	}
	return n
}

func (d *decoder) checkTenants(s *Scenario) {
	names, domains := map[string]int{}, map[string]string{}
	passThrough := -1
	for i, t := range s.Tenants {
		path := fmt.Sprintf("tenants[%d]", i)
		if d.sound(path + ".name") {
			if first, taken := names[t.Name]; taken {
				d.wrong(path+".name", t.Name, fmt.Sprintf("a name of its own: tenants[%d] has it", first))
			} else {
				names[t.Name] = i
			}
		}
		for j, domain := range t.Domains {
			full := fmt.Sprintf("%s.domains[%d]", path, j)
			if !d.sound(full) {
				continue
			}
			if first, taken := domains[domain]; taken {
				d.wrong(full, domain, "a domain of one tenant, once: it is "+first+" too")
			} else {
				domains[domain] = full
			}
		}
		if t.Method == PassThrough && passThrough < 0 && d.sound(path+".method") {
			passThrough = i
		}
	}
	if passThrough >= 0 && s.Connectors.Count == 0 && d.sound("connectors.count") {
		d.wrong("connectors.count", "0", fmt.Sprintf("at least 1: tenants[%d] signs in by pass-through", passThrough))
	}
}

func (d *decoder) checkLoad(s *Scenario) {
	l := &s.Load
	if l.Pool == 0 && d.sound("load.pool", "load.rate") {
		l.Pool = min(max(int(math.Ceil(float64(l.Rate)/4)), 64), 1024)
	}
	if !d.sound("load.rate", "load.warmup", "load.duration") {
		return
	}
	seconds := (float64(l.Warmup) + float64(l.Duration)) / 1e9
	if n := float64(l.Rate) * seconds; n > maxSignIns {
		d.wrong("load.duration", fmt.Sprintf("%.0f sign-ins", n), fmt.Sprintf("at most %d in a run, warm-up included", maxSignIns))
	}
}

func (d *decoder) checkMix(s *Scenario) {
	if !d.sound("load.mix") {
		return
	}
	total := 0.0
	for _, share := range s.Load.Mix {
		total += float64(share)
	}
	if math.Abs(total-1) > tolerance {
		d.wrong("load.mix", "adds up to "+percent(total), "100%")
	}
	if !d.sound("population") {
		return
	}
	for _, word := range Intent("").words() {
		intent := Intent(word)
		if s.Load.Mix[intent] == 0 || intent == IntentUnknown {
			continue
		}
		users, state := active(s.Population), "active"
		if intent != IntentRight && intent != IntentWrong {
			of, err := population.ParseState(word)
			if err != nil {
				panic("scenarios: intent " + word + " is no state")
			}
			users, state = s.Population.inState(of), word
		}
		if users < 1 {
			d.wrong("load.mix."+word, s.Load.Mix[intent].String(), fmt.Sprintf("0%%, or users who are %s: population.states gives that to none", state))
		}
	}
}

// nameFaults gives faults without a name their kind and its number.
func (d *decoder) nameFaults(s *Scenario) {
	numbers := map[FaultKind]int{}
	taken := map[string]int{}
	for i := range s.Faults {
		f, path := &s.Faults[i], fmt.Sprintf("faults[%d]", i)
		numbers[f.Kind]++
		if !d.sound(path+".kind", path+".name") {
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

func (d *decoder) checkFaults(s *Scenario) {
	type placed struct {
		Fault
		index int
	}
	var whole []placed // those that can be compared with each other
	for i, f := range s.Faults {
		path := fmt.Sprintf("faults[%d]", i)
		if d.sound(path+".target", "connectors.count") && !f.has(s.Connectors.Count) {
			d.wrong(path+".target", f.Target, targetsOf(s.Connectors.Count))
		}
		timed := d.sound(path+".at", path+".for")
		if timed && d.sound("load.duration") && f.End() > s.Load.Duration {
			switch {
			case f.At >= s.Load.Duration:
				d.wrong(path+".at", f.At.String(), fmt.Sprintf("less than %s, when the load ends", s.Load.Duration))
			default:
				d.wrong(path+".for", f.For.String(), fmt.Sprintf("at most %s: from %s, the load lasts until %s", s.Load.Duration-f.At, f.At, s.Load.Duration))
			}
		}
		if timed && d.sound(path+".kind", path+".target", path+".ports") {
			whole = append(whole, placed{f, i})
		}
	}
	slices.SortStableFunc(whole, func(a, b placed) int { return int(a.At - b.At) })
	for i, later := range whole {
		for _, earlier := range whole[:i] {
			if earlier.End() < later.At {
				continue
			}
			if shared := earlier.conflict(later.Fault); shared != "" {
				d.wrong(fmt.Sprintf("faults[%d].at", later.index), later.At.String(),
					fmt.Sprintf("more than %s, when %s ends: both act on %s, and one would undo the other", earlier.End(), d.called(earlier.Fault, earlier.index), shared))
				break
			}
		}
	}
}

func (d *decoder) called(f Fault, index int) string {
	if f.Name != "" {
		return f.Name
	}
	return fmt.Sprintf("faults[%d]", index)
}

// has says whether the target exists among count connectors.
func (f Fault) has(count int) bool {
	switch f.Target {
	case DirectoryTarget, "":
		return true
	case AllConnectors:
		return count > 0
	}
	return connectorNumber(f.Target) <= count
}

func targetsOf(count int) string {
	switch count {
	case 0:
		return DirectoryTarget + ": connectors.count is 0"
	case 1:
		return "connector-1, connectors or directory: connectors.count is 1"
	}
	return fmt.Sprintf("connector-1 to connector-%d, connectors or directory: connectors.count is %d", count, count)
}

func (d *decoder) checkObjectives(s *Scenario) {
	var names []string
	for _, f := range s.Faults {
		if f.Name != "" {
			names = append(names, f.Name)
		}
	}
	complete := d.sound("faults")
	for i, o := range s.Objectives {
		path := fmt.Sprintf("objectives[%d]", i)
		if !d.sound(path) {
			continue
		}
		if o.Metric == "jain(connectors)" && s.Connectors.Count == 0 && d.sound("connectors.count") {
			d.wrong(path, o.Text, "nothing about connectors: connectors.count is 0")
		}
		fault := o.Fault()
		if fault == "" || slices.Contains(names, fault) {
			continue
		}
		n := d.nodes[path]
		at := n.within(o.faultColumn(n.text))
		switch {
		case len(names) > 0:
			d.add(at, path, fault, "a fault of this scenario"+didYouMean(fault, names))
		case complete:
			d.add(at, path, fault, "a fault of this scenario, and it has none")
		}
	}
}
