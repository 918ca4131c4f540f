package fault

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ptabench/observe"
)

// TestSchedule carries out plans and looks at what was done when.
func TestSchedule(t *testing.T) {
	cases := []struct {
		name    string
		faults  []string
		prepare func(*fakeSystem)
		log     []string // in order of time, then of text
		records []Record // the fields that are compared are those of check
	}{
		{
			name:    "crash",
			faults:  []string{"crash(connector-1) at 5s for 3s"},
			prepare: func(s *fakeSystem) { s.process("connector-1").slow = 100 * time.Millisecond },
			log:     []string{"5s killed connector-1", "8.1s restart connector-1"},
			records: []Record{{Name: "crash-1", Tier: TierProcess, InjectedAt: 5 * time.Second, UndoneAt: 8100 * time.Millisecond, Injections: 1, Healed: true}},
		},
		{
			name:   "crash of all, one being down",
			faults: []string{"crash(connectors) at 1s for 1s as all"},
			prepare: func(s *fakeSystem) {
				s.process("connector-2").running = false
			},
			log:     []string{"1s killed connector-1", "1s killed connector-3", "2s restart connector-1", "2s restart connector-3"},
			records: []Record{{Name: "all", Tier: TierProcess, InjectedAt: time.Second, UndoneAt: 2 * time.Second, Injections: 2, Healed: true, Note: "connector-2 had ended before"}},
		},
		{
			name:    "crash of nothing",
			faults:  []string{"crash(directory) at 1s for 1s"},
			prepare: func(s *fakeSystem) { s.process("directory").running = false },
			records: []Record{{Name: "crash-1", Tier: TierProcess, InjectedAt: time.Second, UndoneAt: 2 * time.Second, Healed: true, Note: "directory had ended before", Err: errNothing}},
		},
		{
			name:    "freeze",
			faults:  []string{"freeze(directory) at 0 for 2s"},
			log:     []string{"0s stopped (signal) directory", "2s continued directory"},
			records: []Record{{Name: "freeze-1", Tier: TierProcess, UndoneAt: 2 * time.Second, Injections: 1, Healed: true}},
		},
		{
			name:    "stop",
			faults:  []string{"stop(connector-2) at 1s for 2s"},
			log:     []string{"1s terminated connector-2", "3s restart connector-2"},
			records: []Record{{Name: "stop-1", Tier: TierProcess, InjectedAt: time.Second, UndoneAt: 3 * time.Second, Injections: 1, Healed: true}},
		},
		{
			name:    "stop of a stubborn one",
			faults:  []string{"stop(connector-2) at 1s for 2s"},
			prepare: func(s *fakeSystem) { s.process("connector-2").stubborn = true },
			log:     []string{"1s terminated connector-2", "3s killed connector-2", "3s restart connector-2"},
			records: []Record{{Name: "stop-1", Tier: TierProcess, InjectedAt: time.Second, UndoneAt: 3 * time.Second, Injections: 1, Healed: true,
				Note: "connector-2 had not ended when it was to start again, and was killed"}},
		},
		{
			name:   "blocks",
			faults: []string{"block(connector-2, ports=requests, mode=stall) at 1s for 2s", "block(connectors, ports=9090, mode=refuse) at 1s for 3s", "block(connectors, ports=443, mode=reset) at 2s for 3s"},
			log: []string{
				"1s gate fault-1 stall [9350 9352 5671] for [127.0.0.12]", "1s gate fault-2 refuse [9090] for []",
				"2s gate fault-3 reset [443] for [127.0.0.11 127.0.0.12 127.0.0.13]", "3s clear fault-1", "4s clear fault-2", "5s clear fault-3",
			},
			records: []Record{
				{Name: "block-1", Tier: TierGate, InjectedAt: time.Second, UndoneAt: 3 * time.Second, Injections: 5, Healed: true, Note: "new connections were accepted and reset, because others share the listener"},
				{Name: "block-2", Tier: TierGate, InjectedAt: time.Second, UndoneAt: 4 * time.Second, Injections: 5, Healed: true, Note: "new connections were accepted and reset, because others share the listener"},
				{Name: "block-3", Tier: TierGate, InjectedAt: 2 * time.Second, UndoneAt: 5 * time.Second, Injections: 5, Healed: true, Note: "new connections were accepted and reset, because others share the listener"},
			},
		},
		{
			name:    "block that finds nobody",
			faults:  []string{"block(connectors, ports=9090, mode=refuse) at 1s for 3s"},
			prepare: func(s *fakeSystem) { s.connections = 0 },
			log:     []string{"1s gate fault-1 refuse [9090] for []", "4s clear fault-1"},
			records: []Record{{Name: "block-1", Tier: TierGate, InjectedAt: time.Second, UndoneAt: 4 * time.Second, Healed: true, Note: "new connections were accepted and reset, because others share the listener", Err: errNothing}},
		},
		{
			name:    "block that cannot be set is cleared at once",
			faults:  []string{"block(connectors, ports=9090, mode=refuse) at 1s for 3s"},
			prepare: func(s *fakeSystem) { s.onGate = func(context.Context) error { return errFake } },
			log:     []string{"1s clear fault-1", "1s gate fault-1 refuse [9090] for []"},
			records: []Record{{Name: "block-1", Tier: TierGate, InjectedAt: Never, UndoneAt: time.Second, Injections: 5, Healed: true, Note: "new connections were accepted and reset, because others share the listener", Err: errFake}},
		},
		{
			name:   "block that hangs is given up",
			faults: []string{"block(connectors, ports=9090, mode=refuse) at 1s for 20s"},
			prepare: func(s *fakeSystem) {
				s.onGate = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
				s.connections = 0
			},
			log:     []string{"11s clear fault-1", "1s gate fault-1 refuse [9090] for []"},
			records: []Record{{Name: "block-1", Tier: TierGate, InjectedAt: Never, UndoneAt: 11 * time.Second, Healed: true, Note: "new connections were accepted and reset, because others share the listener", Err: context.DeadlineExceeded}},
		},
		{
			name:   "the cloud ended with its gate",
			faults: []string{"block(connectors, ports=9090, mode=refuse) at 1s for 3s"},
			prepare: func(s *fakeSystem) {
				s.onClear = func(context.Context) error { return errFake }
				s.onGate = func(context.Context) error { s.process("cloudsim").running = false; return nil }
			},
			log:     []string{"1s gate fault-1 refuse [9090] for []", "4s clear fault-1"},
			records: []Record{{Name: "block-1", Tier: TierGate, InjectedAt: time.Second, UndoneAt: 4 * time.Second, Injections: 1, Healed: true, Note: "the cloud simulator ended meanwhile, and the gate with it"}},
		},
		{
			name:    "a gate that stays",
			faults:  []string{"block(connectors, ports=9090, mode=refuse) at 1s for 3s"},
			prepare: func(s *fakeSystem) { s.onClear = func(context.Context) error { return errFake } },
			log:     []string{"1s gate fault-1 refuse [9090] for []", "4s clear fault-1"},
			records: []Record{{Name: "block-1", Tier: TierGate, InjectedAt: time.Second, UndoneAt: Never, Injections: 1, Err: errFake}},
		},
		{
			name:    "slow directory",
			faults:  []string{"slow-directory(directory, delay=200ms) at 1s for 3s"},
			prepare: func(s *fakeSystem) { s.delayed = 7 },
			log:     []string{"1s delay 200ms", "4s no delay"},
			records: []Record{{Name: "slow-directory-1", Tier: TierRole, InjectedAt: time.Second, UndoneAt: 4 * time.Second, Injections: 30, Healed: true}},
		},
		{
			name:    "slow directory without binds",
			faults:  []string{"slow-directory(directory, delay=200ms) at 1s for 50ms"},
			log:     []string{"1.05s no delay", "1s delay 200ms"},
			records: []Record{{Name: "slow-directory-1", Tier: TierRole, InjectedAt: time.Second, UndoneAt: 1050 * time.Millisecond, Healed: true, Err: errNothing}},
		},
		{
			name: "overlapping",
			faults: []string{
				"freeze(connector-1) at 2s for 4s", "slow-directory(directory, delay=1s) at 1s for 6s",
				"crash(connector-2) at 3s for 2s", "block(connector-3, ports=10100-10102, mode=reset) at 3s for 2s",
			},
			prepare: func(s *fakeSystem) { s.process("connector-2").hangs = true },
			log: []string{
				"1s delay 1s", "2s stopped (signal) connector-1", "3s gate fault-4 reset [10100 10101 10102] for [127.0.0.13]", "3s killed connector-2",
				"5s clear fault-4", "6s continued connector-1", "7s no delay",
			},
			records: []Record{
				{Name: "freeze-1", Tier: TierProcess, InjectedAt: 2 * time.Second, UndoneAt: 6 * time.Second, Injections: 1, Healed: true},
				{Name: "slow-directory-2", Tier: TierRole, InjectedAt: time.Second, UndoneAt: 7 * time.Second, Injections: 60, Healed: true},
				{Name: "crash-3", Tier: TierProcess, InjectedAt: 3 * time.Second, UndoneAt: Never, Injections: 1, Err: context.DeadlineExceeded},
				{Name: "block-4", Tier: TierGate, InjectedAt: 3 * time.Second, UndoneAt: 5 * time.Second, Injections: 5, Healed: true, Note: "new connections were accepted and reset, because others share the listener"},
			},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakeSystem(t)
				if c.prepare != nil {
					c.prepare(s)
				}
				plan, dir := planOn(t, s, faultsOf(t, c.faults...))
				records := Start(t.Context(), plan).Wait()
				if got := s.sorted(); !slices.Equal(got, c.log) {
					t.Errorf("done:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.log, "\n"))
				}
				history := historyOf(t, dir)
				for i, want := range c.records {
					check(t, records[i], want)
					past := history.find(i + 1)
					if past == nil || past.Undone != want.Healed || !past.Injected || past.Name != want.Name || (past.Error != "") == want.Healed {
						t.Errorf("the journal says %+v", past)
					}
				}
			})
		})
	}
}

