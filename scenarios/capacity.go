package scenarios

import (
	"fmt"
	"slices"
	"strings"
)

// Capacity asks for the highest rate at which an objective holds. It is looked
// for on the running system, after the load, by short loads of the same kind.
type Capacity struct {
	Objective string   `yaml:"objective,omitempty" is:"text" doc:"what must hold at the rate that is looked for, such as p99(response) < 200ms: a time of (response) or (service), availability or share(failed)"`
	From      Rate     `yaml:"from,omitempty" min:"1/s" max:"100000/s" doc:"the rate to begin with, which should hold; 50/s when not given, or capacity.to where that is lower"`
	To        Rate     `yaml:"to,omitempty" min:"1/s" max:"100000/s" doc:"the highest rate to try; 20000/s when not given, or what an external directory may be asked for"`
	Trial     Duration `yaml:"trial,omitempty" min:"500ms" max:"10m" doc:"how long a rate is tried; half of that while the search is far off; 4s when not given"`
	Precision Share    `yaml:"precision,omitempty" min:"1%" max:"100%" doc:"how close the ends of the interval shall be, as a share of the lower one; 10% when not given"`
	Within    Duration `yaml:"within,omitempty" min:"1s" max:"1h" doc:"how long the search may go on; 1m when not given"`
}

// On says whether a capacity is looked for.
func (c Capacity) On() bool { return c.Objective != "" }

// Limit is the objective, read.
func (c Capacity) Limit() Objective {
	o, _ := ParseObjective(c.Objective) // as checked
	return o
}

// What a Capacity has when its fields are not given.
const (
	capacityFrom      = Rate(50)
	capacityTo        = Rate(20_000)
	capacityTrial     = Duration(4e9)
	capacityPrecision = Share(0.1)
	capacityWithin    = Duration(60e9)
)

// highestRate is the highest to try where nobody says: no more than somebody's
// own directory may be asked for, if that is as much as a trial needs.
func (s *Scenario) highestRate() Rate {
	if s.Directory.Kind == Outside && s.Directory.External.MaxRate > 0 {
		return max(1, min(capacityTo, s.Directory.External.MaxRate))
	}
	return capacityTo
}

// capacityMetrics are what can be told of a short load, besides percentiles.
var capacityMetrics = []string{"p99(response)", "p99(service)", "max(response)", "mean(response)", "availability", "share(failed)"}

func (d *decoder) checkCapacity(s *Scenario) {
	c := &s.Capacity
	if _, given := d.at["capacity"]; !given {
		return
	}
	fill := func(path string, missing bool, set func()) {
		if missing && d.sound("capacity."+path) {
			set()
		}
	}
	fill("to", c.To == 0, func() { c.To = max(s.highestRate(), c.From) })
	fill("from", c.From == 0, func() { c.From = min(capacityFrom, c.To, s.highestRate()) })
	fill("trial", c.Trial == 0, func() { c.Trial = capacityTrial })
	fill("precision", c.Precision == 0, func() { c.Precision = capacityPrecision })
	fill("within", c.Within == 0, func() { c.Within = max(capacityWithin, 4*c.Trial) })
	if d.sound("capacity.from", "capacity.to") && c.From > c.To {
		d.wrong("capacity.from", c.From.String(), "at most capacity.to, which is "+c.To.String())
	}
	if d.sound("capacity.trial", "capacity.within") && c.Within < c.Trial {
		d.wrong("capacity.within", c.Within.String(), "at least capacity.trial, which is "+c.Trial.String())
	}
	if !d.sound("capacity.objective") {
		return
	}
	const form = "an objective such as p99(response) < 200ms"
	o, err := ParseObjective(c.Objective)
	name, argument := o.Split()
	_, quantile := percentile(name)
	switch {
	case c.Objective == "":
		d.wrong("capacity.objective", "missing", form)
	case err != nil:
		d.wrong("capacity.objective", c.Objective, form+": "+strings.TrimSpace(err.Error()))
	case o.Window.Name != Whole || o.Tenant != "":
		d.wrong("capacity.objective", c.Objective, "an objective about the whole of a load, such as p99(response) < 200ms")
	case !(slices.Contains(capacityMetrics, o.Metric) || (quantile || name == "max" || name == "mean") && (argument == "response" || argument == "service")):
		d.wrong("capacity.objective", c.Objective, "one about "+oneOf(capacityMetrics)+", or another percentile")
	case o.Op == "==" || o.Op == "!=":
		d.wrong("capacity.objective", c.Objective, fmt.Sprintf("%s with one of <, <=, >, >=", o.Metric))
	}
}
