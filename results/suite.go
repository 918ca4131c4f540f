package results

import (
	"io"
	"slices"
)

// SuiteFile is the file that makes a directory a suite's.
const SuiteFile = "suite.json"

// SuiteFormat is the version of suite.json that this program writes, and the
// newest that it reads.
const SuiteFormat = 1

// SuiteResult is suite.json: several scenarios run one after the other.
type SuiteResult struct {
	Format      int    `json:"format"`
	Suite       string `json:"suite"`
	Description string `json:"description,omitempty"`
	Origin
	Command   string  `json:"command,omitempty"` // repeats the suite; the caller's
	StartedAt string  `json:"started_at"`        // RFC 3339, of time 0 of the first run
	Verdict   Verdict `json:"verdict"`           // the worst of its runs, see Worst; aborted when runs are missing
	Extent
	Runs []SuiteRun `json:"runs"`
}

// SuiteRun is one run of a suite.
type SuiteRun struct {
	Name     string   `json:"name"`
	Scenario string   `json:"scenario"`
	Set      []string `json:"set"` // settings that differ from the scenario's, key=value
	Dir      string   `json:"dir"` // relative to the directory of suite.json
	Verdict  Verdict  `json:"verdict"`
	Reasons  []string `json:"reasons"` // why the verdict is not pass
	// Without a result there are no figures.
	Measured   bool           `json:"measured"`
	StartedAt  string         `json:"started_at,omitempty"`
	DurationNS int64          `json:"duration_ns"`
	SignIns    uint64         `json:"sign_ins"` // planned
	Lost       uint64         `json:"lost"`     // failed or unknown
	Wrong      uint64         `json:"wrong"`    // wrong accepts and wrong refusals
	Repeated   uint64         `json:"repeated"`
	P99        int64          `json:"p99_ns"` // response
	Worst      FaultFigures   `json:"worst_fault"`
	Faults     []FaultFigures `json:"faults"`
	Objectives []Objective    `json:"objectives"`
	Gates      []Gate         `json:"gates"`
	Ledgers    SuiteLedgers   `json:"ledgers"`
}

// SuiteLedgers says whether the books of a run balance.
type SuiteLedgers struct {
	Balanced bool          `json:"balanced"`
	Checks   int           `json:"checks"`
	Broken   []LedgerCheck `json:"broken"`
	Waived   []LedgerCheck `json:"waived,omitempty"`
}

// SuiteInput is one run to put into a suite.
type SuiteInput struct {
	Name, Scenario string
	Set            []string // settings that differ from the scenario's, key=value
	Dir            string   // relative to the directory of suite.json, or absolute
	Result         *Result  // nil when there is none
	Error          string   // why there is none
}

// NewSuite makes the result of a suite of its runs, in their order. Those that
// were planned besides, Expect adds.
func NewSuite(name, description string, runs []SuiteInput) *SuiteResult {
	s := &SuiteResult{Format: SuiteFormat, Suite: name, Description: description}
	var verdicts []Verdict
	for _, in := range runs {
		run := newSuiteRun(in)
		verdicts = append(verdicts, run.Verdict)
		s.Runs = append(s.Runs, run)
		if in.Result != nil {
			s.add(in.Result)
			if s.StartedAt == "" {
				s.StartedAt = in.Result.StartedAt
			}
		}
	}
	s.Verdict = Worst(verdicts...)
	s.normalise()
	return s
}

// Expect says which runs were planned, in their order: those made come first.
// When there are fewer, the verdict is aborted, and the reasons say so.
func (s *SuiteResult) Expect(names []string) {
	if s.expect(len(s.Runs), names) {
		s.Verdict = Aborted
	}
}

func newSuiteRun(in SuiteInput) SuiteRun {
	run := SuiteRun{Name: in.Name, Scenario: in.Scenario, Set: in.Set, Dir: in.Dir, Verdict: Aborted, Worst: worstFault(nil)}
	r := in.Result
	if r == nil {
		if in.Error != "" {
			run.Reasons = []string{in.Error}
		}
		return run
	}
	run.Measured, run.Verdict, run.Reasons = true, r.Verdict, r.Reasons
	run.StartedAt, run.DurationNS = r.StartedAt, r.DurationNS
	run.SignIns, run.Lost, run.Wrong = r.SignIns.Planned, r.SignIns.lost(), r.SignIns.wrong()
	run.Repeated, run.P99 = r.Unavailable.Repeated, r.Response.P99
	run.Faults = faultFigures(r.Faults)
	run.Worst = worstFault(run.Faults)
	run.Objectives, run.Gates = r.Objectives, r.Gates
	run.Ledgers = SuiteLedgers{Balanced: r.Ledgers.Balanced, Checks: len(r.Ledgers.Checks), Broken: r.Ledgers.broken()}
	if waived := r.Ledgers.waived(); len(waived) > 0 {
		run.Ledgers.Waived = waived
	}
	return run
}

// SuiteJSON writes a suite as its file has it.
func SuiteJSON(w io.Writer, s *SuiteResult) error {
	s.Format = SuiteFormat
	s.normalise()
	return encodeJSON(w, s)
}

// WriteSuite writes suite.json as WriteMatrix does a matrix.
func WriteSuite(path string, s *SuiteResult) error {
	whole := *s
	whole.Runs = slices.Clone(s.Runs)
	for i := range whole.Runs {
		whole.Runs[i].Dir = beside(path, whole.Runs[i].Dir)
	}
	whole.Format = SuiteFormat
	whole.normalise()
	return writeJSON(path, &whole)
}

// ReadSuite reads a suite.json, as ReadResult does a result.
func ReadSuite(path string) (*SuiteResult, error) {
	var s SuiteResult
	if _, err := readJSON(path, SuiteFormat, &s); err != nil {
		return nil, err
	}
	if err := checkVerdict(path, s.Verdict); err != nil {
		return nil, err
	}
	s.normalise()
	return &s, nil
}

func (s *SuiteResult) normalise() {
	empty(&s.Runs)
	for i := range s.Runs {
		r := &s.Runs[i]
		empty(&r.Set)
		empty(&r.Reasons)
		empty(&r.Faults)
		empty(&r.Objectives)
		empty(&r.Gates)
		empty(&r.Ledgers.Broken)
	}
}

// title is how reports call a run.
func (r *SuiteRun) title() string {
	if r.Name == "" {
		return r.Scenario
	}
	return r.Name
}
