package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"ptabench/bench/proc"
)

// gone is the identity of a process that is not there.
var gone = proc.Identity{PID: noSuchPID - 1, Start: 1}

// fullJournal is the journal of a run with one fault of each kind, by a harness
// that is gone.
func fullJournal(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	journal, err := createFor(dir, gone)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := newFakeSystem(t)
		for _, p := range s.processes {
			if err := journal.Process(p.name, p.name, p.id); err != nil {
				t.Fatal(err)
			}
		}
		Start(t.Context(), Plan{System: s, Journal: journal, Zero: s.zero, rules: fakeRules{s}, group: s.group, Faults: faultsOf(t,
			"crash(connector-3) at 1s for 2s", "freeze(connector-1) at 2s for 3s", "stop(connector-2) at 3s for 1s",
			"block(connector-2, ports=9350, mode=stall) at 4s for 2s", "slow-directory(directory, delay=1s) at 5s for 2s",
			"power-loss(connector-3) at 8s for 1s", "limit-cpu(connectors, cpu=10%) at 10s for 1s")}).Wait()
	})
	if err := journal.End(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, JournalName))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestCrashPoints cuts a journal off after each line, and in the middle of
// each, and heals what is there. connector-1 is a real process, frozen.
func TestCrashPoints(t *testing.T) {
	lines := bytes.SplitAfter(fullJournal(t), []byte("\n"))
	lines = lines[:len(lines)-1]
	if want := 1 + 5 + 7*3 + 1; len(lines) != want {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), want, bytes.Join(lines, nil))
	}
	fake, err := json.Marshal(proc.Identity{PID: noSuchPID, Start: 1})
	if err != nil {
		t.Fatal(err)
	}
	for n := range lines {
		for _, half := range []bool{false, true} {
			child := sleeper(t)
			if err := child.signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			real, err := json.Marshal(child.id)
			if err != nil {
				t.Fatal(err)
			}
			whole := bytes.Join(lines[:n], nil)
			text := whole
			if half {
				text = append(bytes.Clone(whole), lines[n][:len(lines[n])/2]...)
			}
			// As it stands in the lines: without its braces.
			text = bytes.ReplaceAll(text, bytes.Trim(fake, "{}"), bytes.Trim(real, "{}"))
			t.Run(fmt.Sprintf("%d lines, half %v", n, half), func(t *testing.T) {
				healOne(t, text, child)
			})
		}
	}
}

func healOne(t *testing.T, text []byte, child *childProcess) {
	dir := journalOf(t, string(text))
	before := historyOf(t, dir)
	var out strings.Builder
	left := leftovers{}
	for _, f := range before.Faults {
		for _, u := range f.Undo.parts() {
			for _, name := range append(u.Groups, u.Table) {
				left[name] = name != "" && !f.Undone
			}
		}
	}
	heal := func() error { return heal(t.Context(), dir, &out, left.means()) }
	if err := heal(); err != nil {
		t.Fatalf("healing: %v\n%s", err, text)
	}
	for name, there := range left {
		if there {
			t.Errorf("%s is there; heal said:\n%s", name, &out)
		}
	}
	known := len(before.Processes) > 0 // connector-1 is the first
	alive, err := child.id.Alive()
	if err != nil || alive == known {
		t.Errorf("connector-1 known: %v, alive: %v, %v", known, alive, err)
	}
	if said := fmt.Sprintf("connector-1 (process %d) was still there: killed", child.id.PID); strings.Contains(out.String(), said) != known {
		t.Errorf("connector-1 known: %v, but heal said:\n%s", known, &out)
	}
	after := historyOf(t, dir)
	if after.Torn || len(after.Faults) != len(before.Faults) {
		t.Errorf("torn: %v, faults before %+v, after %+v", after.Torn, before.Faults, after.Faults)
	}
	for i, f := range after.Faults {
		by := "heal"
		if before.Faults[i].Undone {
			by = "run"
		}
		if !f.Undone || f.By != by || strings.Contains(out.String(), f.describe()) != (by == "heal") {
			t.Errorf("fault %+v, undone by %s before; heal said:\n%s", f, by, &out)
		}
	}
	healed, err := os.ReadFile(filepath.Join(dir, JournalName))
	if err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if err := heal(); err != nil || out.String() != "nothing was left to undo\n" {
		t.Errorf("healing again: %v, %q", err, out.String())
	}
	if again, err := os.ReadFile(filepath.Join(dir, JournalName)); err != nil || !bytes.Equal(again, healed) {
		t.Errorf("healing again wrote:\n%s\nafter:\n%s", again, healed)
	}
}

// leftovers are tables and groups, by whether they are there.
type leftovers map[string]bool

// means kill real processes, and take the rest from here.
func (l leftovers) means() means {
	take := func(name string) (found bool, err error) {
		found = l[name]
		l[name] = false
		return found, nil
	}
	return means{
		kill:  proc.Identity.Kill,
		table: func(name, _ string) (bool, error) { return take(name) },
		group: func(_ context.Context, path string) (bool, error) { return take(path) },
	}
}

