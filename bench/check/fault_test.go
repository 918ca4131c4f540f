package check

import (
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
				Failed: 2, HandedOff: 2, P99: 60 * ms},
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
			want: results.Fault{At: second, Duration: 1300 * ms, Detect: Never, Failover: Never, Recover: Never, Failed: 1, P99: 2 * ms},
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
			want: results.Fault{At: second, Detect: Never, Failover: Never, Recover: Never, Failed: 300, P99: 2 * ms, Note: "undoing: no"},
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
			got, err := faultFigures(w.input(t))
			if err != nil {
				t.Fatal(err)
			}
			want := c.want
			want.Name, want.Kind, want.Target, want.Text, want.Tier = c.fault.Name, string(c.fault.Kind), c.fault.Target, c.fault.Text, c.fault.Tier
			want.Injections, want.Healed = c.fault.Injections, c.fault.Healed
			if off := got[0].P99 - want.P99; off >= -want.P99/1000 && off <= want.P99/1000 {
				want.P99 = got[0].P99 // 3 significant digits
			}
			if got[0] != want {
				t.Errorf("got  %+v\nwant %+v", got[0], want)
			}
		})
	}
}

func TestNoFaults(t *testing.T) {
	w := newWorld(t)
	if got, err := faultFigures(w.input(t)); err != nil || got == nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}
