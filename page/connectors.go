package page

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"ptabench/results"
)

// shown are the connectors to tell apart, by name, in the order of the result:
// all when they are few, else those that a fault was aimed at, then those with
// the most and the least to do.
func (in *Input) shown() (names []string, rest int) {
	all := in.Result.Connectors
	if len(all) <= mostConnectors {
		for _, c := range all {
			names = append(names, c.Name)
		}
		return names, 0
	}
	chosen := map[string]bool{}
	choose := func(name string) {
		if len(chosen) < mostConnectors {
			chosen[name] = true
		}
	}
	known := map[string]bool{}
	byLoad := slices.Clone(all)
	for _, c := range all {
		known[c.Name] = true
	}
	for _, f := range in.Result.Faults {
		if known[f.Target] && len(chosen) < mostConnectors/2 {
			choose(f.Target)
		}
	}
	slices.SortStableFunc(byLoad, func(a, b results.Connector) int { return cmp.Compare(b.SignIns, a.SignIns) })
	for i := range byLoad {
		choose(byLoad[i/2].Name)
		choose(byLoad[len(byLoad)-1-i/2].Name)
	}
	for _, c := range all {
		if chosen[c.Name] {
			names = append(names, c.Name)
		}
	}
	return names, len(all) - len(names)
}

// connectorRole is the role of the i-th connector that is told apart.
func connectorRole(i int) string { return fmt.Sprintf("connector-%d", i%mostConnectors) }

func (in *Input) shares() Chart {
	c := Chart{ID: "shares", Title: "Share of each connector", Kind: Stack, Unit: "ratio"}
	list := in.intervals()
	names, rest := in.shown()
	switch {
	case len(list) == 0:
		c.Missing = noSeconds
		return c
	case len(names) == 0:
		c.Missing = "The run had no connector."
		return c
	}
	k := stretch(len(list))
	c.X, c.Step = firsts(each(list, begins), k), float64(k)
	c.Note = thinned(k, "means")
	all := means(each(list, func(s *results.Interval) float64 {
		var n uint64
		for _, v := range s.ByConnector {
			n += v
		}
		return float64(n)
	}), k)
	left := slices.Clone(all)
	add := func(name, role string, values []float64) {
		share := make([]float64, len(values))
		for i, v := range values {
			if share[i] = math.NaN(); all[i] > 0 {
				share[i] = v / all[i]
			}
		}
		c.Series = append(c.Series, Series{Name: name, Role: role, Values: share})
	}
	for i, name := range names {
		values := means(each(list, func(s *results.Interval) float64 { return float64(s.ByConnector[name]) }), k)
		for j, v := range values {
			left[j] -= v
		}
		add(name, connectorRole(i), values)
	}
	if rest > 0 {
		add(fmt.Sprintf("%s others", results.Count(uint64(rest))), "others", left)
	}
	c.Says = in.Result.BalanceText()
	if c.Says == "" {
		c.Says = "No connector answered a sign-in."
	}
	return c
}

func (in *Input) inFlight() Chart {
	c := Chart{ID: "in-flight", Title: "Sign-ins in hand at each connector", Kind: Lines, Unit: "count"}
	names, rest := in.shown()
	if len(names) == 0 {
		c.Missing = "The run had no connector."
		return c
	}
	if !in.countedInFlight(&c, names) && !in.derivedInFlight(&c, names) {
		c.Missing = "The run recorded neither what connectors had in hand nor its sign-ins one by one."
		return c
	}
	if rest > 0 {
		c.Note += fmt.Sprintf(" %s of %s connectors are drawn: those with a fault, the most and the least loaded.",
			results.Count(uint64(len(names))), results.Count(uint64(len(names)+rest)))
	}
	most := slices.MaxFunc(in.Result.Connectors, func(a, b results.Connector) int { return cmp.Compare(a.InFlightPeak, b.InFlightPeak) })
	c.Says = "No connector had more than one sign-in in hand at once, as far as the cloud counted."
	if most.InFlightPeak > 1 {
		c.Says = fmt.Sprintf("At its peak %s had %s sign-ins in hand at once; none had more. Peaks may lie between the seconds that are drawn.", most.Name, results.Count(uint64(most.InFlightPeak)))
	}
	return c
}

// countedInFlight draws what the cloud counted once a second.
func (in *Input) countedInFlight(c *Chart, names []string) bool {
	var x []float64
	values := make([][]float64, len(names))
	any := false
	for _, u := range in.Usage {
		if u.InFlight == nil || !in.during(u.At) {
			continue
		}
		x = append(x, float64(u.At)/1e9)
		for i, name := range names {
			n, known := u.InFlight[name]
			any = any || known
			if !known {
				values[i] = append(values[i], math.NaN())
				continue
			}
			values[i] = append(values[i], float64(n))
		}
	}
	if !any {
		return false
	}
	c.Note = "As the cloud counted them, once a second."
	in.lines(c, x, names, values)
	return true
}

// derivedInFlight draws the means that follow from how long each sign-in was
// with its connector.
func (in *Input) derivedInFlight(c *Chart, names []string) bool {
	if in.Course == nil || len(in.Course.Stretches) == 0 || in.Course.Stretches[0].InFlight == nil {
		return false
	}
	x := make([]float64, len(in.Course.Stretches))
	values := make([][]float64, len(names))
	for i, s := range in.Course.Stretches {
		x[i] = (float64(s.At) + float64(in.Course.Width)/2) / 1e9
		for j, name := range names {
			v := math.NaN()
			if at := slices.Index(in.Course.Connectors, name); at >= 0 && at < len(s.InFlight) {
				v = s.InFlight[at]
			}
			values[j] = append(values[j], v)
		}
	}
	c.Note = "Means, from how long each answered sign-in was with its connector; the run did not record what the cloud counted."
	in.lines(c, x, names, values)
	return true
}

func (in *Input) lines(c *Chart, x []float64, names []string, values [][]float64) {
	k := stretch(len(x))
	c.X = pairs(x, k)
	for i, name := range names {
		c.Series = append(c.Series, Series{Name: name, Role: connectorRole(i), Values: extremes(values[i], k)})
	}
}
