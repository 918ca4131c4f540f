package check

import (
	"slices"
	"strings"
	"testing"

	"ptabench/results"
	"ptabench/scenarios"
)

// unanswered is a sign-in that came to nothing.
func unanswered(s *results.Sample, class uint8) {
	s.Outcome, s.Path, s.Code, s.Server, s.Attempts, s.Error = results.OutcomeUnknown, results.PathNone, 0, 0, 0, class
}

func crashOf(name, target string, from, to int64) Fault {
	return Fault{Name: name, Kind: scenarios.Crash, Target: target, Began: from, InjectedAt: from, UndoBegan: to, UndoneAt: to, Injections: 1, Healed: true}
}

// What the next fault does is not charged to the one before, whose target gets
// nothing to do and so is not seen to serve again.
func TestWindowEndsWithTheNextFault(t *testing.T) {
	w := newWorld(t)
	w.faults = []Fault{crashOf("first", "connector-1", second, 1500*ms), crashOf("second", "connector-2", 2500*ms, 3*second)}
	for i := range w.samples {
		s := &w.samples[i]
		switch {
		case s.Due >= second && s.Due < 2500*ms:
			s.Server = 2
		case s.Due >= 2500*ms && s.Due < 3200*ms:
			s.Server = 1
		}
	}
	unanswered(&w.samples[120], results.ErrorReset) // in the first
	unanswered(&w.samples[260], results.ErrorReset) // in the second
	unanswered(&w.samples[270], results.ErrorReset)
	w.samples[249].Done, w.samples[249].Attempts, w.samples[249].Server = 2600*ms, 2, 1 // under way when the second began
	w.objectives = []string{"lost(first) == 1", "lost(second) == 2", "handed_off(first) == 0", "handed_off(second) == 1", "time_to_recover(first) < 1h"}
	w.settle()
	r := w.conclude(t)
	for i, want := range []results.Verdict{results.Pass, results.Pass, results.Pass, results.Pass, results.Fail} {
		if o := r.Objectives[i]; o.Verdict != want {
			t.Errorf("%s: %s, %s", o.Text, o.Verdict, o.Reason)
		}
	}
	first, next := r.Faults[0], r.Faults[1]
	if first.Recover != Never || first.Note != "not seen to serve again before second began" || first.P99 > 3*ms {
		t.Errorf("first: %+v", first)
	}
	if next.Recover != 212*ms || next.Note != "" || next.ErrorWindow != 100*ms {
		t.Errorf("second: %+v", next)
	}
}

// Who serves before the next fault begins has recovered, and its window ends
// then.
func TestRecoveredBeforeTheNextFault(t *testing.T) {
	w := newWorld(t)
	w.faults = []Fault{crashOf("first", "connector-1", second, 1500*ms), crashOf("second", "connector-2", 2500*ms, 3*second)}
	unanswered(&w.samples[200], results.ErrorReset)
	w.settle()
	if f := w.conclude(t).Faults[0]; f.Recover != 2*ms || f.Note != "" || f.Lost != 0 {
		t.Errorf("%+v", f)
	}
}

func TestFaultsAtTheSameTimeSaySo(t *testing.T) {
	const include, were = "its figures include what ", " did, which were on at the same time"
	w := newWorld(t)
	w.faults = []Fault{
		crashOf("alone", "connector-1", 200*ms, 300*ms),
		crashOf("a", "connector-1", second, 2*second),
		crashOf("b", "connector-2", 1500*ms, 2500*ms),
		crashOf("pair-1", "connector-1", 3*second, 3500*ms),
		crashOf("pair-2", "connector-1", 3*second, 3500*ms),
		crashOf("pair-3", "connector-1", 3100*ms, 3500*ms),
		crashOf("pair-4", "connector-1", 3200*ms, 3500*ms),
		crashOf("pair-5", "connector-1", 3300*ms, 3500*ms),
	}
	w.faults[1].Note = "of its own"
	w.settle()
	for i, want := range []string{
		"",
		"of its own; its figures include what b did, which was on at the same time",
		"its figures include what a did, which was on at the same time",
		include + "pair-2, pair-3, pair-4 and 1 more" + were,
		include + "pair-1, pair-3, pair-4 and 1 more" + were,
	} {
		if f := w.conclude(t).Faults[i]; f.Note != want {
			t.Errorf("%s: %q, want %q", f.Name, f.Note, want)
		}
	}
	o := overlap{}
	o.add("x")
	o.add("y")
	if got := o.text(); got != include+"x and y"+were {
		t.Error(got)
	}
}

