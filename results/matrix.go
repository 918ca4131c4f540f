package results

import (
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
)

// MatrixFile is the file that makes a directory a matrix.
const MatrixFile = "matrix.json"

// MatrixFormat is the version of matrix.json that this program writes, and the
// newest that it reads.
const MatrixFormat = 1

// Matrix is matrix.json: the same scenario under several settings.
type Matrix struct {
	Format   int    `json:"format"`
	Scenario string `json:"scenario"`
	Origin
	Command string   `json:"command,omitempty"` // repeats the matrix; the caller's
	Keys    []string `json:"keys"`              // what was varied, in order
	Verdict Verdict  `json:"verdict"`           // the worst of its runs, see Worst; aborted when runs are missing
	Extent
	Note  string `json:"note,omitempty"` // on the time scale
	Cells []Cell `json:"cells"`
}

// Origin is what made several runs, and where.
type Origin struct {
	Version     string  `json:"version"`
	Machine     Machine `json:"machine"`
	CeilingPerS float64 `json:"ceiling_per_s"` // the least of the runs' ceilings; 0 when none was measured
}

// add takes in a run.
func (o *Origin) add(r *Result) {
	if o.Machine.CPUs <= 0 {
		o.Version, o.Machine = r.Version, r.Machine
	}
	if c := r.Ceiling.PerS; c > 0 && (o.CeilingPerS <= 0 || c < o.CeilingPerS) {
		o.CeilingPerS = c
	}
}

// Cell is one combination of settings and the runs made with it.
type Cell struct {
	Settings     []Setting     `json:"settings"`
	Verdict      Verdict       `json:"verdict"` // the worst of its runs
	TimeScale    int           `json:"time_scale"`
	Runs         []MatrixRun   `json:"runs"`
	Faults       []FaultSpread `json:"faults"`
	P99          Spread        `json:"p99_ns"` // response, whole load
	Lost         Spread        `json:"lost"`   // failed or unknown
	WrongAnswers Spread        `json:"wrong_answers"`
	Repeated     Spread        `json:"repeated"` // sign-ins that users had to repeat
	Jain         Spread        `json:"jain"`
	// What follows is there where a capacity was looked for: see methodBlocks.
	// Held and Broken are the ends of the capacity, where one was looked for: a
	// run in which no rate held, or all did, is left out of the one or the other.
	Capacity string       `json:"capacity,omitempty"` // the objective
	P50      Spread       `json:"p50_ns,omitzero"`    // response, whole load
	Held     Spread       `json:"held_per_s,omitzero"`
	Broken   Spread       `json:"broken_per_s,omitzero"`
	CutShort int          `json:"cut_short,omitempty"` // runs whose search had no time to be as close as asked
	Costs    []CostSpread `json:"costs,omitempty"`     // by role, of what the run started
}

// CostSpread is what all processes of a role cost for each sign-in.
type CostSpread struct {
	Role string `json:"role"`
	CPU  Spread `json:"cpu_per_sign_in_ns"`
}

// Setting is one setting of a scenario that was varied.
type Setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// MatrixRun is one run of a cell.
type MatrixRun struct {
	Dir     string   `json:"dir"` // relative to the directory of matrix.json
	Verdict Verdict  `json:"verdict"`
	Reasons []string `json:"reasons"` // why the verdict is not pass
	// Without a result a run is in no figure.
	Measured bool `json:"measured"`
}

// FaultSpread is the figures of a fault over the runs in which it was injected.
type FaultSpread struct {
	Name     string `json:"name"`
	Detect   Spread `json:"detect_ns"`
	Failover Spread `json:"failover_ns"`
	Lost     Spread `json:"lost"`
	Wrong    Spread `json:"wrong"`
	P99      Spread `json:"p99_ns"`
	Recover  Spread `json:"recover_ns"`
}

// Spread is a figure over runs: the unit is a run. A time that was not observed
// is -1 and counts as greater than any other; a run in which it did not have to
// be is left out.
type Spread struct {
	Runs   int     `json:"runs"`
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
}

