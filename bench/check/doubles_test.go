package check

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ptabench/results"
	"ptabench/scenarios"
)

// bindLine is a line of the log of binds, at a time of the run. Time 0 is that
// of the world's header.
func (w *world) bindLine(t testing.TB, at int64, user int, outcome string) string {
	t.Helper()
	zero, err := zeroOf(w.header())
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d,%s,%s,127.0.1.1", zero+at, w.people.UPN(user), outcome)
}

func TestDoubledBinds(t *testing.T) {
	crash := Fault{Name: "crash-1", Kind: scenarios.Crash, Target: "connector-1", Began: second, InjectedAt: second,
		UndoBegan: 2 * second, UndoneAt: 2 * second, Injections: 1, Healed: true}
	// User 3 signs in with a wrong password at 30, 230, 430 ms and so on, user 4
	// with the right one at 40, 240 ...; those due at 1.03 s and 1.04 s are
	// handed on.
	const wrong, right = "wrong-password", "success"
	type line struct {
		at      int64
		user    int
		outcome string
	}
	for name, c := range map[string]struct {
		attempts uint8 // of the sign-in of user 3
		extra    []line
		spoil    func(lines []string) []string
		doubled  uint64
		locked   uint64
	}{
		"each bound once":       {attempts: 2},
		"one bound twice":       {attempts: 2, extra: []line{{1500 * ms, 3, wrong}}, doubled: 1},
		"and late":              {attempts: 2, extra: []line{{5900 * ms, 3, wrong}}, doubled: 1},
		"too late":              {attempts: 2, extra: []line{{6100 * ms, 3, wrong}}},
		"before it was due":     {attempts: 2, extra: []line{{1029 * ms, 3, wrong}}},
		"another user's":        {attempts: 2, extra: []line{{1500 * ms, 5, wrong}}},
		"never more than tried": {attempts: 3, extra: []line{{1500 * ms, 3, wrong}, {1501 * ms, 3, wrong}, {1502 * ms, 3, wrong}, {1503 * ms, 4, right}}, doubled: 3},
		// Within the fault, user 3 fails at 1.03, 1.23 ... 1.83 s on his own: 5.
		"nine wrong ones":  {attempts: 9, extra: repeat(line{1500 * ms, 3, wrong}, 4), doubled: 4},
		"ten wrong ones":   {attempts: 9, extra: repeat(line{1500 * ms, 3, wrong}, 5), doubled: 5, locked: 1},
		"the right ones":   {attempts: 9, extra: repeat(line{1500 * ms, 4, right}, 5), doubled: 1},
		"ten by other way": {attempts: 2, extra: repeat(line{1500 * ms, 3, wrong}, 9), doubled: 1}, // they would lock without it
		"torn": {attempts: 2, extra: []line{{1500 * ms, 3, wrong}}, doubled: 1, spoil: func(lines []string) []string {
			return append(slices.Insert(lines, 7, "17", "1767323045"+bindHeader), "1767323")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.samples[103].Attempts, w.samples[103].Server = c.attempts, 2
			w.samples[104].Attempts, w.samples[104].Server = 2, 2
			for i := range w.samples {
				s := &w.samples[i]
				outcome := right
				if s.Intent == 1 {
					outcome = wrong
				}
				w.binds = append(w.binds, w.bindLine(t, s.Due+ms, int(s.User), outcome))
			}
			for _, l := range c.extra {
				w.binds = append(w.binds, w.bindLine(t, l.at, l.user, l.outcome))
			}
			if c.spoil != nil {
				w.binds = c.spoil(w.binds)
			}
			w.faults = []Fault{crash}
			w.settle()
			r := w.conclude(t)
			if f := r.Faults[0]; f.DoubledBinds != c.doubled || f.WouldLock != c.locked {
				t.Errorf("%d doubled, %d locked; expected %d and %d", f.DoubledBinds, f.WouldLock, c.doubled, c.locked)
			}
			if warned := strings.Contains(strings.Join(r.Warnings, "\n"), "3 lines of the log of binds"); warned != (c.spoil != nil) {
				t.Errorf("warnings %q", r.Warnings)
			}
			w.binds = nil
			if f := w.conclude(t).Faults[0]; f.DoubledBinds != 0 {
				t.Errorf("%d doubled without a log", f.DoubledBinds)
			}
		})
	}
}

func repeat[T any](v T, n int) []T { return slices.Repeat([]T{v}, n) }

func TestBadBindLogs(t *testing.T) {
	for name, text := range map[string]string{
		"something else": "time,id\n1,2\n",
		"a long line":    bindHeader + "\n" + strings.Repeat("x", 2*maxLogLine) + "\n",
	} {
		if _, err := readBinds(strings.NewReader(text), func(bind) {}); err == nil {
			t.Errorf("%s: read", name)
		}
	}
	for text, want := range map[string][2]int{
		"":                                     {0, 0},
		bindHeader + "\n1,a@b,success,s\n":     {1, 0},
		bindHeader + "\n1,a@b,success,s\n2,a@": {1, 1},
		bindHeader + "\n1,a@b,succ" + "2,c@d,success,s\n":      {0, 1},
		bindHeader + "\n1,a@b,success,1" + "2,c@d,success,s\n": {1, 1},
		bindHeader + "\n1,\"a,b\"\"\",success,s\n":             {1, 0},
	} {
		lines := 0
		torn, err := readBinds(strings.NewReader(text), func(bind) { lines++ })
		if err != nil || lines != want[0] || torn != want[1] {
			t.Errorf("%q: %d lines, %d torn, %v; expected %v", text, lines, torn, err, want)
		}
	}
	if _, err := zeroOf(results.Header{StartedAt: "today"}); err == nil {
		t.Error("a start of today is read")
	}
}
