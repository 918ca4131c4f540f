package page

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ptabench/results"
)

// Most is how many runs a comparison lays over each other: more lines than
// that nobody tells apart.
const Most = 6

// A compareView is the texts of a comparison.
type compareView struct {
	Title     string
	Runs      []comparedRun
	About     string
	Figures   []rowView
	Goals     []goalView
	Scenarios []scenarioDiff
	Charts    map[string]*Chart

	// As of a run, so that pages share their beginning.
	Verdict results.Verdict
	Live    *Live
}

type comparedRun struct {
	Name, Role, Mark string
	Verdict          results.Verdict
	About, Command   string
}

// goalView is an objective and what it came to in each run.
type goalView struct {
	Text  string
	Cells []goalCell
}

type goalCell struct {
	Value, Interval, Mark string
	Verdict               results.Verdict
}

// A scenarioDiff is how the scenario of a run differs from the first one's.
type scenarioDiff struct {
	Name  string
	Lines []diffLine
	Same  bool
	None  string // why there is nothing to compare
}

type diffLine struct{ Mark, Text string }

func (v *compareView) figure(id string) figureView { return figureView{Chart: v.Charts[id]} }

// Compare writes a page that lays 2 to Most runs over each other.
func Compare(w io.Writer, runs []*results.Run) error {
	d, err := Compared(runs)
	if err != nil {
		return err
	}
	return Render(w, d)
}

// Compared is the data of a page of several runs. Their times are aligned at
// the first fault of each.
func Compared(runs []*results.Run) (*Data, error) {
	if len(runs) < 2 || len(runs) > Most {
		return nil, fmt.Errorf("%d runs: expected 2 to %d to compare", len(runs), Most)
	}
	names := namesOf(runs)
	v := &compareView{Title: fmt.Sprintf("%d runs compared", len(runs)), Charts: map[string]*Chart{}}
	d := &Data{Format: Format, Title: v.Title, Bands: []Band{}, Bad: []float64{}}
	var courses []*results.Course
	var verdicts []results.Verdict
	var texts []string
	for i, run := range runs {
		r := &run.Result
		course, err := run.Course()
		if err != nil {
			course = &results.Course{Intervals: r.Intervals}
		}
		courses = append(courses, course)
		verdicts = append(verdicts, r.Verdict)
		text, err := os.ReadFile(filepath.Join(run.Dir, results.ScenarioFile))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		texts = append(texts, string(text))
		v.Runs = append(v.Runs, comparedRun{Name: names[i], Role: runRole(i), Mark: results.Mark(r.Verdict), Verdict: r.Verdict,
			About: r.About(), Command: r.Command})
	}
	d.Verdict, v.Verdict = results.Worst(verdicts...), results.Worst(verdicts...)
	align(d, runs)
	d.Charts = []Chart{comparedTimes(d, runs, names, "p99", func(s *results.Interval) float64 { return positive(s.P99) }),
		comparedTimes(d, runs, names, "p50", func(s *results.Interval) float64 { return positive(s.P50) }),
		comparedCurves(courses, names), comparedLost(d, runs, names)}
	for i := range d.Charts {
		d.Charts[i].fill()
		v.Charts[d.Charts[i].ID] = &d.Charts[i]
	}
	v.About = "Times count from the beginning of the load."
	if len(d.Bands) > 0 {
		v.About = "Times count from when " + d.Bands[0].Name + " was injected, the first fault of each run; the band is that of " + names[0] + "."
	}
	v.figures(runs)
	v.goals(runs)
	v.scenarios(names, texts)
	d.view = v
	return d, nil
}

func runRole(i int) string { return fmt.Sprintf("run-%d", i) }

// namesOf are the names of the runs' directories; where two are the same, with
// a number.
func namesOf(runs []*results.Run) []string {
	var names []string
	for _, run := range runs {
		name := filepath.Base(filepath.Clean(run.Dir))
		if abs, err := filepath.Abs(run.Dir); err == nil {
			name = filepath.Base(abs)
		}
		for i, plain := 2, name; slices.Contains(names, name); i++ {
			name = fmt.Sprintf("%s (%d)", plain, i)
		}
		names = append(names, name)
	}
	return names
}

