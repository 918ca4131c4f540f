package results

import (
	"encoding/xml"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// JUnit writes a run as JUnit XML: one test suite, in whose properties are the
// settings and the figures of each fault. Its test cases have the scenario as
// their class, and are
//
//	each objective    failure when it was missed, skipped when it is
//	                  inconclusive: it was not, or not well enough, measured
//	each fault        of which anything was expected, named "expected: " and the
//	                  fault: failure when anything was otherwise, skipped when
//	                  something could not be seen
//	each gate         named "gate: " and the gate; error when it does not hold,
//	                  for then the run says nothing of the system under test;
//	                  skipped when it was not measured
//	ledgers           error when the books do not balance
//	run               error when the run was aborted, or is inconclusive for a
//	                  reason that no other case gives; failure when it failed
//	                  for one, as when a fault was not injected
//
// So a run that is inconclusive by its objectives alone has skipped cases and no
// others: whoever reads the file and not the exit code takes it for a good one.
//
// Properties have names in snake_case, counts and times as plain numbers, and
// the unit in the name, as in response_p99_ns. A time of a fault that was not
// observed is -1; what is not known, or did not have to happen, is absent.
//
// The time of the suite, in seconds, is that of the load, and stands on the
// case run; objectives and gates take none of their own.
func JUnit(w io.Writer, r *Result) error {
	return writeJUnit(w, []junitSuite{newJUnitSuite(r.Scenario, r.Scenario, r.junit())})
}

// SuiteJUnit writes all runs of a suite as JUnit XML, a test suite for each,
// with cases as those of JUnit. When runs were not made, there is one more test
// suite, named after the suite, whose case "runs" is an error.
func SuiteJUnit(w io.Writer, s *SuiteResult) error {
	suites := make([]junitSuite, len(s.Runs), len(s.Runs)+1)
	for i := range s.Runs {
		r := &s.Runs[i]
		suites[i] = newJUnitSuite(r.title(), r.Scenario, r.junit())
	}
	if len(s.Reasons) > 0 {
		suites = append(suites, junitSuite{Name: s.Suite, Tests: 1, Errors: 1, Time: seconds3(0),
			Properties: known([]junitProperty{{"verdict", string(s.Verdict)}, {"planned", positive(int64(s.Planned))}}),
			Cases: []junitCase{{Name: "runs", Class: s.Suite, Time: seconds3(0),
				Error: &junitProblem{Message: strings.Join(s.Reasons, "; "), Type: "runs", Text: s.notMade()}}}})
	}
	return writeJUnit(w, suites)
}

// junitRun is what JUnit XML says of a run, whether from its result or from
// the suite it was part of.
type junitRun struct {
	verdict    Verdict
	reasons    []string
	startedAt  string
	durationNS int64
	properties []junitProperty
	objectives []Objective
	expecting  []*Fault
	gates      []Gate
	balanced   bool
	checks     int
	broken     []LedgerCheck
	waived     []LedgerCheck
}

func (r *Result) junit() junitRun {
	run := junitRun{verdict: r.Verdict, reasons: r.Reasons, startedAt: r.StartedAt, durationNS: r.DurationNS,
		objectives: r.Objectives, gates: r.Gates,
		balanced: r.Ledgers.Balanced, checks: len(r.Ledgers.Checks), broken: r.Ledgers.broken(), waived: r.Ledgers.waived()}
	run.expecting = expecting(r.Faults)
	run.properties = []junitProperty{
		{"verdict", string(r.Verdict)}, {"seed", strconv.FormatUint(r.Seed, 10)}, {"command", r.Command}, {"version", r.Version},
		{"preset", r.Preset}, {"time_scale", positive(int64(r.TimeScale))}, {"network", r.Network},
		{"sign_ins", plainCount(r.SignIns.Planned)}, {"lost", plainCount(r.SignIns.lost())}, {"wrong", plainCount(r.SignIns.wrong())},
		{"response_p99_ns", positive(r.Response.P99)},
	}
	for i := range r.Faults {
		f := &r.Faults[i]
		run.properties = append(run.properties, junitProperty{"fault_" + snake(f.Name), f.Text})
		if f.At >= 0 {
			figures := figuresOf(f)
			run.properties = append(run.properties, figures.properties()...)
		}
	}
	return run
}

func (r *SuiteRun) junit() junitRun {
	run := junitRun{verdict: r.Verdict, reasons: r.Reasons, startedAt: r.StartedAt, durationNS: r.DurationNS,
		objectives: r.Objectives, gates: r.Gates,
		balanced: r.Ledgers.Balanced, checks: r.Ledgers.Checks, broken: r.Ledgers.Broken, waived: r.Ledgers.Waived}
	run.properties = []junitProperty{
		{"verdict", string(r.Verdict)}, {"set", strings.Join(r.Set, " ")}, {"run_directory", r.Dir},
	}
	if !r.Measured {
		return run
	}
	run.properties = append(run.properties, junitProperty{"sign_ins", plainCount(r.SignIns)}, junitProperty{"lost", plainCount(r.Lost)},
		junitProperty{"wrong", plainCount(r.Wrong)}, junitProperty{"response_p99_ns", positive(r.P99)})
	for i := range r.Faults {
		run.properties = append(run.properties, r.Faults[i].properties()...)
	}
	return run
}

// properties are the figures of a fault under the names that JSON has for them.
func (f *FaultFigures) properties() []junitProperty {
	of := "fault_" + snake(f.Name) + "_"
	return []junitProperty{
		{of + "detect_ns", needed(f.Detect)}, {of + "failover_ns", needed(f.Failover)},
		{of + "lost", plainCount(f.Lost)}, {of + "wrong", plainCount(f.Wrong)},
		{of + "p99_ns", positive(f.P99)}, {of + "recover_ns", needed(f.Recover)},
	}
}

// What programs read is without thousands apart, "" for what is not known.
func plainCount(n uint64) string { return strconv.FormatUint(n, 10) }

func positive(n int64) string {
	if n <= 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// needed is a time in nanoseconds, -1 when it was not observed.
func needed(ns int64) string {
	if ns == unneeded {
		return ""
	}
	return strconv.FormatInt(ns, 10)
}

// snake is a name as a part of a property's.
func snake(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return '_'
	}, name)
}

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Timestamp  string          `xml:"timestamp,attr,omitempty"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
	durationNS int64
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitProblem `xml:"failure"`
	Error   *junitProblem `xml:"error"`
	Skipped *junitProblem `xml:"skipped"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// known are the properties that have a value.
