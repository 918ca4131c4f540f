package results

import (
	"encoding/xml"
	"io"
	"strconv"
	"strings"
	"time"
)

// JUnit writes a run as JUnit XML: one test suite, in whose properties are the
// settings and the figures of each fault. Its test cases have the scenario as
// their class, and are
//
//	each objective    failure when it was missed, skipped when it is
//	                  inconclusive: it was not, or not well enough, measured
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
// The time of the suite, in seconds, is that of the load, and stands on the
// case run; objectives and gates take none of their own.
func JUnit(w io.Writer, r *Result) error {
	return writeJUnit(w, []junitSuite{newJUnitSuite(r.Scenario, r.Scenario, r.junit())})
}

// SuiteJUnit writes all runs of a suite as JUnit XML, a test suite for each,
// with cases as those of JUnit.
func SuiteJUnit(w io.Writer, s *SuiteResult) error {
	suites := make([]junitSuite, len(s.Runs))
	for i := range s.Runs {
		r := &s.Runs[i]
		suites[i] = newJUnitSuite(r.title(), r.Scenario, r.junit())
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
	gates      []Gate
	balanced   bool
	checks     int
	broken     []LedgerCheck
}

func (r *Result) junit() junitRun {
	run := junitRun{verdict: r.Verdict, reasons: r.Reasons, startedAt: r.StartedAt, durationNS: r.DurationNS,
		objectives: r.Objectives, gates: r.Gates,
		balanced: r.Ledgers.Balanced, checks: len(r.Ledgers.Checks), broken: r.Ledgers.broken()}
	run.properties = []junitProperty{
		{"verdict", string(r.Verdict)}, {"seed", strconv.FormatUint(r.Seed, 10)}, {"command", r.Command}, {"version", r.Version},
		{"preset", r.Preset}, {"time_scale", strconv.Itoa(r.TimeScale)}, {"network", r.Network},
		{"sign_ins", Count(r.SignIns.Planned)}, {"lost", Count(r.SignIns.lost())}, {"wrong", Count(r.SignIns.wrong())},
		{"response p99", measured(r.Response.P99)},
	}
	for i := range r.Faults {
		f := &r.Faults[i]
		run.properties = append(run.properties, junitProperty{"fault " + f.Name, f.Text})
		run.properties = append(run.properties, faultProperties(f.Name, faultCells(f))...)
	}
	return run
}

func (r *SuiteRun) junit() junitRun {
	run := junitRun{verdict: r.Verdict, reasons: r.Reasons, startedAt: r.StartedAt, durationNS: r.DurationNS,
		objectives: r.Objectives, gates: r.Gates,
		balanced: r.Ledgers.Balanced, checks: r.Ledgers.Checks, broken: r.Ledgers.Broken}
	run.properties = []junitProperty{
		{"verdict", string(r.Verdict)}, {"set", strings.Join(r.Set, " ")}, {"run directory", r.Dir},
	}
	if !r.Measured {
		return run
	}
	run.properties = append(run.properties, junitProperty{"sign_ins", Count(r.SignIns)}, junitProperty{"lost", Count(r.Lost)},
		junitProperty{"wrong", Count(r.Wrong)}, junitProperty{"response p99", measured(r.P99)})
	for i := range r.Faults {
		run.properties = append(run.properties, faultProperties(r.Faults[i].Name, r.Faults[i].cells())...)
	}
	return run
}

func faultProperties(name string, cells []string) (list []junitProperty) {
	for i, head := range faultHeads {
		list = append(list, junitProperty{"fault " + name + " " + head, cells[i]})
	}
	return list
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

func seconds3(ns int64) string { return strconv.FormatFloat(float64(ns)/1e9, 'f', 3, 64) }

func newJUnitSuite(name, class string, r junitRun) junitSuite {
	s := junitSuite{Name: name, Time: seconds3(r.durationNS), Properties: r.properties, durationNS: r.durationNS}
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
			l.Error = &junitProblem{Message: notBalanced(len(r.broken), r.checks), Type: "ledgers", Text: checksText(r.broken)}
		}
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

func checksText(broken []LedgerCheck) string {
	texts := make([]string, len(broken))
	for i := range broken {
		texts[i] = checkText(&broken[i])
		if broken[i].Note != "" {
			texts[i] += " (" + broken[i].Note + ")"
		}
	}
	return strings.Join(texts, "\n")
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