// zeroOf is where the times of a run count from: its first fault, when every
// run has one, else the beginning of the load.
func zeroOf(r *results.Result) (at int64, fault *results.Fault) {
	for i := range r.Faults {
		if f := &r.Faults[i]; f.At >= 0 && (fault == nil || f.At < fault.At) {
			at, fault = f.At, f
		}
	}
	return at, fault
}

// align puts the band of the first fault at 0, when every run has one.
func align(d *Data, runs []*results.Run) {
	begin, end := 0.0, 0.0
	for _, run := range runs {
		at, fault := zeroOf(&run.Result)
		if fault == nil {
			begin, end = 0, 0
			for _, run := range runs {
				end = max(end, float64(run.Result.DurationNS)/1e9)
			}
			d.From, d.Duration = 0, end
			return
		}
		begin, end = min(begin, -float64(at)/1e9), max(end, float64(run.Result.DurationNS-at)/1e9)
	}
	d.From, d.Duration = begin, end
	at, fault := zeroOf(&runs[0].Result)
	for _, b := range bands(&runs[0].Result) {
		if b.Name == fault.Name {
			shift := float64(at) / 1e9
			b.From, b.To = b.From-shift, b.To-shift
			if b.Recovered != nil {
				r := *b.Recovered - shift
				b.Recovered = &r
			}
			d.Bands = append(d.Bands, b)
			return
		}
	}
}

// comparedSeconds draws one value of every second of every run, on one axis of
// whole seconds since what they are aligned at.
func comparedSeconds(c *Chart, d *Data, runs []*results.Run, names []string, value func(*results.Interval) float64) {
	first, last := math.MaxInt, math.MinInt
	all := make([]map[int]float64, len(runs))
	for i, run := range runs {
		zero := int64(0)
		if len(d.Bands) > 0 {
			zero, _ = zeroOf(&run.Result)
		}
		all[i] = map[int]float64{}
		for j := range run.Result.Intervals {
			s := &run.Result.Intervals[j]
			at := int(math.Round((float64(s.At-zero) + 5e8) / 1e9))
			if j > maxSeconds {
				break
			}
			all[i][at] = value(s)
			first, last = min(first, at), max(last, at)
		}
	}
	if first > last {
		c.Missing = "No run recorded a second of load."
		return
	}
	var x []float64
	for at := first; at <= last && at-first <= 2*maxSeconds; at++ {
		x = append(x, float64(at))
	}
	k := stretch(len(x))
	c.X, c.Note = pairs(x, k), thinned(k, "the least and the greatest of each stretch are kept")
	for i := range runs {
		values := make([]float64, len(x))
		for j := range values {
			v, known := all[i][first+j]
			if values[j] = math.NaN(); known {
				values[j] = v
			}
		}
		c.Series = append(c.Series, Series{Name: names[i], Role: runRole(i), Values: extremes(values, k)})
	}
}

func comparedTimes(d *Data, runs []*results.Run, names []string, what string, value func(*results.Interval) float64) Chart {
	c := Chart{ID: "compare-" + what, Title: "Response time, " + what, Kind: Lines, Unit: "ns", Log: true}
	comparedSeconds(&c, d, runs, names, value)
	var parts []string
	for i, run := range runs {
		p := run.Result.Response.P99
		if what == "p50" {
			p = run.Result.Response.P50
		}
		parts = append(parts, names[i]+" "+results.Duration(p))
	}
	c.Says = "The " + what + " of the whole load: " + strings.Join(parts, ", ") + "."
	return c
}

func comparedLost(d *Data, runs []*results.Run, names []string) Chart {
	c := Chart{ID: "compare-lost", Title: "Sign-ins lost each second", Kind: Lines, Unit: "count"}
	comparedSeconds(&c, d, runs, names, func(s *results.Interval) float64 { return float64(s.Failed + s.Unknown) })
	var parts []string
	lost := uint64(0)
	for i, run := range runs {
		parts = append(parts, names[i]+" "+results.Count(run.Result.SignIns.Lost()))
		lost += run.Result.SignIns.Lost()
	}
	if lost == 0 {
		return Chart{ID: c.ID, Title: c.Title, Kind: c.Kind, Unit: c.Unit, Missing: "No run lost a sign-in."}
	}
	c.Says = "Lost in the whole load: " + strings.Join(parts, ", ") + "."
	return c
}

