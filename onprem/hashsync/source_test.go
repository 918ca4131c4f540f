package hashsync

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"ptabench/synchash"
)

func TestLDIF(t *testing.T) {
	const text = "# record 1\ndn: CN=a,\n DC=test\nuserPrincipalName: a@contoso.test\nunicodePwd:: AAEC\ndescription::\nempty:\n\n" +
		"# Referral\nref: ldap:///x\n\ndn: CN=b\r\nuSNChanged: 7\r\nuSNChanged: 8\r\n\n# returned 2 records\n"
	entries, err := parseLDIF([]byte(text))
	if err != nil || len(entries) != 2 {
		t.Fatalf("%v, %v", entries, err)
	}
	for _, want := range []struct {
		entry       int
		name, value string
	}{
		{0, "dn", "CN=a,DC=test"}, {0, "USERPRINCIPALNAME", "a@contoso.test"}, {0, "unicodePwd", "\x00\x01\x02"},
		{0, "empty", ""}, {1, "dn", "CN=b"}, {1, "uSNChanged", "7"}, {1, "nothing", ""},
	} {
		if got := string(entries[want.entry].value(want.name)); got != want.value {
			t.Errorf("entry %d: %s is %q, want %q", want.entry, want.name, got, want.value)
		}
	}
	for _, bad := range []string{"dn: a\nunicodePwd:: sec!ret\n", "dn: a\nsecret\n"} {
		if _, err := parseLDIF([]byte(bad)); err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "sec!ret") {
			t.Errorf("%q: error %v", bad, err)
		}
	}
}

// FuzzLDIF: whatever the tool says, reading it ends, and nothing in what is read
// was not there.
func FuzzLDIF(f *testing.F) {
	f.Add([]byte("dn: CN=a\nunicodePwd:: AAEC\n\n"))
	f.Add([]byte(" \n:\n\n::\ndn:\n a"))
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := parseLDIF(text)
		if err != nil {
			return
		}
		for _, e := range entries {
			total := 0
			for name, value := range e {
				total += len(name) + len(value)
			}
			if total > 3*len(text) { // letters may grow in lower case
				t.Errorf("%d bytes out of %d", total, len(text))
			}
			_, _ = changeOf(e.value)
		}
	})
}

func TestGeneralizedTime(t *testing.T) {
	want := time.Date(2026, 11, 22, 19, 10, 27, 0, time.UTC)
	for text, ns := range map[string]int{"20261122191027.0Z": 0, "20261122191027Z": 0, "20261122191027.123456789Z": 123456789} {
		got, err := generalizedTime(text)
		if err != nil || !got.Equal(want.Add(time.Duration(ns))) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "yesterday", "20261122191027"} {
		if _, err := generalizedTime(bad); err == nil {
			t.Errorf("%q is a time", bad)
		}
	}
}

func TestDatabaseOf(t *testing.T) {
	domain := t.TempDir()
	private := filepath.Join(domain, "private")
	file := filepath.Join(private, "sam.ldb")
	if err := errors.Join(os.Mkdir(private, 0o700), os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]bool{domain: true, file: true, private: false, filepath.Join(domain, "nothing"): false, os.DevNull: false} {
		got, err := databaseOf(at)
		if (err == nil) != want || want && got != file {
			t.Errorf("%s: %s, %v", at, got, err)
		}
	}
}

// TestSpan: however numbers are spread, and however little can be given at once,
// every one is found once.
func TestSpan(t *testing.T) {
	sparse := map[uint64]bool{}
	for _, n := range []uint64{1, 2, 3, 500, 501, 70_000, 5_000_000, 5_000_001, 9_999_999} {
		sparse[n] = true
	}
	for n := uint64(1000); n < 1400; n++ {
		sparse[n] = true
	}
	for _, most := range []int{1, 7, 1000} {
		var s span
		found, asked := map[uint64]int{}, 0
		for after := uint64(0); after < 10_000_000; {
			list, through, err := s.ask(after, 10_000_000, 100, func(from, to uint64) (list []change, more bool, err error) {
				asked++
				for n := range sparse {
					if n >= from && n <= to {
						list = append(list, change{upn: fmt.Sprint(n)})
					}
				}
				if len(list) > most && from < to {
					return nil, true, nil
				}
				return list, false, nil
			})
			if err != nil || through <= after {
				t.Fatalf("after %d: through %d, %v", after, through, err)
			}
			for _, c := range list {
				var n uint64
				_, _ = fmt.Sscan(c.upn, &n)
				found[n]++
			}
			after = through
		}
		if len(found) != len(sparse) {
			t.Errorf("at most %d at once: %d of %d were found", most, len(found), len(sparse))
		}
		for n, times := range found {
			if times != 1 {
				t.Errorf("%d was found %d times", n, times)
			}
		}
		if asked > 20*len(sparse)+200 {
			t.Errorf("at most %d at once: %d questions", most, asked)
		}
	}
}

func writeAccounts(t *testing.T, file string, lines ...string) {
	t.Helper()
	text := strings.Join(append([]string{strings.Join(fileHeader, ",")}, lines...), "\n") + "\n"
	next := file + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, file); err != nil { // whole, as whoever exports accounts should
		t.Fatal(err)
	}
}

func accountLine(upn, password string, disabled, mustChange bool) string {
	nt := synchash.NTHash(password)
	return fmt.Sprintf("%s,%s,%v,%v", upn, hex.EncodeToString(nt[:]), disabled, mustChange)
}