// check compares a record with what it should be.
func check(t *testing.T, got, want Record) {
	t.Helper()
	if !errors.Is(got.Err, want.Err) || want.Err == nil && got.Err != nil {
		t.Errorf("%s: error %v, want %v", got.Name, got.Err, want.Err)
	}
	want.Fault, want.Err = got.Fault, got.Err
	if got.String() != want.String() {
		t.Errorf("record\n%s\nwant\n%s", got, want)
	}
}

// TestCancelled cuts faults short and leaves out later ones, by the context
// and by Stop; the undo has a context of its own.
func TestCancelled(t *testing.T) {
	for _, by := range []string{"context", "stop", "panic of the owner"} {
		t.Run(by, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakeSystem(t)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				plan, dir := planOn(t, s, faultsOf(t,
					"freeze(connector-1) at 1s for 10s", "block(connector-2, ports=9350, mode=stall) at 2s for 10s",
					"crash(connector-3) at 3s for 10s", "crash(directory) at 5s for 1s"))
				schedule := Start(ctx, plan)
				time.Sleep(4 * time.Second)
				switch by {
				case "context":
					cancel()
					schedule.Wait()
				case "stop":
					schedule.Stop()
				default:
					func() {
						defer func() {
							if recover() != "a bug of the owner" {
								t.Error("the panic was lost")
							}
						}()
						defer schedule.Stop()
						panic("a bug of the owner")
					}()
				}
				want := []string{
					"1s stopped (signal) connector-1", "2s gate fault-2 stall [9350] for [127.0.0.12]", "3s killed connector-3",
					"4s clear fault-2", "4s continued connector-1", "4s restart connector-3",
				}
				if got := s.sorted(); !slices.Equal(got, want) {
					t.Errorf("done:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				records := schedule.Stop() // again: does nothing
				for _, r := range records[:3] {
					if !r.Healed || r.Err != nil || r.UndoneAt != 4*time.Second || !strings.Contains(r.Note, "cut short") {
						t.Errorf("record %s", r)
					}
				}
				if last := records[3]; last.InjectedAt != Never || last.Healed || last.Err == nil {
					t.Errorf("the last one: %s", last)
				}
				if h := historyOf(t, dir); len(h.Faults) != 3 {
					t.Errorf("the journal knows %+v", h.Faults)
				}
			})
		})
	}
}

