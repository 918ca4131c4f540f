package updater

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"ptabench/observe"
	"ptabench/signed"
	"ptabench/update"
)

// keep has a store adopt a version.
func keep(t *testing.T, s *Store, version string) string {
	t.Helper()
	content := []byte("program " + version)
	hashes := update.NewHasher()
	_, _ = hashes.Write(content)
	m := &update.Manifest{Version: version}
	m.Size, m.SHA256, m.SHA512 = hashes.Sums()
	program, err := s.Keep(m, bytes.NewReader(content))
	if err == nil {
		err = s.Adopt(version, m.SHA256)
	}
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// selects is the file that Select names, without its directory.
func selects(t *testing.T, s *Store, version string) string {
	t.Helper()
	program, err := s.Select(version)
	if err != nil {
		t.Fatal(err)
	}
	if program == "" {
		return ""
	}
	return filepath.Base(program)
}

func TestSelect(t *testing.T) {
	s := NewStore(t.TempDir())
	if got := selects(t, s, "1.0.0"); got != "" {
		t.Fatalf("an empty store selects %q", got)
	}
	keep(t, s, "1.1.0")
	program := keep(t, s, "1.2.0")
	for _, tt := range []struct{ version, want string }{
		{"1.0.0", "ptabench-1.2.0"}, {"1.2.0", ""}, {"2.0.0", ""}, // somebody installed a later one
	} {
		if got := selects(t, s, tt.version); got != tt.want {
			t.Errorf("from %s: %q, want %q", tt.version, got, tt.want)
		}
	}
	if info, err := os.Stat(program); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := s.Up("1.2.0"); err != nil { // it came up
		t.Fatal(err)
	}
	var got []string
	for range startsKept + 1 {
		got = append(got, selects(t, s, "1.0.0"))
	}
	if want := []string{"ptabench-1.2.0", "ptabench-1.2.0", "ptabench-1.2.0", "ptabench-1.1.0"}; !reflect.DeepEqual(got, want) {
		t.Errorf("one that never comes up: %q, want %q", got, want)
	}
	if !s.Failed("1.2.0") || s.Failed("1.1.0") {
		t.Error("1.2.0 is to be tried no more, and 1.1.0 is")
	}
	if _, err := os.Stat(program); err == nil {
		t.Error("the program that failed is kept")
	}
	for range startsKept {
		selects(t, s, "1.0.0")
	}
	if got := selects(t, s, "1.0.0"); got != "" {
		t.Errorf("with nothing left: %q", got)
	}
}

func TestSelectRefusesAChangedProgram(t *testing.T) {
	s := NewStore(t.TempDir())
	program := keep(t, s, "1.2.0")
	if err := os.WriteFile(program, []byte("program 1.2.1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := selects(t, s, "1.0.0"); got != "" {
		t.Fatalf("%q", got)
	}
	if f, found := s.LastFailure(); !found || f.Version != "1.2.0" || !strings.Contains(f.Reason, "has changed") {
		t.Errorf("%+v", f)
	}
}

func TestStoreKeepsTwo(t *testing.T) {
	s := NewStore(t.TempDir())
	for _, version := range []string{"1.1.0", "1.2.0", "1.3.0"} {
		keep(t, s, version)
	}
	all, _ := filepath.Glob(s.program("*"))
	if len(all) != 2 {
		t.Errorf("kept: %v", all)
	}
	for i := range 3 * failuresKept {
		if err := s.Fail("2.0."+string(rune('a'+i%26)), "x"); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.load().Failed); n != failuresKept {
		t.Errorf("%d failures kept, want %d", n, failuresKept)
	}
}

func TestSame(t *testing.T) {
	s := NewStore(t.TempDir())
	if err := s.Same(&update.Manifest{Version: "1.0.0", SHA256: "aa"}, "1.0.0"); err != nil {
		t.Errorf("of a program that was installed by hand: %v", err)
	}
	keep(t, s, "1.2.0")
	is := s.load().Current.SHA256
	if err := s.Same(&update.Manifest{Version: "1.2.0", SHA256: is}, "1.2.0"); err != nil {
		t.Error(err)
	}
	if err := s.Same(&update.Manifest{Version: "1.2.0", SHA256: "aa"}, "1.2.0"); signed.ReasonOf(err) != update.SameVersion {
		t.Errorf("another program of the same version: %v", err)
	}
}

func TestPinKey(t *testing.T) {
	state := t.TempDir()
	key := func() ed25519.PublicKey {
		k, _, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	first, second := key(), key()
	for _, tt := range []struct {
		name       string
		told, want ed25519.PublicKey
		err        error
	}{
		{"none yet", nil, nil, nil}, {"the first", first, first, nil}, {"again", first, first, nil},
		{"another", second, first, ErrOtherKey}, {"none any more", nil, first, nil},
	} {
		got, err := PinKey(state, tt.told)
		if !bytes.Equal(got, tt.want) || !errors.Is(err, tt.err) {
			t.Errorf("%s: %x, %v", tt.name, got, err)
		}
	}
}

func TestCounters(t *testing.T) {
	s := NewStore(t.TempDir())
	if c, err := s.TakeCounters(false); err != nil || c.Answers != 0 {
		t.Fatalf("%+v, %v", c, err)
	}
	left := observe.AgentCounters{Answers: 3, Binds: 4, Results: map[string]uint64{"accepted": 3}, InFlight: 2}
	if err := s.LeaveCounters(true, left); err != nil {
		t.Fatal(err)
	}
	got, err := s.TakeCounters(true)
	if err != nil {
		t.Fatal(err)
	}
	sum := observe.AgentCounters{Answers: 10, InFlight: 1}
	sum.Add(got)
	if sum.Answers != 13 || sum.Binds != 4 || sum.Results["accepted"] != 3 || sum.InFlight != 1 {
		t.Errorf("%+v", sum)
	}
	if c, err := s.TakeCounters(true); err != nil || c.Answers != 0 {
		t.Errorf("taken twice: %+v, %v", c, err)
	}
}
