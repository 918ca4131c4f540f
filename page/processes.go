package page

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"ptabench/results"
)

// used draws what processes used, second by second: of each the CPU between
// two readings, or its memory.
func (in *Input) used(id, title, unit string) Chart {
	c := Chart{ID: id, Title: title + " of each process", Kind: Lines, Unit: unit}
	if len(in.Usage) == 0 {
		c.Missing = "The run did not record what processes used second by second; the table has their totals."
		return c
	}
	const mostProcesses = 12
	var names []string
	last := map[string]results.Usage{}
	values := map[string]map[int]float64{}
	end := 0
	for _, u := range in.Usage {
		second := int(u.At / 1e9)
		if !in.during(u.At) || second > maxSeconds {
			continue
		}
		if values[u.Process] == nil {
			if len(names) == mostProcesses {
				continue
			}
			names = append(names, u.Process)
			values[u.Process] = map[int]float64{}
		}
		before, known := last[u.Process]
		last[u.Process] = u
		switch took := u.At - before.At; {
		case unit == "bytes":
			values[u.Process][second] = float64(u.RSS)
		case known && took > 0:
			values[u.Process][second] = max(float64(u.CPU-before.CPU)/float64(took), 0)
		}
		end = max(end, second)
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(in.place(a), in.place(b)) })
	x := make([]float64, end+1)
	for i := range x {
		x[i] = float64(i) + 0.5
	}
	shown, _ := in.shown()
	k := stretch(len(x))
	c.X = pairs(x, k)
	for _, name := range names {
		list := make([]float64, len(x))
		for i := range list {
			v, known := values[name][i]
			if list[i] = math.NaN(); known {
				list[i] = v
			}
		}
		c.Series = append(c.Series, Series{Name: name, Role: processRole(name, shown), Values: extremes(list, k)})
	}
	var most results.Process
	for _, p := range in.Result.Processes {
		if unit == "bytes" && p.RSSMax > most.RSSMax || unit != "bytes" && p.CPU > most.CPU {
			most = p
		}
	}
	switch {
	case most.Name == "":
		c.Says = "The result has no totals of processes yet."
	case unit == "bytes":
		c.Says = fmt.Sprintf("%s held the most, %s at its peak.", most.Name, results.Bytes(most.RSSMax))
	default:
		c.Says = fmt.Sprintf("%s used the most, %s of CPU in all, %s a sign-in.", most.Name, results.Duration(most.CPU), results.Duration(most.CPUPerSignIn))
	}
	return c
}

// place is that of a process in the result.
func (in *Input) place(name string) int {
	return slices.IndexFunc(in.Result.Processes, func(p results.Process) bool { return p.Name == name })
}

// during reports whether a time is one of the load. What comes after it, while
// the books are closed, would only draw lines to zero.
func (in *Input) during(at int64) bool {
	return at >= 0 && (in.Live != nil || in.Result.DurationNS <= 0 || at <= in.Result.DurationNS)
}

// maxSeconds bounds a time axis: a day.
const maxSeconds = 24 * 60 * 60

// processRole gives a connector the colour that it has everywhere.
func processRole(name string, connectors []string) string {
	if i := slices.Index(connectors, name); i >= 0 {
		return connectorRole(i)
	}
	switch name {
	case "harness", "cloudsim", "directory":
		return name
	}
	return "others"
}