// TestPanic undoes everything when a fault panics, and only then lets the
// panic out.
func TestPanic(t *testing.T) {
	boom := func(context.Context) error { panic("boom") }
	for _, c := range []struct {
		name    string
		prepare func(*fakeSystem)
		at      string // of the end of the other fault
	}{
		{"injecting", func(s *fakeSystem) { s.onGate = boom }, "2s"},
		{"undoing", func(s *fakeSystem) { s.onClear = boom }, "3s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakeSystem(t)
				c.prepare(s)
				plan, _ := planOn(t, s, faultsOf(t,
					"freeze(connector-1) at 1s for 10s", "block(connector-2, ports=9350, mode=stall) at 2s for 1s"))
				defer func() {
					text, _ := recover().(string)
					if !strings.Contains(text, "fault block-2: boom") || !strings.Contains(text, "schedule_test.go") {
						t.Errorf("the panic was: %v", text)
					}
					want := c.at + " continued connector-1"
					if got := s.sorted(); !slices.Contains(got, want) || !slices.ContainsFunc(got, func(l string) bool { return strings.HasSuffix(l, "clear fault-2") }) {
						t.Errorf("done: %q, want %q in it, and a clear", got, want)
					}
				}()
				Start(t.Context(), plan).Wait()
			})
		})
	}
}

