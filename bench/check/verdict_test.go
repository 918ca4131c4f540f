package check

import (
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"ptabench/observe"
	"ptabench/results"
	"ptabench/scenarios"
)

func TestVerdicts(t *testing.T) {
	healed := Fault{Name: "crash-1", Kind: scenarios.Crash, Target: "connector-1", Began: second, InjectedAt: second, UndoBegan: 2 * second, UndoneAt: 2 * second, Injections: 1, Healed: true}
	late := func(w *world) {
		for i := range w.samples {
			w.samples[i].Sent, w.samples[i].Done = w.samples[i].Due+20*ms, w.samples[i].Due+60*ms
		}
	}
	for name, c := range map[string]struct {
		change  func(*world)
		spoil   func(*world)
		verdict results.Verdict
		reasons []string // how each begins
	}{
		"all well": {
			change: func(w *world) {
				w.objectives, w.faults = []string{"failed == 0", "p99(response) < 1s"}, []Fault{healed}
			},
			verdict: results.Pass,
		},
		"no objectives": {verdict: results.Pass},
		"the books do not balance": {
			spoil:   func(w *world) { w.log = w.log[:len(w.log)-1] },
			verdict: results.Fail,
			reasons: []string{"The books do not balance; what does not hold: answered sign-ins = those once in the cloud's log (400 = 399), missing: " + requestID(399) + ";"},
		},
		"an objective is missed": {
			change: func(w *world) {
				w.objectives = []string{"failed == 0"}
				w.samples[3].Outcome, w.samples[3].Path, w.samples[3].Code = results.OutcomeFailed, results.PathNone, 80002
			},
			verdict: results.Fail,
			reasons: []string{`The objective "failed == 0" is missed: it is 1.`},
		},
		"an objective is undecided": {
			change:  func(w *world) { w.objectives = []string{"p99.9(response) < 1s"} },
			verdict: results.Inconclusive,
			reasons: []string{`The objective "p99.9(response) < 1s" is undecided: it is 2.00 ms, but 400 sign-ins are too few: the claim takes 2,995 with none over the limit.`},
		},
		"a fault hit nothing": {
			change: func(w *world) {
				f := healed
				f.Injections, f.Err = 0, "it injected nothing"
				w.faults = []Fault{f}
			},
			verdict: results.Fail, reasons: []string{"The fault crash-1 hit nothing: it injected nothing."},
		},
		"a fault was not injected": {
			change: func(w *world) {
				f := healed
				f.InjectedAt, f.UndoneAt, f.Injections, f.Healed = Never, Never, 0, false
				w.faults = []Fault{f}
			},
			verdict: results.Fail, reasons: []string{"The fault crash-1 was not injected."},
		},
		"a fault was not undone": {
			change: func(w *world) {
				f := healed
				f.UndoneAt, f.Healed, f.Err = Never, false, "undoing: no process"
				w.faults = []Fault{f}
			},
			verdict: results.Fail, reasons: []string{"The fault crash-1 was not undone: undoing: no process."},
		},
		"a fault had trouble": {
			change: func(w *world) {
				f := healed
				f.Err = "journal: disk full"
				w.faults = []Fault{f}
			},
			verdict: results.Fail, reasons: []string{"The fault crash-1 did not go as planned: journal: disk full."},
		},
		"tokens that do not verify": {
			spoil:   func(w *world) { w.generator.TokensVerified, w.generator.TokensBad = 2, 1 },
			verdict: results.Fail, reasons: []string{"Of 2 tokens whose signature was checked, 1 does not verify."},
		},
		"something unsent": {
			change:  func(w *world) { w.samples[9] = results.Sample{Seq: 9, Due: w.samples[9].Due} },
			verdict: results.Inconclusive, reasons: []string{"The load generator could not send 1 of 400 sign-ins."},
		},
		"far off the plan": {
			change: func(w *world) {
				for i := range 40 {
					w.samples[i] = results.Sample{Seq: uint32(i), Due: w.samples[i].Due}
				}
			},
			verdict: results.Inconclusive,
			reasons: []string{"The load generator could not send 40 of 400 sign-ins.", "The load was 90.0/s, more than 1 % off the planned 100/s.",
				"In second 1 of the load 60 sign-ins were sent and 100 were due."},
		},
		"nothing sent": {
			change: func(w *world) {
				for i := range w.samples {
					w.samples[i] = results.Sample{Seq: uint32(i), Due: w.samples[i].Due}
				}
			},
			verdict: results.Inconclusive, reasons: []string{"Nothing was sent."},
		},
		"late, without a limit": {
			change:  late,
			verdict: results.Inconclusive, reasons: []string{"The load generator sent late: 1 in 100 sign-ins by more than 20.0 ms, over 10 ms."},
		},
		"late, and a wide limit": {
			change:  func(w *world) { late(w); w.objectives = []string{"p99(response) < 1s", "p50(response) < 500ms"} },
			verdict: results.Pass,
		},
		"late, and a narrow limit": {
			change:  func(w *world) { late(w); w.objectives = []string{"p99(response) < 1s", "max(response) < 150ms"} },
			verdict: results.Inconclusive,
			reasons: []string{"The load generator sent late: 1 in 100 sign-ins by more than 20.0 ms, over 15.0 ms, 10 % of the smallest response time in an objective."},
		},
		"late, and a limit that is missed": {
			change:  func(w *world) { late(w); w.objectives = []string{"p99(response) < 50ms", "failed > 0"} },
			verdict: results.Fail,
			reasons: []string{`The objective "failed > 0" is missed: it is 0.`,
				`The objective "p99(response) < 50ms" is undecided: it is 60.0 ms, and the load generator itself was late.`, "The load generator sent late"},
		},
		"late, and most sign-ins without an answer": {
			change: func(w *world) {
				late(w)
				w.objectives = []string{"p50(response) < 50ms"}
				for i := range w.samples {
					if s := &w.samples[i]; i%4 > 0 {
						s.Outcome, s.Path, s.Code, s.Judgement = results.OutcomeFailed, results.PathNone, 80001, results.NotJudged
					}
				}
			},
			verdict: results.Fail,
			reasons: []string{`The objective "p50(response) < 50ms" is missed: 75.0 % had no answer, which counts as slower than any limit.`, "The load generator sent late"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if c.change != nil {
				c.change(w)
			}
			w.settle()
			if c.spoil != nil {
				c.spoil(w)
			}
			r := w.conclude(t)
			if r.Verdict != c.verdict {
				t.Errorf("verdict %s, want %s: %q", r.Verdict, c.verdict, r.Reasons)
			}
			if !slices.EqualFunc(r.Reasons, c.reasons, strings.HasPrefix) {
				t.Errorf("reasons\n\t%s\nwant\n\t%s", strings.Join(r.Reasons, "\n\t"), strings.Join(c.reasons, "\n\t"))
			}
		})
	}
}