// MatrixInput is one run to put into a matrix.
type MatrixInput struct {
	Settings []Setting // in the order of the keys
	Dir      string    // relative to the directory of matrix.json, or absolute
	Result   *Result   // nil when there is none
	Error    string    // why there is none
}

// NewMatrix makes a matrix of runs. Those with equal settings are repeats and
// make one cell; cells keep the order of their first run.
func NewMatrix(scenario string, keys []string, runs []MatrixInput) *Matrix {
	m := &Matrix{Format: MatrixFormat, Scenario: scenario, Keys: keys}
	var cells [][]MatrixInput
	for _, run := range runs {
		i := slices.IndexFunc(cells, func(c []MatrixInput) bool { return slices.Equal(c[0].Settings, run.Settings) })
		if i < 0 {
			i, cells = len(cells), append(cells, nil)
		}
		cells[i] = append(cells[i], run)
		if run.Result != nil {
			m.add(run.Result)
		}
	}
	var verdicts []Verdict
	for _, inputs := range cells {
		cell := newCell(inputs)
		verdicts = append(verdicts, cell.Verdict)
		m.Cells = append(m.Cells, cell)
	}
	m.Verdict = Worst(verdicts...)
	m.Note = m.timeScales()
	m.normalise()
	return m
}

// Expect is as that of a suite. Of names in rounds, those made come first.
func (m *Matrix) Expect(names []string) {
	made := 0
	for i := range m.Cells {
		made += len(m.Cells[i].Runs)
	}
	if m.expect(made, names) {
		m.Verdict = Aborted
	}
}

func newCell(inputs []MatrixInput) Cell {
	c := Cell{Settings: inputs[0].Settings, TimeScale: 1}
	var verdicts []Verdict
	var measured []*Result
	for _, in := range inputs {
		run := MatrixRun{Dir: in.Dir, Verdict: Aborted, Measured: in.Result != nil}
		switch {
		case in.Result != nil:
			run.Verdict, run.Reasons = in.Result.Verdict, in.Result.Reasons
			measured = append(measured, in.Result)
			c.TimeScale = max(in.Result.TimeScale, 1)
		case in.Error != "":
			run.Reasons = []string{in.Error}
		}
		verdicts = append(verdicts, run.Verdict)
		c.Runs = append(c.Runs, run)
	}
	c.Verdict = Worst(verdicts...)
	over := func(value func(*Result) float64) Spread {
		values := make([]float64, len(measured))
		for i, r := range measured {
			values[i] = value(r)
		}
		return spread(values)
	}
	c.P99 = over(func(r *Result) float64 { return float64(r.Response.P99) })
	c.Lost = over(func(r *Result) float64 { return float64(r.SignIns.lost()) })
	c.WrongAnswers = over(func(r *Result) float64 { return float64(r.SignIns.wrong()) })
	c.Repeated = over(func(r *Result) float64 { return float64(r.Unavailable.Repeated) })
	c.Jain = over(func(r *Result) float64 { return r.Balance.Jain })
	c.Faults = faultSpreads(measured)
	if c.capacity(measured) {
		c.P50 = over(func(r *Result) float64 { return float64(r.Response.P50) })
		c.Costs = costSpreads(measured)
	}
	return c
}

// faultSpreads brings the same faults of several runs together.
func faultSpreads(runs []*Result) []FaultSpread {
	var names []string
	by := map[string][]FaultFigures{}
	for _, r := range runs {
		for _, f := range faultFigures(r.Faults) {
			if by[f.Name] == nil {
				names = append(names, f.Name)
			}
			by[f.Name] = append(by[f.Name], f)
		}
	}
	var all []FaultSpread
	for _, name := range names {
		over := func(value func(*FaultFigures) float64) Spread {
			var values []float64
			for i := range by[name] {
				if v := value(&by[name][i]); v != unneeded {
					values = append(values, v)
				}
			}
			return spread(values)
		}
		all = append(all, FaultSpread{
			Name:     name,
			Detect:   over(func(f *FaultFigures) float64 { return float64(f.Detect) }),
			Failover: over(func(f *FaultFigures) float64 { return float64(f.Failover) }),
			Lost:     over(func(f *FaultFigures) float64 { return float64(f.Lost) }),
			Wrong:    over(func(f *FaultFigures) float64 { return float64(f.Wrong) }),
			P99:      over(func(f *FaultFigures) float64 { return float64(f.P99) }),
			Recover:  over(func(f *FaultFigures) float64 { return float64(f.Recover) }),
		})
	}
	return all
}