// A slow directory for connector-2 is no reason for what connector-1's crash
// has others do.
func TestFailoverIsOfItsOwnTarget(t *testing.T) {
	w := newWorld(t)
	slow := crashOf("slow", scenarios.DirectoryTarget, second, 2*second)
	slow.Kind, slow.Only = scenarios.SlowDirectory, "connector-2"
	w.faults = []Fault{slow, crashOf("crash", "connector-1", second, 2*second)}
	for i := 100; i < 200; i += 2 {
		w.samples[i].Attempts, w.samples[i].Server = 2, 2
	}
	w.settle()
	r := w.conclude(t)
	if got := r.Faults[0].Failover; got != Never {
		t.Errorf("slow: %d", got)
	}
	// The cloud said nothing of connector-1 either, so nothing tells whose it is.
	if got := r.Faults[1].Failover; got != Never {
		t.Errorf("crash: %d", got)
	}
	// By itself, and served by who is meant to be broken: no failover either.
	w.faults = w.faults[:1]
	if got := w.conclude(t).Faults[0].Failover; got != Never {
		t.Errorf("slow alone: %d", got)
	}
	w.faults = []Fault{crashOf("crash", "connector-1", second, 2*second)}
	if got := w.conclude(t).Faults[0].Failover; got != 2*ms {
		t.Errorf("crash alone: %d", got)
	}
}