// TestFile: what differs from the file before travels, also what did while the
// agent was down, and whoever is no longer in it leaves the cloud.
func TestFile(t *testing.T) {
	c, file := newFakeCloud(t), filepath.Join(t.TempDir(), "accounts.csv")
	writeAccounts(t, file, accountLine("a@contoso.test", "pa", false, false), accountLine("b@contoso.test", "pb", true, false),
		accountLine("ü@contoso.test", "pü", false, false), accountLine("d@contoso.test", "pd", false, true))
	cfg := Config{Name: "hashsync", State: t.TempDir(), Observe: "127.0.0.1:0", Source: "file", File: file, URL: c.server.URL, CAFile: c.ca(),
		Tenants: []Tenant{{Name: "contoso"}}, Interval: 20 * time.Millisecond, Batch: 2, HashSyncToken: testToken, ObserveToken: observeToken}
	r := run(t, serving(cfg))
	has := func(upn, password string, disabled bool) bool {
		a, found := c.account(upn)
		return found && a.hasHash && a.hash.Matches(password) && a.disabled == disabled
	}
	if d, _ := c.account("d@contoso.test"); !has("a@contoso.test", "pa", false) || !has("b@contoso.test", "pb", true) || !has("ü@contoso.test", "pü", false) || d.hasHash {
		t.Error("the first sync differs from the file")
	}
	writeAccounts(t, file, accountLine("b@contoso.test", "pb", true, false), accountLine("ü@contoso.test", "other", false, false),
		accountLine("d@contoso.test", "pd", false, false), accountLine("e@contoso.test", "pe", false, false))
	eventually(t, "the new file is in the cloud", func() bool {
		_, a := c.account("a@contoso.test")
		return !a && has("ü@contoso.test", "other", false) && has("d@contoso.test", "pd", false) && has("e@contoso.test", "pe", false)
	})
	if b, _ := c.account("b@contoso.test"); b.taken != 1 {
		t.Errorf("who did not change travelled %d times", b.taken)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	writeAccounts(t, file, accountLine("b@contoso.test", "while down", false, false), accountLine("ü@contoso.test", "other", false, false))
	run(t, serving(cfg))
	_, d := c.account("d@contoso.test")
	if !has("b@contoso.test", "while down", false) || d {
		t.Error("what changed while the agent was down did not travel")
	}
	if u, _ := c.account("ü@contoso.test"); u.taken != 2 {
		t.Errorf("who did not change travelled %d times, want 2", u.taken)
	}
	known, err := os.ReadFile(filepath.Join(cfg.State, knownFile))
	if err != nil {
		t.Fatal(err)
	}
	nt := synchash.NTHash("other")
	if bytes.Contains(known, nt[:]) || strings.Contains(strings.ToLower(string(known)), hex.EncodeToString(nt[:])) {
		t.Error("a hash stands in what the agent keeps")
	}
}

func TestBadFile(t *testing.T) {
	good := accountLine("a@contoso.test", "pa", false, false)
	tests := map[string]struct {
		lines []string
		mode  os.FileMode
		want  string
	}{
		"others may read it": {[]string{good}, 0o644, "expected 0600"},
		"twice":              {[]string{good, strings.ToUpper(good[:1]) + good[1:]}, 0o600, "stands in it twice"},
		"no name":            {[]string{"a,,,"}, 0o600, "line 2"},
		"a short hash":       {[]string{good, "b@contoso.test,8846f7ea,,"}, 0o600, "line 3"},
		"fewer fields":       {[]string{"a@contoso.test"}, 0o600, "line 2"},
	}
	for about, tt := range tests {
		t.Run(about, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "accounts.csv")
			writeAccounts(t, file, tt.lines...)
			if err := os.Chmod(file, tt.mode); err != nil {
				t.Fatal(err)
			}
			s, err := newFile(file, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = s.where(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "8846f7ea") {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	err := Config{Source: "slapd", Observe: "x", Interval: time.Hour * 48, Batch: 0, Tenants: []Tenant{{Name: "a"}, {Name: "a"}}}.Validate()
	for _, want := range []string{"name: ", "state: ", `observe "x"`, `source "slapd": expected embedded, samba, file`, "hash-sync-url", "hash-sync-ca", "hash sync token", "given twice", "interval 48h", "batch 0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if _, err := ParseTenant("=contoso.test"); err == nil {
		t.Error("a tenant without a name")
	}
}

// BenchmarkFirstSync is a first sync of 100,000 users out of the embedded
// directory. Besides the time it says what the agent holds of each user when it
// is over.
func BenchmarkFirstSync(b *testing.B) {
	const users = 100_000
	p := newPremises(b, users)
	for b.Loop() {
		c := newFakeCloud(b)
		cfg := p.config(c)
		cfg.Batch = 1000
		from, err := cfg.open()
		if err != nil {
			b.Fatal(err)
		}
		config, err := trust("hash-sync-ca", cfg.CAFile)
		if err != nil {
			b.Fatal(err)
		}
		a := &agent{cfg: cfg, log: slog.New(slog.DiscardHandler), from: from, to: newCloud(cfg.URL, cfg.HashSyncToken, config),
			counts: newCounts(), carry: newCarried(), cursors: make(map[string]cursor)}
		if err := a.cycle(context.Background()); err != nil {
			b.Fatal(err)
		}
		with := live()
		a.carry, a.cursors = nil, nil
		b.ReportMetric(float64(with-live())/users, "resident-B/user")
		runtime.KeepAlive(a)
		a.to.close()
		from.close()
	}
	b.ReportMetric(float64(users)*float64(b.N)/b.Elapsed().Seconds(), "users/s")
}

// live is how much memory is in use.
func live() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