// spread is the middle and the ends of some values. Of an even number the
// median is the mean of the two in the middle, and not observed when one of
// them was not.
func spread(values []float64) Spread {
	n := len(values)
	if n == 0 {
		return Spread{}
	}
	sorted := slices.SortedFunc(slices.Values(values), func(a, b float64) int {
		if (a < 0) != (b < 0) {
			return cmp.Compare(b, a)
		}
		return cmp.Compare(a, b)
	})
	median := sorted[n/2]
	if n%2 == 0 && median >= 0 {
		median = (sorted[n/2-1] + median) / 2
	}
	return Spread{Runs: n, Median: median, Least: sorted[0], Most: sorted[n-1]}
}

// timeScales says where detection ran faster than documented.
func (m *Matrix) timeScales() string {
	scales := map[int][]string{}
	var order []int
	for i := range m.Cells {
		c := &m.Cells[i]
		if scales[c.TimeScale] == nil {
			order = append(order, c.TimeScale)
		}
		scales[c.TimeScale] = append(scales[c.TimeScale], c.label())
	}
	switch {
	case len(order) == 0 || len(order) == 1 && order[0] <= 1:
		return ""
	case len(order) == 1:
		return fmt.Sprintf("Time scale %d: detection ran that many times as fast as the documented settings would.", order[0])
	}
	var parts []string
	for _, scale := range order {
		parts = append(parts, fmt.Sprintf("%d for %s", scale, and(scales[scale])))
	}
	return "The time scale, which says how many times as fast detection ran, differs: " + strings.Join(parts, "; ") + "."
}

// label is the values of a cell.
func (c *Cell) label() string {
	values := make([]string, len(c.Settings))
	for i, s := range c.Settings {
		values[i] = s.Value
	}
	return strings.Join(values, ", ")
}

// MatrixJSON writes a matrix as its file has it.
func MatrixJSON(w io.Writer, m *Matrix) error {
	m.Format = MatrixFormat
	m.normalise()
	return encodeJSON(w, m)
}

// WriteMatrix writes matrix.json as WriteResult writes a result. Absolute
// directories of runs become relative to it, so that all can be moved together.
func WriteMatrix(path string, m *Matrix) error {
	whole := *m
	whole.Cells = slices.Clone(m.Cells)
	for i := range whole.Cells {
		c := &whole.Cells[i]
		c.Runs = slices.Clone(c.Runs)
		for j := range c.Runs {
			c.Runs[j].Dir = beside(path, c.Runs[j].Dir)
		}
	}
	whole.Format = MatrixFormat
	whole.normalise()
	return writeJSON(path, &whole)
}

// beside is dir relative to the directory of a file.
func beside(file, dir string) string {
	if dir == "" || !filepath.IsAbs(dir) {
		return filepath.ToSlash(dir)
	}
	from, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return dir
	}
	to, err := filepath.Rel(from, dir)
	if err != nil {
		return dir
	}
	return filepath.ToSlash(to)
}

// ReadMatrix reads a matrix.json, as ReadResult does a result.
func ReadMatrix(path string) (*Matrix, error) {
	var m Matrix
	if _, err := readJSON(path, MatrixFormat, &m); err != nil {
		return nil, err
	}
	if err := checkVerdict(path, m.Verdict); err != nil {
		return nil, err
	}
	m.normalise()
	return &m, nil
}

func (m *Matrix) normalise() {
	empty(&m.Keys)
	empty(&m.Cells)
	for i := range m.Cells {
		c := &m.Cells[i]
		empty(&c.Settings)
		empty(&c.Runs)
		empty(&c.Faults)
		for j := range c.Runs {
			empty(&c.Runs[j].Reasons)
		}
	}
}
