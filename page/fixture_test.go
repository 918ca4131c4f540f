package page

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"ptabench/results"
)

// A made run is one that nobody ran: sign-ins by a seed, and a result of them.
type made struct {
	seconds    int
	perSecond  int
	connectors []string
	faults     []results.Fault
	scenario   string
	warnings   []string
	cutOff     bool // leaves no result
	noUsage    bool // as runs of before it was recorded
	same       bool // every response takes 5 ms
}

func (m made) header() results.Header {
	name := m.scenario
	if name == "" {
		name = "made-up"
	}
	return results.Header{Scenario: name, Seed: 7, StartedAt: "2026-01-02T03:04:05.678Z",
		Duration: int64(m.seconds) * 1e9, Planned: uint64(m.seconds * m.perSecond), Timeout: int64(5 * time.Second),
		Command: "ptabench run " + name, Version: "0.1.0", Intents: []string{"right", "wrong"}, Connectors: m.connectors[:min(len(m.connectors), 255)],
		Machine: results.Machine{OS: "linux", Arch: "amd64", Kernel: "6.18.0", CPUModel: "Some CPU", CPUs: 2, Memory: 8 << 30, Go: "go1.26"}}
}

// signIns makes the sign-ins one by one, so that there may be many.
func (m made) signIns(yield func(results.Sample)) {
	rnd := rand.New(rand.NewPCG(7, 1))
	n := m.seconds * m.perSecond
	servers := min(len(m.connectors), 255)
	for i := range n {
		due := int64(float64(i) / float64(m.perSecond) * 1e9)
		s := results.Sample{Seq: uint32(i), User: uint32(i), Due: due, Sent: due + rnd.Int64N(200_000), Attempts: 1,
			Outcome: results.OutcomeAccepted, Path: results.PathPassThrough, Judgement: results.Right}
		took := int64(20e6 * math.Exp(0.3*rnd.NormFloat64()))
		for _, f := range m.faults {
			if due >= f.At && due < f.At+f.Duration {
				took /= 5
				s.Path = results.PathHashSync
			}
		}
		if m.same {
			s.Sent, took = due, 5e6
		}
		s.Done = s.Sent + took
		switch p := rnd.IntN(1000); {
		case p < 100:
			s.Outcome, s.Code, s.Intent = results.OutcomeRefused, 50126, 1
		case p < 103:
			s.Outcome, s.Path, s.Code, s.Judgement = results.OutcomeFailed, results.PathNone, 80001, results.NotJudged
		case p < 104:
			s.Outcome, s.Path, s.Error, s.Judgement = results.OutcomeUnknown, results.PathNone, results.ErrorTimeout, results.NotJudged
		}
		if s.Path == results.PathPassThrough && servers > 0 {
			s.Server = uint8(1 + rnd.IntN(servers))
			s.Queue, s.Directory = rnd.Uint32N(100), uint32(took/1500)
			s.Connector = s.Directory + 30
		}
		yield(s)
	}
}

// run leaves the run in a new directory of the name and opens it.
func (m made) run(t testing.TB, name string) *results.Run {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := results.Create(dir); err != nil {
		t.Fatal(err)
	}
	h := m.header()
	w, err := results.CreateSamples(filepath.Join(dir, results.SamplesFile), h)
	if err != nil {
		t.Fatal(err)
	}
	rec := results.NewRecorder(w.Header(), nil)
	m.signIns(func(s results.Sample) {
		if err := w.Append(s); err != nil {
			t.Fatal(err)
		}
		rec.Record(s)
	})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	m.write(t, dir, rec.Result())
	run, err := results.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// write leaves what a run has besides its samples.
func (m made) write(t testing.TB, dir string, r results.Result) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(filepath.Join(dir, results.ScenarioFile), []byte("format: 1\nname: "+r.Scenario+"\n"), 0o644))
	events, err := results.CreateEventLog(filepath.Join(dir, results.EventsFile))
	must(err)
	for _, f := range m.faults {
		must(events.Append(results.Event{At: f.At, Source: "harness", Kind: "fault-injected", Connector: f.Target, Cause: f.Name, Count: 1}))
	}
	must(events.Close())
	if !m.noUsage {
		usage, err := results.CreateUsageLog(filepath.Join(dir, results.UsageFile))
		must(err)
		for second := range m.seconds {
			at := int64(second)*1e9 + 4e8
			for _, name := range m.processes() {
				u := results.Usage{At: at, Process: name, CPU: int64(second+1) * 2e8, RSS: int64(30+second%10) << 20}
				if name == "cloudsim" {
					u.InFlight = map[string]int{}
					for i, c := range m.connectors[:min(len(m.connectors), 64)] {
						u.InFlight[c] = (second + i) % 7
					}
				}
				usage.Append(u)
			}
		}
		must(usage.Close())
	}
	if m.cutOff {
		return
	}
	r.Verdict, r.Reasons = results.Fail, []string{"failed == 0: it is not"}
	r.Faults, r.Warnings = m.faults, m.warnings
	r.Preset, r.TimeScale, r.Network = "default", 1, "loopback"
	if len(m.connectors) > len(r.Connectors) {
		r.Connectors = nil
		for i, name := range m.connectors {
			r.Connectors = append(r.Connectors, results.Connector{Name: name, SignIns: uint64(i), Share: float64(i) / 500_000, Capacity: 10})
		}
		r.Balance = results.BalanceOf(r.Connectors)
	}
	r.Objectives = []results.Objective{
		{Text: "failed == 0", Verdict: results.Fail, Value: float64(r.SignIns.Failed), Unit: "count", Window: "whole", Samples: r.SignIns.Sent},
		{Text: "p99(response) < 100ms", Verdict: results.Pass, Value: float64(r.Response.P99), Unit: "ns", Limit: 1e8, Window: "whole",
			Samples: r.SignIns.Sent, Interval: &[2]float64{float64(r.Response.P99) * 0.9, float64(r.Response.P99) * 1.2}, Method: "order statistics"},
	}
	r.Gates = []results.Gate{{Name: "lag", Text: "lag", Value: 2e5, Limit: 1e7, Unit: "ns", Holds: true}}
	r.Ledgers = results.Ledgers{Balanced: false, Harness: map[string]uint64{"sent": r.SignIns.Sent}, Cloud: map[string]uint64{"received": r.SignIns.Sent - 1},
		Checks: []results.LedgerCheck{{Text: "sent = received", Left: r.SignIns.Sent, Op: "=", Right: r.SignIns.Sent - 1}}, Missing: []string{"7-1"}}
	for _, name := range m.processes() {
		r.Processes = append(r.Processes, results.Process{Name: name, Role: name, Starts: 1, CPU: 4e9, CPUPerSignIn: 4e5, RSSMax: 50 << 20})
	}
	must(results.WriteResult(filepath.Join(dir, results.ResultFile), &r))
}