func TestAbortedStays(t *testing.T) {
	w := newWorld(t)
	w.objectives = []string{"failed > 0"}
	w.settle()
	r, err := results.Summarise(w.header(), w.all())
	if err != nil {
		t.Fatal(err)
	}
	r.Verdict, r.Reasons = results.Aborted, []string{"Interrupted."}
	if err := Conclude(w.input(t), &r); err != nil {
		t.Fatal(err)
	}
	if r.Verdict != results.Aborted || len(r.Reasons) != 2 || r.Reasons[0] != "Interrupted." {
		t.Errorf("%s: %q", r.Verdict, r.Reasons)
	}
}

func TestSamplesThatCannotBeReadFail(t *testing.T) {
	w := newWorld(t)
	w.settle()
	in := w.input(t)
	torn := errors.New("cut off within record 3")
	in.Samples = func() iter.Seq2[results.Sample, error] {
		return func(yield func(results.Sample, error) bool) { yield(results.Sample{}, torn) }
	}
	var r results.Result
	if err := Conclude(in, &r); !errors.Is(err, torn) {
		t.Errorf("%v", err)
	}
	if r.Verdict != results.Fail || len(r.Reasons) != 1 || !strings.Contains(r.Reasons[0], "cut off") {
		t.Errorf("%s: %q", r.Verdict, r.Reasons)
	}
}

