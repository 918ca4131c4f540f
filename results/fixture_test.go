package results

import (
	"bytes"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

// testHeader is that of every made-up run here.
func testHeader() Header {
	return Header{
		Scenario: "quickstart", Seed: 7, StartedAt: "2026-01-02T03:04:05.678Z",
		Duration: int64(30 * time.Second), Planned: 30_000, Timeout: int64(10 * time.Second),
		Command: "ptabench run quickstart --seed 7", Version: "0.1.0",
		Machine:    Machine{OS: "linux", Arch: "amd64", Kernel: "6.18.0", CPUModel: "Some CPU", CPUs: 2, Memory: 8 << 30, Go: "go1.26"},
		Intents:    []string{"right", "wrong", "disabled", "locked", "unknown"},
		Connectors: []string{"connector-1", "connector-2", "connector-3"},
	}
}

// madeUp is n sign-ins over the header's duration, a tenth before time 0, in
// the order in which they ended, with every outcome, path and judgement.
func madeUp(t testing.TB, seed uint64, h Header, n int) []Sample {
	t.Helper()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	list := make([]Sample, n)
	warmup := n / 10
	for i := range list {
		s := &list[i]
		s.Seq, s.User = uint32(i), rnd.Uint32N(10_000)
		s.Intent = uint8(rnd.IntN(len(h.Intents)))
		s.Due = int64(float64(i-warmup) * float64(h.Duration) / float64(n-warmup))
		if rnd.IntN(100) == 0 {
			continue // unsent
		}
		s.Sent = s.Due + rnd.Int64N(200_000)
		s.Done = s.Sent + int64(1e6*math.Exp(2*rnd.NormFloat64()))
		s.Queue, s.Directory = rnd.Uint32N(100), rnd.Uint32N(500)
		s.Connector = s.Directory + rnd.Uint32N(100)
		s.Attempts = 1
		switch p := rnd.IntN(100); {
		case p < 2:
			s.Outcome, s.Code = OutcomeFailed, 80001
			continue
		case p < 4:
			s.Outcome, s.Error, s.Done = OutcomeUnknown, ErrorTimeout, s.Sent+h.Timeout
			continue
		case p < 60:
			s.Outcome = OutcomeAccepted
		default:
			s.Outcome, s.Code = OutcomeRefused, []uint32{50126, 50057, 50034}[rnd.IntN(3)]
		}
		s.Path, s.Judgement = PathPassThrough, Right
		s.Server = uint8(1 + rnd.IntN(len(h.Connectors)))
		if rnd.IntN(10) == 0 {
			s.Attempts = 2
		}
		if rnd.IntN(10) == 0 {
			s.Path, s.Server = PathHashSync, 0
			s.Judgement = Judgement(1 + rnd.IntN(4))
		}
	}
	slices.SortStableFunc(list, func(a, b Sample) int { return int(max(a.Due, a.Done)/1000 - max(b.Due, b.Done)/1000) })
	return list
}

// writeSamples makes a file of samples and returns its path.
func writeSamples(t testing.TB, dir string, h Header, list []Sample) string {
	t.Helper()
	path := filepath.Join(dir, SamplesFile)
	w, err := CreateSamples(path, h)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if err := w.Append(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// readAll reads samples to their end.
func readAll(t testing.TB, data []byte) (list []Sample, tail error) {
	t.Helper()
	r, err := NewSampleReader(bytes.NewReader(data), "samples")
	if err != nil {
		t.Fatal(err)
	}
	for s, err := range r.All() {
		if err != nil {
			return list, err
		}
		list = append(list, s)
	}
	return list, nil
}

// golden compares got with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s (go test -update writes it anew):\n--- got\n%s\n--- want\n%s", path, got, want)
	}
}
