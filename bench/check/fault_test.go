package check

import (
	"reflect"
	"slices"
	"testing"

	"ptabench/observe"
	"ptabench/results"
	"ptabench/scenarios"
)

func TestFaultFigures(t *testing.T) {
	// Injected at 1 s, called for 1 ms before; undone at 2 s, which took 300 ms.
	fault := func(kind scenarios.FaultKind, target string) Fault {
		return Fault{
			Name: string(kind) + "-1", Kind: kind, Target: target, Text: "as it parses", Tier: "process",
			Began: 999 * ms, InjectedAt: second, UndoBegan: 2 * second, UndoneAt: 2300 * ms, Injections: 1, Healed: true,
		}
	}
	crash := fault(scenarios.Crash, "connector-1")
	toOther := func(s *results.Sample) { // while connector-1 is away
		if s.Due >= 1010*ms && s.Due < 2100*ms {
			s.Server = 2
		}
	}
	for name, c := range map[string]struct {
		fault  Fault
		each   func(*results.Sample)
		events []observe.Event
		want   results.Fault
	}{
		"a crash": {
			fault: crash,
			each: func(s *results.Sample) {
				toOther(s)
				switch s.Seq {
				case 99, 100: // in hand: due at 990 ms and 1 s, done by the other one
					s.Attempts, s.Done, s.Server = 2, 1050*ms+int64(s.Seq)*ms/10, 2
				case 101:
					s.Outcome, s.Path, s.Server = results.OutcomeFailed, results.PathNone, 0
				case 102:
					s.Outcome, s.Path, s.Server, s.Attempts = results.OutcomeUnknown, results.PathNone, 0, 0
				case 300: // long after
					s.Outcome, s.Path = results.OutcomeFailed, results.PathNone
				case 301:
					s.Attempts = 2
				}
			},
			events: []observe.Event{
				{AtNS: 500 * ms, Kind: observe.ConnectorLost, Connector: "connector-1"},
				{AtNS: 1001 * ms, Kind: observe.ConnectorLost, Connector: "connector-2"},
				{AtNS: 1003 * ms, Kind: observe.ConnectorLost, Connector: "connector-1", Cause: "eof"},
				{AtNS: 1004 * ms, Kind: observe.HandedOff, Connector: "connector-1", Count: 2},
			},
			// Connector-1 is back with sign-in 210, due at 2.1 s, done 2 ms later;
			// the window ends with the undo's own end.
			want: results.Fault{At: second, Duration: 1300 * ms, Detect: 3 * ms, Failover: 59_900_000, Recover: 102 * ms,
				Lost: 2, ErrorWindow: 10 * ms, BadSeconds: 1, HandedOff: 2, P99: 60 * ms},
		},
		"noticed while it was being injected": {
			fault:  crash,
			each:   toOther,
			events: []observe.Event{{AtNS: 999*ms + 1, Kind: observe.ConnectorLost, Connector: "connector-1"}},
			want:   results.Fault{At: second, Duration: 1300 * ms, Detect: 1, Failover: Never, Recover: 102 * ms, P99: 2 * ms},
		},
		"all connectors, hash sync answers": {
			fault: fault(scenarios.Crash, scenarios.AllConnectors),
			each: func(s *results.Sample) {
				if s.Due > second && s.Due < 2500*ms {
					s.Path, s.Server, s.Attempts = results.PathHashSync, 0, 0
				}
			},
			events: []observe.Event{{AtNS: 1002 * ms, Kind: observe.BreakerOpened, Cause: "no-connector"}},
			// The window goes on until pass-through is back, at 2.502 s.
			want: results.Fault{At: second, Duration: 1300 * ms, Detect: 2 * ms, Failover: 12 * ms, Recover: 502 * ms, HashSync: 149, P99: 2 * ms},
		},
		"a target that never serves again": {
			fault: crash,
			each: func(s *results.Sample) {
				if s.Due >= second {
					s.Server = 2
				}
				if s.Due == 3990*ms { // within two seconds of the undo
					s.Outcome, s.Path = results.OutcomeFailed, results.PathNone
				}
			},
			want: results.Fault{At: second, Duration: 1300 * ms, Detect: Never, Failover: Never, Recover: Never, Lost: 1, BadSeconds: 1, P99: 2 * ms},
		},
		"the directory": {
			fault: fault(scenarios.Freeze, scenarios.DirectoryTarget),
			each: func(s *results.Sample) {
				if s.Due > second && s.Due < 2*second {
					s.Path, s.Server, s.Attempts = results.PathHashSync, 0, 2
				}
			},
			events: []observe.Event{
				{AtNS: 1500 * ms, Kind: observe.ConnectorLost, Connector: "connector-1"},
				{AtNS: 1900 * ms, Kind: observe.ConnectorStatus, Connector: "connector-2", Cause: "directory-unreachable"},
				{AtNS: 1950 * ms, Kind: observe.AttemptTimedOut, Connector: "connector-2"},
			},
			want: results.Fault{At: second, Duration: 1300 * ms, Detect: 900 * ms, Failover: 12 * ms, Recover: 2 * ms, HashSync: 99, HandedOff: 99, P99: 2 * ms},
		},
		"the directory, for one connector": {
			fault: func() Fault {
				f := fault(scenarios.HangingDirectory, scenarios.DirectoryTarget)
				f.Only = "connector-2"
				return f
			}(),
			each: func(s *results.Sample) {
				if s.Due >= second && s.Due < 2200*ms {
					s.Server = 1
				}
			},
			events: []observe.Event{
				{AtNS: 1100 * ms, Kind: observe.ConnectorStatus, Connector: "connector-1", Cause: "directory-unreachable"},
				{AtNS: 1200 * ms, Kind: observe.BreakerOpened},
				{AtNS: 1300 * ms, Kind: observe.AttemptTimedOut, Connector: "connector-2"},
			},
			// Connector-2 is back with sign-in 221.
			want: results.Fault{At: second, Duration: 1300 * ms, Detect: 300 * ms, Failover: Never, Recover: 212 * ms, P99: 2 * ms},
		},
		"the cloud, which cannot notice itself": {
			fault: fault(scenarios.Crash, scenarios.CloudTarget),
			each: func(s *results.Sample) {
				switch {
				case s.Seq == 100: // late, and answered before the rest
					s.Done = s.Due + 300*ms
				case s.Due >= second && s.Due < 2200*ms:
					s.Outcome, s.Path, s.Server, s.Attempts = results.OutcomeUnknown, results.PathNone, 0, 0
				case s.Due >= 2200*ms && s.Due < 2250*ms:
					s.Attempts = 2
				}
			},
			events: []observe.Event{{AtNS: 1100 * ms, Kind: observe.BreakerOpened}},
			want: results.Fault{At: second, Duration: 1300 * ms, Detect: 12 * ms, Failover: Never, Recover: 202 * ms,
				Lost: 119, HandedOff: 5, ErrorWindow: 1180 * ms, BadSeconds: 2, P99: 2 * ms},
		},
		"a frozen cloud, from when answers are late": {
			fault: fault(scenarios.Freeze, scenarios.AllTarget),
			each: func(s *results.Sample) {
				if s.Due >= second && s.Due < 2*second {
					s.Done = 2050 * ms
				}
			},
			want: results.Fault{At: second, Duration: 1300 * ms, Detect: 100 * ms, Failover: Never, Recover: 2 * ms, P99: 1040 * ms},
		},
		"a hash store that nobody notices": {
			fault: fault(scenarios.StaleHashes, scenarios.HashStoreTarget),
			each: func(s *results.Sample) {
				if s.Due > second && s.Due < 2*second {
					s.Path, s.Server, s.Attempts = results.PathHashSync, 0, 2
				}
			},
			events: []observe.Event{{AtNS: 1100 * ms, Kind: observe.ConnectorLost, Connector: "connector-1"}},
			want:   results.Fault{At: second, Duration: 1300 * ms, Detect: Never, Failover: Never, Recover: 300 * ms, HashSync: 99, HandedOff: 99, P99: 2 * ms},
		},
		"the hash sync agent, whom no sign-in waits for": {
			fault: fault(scenarios.Crash, scenarios.HashSyncTarget),
			each: func(s *results.Sample) { // late, and lost, for another reason
				switch s.Seq {
				case 150:
					s.Done = s.Due + 500*ms
				case 160:
					s.Outcome, s.Path, s.Server, s.Attempts = results.OutcomeUnknown, results.PathNone, 0, 0
				}
			},
			want: results.Fault{At: second, Duration: 1300 * ms, Detect: Never, Failover: Never, Recover: 300 * ms, Lost: 1, BadSeconds: 1, P99: 2 * ms},
		},
		"not injected": {
			fault: Fault{Name: "crash-1", Kind: scenarios.Crash, Target: "connector-1", Text: "as it parses", Tier: "process",
				Began: second, InjectedAt: Never, UndoneAt: Never, Note: "a note", Err: "planning: no"},
			want: results.Fault{At: Never, Detect: Never, Failover: Never, Recover: Never, Note: "a note; planning: no"},
		},
		"not undone": {
			fault: func() Fault { f := crash; f.UndoneAt, f.Healed, f.Err = Never, false, "undoing: no"; return f }(),
			each: func(s *results.Sample) {
				if s.Due >= second {
					s.Outcome, s.Path = results.OutcomeFailed, results.PathNone
				}
			},
			want: results.Fault{At: second, Detect: Never, Failover: Never, Recover: Never, Lost: 300, ErrorWindow: 2990 * ms, BadSeconds: 3, P99: 2 * ms, Note: "undoing: no"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for i := range w.samples {
				if c.each != nil {
					c.each(&w.samples[i])
				}
			}
			w.settle()
			w.faults, w.events = []Fault{c.fault}, c.events
			got := w.conclude(t).Faults
			want := c.want
			want.Name, want.Kind, want.Target, want.Text, want.Tier = c.fault.Name, string(c.fault.Kind), c.fault.Target, c.fault.Text, c.fault.Tier
			want.Rebalance, want.Wrong = got[0].Rebalance, []results.Wrong{} // elsewhere
			want.Injections, want.Healed = c.fault.Injections, c.fault.Healed
			if off := got[0].P99 - want.P99; off >= -want.P99/1000 && off <= want.P99/1000 {
				want.P99 = got[0].P99 // 3 significant digits
			}
			if !reflect.DeepEqual(got[0], want) {
				t.Errorf("got  %+v\nwant %+v", got[0], want)
			}
		})
	}
}

