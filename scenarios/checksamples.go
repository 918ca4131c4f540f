package scenarios

import (
	"fmt"
	"math"
)

// sampleShare is how much of what a claim takes must at least be planned. A
// little more than planned may come, and the run itself says what it lacked.
const sampleShare = 0.8

// LeastSamples is how many sign-ins it takes at least to claim what an objective
// says of a percentile, with 95 % confidence, as runs are judged; 0 of others.
func (o Objective) LeastSamples() float64 {
	q, ok := o.Percentile()
	if !ok {
		return 0
	}
	chance := float64(q)
	if o.Op == ">" || o.Op == ">=" {
		chance = 1 - chance
	}
	return math.Ceil(math.Log(0.05) / math.Log(chance))
}

// checkSamples refuses a claim about a percentile of so few sign-ins that it
// would be inconclusive whatever they were.
func (d *decoder) checkSamples(s *Scenario, o Objective, path string, schedule []Fault) {
	if _, ok := o.Percentile(); !ok || o.Op == "==" || o.Op == "!=" {
		return
	}
	seconds := 0.0
	for _, span := range s.spans(o.Window, schedule) {
		seconds += float64(span.To-span.From) / 1e9
	}
	side := "over"
	if o.Op == ">" || o.Op == ">=" {
		side = "below"
	}
	need := o.LeastSamples()
	planned := float64(s.Load.Rate) * seconds
	if o.Tenant != "" {
		if !d.ofTenants(s, "name", "domains") || !d.sound("population.spread") {
			return
		}
		planned *= s.ShareOf(o.Tenant)
	}
	if planned >= sampleShare*need {
		return
	}
	at, within := d.at[path], "the load"
	if o.Window.Name != Whole {
		at, within = d.at[path+".window"], o.Window.String()
	}
	if o.Tenant != "" {
		within = o.Tenant + " in " + within
	}
	name, _ := o.Split()
	d.add(at, path, fmt.Sprintf("about %s sign-ins in %s", grouped(planned), within),
		fmt.Sprintf("at least %s, which a claim about %s takes with none %s the limit", grouped(need), name, side))
}

// grouped is a number as a whole one, its thousands apart.
func grouped(n float64) string {
	text := decimal(math.Round(n))
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
