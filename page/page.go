// Package page makes the report page of a run: one file of HTML that needs
// nothing else, works offline and asks nobody for anything. A policy in it
// forbids what it does not use; scripts and styles stand in it and are named
// by their hashes.
//
// Its texts are rendered here, from the same figures and by the same words as
// every other output; its charts are drawn in the browser by uPlot from one
// block of JSON, Data. A page of a run that goes on is the same page with
// Data.Live set: its script listens to server-sent events, each of which
// carries a whole Update.
//
// For tests, every chart is <figure id="chart-ID">, window.ptabench.charts[ID]
// is {u: uPlot, data: Chart}, the root element's data-ready is "true" once all
// that is to be seen is drawn, and data-updates counts the updates taken.
package page

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"ptabench/results"
	"ptabench/whole"
)

// Input is what a page is made of.
type Input struct {
	Result   *results.Result
	Course   *results.Course // nil when it is not known
	Events   []results.Event
	Usage    []results.Usage
	Scenario string // text of scenario.yaml
	Live     *Live  // nil for a finished page
	More     int    // events beyond those in Events
}

// mostEvents bounds the events of a page; the run directory has all.
const mostEvents = 400

// From makes the data of a page.
func From(in Input) *Data {
	d := &Data{Format: Format, Live: in.Live, Title: in.Result.Scenario, Verdict: in.Result.Verdict,
		Duration: float64(in.Result.DurationNS) / 1e9,
		Bands:    bands(in.Result), Bad: badSeconds(in.Result.Intervals), Charts: in.charts()}
	if in.Live != nil && in.Live.End > 0 {
		d.Duration = in.Live.End
	}
	for i := range d.Charts {
		d.Charts[i].fill()
	}
	d.view = newView(&in, d)
	return d
}

// Of reads what a page of a run shows. What the run directory does not have,
// the page says.
func Of(run *results.Run) (*Data, error) {
	in := Input{Result: &run.Result}
	var err error
	if in.Course, err = run.Course(); err != nil {
		// Damaged samples take no chart along that does without them.
		warned := *in.Result
		warned.Warnings = append(warned.Warnings[:len(warned.Warnings):len(warned.Warnings)],
			fmt.Sprintf("the samples could not be read: %v", err))
		in.Result = &warned
	}
	if _, err := run.Events(func(e results.Event) error {
		if len(in.Events) == mostEvents {
			in.More++
			return nil
		}
		in.Events = append(in.Events, e)
		return nil
	}); err != nil {
		return nil, err
	}
	if _, err := run.Usage(func(u results.Usage) error {
		in.Usage = append(in.Usage, u)
		return nil
	}); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(run.Dir, results.ScenarioFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	in.Scenario = string(text)
	return From(in), nil
}

// Write writes the page of a run.
func Write(w io.Writer, run *results.Run) error {
	d, err := Of(run)
	if err != nil {
		return err
	}
	return Render(w, d)
}

// WriteFile writes the page of the run in a directory into it, as ReportFile.
// What is there of an earlier one is replaced, whole or not at all.
func WriteFile(dir string) error {
	run, err := results.Open(dir)
	if err != nil {
		return err
	}
	err = whole.Write(filepath.Join(dir, ReportFile), 0o644, func(f *os.File) error { return Write(f, run) })
	if err != nil {
		return fmt.Errorf("writing %s: %w", ReportFile, err)
	}
	return nil
}

// ReportFile is the page in a run directory.
const ReportFile = "report.html"