// stopped concludes a world whose run was stopped.
func (w *world) stopped(t *testing.T) results.Result {
	t.Helper()
	r, err := results.Summarise(w.header(), w.all())
	if err != nil {
		t.Fatal(err)
	}
	r.Verdict, r.Reasons = results.Aborted, []string{"Stopped."}
	if err := Conclude(w.input(t), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// What the harness took back when the run was stopped, nobody lost.
func TestCanceledIsNotLost(t *testing.T) {
	w := newWorld(t)
	w.faults = []Fault{crashOf("crash", "connector-1", second, 2990*ms)}
	w.objectives = []string{"lost(crash) == 1", "bad_seconds == 1", "repeated == 1", "unknown == 11"}
	unanswered(&w.samples[150], results.ErrorReset)
	for i := 290; i < 300; i++ {
		unanswered(&w.samples[i], results.ErrorCanceled)
		w.samples[i].Done = 2990 * ms
	}
	for i := 300; i < 400; i++ {
		w.samples[i] = results.Sample{Seq: uint32(i), Due: w.samples[i].Due}
	}
	w.settle()
	r := w.stopped(t)
	if f := r.Faults[0]; f.Lost != 1 || f.BadSeconds != 1 || f.ErrorWindow != 0 || f.P99 > 3*ms {
		t.Errorf("%+v", f)
	}
	if r.Unavailable != (results.Unavailable{Repeated: 1, Seconds: 1, Of: 3}) || r.SignIns.Unknown != 11 || r.SignIns.Errors["canceled"] != 10 {
		t.Errorf("%+v, %d unknown, %v", r.Unavailable, r.SignIns.Unknown, r.SignIns.Errors)
	}
	for _, o := range r.Objectives {
		if o.Verdict != results.Pass {
			t.Errorf("%+v", o)
		}
	}
}

// A run that was stopped is not held against the rest of its plan.
func TestStoppedRunIsNotHeldAgainstItsPlan(t *testing.T) {
	w := newWorld(t)
	never := Fault{Kind: scenarios.Crash, Target: "connector-1", InjectedAt: Never, UndoneAt: Never}
	one, two, three := crashOf("group-1", "connector-1", second, 1500*ms), never, never
	one.Group, two.Name, two.Group, three.Name = "group", "group-2", "group", "later"
	w.faults = []Fault{one, two, three}
	unanswered(&w.samples[120], results.ErrorReset)
	for i := 200; i < 400; i++ {
		w.samples[i] = results.Sample{Seq: uint32(i), Due: w.samples[i].Due}
	}
	w.objectives = []string{"lost(later) == 0", "lost(group) < 5", "lost(group) == 0", "lost(group) > 5", "lost(absent) == 0"}
	w.settle()
	r := w.stopped(t)
	for i, want := range []string{
		"inconclusive: it was not injected: the run ended before",
		"inconclusive: group-2 was not injected: the run ended before",
		"fail: it is 1",
		"inconclusive: group-2 was not injected: the run ended before",
		"inconclusive: it was not injected: the run ended before",
	} {
		if o := r.Objectives[i]; string(o.Verdict)+": "+o.Reason != want {
			t.Errorf("%s: %s: %s, want %s", o.Text, o.Verdict, o.Reason, want)
		}
	}
	var unknown []string
	for _, g := range r.Gates {
		if g.Reason == "Not measured: the run was stopped." && g.Holds {
			unknown = append(unknown, g.Name)
		}
	}
	if !slices.Equal(unknown, []string{"unsent", "rate", "arrivals"}) {
		t.Errorf("not measured: %s", strings.Join(unknown, ", "))
	}
}

// An equation is waived when its sides do not satisfy it, and only then.
func TestWaived(t *testing.T) {
	r := &reckoning{}
	r.addExcused("a", 1, "=", 1, "killed")
	r.addExcused("b", 1, "=", 2, "killed")
	r.addExcused("c", 1, "=", 2, "")
	r.addExcused("d", 3, "<=", 2, "killed")
	r.addSums("e", 3, 2, nil, 0, "killed")
	r.addSums("f", 1, 2, nil, 0, "killed")
	r.addSums("g", 3, 2, []string{"x"}, 1, "")
	for i, want := range []struct{ holds, waived bool }{{true, false}, {true, true}, {false, false}, {true, true}, {true, true}, {true, false}, {false, false}} {
		if c := r.checks[i]; c.Holds != want.holds || c.Waived != want.waived {
			t.Errorf("%+v, want %+v", c, want)
		}
	}
}

func TestShownApartFromTheLimit(t *testing.T) {
	for _, c := range []struct {
		objective string
		value     float64
		want      string
	}{
		{"availability >= 100%", 0.99996, "0.99996"},
		{"availability >= 100%", 0.9925, "0.9925"},
		{"availability >= 100%", 1, "1"},
		{"availability >= 99%", 0.989999, "0.989999"},
		{"p99(response) < 50ms", 50_040_000, "50.04 ms"},
		{"p99(response) < 50ms", 60_000_000, "60.0 ms"},
		{"p99(response) < 5s", 5_000_100_000, "5.0001 s"},
		{"rate(achieved) > 1000/s", 999.9, "999.9/s"},
	} {
		o := &objective{Objective: parsed(t, c.objective)}
		if got := o.shown(c.value); got != c.want {
			t.Errorf("%v of %s: %s, want %s", c.value, c.objective, got, c.want)
		}
	}
	if got := undecided(400, 350, .99, "<"); got != "the limit lies within the 95 % confidence interval of 400 sign-ins, which come in bursts and are counted as 350 independent ones" {
		t.Error(got)
	}
	if got := undecided(400, 15, .99, "<"); !strings.HasPrefix(got, "400 sign-ins, which come in bursts and are counted as 15 independent ones, are too few") {
		t.Error(got)
	}
}
