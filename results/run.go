package results

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The files of a run directory.
const (
	ResultFile      = "result.json"
	SamplesFile     = "samples"
	EventsFile      = "events.jsonl"
	JournalFile     = "journal.jsonl"
	IntervalLogFile = "latency.hlog"
	ResponseFile    = "latency.hgrm"
	ServiceFile     = "service.hgrm"
	LagFile         = "lag.hgrm"
	ScenarioFile    = "scenario.yaml"
	LogsDir         = "logs"
	BindsFile       = "binds.csv" // in LogsDir
)

// Create makes the directory of a new run, with its logs directory, and the
// directories above it. One that exists is an error, whatever is in it, and
// stays as it is.
func Create(dir string) error {
	dir = filepath.Clean(dir)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("creating the run directory: %w", err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("run directory %s: exists already; nothing was overwritten", dir)
		}
		return fmt.Errorf("creating the run directory: %w", err)
	}
	if err := os.Mkdir(filepath.Join(dir, LogsDir), 0o755); err != nil {
		return fmt.Errorf("creating the run directory: %w", err)
	}
	return nil
}

// A Run is a run directory that was opened to be read.
type Run struct {
	Dir    string
	Result Result
	// CutOff says that there was no result.json, and that Result is what the
	// samples tell.
	CutOff bool

	tail    error  // of the samples, when they were read for Result
	heal    string // the warning that something is to be undone
	goingOn bool
}

// Open reads a run directory: its result, or where the run was cut off what
// its samples tell, with the verdict Aborted. What is wrong with the end of
// the samples is not an error here; see CheckSamples.
func Open(dir string) (*Run, error) {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return nil, fmt.Errorf("run directory: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("run directory %s: not a directory", dir)
	}
	result, err := ReadResult(filepath.Join(dir, ResultFile))
	if err == nil {
		return &Run{Dir: dir, Result: *result}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	samples, err := OpenSamples(filepath.Join(dir, SamplesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("run directory %s: neither %s nor %s in it", dir, ResultFile, SamplesFile)
	}
	if err != nil {
		return nil, err
	}
	defer samples.Close()
	run := &Run{Dir: dir, CutOff: true}
	run.Result, run.tail = Summarise(samples.Header(), samples.All())
	run.cutOff(samples.Header())
	return run, nil
}

// cutOff completes the result of a run that wrote none.
func (r *Run) cutOff(h Header) {
	res := &r.Result
	res.Verdict = Aborted
	res.Reasons = []string{"the run was cut off: no " + ResultFile}
	warn := func(format string, args ...any) {
		res.Warnings = append(res.Warnings, fmt.Sprintf(format, args...))
	}
	if have := res.SignIns.Planned; have < h.Planned {
		warn("%s of the %s planned sign-ins were recorded before the end", Count(have), Count(h.Planned))
	}
	if r.tail != nil {
		warn("the samples end early: %v", r.tail)
	}
	past, err := r.pastFaults(h.StartedAt)
	res.Warnings = append(res.Warnings, pastTexts(past)...)
	if err != nil || slices.ContainsFunc(past, pastFault.on) {
		r.heal = fmt.Sprintf("a fault may still be on; this undoes it: ptabench heal %s", r.Dir)
		res.Warnings = append(res.Warnings, r.heal)
	}
}

// GoingOn says that a run without a result goes on still, as a process: it was
// neither aborted, nor is anything left behind, nor is it to be healed.
func (r *Run) GoingOn(pid int) {
	if !r.CutOff {
		return
	}
	res := &r.Result
	res.Verdict = Inconclusive
	res.Reasons = []string{fmt.Sprintf("the run is still going on, as process %d: this is how far it has come", pid)}
	res.Warnings = slices.DeleteFunc(res.Warnings, func(w string) bool {
		return w == r.heal || r.tail != nil && strings.HasSuffix(w, r.tail.Error())
	})
	var torn *TruncatedError
	if errors.As(r.tail, &torn) { // being written just now
		r.tail = nil
	}
	r.goingOn = true
}

// Samples opens the samples of the run. The caller closes them.
func (r *Run) Samples() (*SampleReader, error) {
	return OpenSamples(filepath.Join(r.Dir, SamplesFile))
}

// Events hands the events of the run to on and returns how many lines of their
// file were torn.
func (r *Run) Events(on func(Event) error) (torn int, err error) {
	return ReadLines(filepath.Join(r.Dir, EventsFile), on)
}

// CheckSamples reads the samples through and returns what is wrong with their
// end: *TruncatedError, *DamagedError, or *MissingError when whole records of
// a finished run are gone. Result.json needs no samples, so their absence
// beside it is not an error.
func (r *Run) CheckSamples() error {
	if r.CutOff {
		return r.tail
	}
	samples, err := r.Samples()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer samples.Close()
	var load uint64
	for s, err := range samples.All() {
		if err != nil {
			return err
		}
		if s.Due >= 0 {
			load++
		}
	}
	return r.complete(load)
}

// complete compares the sign-ins found in the samples with those the result
// counted.
func (r *Run) complete(load uint64) error {
	if expected := r.Result.SignIns.Planned; !r.CutOff && load < expected {
		return &MissingError{File: filepath.Join(r.Dir, SamplesFile), Have: load, Expected: expected}
	}
	return nil
}

// CSV exports the samples of the run, those of the warm-up too, and then
// returns what CheckSamples would.
func (r *Run) CSV(w io.Writer) error {
	samples, err := r.Samples()
	if err != nil {
		return err
	}
	defer samples.Close()
	load, err := CSV(w, samples.Header(), samples.All())
	if torn := (*TruncatedError)(nil); r.goingOn && errors.As(err, &torn) {
		err = nil
	}
	if err != nil {
		return err
	}
	return r.complete(load)
}