func comparedCurves(courses []*results.Course, names []string) Chart {
	c := Chart{ID: "compare-curve", Title: "Percentiles of response", Kind: Curve, Unit: "ns", Log: true}
	var list []named
	for i, course := range courses {
		list = append(list, named{names[i], runRole(i), course.Response})
	}
	drawCurves(&c, list)
	c.Series = slices.DeleteFunc(c.Series, func(s Series) bool {
		return !slices.ContainsFunc(s.Values, func(v float64) bool { return !math.IsNaN(v) })
	})
	c.Says = "How long the fastest share of sign-ins took until they were answered or given up, run by run."
	if len(c.Series) == 0 {
		c.Missing = "No run sent a sign-in."
	}
	return c
}

func (v *compareView) figures(runs []*results.Run) {
	row := func(name string, of func(r *results.Result) string) {
		line := rowView{Name: name}
		for _, run := range runs {
			line.Cells = append(line.Cells, of(&run.Result))
		}
		v.Figures = append(v.Figures, line)
	}
	row("scenario", func(r *results.Result) string { return r.Scenario })
	row("seed", func(r *results.Result) string { return fmt.Sprint(r.Seed) })
	for i, name := range []string{"p50", "p90", "p99", "p99.9", "max", "mean"} {
		row("response "+name, func(r *results.Result) string { return r.Response.Cells()[i] })
	}
	row("sent", func(r *results.Result) string { return results.Count(r.SignIns.Sent) })
	row("lost", func(r *results.Result) string { return results.Count(r.SignIns.Lost()) })
	row("answered wrongly", func(r *results.Result) string { return results.Count(r.SignIns.Wrong()) })
	row("after a handoff", func(r *results.Result) string { return results.Count(r.SignIns.HandedOff) })
	row("by hash sync", func(r *results.Result) string { return results.Count(r.SignIns.ByPath.HashSync) })
	row("by federation", func(r *results.Result) string { return results.Count(r.SignIns.ByPath.Federation) })
	row("rate", func(r *results.Result) string { return results.PerSecond(r.Rate.AchievedPerS) })
	row("machine", func(r *results.Result) string { return cmp.Or(r.Machine.Text(), "–") })
}

func (v *compareView) goals(runs []*results.Run) {
	at := map[string]int{}
	for i, run := range runs {
		for j := range run.Result.Objectives {
			o := &run.Result.Objectives[j]
			n, known := at[o.Text]
			if !known {
				n = len(v.Goals)
				at[o.Text] = n
				v.Goals = append(v.Goals, goalView{Text: o.Text, Cells: make([]goalCell, len(runs))})
			}
			t := o.Tell()
			v.Goals[n].Cells[i] = goalCell{Value: t.Value, Interval: t.Interval, Mark: results.Mark(o.Verdict), Verdict: o.Verdict}
		}
	}
}

func (v *compareView) scenarios(names, texts []string) {
	for i := range texts {
		if i == 0 {
			continue
		}
		s := scenarioDiff{Name: names[i]}
		switch {
		case texts[0] == "" || texts[i] == "":
			s.None = "a run directory without a scenario.yaml cannot be compared"
		case texts[0] == texts[i]:
			s.Same = true
		default:
			s.Lines = diff(strings.Split(strings.TrimRight(texts[0], "\n"), "\n"), strings.Split(strings.TrimRight(texts[i], "\n"), "\n"))
		}
		v.Scenarios = append(v.Scenarios, s)
	}
}

// mostLines bounds the lines of a scenario that are compared: a comparison
// takes their product.
const mostLines = 2000

// diff is what was taken from a and put into b, each with up to two lines
// around it, by the longest common subsequence.
func diff(a, b []string) (lines []diffLine) {
	a, b = a[:min(len(a), mostLines)], b[:min(len(b), mostLines)]
	common := make([][]uint16, len(a)+1)
	for i := range common {
		common[i] = make([]uint16, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var all []diffLine
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			all = append(all, diffLine{" ", a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			all = append(all, diffLine{"−", a[i]})
			i++
		default:
			all = append(all, diffLine{"+", b[j]})
			j++
		}
	}
	const around = 2
	last := -1
	for i := range all {
		near := slices.ContainsFunc(all[max(0, i-around):min(len(all), i+around+1)], func(l diffLine) bool { return l.Mark != " " })
		if !near {
			continue
		}
		if i > last+1 && last >= 0 {
			lines = append(lines, diffLine{"…", ""})
		}
		lines, last = append(lines, all[i]), i
	}
	return lines
}