func TestNoFaults(t *testing.T) {
	w := newWorld(t)
	w.settle()
	if got := w.conclude(t).Faults; got == nil || len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// Answers that differ from the directory's are told apart by their cause, for
// each fault on its own.
func TestWrongAnswersOfFaults(t *testing.T) {
	w := newWorld(t)
	for _, i := range []int{110, 120, 130, 310} {
		s := &w.samples[i]
		s.Intent, s.Path, s.Server, s.Attempts, s.Judgement = 4, results.PathHashSync, 0, 0, results.WrongAccept
	}
	w.samples[130].Intent = 2
	first, second2 := Fault{Name: "a-1", Group: "a", Kind: scenarios.StaleHashes, Target: scenarios.HashStoreTarget, Began: second, InjectedAt: second,
		UndoBegan: 2 * second, UndoneAt: 2 * second, Injections: 9, Healed: true}, Fault{}
	second2 = first
	second2.Name, second2.Began, second2.InjectedAt, second2.UndoBegan, second2.UndoneAt = "a-2", 3*second, 3*second, 3500*ms, 3500*ms
	w.faults = []Fault{first, second2}
	w.objectives = []string{"wrong(a) == 4", "wrong(a-1) == 3", "wrong(a-2) == 1", "time_to_detect(a) < 1h", "time_to_recover(a) < 1ms", "lost(b) == 0"}
	w.settle()
	r := w.conclude(t)
	want := []results.Wrong{
		{Kind: "wrong-accept", Path: "hash-sync", Cause: "hash sync holds an older password", Count: 2},
		{Kind: "wrong-accept", Path: "hash-sync", Cause: "locked is not carried by hash sync", Count: 1},
	}
	if !slices.Equal(r.Faults[0].Wrong, want) || len(r.Faults[1].Wrong) != 1 || r.Faults[1].Group != "a" {
		t.Errorf("%+v", r.Faults)
	}
	for i, want := range []string{"", "", "", "nobody noticed anything of it in a-1", "", "there is no such fault in the result"} {
		if o := r.Objectives[i]; o.Reason != want || (o.Verdict == results.Pass) != (want == "") {
			t.Errorf("%s: %s, %q, expected %q", o.Text, o.Verdict, o.Reason, want)
		}
	}
}

func TestRebalance(t *testing.T) {
	crash := Fault{Name: "crash-1", Kind: scenarios.Crash, Target: "connector-1", Began: 500 * ms, InjectedAt: 500 * ms,
		UndoBegan: second, UndoneAt: second, Injections: 1, Healed: true}
	steady := map[scenarios.WindowName][]scenarios.Span{scenarios.Steady: {{From: 0, To: 500_000_000}}}
	back := func(at int64) func(*results.Sample) {
		return func(s *results.Sample) {
			if s.Due >= 500*ms && s.Due < at {
				s.Server = 2
			}
		}
	}
	for name, c := range map[string]struct {
		each    func(*results.Sample)
		windows map[scenarios.WindowName][]scenarios.Span
		fleet   []scenarios.Override
		next    int64 // when another fault begins
		want    int64
	}{
		"at once":                   {each: back(second), want: 0},
		"half a second later":       {each: back(1500 * ms), want: 300 * ms}, // a fifth less, or 15 % by chance
		"too close to the end":      {each: back(3500 * ms), want: Never},
		"not before the next fault": {each: back(1800 * ms), next: 3 * second, want: Never},
		"not for long": {each: func(s *results.Sample) {
			if s.Due >= 2*second && s.Due < 2500*ms || s.Due >= 3200*ms {
				s.Server = 2
			}
		}, want: Never},
		"to what it was, which is uneven": {each: func(s *results.Sample) {
			s.Server = 2
			if s.Seq%10 == 0 {
				s.Server = 1
			}
		}, windows: steady, want: 0},
		"to its capacity": {each: func(s *results.Sample) {
			s.Server = 2
			if s.Seq%10 == 0 {
				s.Server = 1
			}
		}, fleet: []scenarios.Override{{Name: "connector-1", Concurrency: 20}, {Name: "connector-2", Concurrency: 180}}, want: 0},
		"to an even share, which is not reached": {each: func(s *results.Sample) {
			s.Server = 2
			if s.Seq%10 == 0 {
				s.Server = 1
			}
		}, want: Never},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for i := range w.samples {
				c.each(&w.samples[i])
			}
			// Twice as many, for shares to rest on a hundred.
			for _, s := range w.samples {
				s.Seq += 400
				w.samples = append(w.samples, s)
			}
			w.windows, w.fleet, w.faults = c.windows, c.fleet, []Fault{crash}
			if c.next > 0 {
				next := crash
				next.Name, next.Began, next.InjectedAt, next.UndoBegan, next.UndoneAt = "next", c.next, c.next, c.next+second/2, c.next+second/2
				w.faults = append(w.faults, next)
			}
			w.settle()
			if got := w.conclude(t).Faults[0].Rebalance; got != c.want {
				t.Errorf("%d ms, expected %d ms", got/ms, c.want/ms)
			}
		})
	}
}

// A run may have thousands of faults; each must see its own sign-ins, and no
// more.
func TestManyFaults(t *testing.T) {
	w := newWorld(t)
	for i := range w.samples {
		if w.samples[i].Seq%10 == 5 {
			w.samples[i].Outcome, w.samples[i].Path, w.samples[i].Server = results.OutcomeFailed, results.PathNone, 0
		}
	}
	for i := range int64(39) { // each is on for 40 ms, one of which is of the one before
		at := i*100*ms + 20*ms
		w.faults = append(w.faults, Fault{Name: "f", Kind: scenarios.Crash, Target: scenarios.AllConnectors, Began: at, InjectedAt: at,
			UndoBegan: at + 40*ms, UndoneAt: at + 40*ms, Injections: 1, Healed: true})
	}
	w.settle()
	for i, f := range w.conclude(t).Faults {
		// Due at 50 ms past; recovered with the answer at 62 ms past, to a sign-in
		// due when the undo began.
		if f.Lost != 1 || f.Recover != 2*ms || f.ErrorWindow != 0 {
			t.Errorf("fault %d: %+v", i, f)
		}
	}
}
