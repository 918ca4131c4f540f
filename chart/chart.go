// Package chart draws a run as pictures for slides and documents: SVG that is
// complete in one file, has a title and a description, turns dark where the
// reader's system is, and needs neither scripts nor fonts of its own.
//
// The drawing is small code of our own. The plotting libraries for Go draw no
// fault bands, no percentile axis that stretches towards 100 %, turn text into
// outlines or bring fonts along, and know nothing of light and dark; what
// remains of them would be a scale and a path, which are scale.go and svg.go.
//
// It draws what results.Run has, and says the figures in results' words, so
// that a picture cannot disagree with the report. A chart that has nothing to
// show says what is missing.
package chart

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"ptabench/results"
)

// A Chart is a picture that can be asked for.
type Chart struct {
	Name  string
	About string // in a few words, lower case
	draw  func(*scene)
}

// Charts are all that there are, the most wanted first.
func Charts() []Chart {
	return []Chart{
		{"overview", "response time, outcomes and shares over time, one above the other", drawOverview},
		{"response", "response time over time: p50, p95, p99 and maximum, with the faults", drawResponse},
		{"outcomes", "sign-ins a second by outcome and by who answered, stacked", drawOutcomes},
		{"shares", "share of each connector over time", drawShares},
		{"in-flight", "sign-ins that each connector had in hand over time", drawInFlight},
		{"percentiles", "response, service time and lag by percentile", drawPercentiles},
		{"heatmap", "how many sign-ins took how long, over time", drawHeatmap},
		{"time-spent", "where the time of a sign-in went, over time", drawTimeSpent},
		{"objectives", "each objective against its limit", drawObjectives},
		{"faults", "each fault: when it was noticed, what it cost, when all was well again", drawFaults},
		{"processes", "CPU and memory of each process", drawProcesses},
	}
}

// Names are the names of all charts.
func Names() (names []string) {
	for _, c := range Charts() {
		names = append(names, c.Name)
	}
	return names
}

// UnknownError says that there is no chart of a name.
type UnknownError struct{ Name string }

func (e *UnknownError) Error() string {
	if e.Name == "" {
		return "chart: none given: expected one of " + strings.Join(Names(), ", ")
	}
	return fmt.Sprintf("chart %q: expected one of %s", e.Name, strings.Join(Names(), ", "))
}

// Write draws a chart of a run. An unknown name is an *UnknownError, before
// anything is read.
func Write(w io.Writer, run *results.Run, name string) error {
	for _, c := range Charts() {
		if c.Name != name {
			continue
		}
		course, err := run.Course()
		if err != nil {
			return err
		}
		_, err = w.Write(Draw(c, &run.Result, course))
		return err
	}
	return &UnknownError{name}
}

// Draw draws a chart of what was read of a run.
func Draw(c Chart, r *results.Result, course *results.Course) []byte {
	s := &scene{canvas: newCanvas(), result: r, course: course, faults: bandsOf(r)}
	c.draw(s)
	var out bytes.Buffer
	s.canvas.writeTo(&out)
	return out.Bytes()
}