func (m made) processes() []string {
	return slices.Concat([]string{"harness", "cloudsim", "directory"}, m.connectors[:min(len(m.connectors), 60)])
}

func connectorNames(n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("connector-%d", i+1))
	}
	return names
}

// crash is a fault of a second.
func crash(name, target string, at time.Duration) results.Fault {
	return results.Fault{Name: name, Kind: "crash", Target: target, Text: "crash(" + target + ") at " + at.String() + " for 1s", Tier: "process",
		At: int64(at), Duration: 1e9, Injections: 1, Detect: 2e6, Failover: 5e6, Recover: 2e8, Rebalance: 3e8, HandedOff: 3, Lost: 1, P99: 4e7, Healed: true,
		Wrong: []results.Wrong{}}
}

// kinds are the runs that every page must be right for.
var kinds = map[string]made{
	"with-faults": {seconds: 20, perSecond: 200, connectors: connectorNames(3), warnings: []string{"the generator was busy", "something <b>odd</b>"},
		faults: []results.Fault{crash("crash-1", "connector-1", 3*time.Second), crash("all-down", "connectors", 10*time.Second)}},
	"without-faults": {seconds: 12, perSecond: 100, connectors: connectorNames(2), noUsage: true},
	"cut-off":        {seconds: 8, perSecond: 100, connectors: connectorNames(3), cutOff: true},
	"one-sample":     {seconds: 1, perSecond: 1, connectors: connectorNames(1)},
	"no-sample":      {seconds: 0, perSecond: 0, connectors: connectorNames(1)},
	"hour":           {seconds: 3600, perSecond: 5, connectors: connectorNames(20), faults: manyFaults(100)},
	"many-faults":    {seconds: 400, perSecond: 5, connectors: connectorNames(3), faults: manyFaults(300)},
	// As short as a run can be that has something in each table: what looks for
	// what keeps people out looks at every row.
	"short": {seconds: 4, perSecond: 50, connectors: connectorNames(3), warnings: []string{"the generator was busy"},
		faults: append(expecting(3), crash("all-down", "connectors", 3*time.Second))},
	"expecting": {seconds: 60, perSecond: 20, connectors: connectorNames(3), faults: expecting(34)},
	"same":      {seconds: 5, perSecond: 50, connectors: connectorNames(2), same: true},
	"many-connectors": {seconds: 6, perSecond: 300, connectors: connectorNames(1000),
		faults: []results.Fault{crash("crash-1", "connector-500", 3*time.Second)}},
}

func manyFaults(n int) []results.Fault {
	var all []results.Fault
	for i := range n {
		f := crash(fmt.Sprintf("soak-%d", i+1), fmt.Sprintf("connector-%d", i%3+1), time.Duration(i)*1200*time.Millisecond)
		f.Group = "soak"
		all = append(all, f)
	}
	return all
}

// expecting are faults of which something was expected: of the second something
// was otherwise, and of the third something could not be seen.
func expecting(n int) []results.Fault {
	var all []results.Fault
	for i := range n {
		f := crash(fmt.Sprintf("refused-%d", 9000+i), "connector-1", time.Duration(i)*1700*time.Millisecond+200*time.Millisecond)
		f.Shows = "the others serve"
		f.Expected = []results.Expected{
			{Text: "serving(connectors) == 2", Phase: "settled", Observed: "2", Verdict: results.Pass},
			{Text: "path(connector-1) == signalled", Phase: "settled", Observed: "signalled", Verdict: results.Pass},
		}
		switch i {
		case 1:
			f.Expected[0].Observed, f.Expected[0].Verdict = "3 & <more>", results.Fail
		case 2:
			f.Expected[1].Observed, f.Expected[1].Verdict = "not known: no token", results.Inconclusive
		}
		all = append(all, f)
	}
	return all
}