func known(list []junitProperty) []junitProperty {
	return slices.DeleteFunc(list, func(p junitProperty) bool { return p.Value == "" })
}

func seconds3(ns int64) string { return strconv.FormatFloat(float64(ns)/1e9, 'f', 3, 64) }

func newJUnitSuite(name, class string, r junitRun) junitSuite {
	s := junitSuite{Name: name, Time: seconds3(r.durationNS), Properties: known(r.properties), durationNS: r.durationNS}
	if start, err := time.Parse(time.RFC3339Nano, r.startedAt); err == nil {
		s.Timestamp = start.UTC().Format("2006-01-02T15:04:05")
	}
	add := func(c junitCase) {
		c.Class = class
		if c.Time == "" {
			c.Time = seconds3(0)
		}
		s.Tests++
		switch {
		case c.Failure != nil:
			s.Failures++
		case c.Error != nil:
			s.Errors++
		case c.Skipped != nil:
			s.Skipped++
		}
		s.Cases = append(s.Cases, c)
	}
	for i := range r.objectives {
		add(objectiveCase(&r.objectives[i]))
	}
	for _, f := range r.expecting {
		add(expectedCase(f))
	}
	undecided := s.Skipped
	for i := range r.gates {
		g := &r.gates[i]
		c := junitCase{Name: "gate: " + g.Name}
		switch {
		case !g.Holds:
			c.Error = &junitProblem{Message: gateBroken(g), Type: "gate"}
		case g.notMeasured():
			c.Skipped = &junitProblem{Message: g.Reason}
		default:
			c.Out = gateText(g)
		}
		add(c)
	}
	if r.checks > 0 {
		l := junitCase{Name: "ledgers"}
		if !r.balanced {
			l.Error = &junitProblem{Message: balanceOfBooks(false, r.checks, len(r.broken), len(r.waived)), Type: "ledgers", Text: checksText(r.broken, notedText)}
		}
		l.Out = checksText(r.waived, waivedText)
		add(l)
	}
	add(runCase(&r, s.Failures, s.Errors, undecided))
	return s
}

func objectiveCase(o *Objective) junitCase {
	c := junitCase{Name: o.Text, Out: "value " + objectiveValue(o)}
	if basis := objectiveBasis(o); basis != "" {
		c.Out += "; " + basis
	}
	problem := &junitProblem{Message: o.Reason, Type: "objective"}
	switch o.Verdict {
	case Pass:
	case Fail:
		c.Failure = problem
	case Inconclusive:
		problem.Type = ""
		c.Skipped = problem
	default:
		c.Error = problem
	}
	return c
}

// runCase holds what the verdict says and no other case does.
func runCase(r *junitRun, failures, errors, undecided int) junitCase {
	c := junitCase{Name: "run", Time: seconds3(r.durationNS), Out: strings.Join(append([]string{"verdict " + string(r.verdict)}, r.reasons...), "\n")}
	problem := &junitProblem{Message: string(r.verdict), Type: "run", Text: strings.Join(r.reasons, "\n")}
	switch {
	case r.verdict == Fail && failures+errors == 0:
		c.Failure = problem
	case r.verdict == Inconclusive && errors+undecided == 0, r.verdict == Aborted:
		c.Error = problem
	}
	return c
}

func writeJUnit(w io.Writer, suites []junitSuite) error {
	all := junitSuites{Name: "ptabench", Suites: suites}
	var duration int64
	for i := range suites {
		s := &suites[i]
		all.Tests, all.Failures = all.Tests+s.Tests, all.Failures+s.Failures
		all.Errors, all.Skipped = all.Errors+s.Errors, all.Skipped+s.Skipped
		duration += s.durationNS
	}
	all.Time = seconds3(duration)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(&all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