// TestHealRefused touches nothing where it does not belong.
func TestHealRefused(t *testing.T) {
	self, err := proc.Self()
	if err != nil {
		t.Fatal(err)
	}
	header := func(id proc.Identity, boot, host string) string {
		text, err := json.Marshal(line{Format: 1, Kind: lineRun, Boot: boot, Host: host, Process: &ProcessLine{Name: "harness", Identity: id}})
		if err != nil {
			t.Fatal(err)
		}
		return string(text) + "\n"
	}
	ours := header(gone, proc.BootID(), "")
	cases := []struct{ name, journal, want string }{
		{"newer", `{"format":3,"kind":"run"}` + "\n", "journal.jsonl:1: format 3 is newer than 2"},
		{"no journal at all", "hello\n", "journal.jsonl:1: not a line of a journal"},
		{"no journal, no end", "hello", "journal.jsonl:1: not a line of a journal"},
		{"no header", `{"kind":"ended"}` + "\n", "journal.jsonl:1: not the first line"},
		{"garbled", ours + "garbled\n" + `{"kind":"ended"}` + "\n", "journal.jsonl:2: not a line"},
		{"unknown line", ours + `{"kind":"party"}` + "\n", `journal.jsonl:2: unknown kind of line "party"`},
		{"undone without intent", ours + `{"kind":"undone","fault":3}` + "\n", "journal.jsonl:2: fault 3: undone without an intent"},
		{"intent without undo", ours + `{"kind":"intent","fault":3}` + "\n", "its intent has no undo"},
		{"process without identity", ours + `{"kind":"process"}` + "\n", "without its identity"},
		{"alive", header(self, proc.BootID(), ""), fmt.Sprintf("the run is still going on: its harness is process %d", os.Getpid())},
	}
	if proc.BootID() != "" {
		cases = append(cases, struct{ name, journal, want string }{"other host", header(self, "another boot", "elsewhere.test"), `made on host "elsewhere.test"`})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := journalOf(t, c.journal)
			var out strings.Builder
			err := Heal(t.Context(), dir, &out)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "healing "+dir) {
				t.Errorf("healing: %v, want %q", err, c.want)
			}
			if errors.Is(err, ErrNotHealed) || errors.Is(err, ErrRunning) != (c.name == "alive") {
				t.Errorf("the error is of the wrong kind: %v", err)
			}
			if text, err := os.ReadFile(filepath.Join(dir, JournalName)); err != nil || string(text) != c.journal || out.Len() > 0 {
				t.Errorf("it was touched: %v, %q; said %q", err, text, &out)
			}
		})
	}
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing")} {
		if err := Heal(t.Context(), dir, &strings.Builder{}); err == nil || !strings.Contains(err.Error(), "is not a run directory") {
			t.Errorf("healing %s: %v", dir, err)
		}
	}
	held := t.TempDir()
	journal, err := createFor(held, gone)
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	if err := Heal(t.Context(), held, &strings.Builder{}); !errors.Is(err, errLocked) {
		t.Errorf("healing under somebody's hands: %v", err)
	}
	if _, err := Create(held); !errors.Is(err, os.ErrExist) {
		t.Errorf("creating a journal where there is one: %v", err)
	}
}

// TestHealAfterReboot looks for no process: its id means nothing any more.
func TestHealAfterReboot(t *testing.T) {
	if proc.BootID() == "" {
		return // start times here are of the calendar, and tell boots apart
	}
	self, err := proc.Self()
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, l := range []line{
		{Format: 1, Kind: lineRun, Boot: "another boot", Host: host, Process: &ProcessLine{Name: "harness", Identity: self}},
		{Kind: lineProcess, Process: &ProcessLine{Name: "connector-1", Identity: self}},
		{Kind: lineIntent, Fault: 1, Name: "freeze-1", Undo: &Undo{Action: ActionThaw, Processes: []ProcessLine{{Name: "connector-1", Identity: self}}}},
	} {
		if err := json.NewEncoder(&text).Encode(l); err != nil {
			t.Fatal(err)
		}
	}
	dir := journalOf(t, text.String())
	var out strings.Builder
	if err := Heal(t.Context(), dir, &out); err != nil || !strings.Contains(out.String(), "booted since") {
		t.Errorf("healing: %v, said %q", err, &out)
	}
	if h := historyOf(t, dir); !h.Faults[0].Undone {
		t.Errorf("the journal says %+v", h.Faults)
	}
}

// TestNotHealed names what cannot be ended, and undoes the rest.
func TestNotHealed(t *testing.T) {
	lines := bytes.SplitAfter(fullJournal(t), []byte("\n"))
	var intents [][]byte
	for _, l := range lines {
		if !bytes.Contains(l, []byte(`"kind":"undone"`)) {
			intents = append(intents, l)
		}
	}
	dir := journalOf(t, string(bytes.Join(intents, nil)))
	stubborn := errors.New("operation not permitted")
	var out strings.Builder
	by := leftovers{}.means()
	by.kill = func(id proc.Identity, _ context.Context) (bool, error) {
		if id.PID == noSuchPID { // connector-1
			return true, stubborn
		}
		return false, nil
	}
	by.table = func(name, _ string) (bool, error) { return true, fmt.Errorf("table %s: %w", name, stubborn) }
	err := heal(t.Context(), dir, &out, by)
	if !errors.Is(err, ErrNotHealed) || !errors.Is(err, stubborn) || !strings.Contains(err.Error(), "freeze-2") ||
		!strings.Contains(err.Error(), fmt.Sprintf("as root: kill -KILL %d", noSuchPID)) ||
		!strings.Contains(err.Error(), "power-loss-6: power-loss(connector-3) at 8s for 1s: table ptabench_fake") {
		t.Errorf("healing: %v", err)
	}
	for _, f := range historyOf(t, dir).Faults {
		if f.Undone != (f.Name != "freeze-2" && f.Name != "power-loss-6" && f.Name != "limit-cpu-7") {
			t.Errorf("fault %+v", f)
		}
	}
}

// journalOf makes a run directory of a journal.
func journalOf(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, JournalName), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}