// TestIntentFirst looks into the journal from inside the injection and the
// undo, and injects nothing when the intent cannot be written.
func TestIntentFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeSystem(t)
		plan, dir := planOn(t, s, faultsOf(t, "block(connector-2, ports=9350, mode=stall) at 2s for 1s"))
		var seen []Past
		look := func(context.Context) error {
			seen = append(seen, historyOf(t, dir).Faults...)
			return nil
		}
		s.onGate, s.onClear = look, look
		if r := Start(t.Context(), plan).Wait()[0]; r.Err != nil {
			t.Fatal(r.Err)
		}
		if len(seen) != 2 {
			t.Fatalf("the journal said %+v", seen)
		}
		for i, past := range seen {
			if past.Undone || past.Injected != (i == 1) || past.Undo.Action != ActionClearGate || past.Undo.Gate.ID != "fault-1" ||
				past.Undo.Address != "127.0.0.1:9" || past.Undo.Processes[0].PID != s.process("cloudsim").id.PID ||
				past.Text != "block(connector-2, ports=9350, mode=stall) at 2s for 1s" {
				t.Errorf("at call %d the journal said %+v", i, past)
			}
		}
		if err := plan.Journal.Close(); err != nil {
			t.Fatal(err)
		}
		before := len(s.sorted())
		r := Start(t.Context(), plan).Wait()[0]
		if r.Err == nil || !strings.Contains(r.Err.Error(), "not injected: writing the journal") || r.InjectedAt != Never || len(s.sorted()) != before {
			t.Errorf("without a journal: %s, done %v", r, s.sorted()[before:])
		}
	})
}

// TestChanged is told of both ends of each fault.
func TestChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeSystem(t)
		journal, err := Create(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer journal.Close()
		var told []string
		Start(t.Context(), Plan{
			System: s, Journal: journal, Zero: s.zero, Faults: faultsOf(t, "freeze(connector-1) at 1s for 2s"),
			Changed: func(r Record) { told = append(told, r.String()) },
		}).Wait()
		want := []string{
			"freeze-1: process, injected at 1s, 1 injections, not undone",
			"freeze-1: process, injected at 1s, 1 injections, undone at 3s",
		}
		if !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

func TestSupported(t *testing.T) {
	cases := []struct {
		system, fault, want string
	}{
		{"linux", "block(connector-1, ports=9350, mode=stall) at 1s for 1s", ""},
		{"darwin", "block(connector-1, ports=9350, mode=stall) at 1s for 1s", "telling connector-1 from others"},
		{"darwin", "block(connectors, ports=requests, mode=stall) at 1s for 1s", ""},
		{"darwin", "block(connectors, ports=443, mode=stall) at 1s for 1s", "linux has and darwin has not"},
		{"darwin", "freeze(connector-1) at 1s for 1s", ""},
		{"darwin", "slow-directory(delay=1s) at 1s for 1s", ""},
	}
	for _, c := range cases {
		err := supported(c.system, faultsOf(t, c.fault)[0])
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s on %s: %v, want %q", c.fault, c.system, err, c.want)
		}
	}
	unknown := faultsOf(t, "freeze(connector-1) at 1s for 1s")[0]
	unknown.Kind = "melt"
	if err := Supported(unknown); err == nil || !strings.Contains(err.Error(), `"melt"`) {
		t.Errorf("an unknown kind: %v", err)
	}
}

// TestModes holds the two sets of words together: a block's mode is passed on
// as it is.
func TestModes(t *testing.T) {
	for _, mode := range []observe.GateMode{observe.GateRefuse, observe.GateReset, observe.GateStall} {
		f := faultsOf(t, "block(connectors, ports=9350, mode="+string(mode)+") at 1s for 1s")[0]
		if string(f.Mode) != string(mode) {
			t.Errorf("mode %s is read as %s", mode, f.Mode)
		}
	}
}
