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
	for _, c := range slices.Concat(scheduleCases, meansCases) {
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
					if records[i].Stuck == want.Healed {
						t.Errorf("%s: healed %v, stuck %v", want.Name, want.Healed, records[i].Stuck)
					}
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
				if last := records[3]; last.InjectedAt != Never || last.Healed || last.Stuck || last.Err == nil {
					t.Errorf("the last one: %s", last)
				}
				if h := historyOf(t, dir); len(h.Faults) != 3 {
					t.Errorf("the journal knows %+v", h.Faults)
				}
			})
		})
	}
}

// TestPanic undoes everything when a fault panics, or who is told of it, and
// only then lets the panic out.
func TestPanic(t *testing.T) {
	boom := func(context.Context) error { panic("boom") }
	for _, c := range []struct {
		name    string
		prepare func(*fakeSystem, *Plan)
		at      string // of the end of the other fault
	}{
		{"injecting", func(s *fakeSystem, _ *Plan) { s.onGate = boom }, "2s"},
		{"undoing", func(s *fakeSystem, _ *Plan) { s.onClear = boom }, "3s"},
		{"telling", func(_ *fakeSystem, p *Plan) {
			p.Changed = func(r Record) {
				if r.Name == "block-2" {
					panic("boom")
				}
			}
		}, "2s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakeSystem(t)
				plan, _ := planOn(t, s, faultsOf(t,
					"freeze(connector-1) at 1s for 10s", "block(connector-2, ports=9350, mode=stall) at 2s for 1s"))
				c.prepare(s, &plan)
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

// TestExpectedEnds lets a process end by itself while its memory is limited,
// whatever limit of its processors comes and goes meanwhile.
func TestExpectedEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeSystem(t)
		s.events = 0
		plan, _ := planOn(t, s, faultsOf(t,
			"limit-memory(connector-1, memory=1GiB) at 1s for 4s", "limit-cpu(connector-1, cpu=25%) at 2s for 1s"))
		schedule := Start(t.Context(), plan)
		for i, want := range []bool{false, true, true, true, true, false} {
			time.Sleep(time.Until(s.zero.Add(time.Duration(i)*time.Second + time.Second/2)))
			s.mu.Lock()
			may := s.processes[0].may
			s.mu.Unlock()
			if may != want {
				t.Errorf("%d s on it may end: %v, want %v", i, may, want)
			}
		}
		for _, r := range schedule.Wait() {
			if r.Err != nil {
				t.Error(r.Err)
			}
		}
	})
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
