package directory

import (
	"encoding/csv"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ptabench/observe"
	"ptabench/population"
)

// readBinds reads a whole bind log and returns its lines less their times,
// which it checks.
func readBinds(t *testing.T, name string, from, to time.Time) (lines []string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 || strings.Join(rows[0], ",")+"\n" != bindLogHeader {
		t.Fatalf("the log begins with %q", rows)
	}
	for _, row := range rows[1:] {
		at, err := strconv.ParseInt(row[0], 10, 64)
		if err != nil || at < from.UnixNano() || at > to.UnixNano() {
			t.Errorf("a bind at %s, want from %d to %d: %v", row[0], from.UnixNano(), to.UnixNano(), err)
		}
		lines = append(lines, strings.Join(row[1:], ","))
	}
	return lines
}

func TestBindLog(t *testing.T) {
	cfg := testConfig(t)
	cfg.BindLog = filepath.Join(t.TempDir(), "binds.csv")
	began := time.Now()
	r := start(t, cfg)
	active, locked := r.in(population.Active), r.in(population.Locked)
	first, second := r.dialFrom(one), r.dialFrom(two)
	upn := r.users.UPN(active)
	bind(t, first, strings.ToUpper(upn), r.users.Password(active))
	bind(t, second, "cn="+r.users.Name(active)+",ou=users,"+base, r.users.WrongPassword(active))
	bind(t, second, upn, r.users.PreviousPassword(active))
	bind(t, first, r.users.UPN(locked), r.users.Password(locked))
	bind(t, first, r.users.UnknownUPN(7), "x")
	for _, odd := range []string{"a,b\"c\nd", "two words", "na\u00efve", strings.Repeat("x", 400)} {
		bind(t, first, odd, "x")
	}
	// The service account's are none of it, nor what was not looked at.
	r.service()
	r.put("/faults/refuse", observe.BindFault{Mode: observe.BindRefuse})
	bind(t, first, upn, r.users.Password(active))
	r.end("/faults/refuse")

	want := []string{
		upn + ",success," + one, upn + ",wrong-password," + two, upn + ",wrong-password," + two,
		r.users.UPN(locked) + ",locked," + one, r.users.UnknownUPN(7) + ",unknown," + one,
		",unknown," + one, ",unknown," + one, ",unknown," + one, ",unknown," + one,
	}
	eventually(t, "the log to be flushed", func() bool {
		text, err := os.ReadFile(cfg.BindLog)
		return err == nil && strings.Count(string(text), "\n") == 1+len(want)
	})
	if got := readBinds(t, cfg.BindLog, began, time.Now()); !slices.Equal(got, want) {
		t.Errorf("the log:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	text, _ := os.ReadFile(cfg.BindLog)
	for _, secret := range []string{r.users.Password(active), r.users.WrongPassword(active), r.users.PreviousPassword(active)} {
		if strings.Contains(string(text), secret) {
			t.Error("a password is in the log")
		}
	}

	// A bind that hangs is logged when it is answered; the end flushes.
	r.put("/faults/hang", observe.BindFault{Mode: observe.BindHang})
	answered := r.later(second, active)
	eventually(t, "a bind that hangs", func() bool { return r.reached("hang") == 1 })
	if got := readBinds(t, cfg.BindLog, began, time.Now()); len(got) != len(want) {
		t.Errorf("%d lines while a bind hangs, want %d", len(got), len(want))
	}
	r.end("/faults/hang")
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	r.stop()
	want = append(want, upn+",success,"+two)
	if got := readBinds(t, cfg.BindLog, began, time.Now()); !slices.Equal(got, want) {
		t.Errorf("at the end the log has %d lines, want %d", len(got), len(want))
	}

	// A restart goes on, less a line that was not ended.
	f, err := os.OpenFile(cfg.BindLog, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("1785000000000000000,user0000"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	r = start(t, cfg)
	bind(t, r.dialFrom(one), upn, r.users.Password(active))
	r.stop()
	want = append(want, upn+",success,"+one)
	if got := readBinds(t, cfg.BindLog, began, time.Now()); !slices.Equal(got, want) {
		t.Errorf("after a restart the log has %d lines, want %d", len(got), len(want))
	}
}

func TestBindLogRefused(t *testing.T) {
	long := filepath.Join(t.TempDir(), "long")
	if err := os.WriteFile(long, []byte(strings.Repeat("x", 70<<10)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		filepath.Join(t.TempDir(), "none", "binds.csv"): "no such file",
		t.TempDir(): "is a directory",
		"/dev/null": "regular file",
		long:        "no line",
	} {
		cfg := testConfig(t)
		cfg.BindLog = name
		if err := refused(t, cfg, &lines{}); err == nil || !strings.HasPrefix(err.Error(), "bind log: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if text, err := os.ReadFile(long); err != nil || len(text) != 70<<10 {
		t.Errorf("what is no log was changed: %d bytes, %v", len(text), err)
	}
}

// BenchmarkBindLog is what the log adds to a bind.
func BenchmarkBindLog(b *testing.B) {
	users, err := population.New(population.Spec{Seed: 1, Users: 10_000, Domain: "contoso.test"})
	if err != nil {
		b.Fatal(err)
	}
	l, err := openBindLog(filepath.Join(b.TempDir(), "binds.csv"), users)
	if err != nil {
		b.Fatal(err)
	}
	source, note := netip.MustParseAddr(one), bindNote{user: 4711, outcome: wrongPassword}
	b.ReportAllocs()
	for b.Loop() {
		l.add(time.Now(), &note, source)
	}
	if err := l.close(); err != nil {
		b.Fatal(err)
	}
}
