package scenarios

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"ptabench/population"
	"ptabench/ports"
)

// maxSignIns is how many sign-ins a run may plan. They are numbered with 32
// bits, in samples and in client request ids; random arrivals need some room.
const maxSignIns = 4_200_000_000

// check completes what depends on several fields and finds the mistakes that
// no field has on its own. What has a mistake already is left alone.
func (d *decoder) check(s *Scenario) {
	d.resolveTargets(s)
	d.checkStates(s)
	d.checkPreset(s)
	d.checkTenants(s)
	d.checkOnPrem(s)
	d.checkEvents(s)
	d.checkSpread(s)
	d.checkOverrides(s)
	d.checkLoad(s)
	d.checkMix(s)
	d.nameFaults(s)
	d.checkFaults(s)
	d.checkLife(s)
	schedule := d.checkSchedule(s)
	d.checkExpectations(s, schedule)
	d.checkObjectives(s, schedule)
	d.checkCapacity(s)
	d.checkMaxRate(s)
}

func (d *decoder) checkStates(s *Scenario) {
	if !d.sound("population.states") {
		return
	}
	total := 0.0
	for _, share := range s.Population.States {
		total += float64(share)
	}
	if total > 1+tolerance {
		d.wrong("population.states", fmt.Sprintf("adds up to %s", percent(total)), "at most 100%; the rest of the users are active")
	} else if d.sound("population.users") && active(s.Population) < 0 {
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

func (d *decoder) checkOverrides(s *Scenario) {
	first := map[string]int{}
	for i, o := range s.Connectors.Overrides {
		path := fmt.Sprintf("connectors.overrides[%d].name", i)
		if !d.sound(path) {
			continue
		}
		other, twice := first[o.Name]
		known := d.sound("connectors.count")
		switch n := connectorNumber(o.Name); {
		case known && (n == 0 || n > s.Connectors.Count):
			d.wrong(path, o.Name, connectorsOf(s.Connectors.Count))
		case n == 0:
			d.wrong(path, o.Name, "a connector such as "+connectorName(1))
		case twice:
			d.wrong(path, o.Name, fmt.Sprintf("a connector once: connectors.overrides[%d] is about it", other))
		default:
			first[o.Name] = i
		}
	}
}

// checkLife finds settings of a connector's life that cannot be meant.
func (d *decoder) checkLife(s *Scenario) {
	for i, o := range s.Connectors.Overrides {
		path := fmt.Sprintf("connectors.overrides[%d].signalling_port", i)
		if p := o.SignallingPort; p != 0 && d.sound(path) && !slices.Contains(ports.Signalling(), strconv.Itoa(p)) {
			d.wrong(path, strconv.Itoa(p), oneOf(ports.Signalling()))
		}
	}
	if d.sound("connectors.count", "cloud.connector_limit") && s.Connectors.Count > s.Cloud.ConnectorLimit {
		d.wrong("cloud.connector_limit", strconv.Itoa(s.Cloud.ConnectorLimit), fmt.Sprintf("at least connectors.count, which is %d", s.Connectors.Count))
	}
	if d.sound("cloud.certificate_lifetime", "connectors.connect_timeout") && s.Cloud.CertificateLifetime/3 <= s.Connectors.ConnectTimeout {
		d.wrong("cloud.certificate_lifetime", s.Cloud.CertificateLifetime.String(), fmt.Sprintf(
			"more than three times connectors.connect_timeout, which is %s: in the last third it is renewed", s.Connectors.ConnectTimeout))
	}
}

// patience is how much longer than the cloud's deadline clients wait, where
// the standard is shorter: they shall hear what the cloud says in the end.
const patience = Duration(5e9)

func (d *decoder) checkLoad(s *Scenario) {
	l := &s.Load
	if _, given := d.at["load.timeout"]; !given && d.sound("cloud.deadline") && l.Timeout <= s.Cloud.Deadline {
		l.Timeout = s.Cloud.Deadline + patience
	}
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
	total := 0.0
	for _, share := range s.Load.Mix {
		total += float64(share)
	}
	if d.sound("load.mix") && math.Abs(total-1) > tolerance {
		d.wrong("load.mix", "adds up to "+percent(total), "100%")
	}
	if !d.sound("population.users", "population.states") {
		return
	}
	for _, word := range Intent("").words() {
		intent := Intent(word)
		if s.Load.Mix[intent] == 0 || intent == IntentUnknown || d.bad["load.mix."+word] {
			continue
		}
		users, state := active(s.Population), "active"
		if intent == IntentOld {
			if d.sound("population.password_changes") && d.agesKnown(s) && s.Population.ChangedUsers(s.OldestHashes()) < 1 {
				d.wrong("load.mix.old", s.Load.Mix[intent].String(), fmt.Sprintf("0%%, or users who changed their password: population.password_changes is %s, which is none within %s",
					s.Population.PasswordChanges, s.OldestHashes()))
			}
			continue
		}
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

// agesKnown says whether it is certain how old hash stores get.
func (d *decoder) agesKnown(s *Scenario) bool {
	for i, f := range s.Faults {
		path := fmt.Sprintf("faults[%d]", i)
		if !d.sound(path+".kind") || f.Kind == StaleHashes && !d.sound(path+".age") {
			return false
		}
	}
	return !d.bad["faults"]
}