func TestWhatOthersKnowOfConnectors(t *testing.T) {
	w := newWorld(t)
	w.samples[2].Attempts = 2 // connector-1's, after connector-2 gave it up
	w.settle()
	w.connectors = append(w.connectors, ConnectorBook{Name: "connector-2"})
	w.cloud.Counters.Tenants[0].Connectors[1].HandedOff = 1
	w.events = []observe.Event{{Kind: observe.EventsOverflowed, Count: 5}}
	r := w.conclude(t)
	if c := r.Connectors[1]; c.InFlightPeak != 8 || c.HandedOff != 1 || c.Restarts != 1 || c.SignIns != 200 {
		t.Errorf("%+v", c)
	}
	if c := r.Connectors[0]; c.InFlightPeak != 7 || c.HandedOff != 0 || c.Restarts != 0 {
		t.Errorf("%+v", c)
	}
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "5 events") {
		t.Errorf("%q", r.Warnings)
	}
}

// That a run which was stopped did not come to its end is said once, by why it
// was stopped.
func TestAbortedHasNoDoubts(t *testing.T) {
	w := newWorld(t)
	w.objectives = []string{"p99.9(response) < 1s", "failed > 0"}
	w.faults = []Fault{
		{Name: "crash-1", Kind: scenarios.Crash, Target: "connector-1", InjectedAt: Never, UndoneAt: Never},
		{Name: "crash-2", Kind: scenarios.Crash, Target: "connector-1", Began: second, InjectedAt: second, UndoBegan: 2 * second, UndoneAt: Never, Injections: 1},
	}
	for i := 200; i < 400; i++ {
		w.samples[i] = results.Sample{Seq: uint32(i), Due: w.samples[i].Due}
	}
	w.settle()
	r, err := results.Summarise(w.header(), w.all())
	if err != nil {
		t.Fatal(err)
	}
	r.Verdict, r.Reasons = results.Aborted, []string{"Stopped."}
	if err := Conclude(w.input(t), &r); err != nil {
		t.Fatal(err)
	}
	want := []string{"Stopped.", "The fault crash-2 was not undone.", `The objective "failed > 0" is missed: it is 0.`}
	if r.Verdict != results.Aborted || !slices.Equal(r.Reasons, want) {
		t.Errorf("%s: %q, want %q", r.Verdict, r.Reasons, want)
	}
}

// Hash sync lets locked users in, and the result says that this is why.
func TestWrongAcceptsHaveACause(t *testing.T) {
	w := newWorld(t)
	for _, i := range []int{8, 16, 24} {
		s := &w.samples[i]
		s.Intent, s.Path, s.Server, s.Attempts, s.Judgement = 2, results.PathHashSync, 0, 0, results.WrongAccept
	}
	w.objectives = []string{"wrong_accepts == 0"}
	w.settle()
	r := w.conclude(t)
	want := results.Wrong{Kind: "wrong-accept", Path: "hash-sync", Cause: "locked is not carried by hash sync", Count: 3}
	if len(r.WrongByCause) != 1 || r.WrongByCause[0].Count != want.Count || r.WrongByCause[0].Cause != want.Cause {
		t.Errorf("%+v, want %+v", r.WrongByCause, want)
	}
	if r.Verdict != results.Fail || !r.Ledgers.Balanced {
		t.Errorf("%s, balanced %v: %q", r.Verdict, r.Ledgers.Balanced, r.Reasons)
	}
}

// A process that nobody told to end is a finding, also when users felt nothing.
func TestDeathFails(t *testing.T) {
	w := newWorld(t)
	w.settle()
	in := w.input(t)
	in.Deaths = []Death{{Name: "connector-2", How: "signal: killed", At: 2 * second}}
	r := results.Result{SignIns: results.SignIns{Sent: 400}}
	if err := Conclude(in, &r); err != nil {
		t.Fatal(err)
	}
	if r.Verdict != results.Fail || !strings.Contains(strings.Join(r.Reasons, "\n"), "connector-2 ended by itself") {
		t.Errorf("verdict %s, reasons %q", r.Verdict, r.Reasons)
	}
}
