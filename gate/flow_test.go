package gate

import (
	"math/rand/v2"
	"testing"
	"time"
)

var epoch = time.Unix(1_000_000, 0)

// through pushes n segments at once and returns when each is due, from then.
func through(s shape, stream uint64, n int) (due []time.Duration) {
	var f flow
	f.reshape(epoch, s, stream)
	f.push(epoch, make([]byte, n*segment))
	for _, p := range f.pieces {
		due = append(due, p.due.Sub(epoch))
	}
	return due
}

func TestShape(t *testing.T) {
	const ms = time.Millisecond
	seconds := func(bytes int, bitsPerS float64) time.Duration {
		return time.Duration(float64(8*bytes) / bitsPerS * float64(time.Second))
	}
	for _, tc := range []struct {
		name  string
		shape shape
		want  []time.Duration
	}{
		{"delay of all at once", shape{delay: 50 * ms}, []time.Duration{50 * ms, 50 * ms, 50 * ms, 50 * ms}},
		{"bandwidth after a burst", shape{bitsPerS: 1e6},
			[]time.Duration{0, 0, seconds(segment, 1e6), seconds(2*segment, 1e6)}},
		{"bandwidth, then delay", shape{bitsPerS: 1e6, delay: 10 * ms},
			[]time.Duration{10 * ms, 10 * ms, 10*ms + seconds(segment, 1e6), 10*ms + seconds(2*segment, 1e6)}},
		{"every segment lost", shape{loss: 1, retransmit: 200 * ms, delay: ms},
			[]time.Duration{201 * ms, 201 * ms, 201 * ms, 201 * ms}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := through(tc.shape, 1, len(tc.want))
			for i, want := range tc.want {
				if diff := got[i] - want; diff < -time.Microsecond || diff > time.Microsecond {
					t.Errorf("segment %d is due after %v; expected %v", i, got[i], want)
				}
			}
		})
	}
}

func TestShapesCombine(t *testing.T) {
	var s shape
	s.add(shape{delay: 10, jitter: 2, loss: 0.5, retransmit: 200})
	s.add(shape{delay: 5, jitter: 1, bitsPerS: 100, loss: 0.5, retransmit: 300})
	s.add(shape{bitsPerS: 1000})
	want := shape{delay: 15, jitter: 3, bitsPerS: 100, loss: 0.75, retransmit: 300}
	if s != want {
		t.Errorf("%+v; expected %+v", s, want)
	}
}

// Jitter and loss never reorder, fall about as often as asked, and are the
// same again for the same seed and connection, and others for another.
func TestChance(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s := shape{delay: 20 * time.Millisecond, jitter: 5 * time.Millisecond, loss: 0.1, retransmit: time.Second, seed: seed}
	const n = 4000
	// One at a time, far apart: none waits for one before it.
	var f flow
	f.reshape(epoch, s, 1)
	lost := 0
	for i := range n {
		now := epoch.Add(time.Duration(i) * time.Minute)
		held := f.leave(now, segment).Sub(now)
		if held >= time.Second {
			lost++
			held -= time.Second
		}
		if held < 15*time.Millisecond || held > 25*time.Millisecond {
			t.Fatalf("segment %d was held for %v", i, held)
		}
	}
	// 6 standard deviations either way.
	if lost < 286 || lost > 514 {
		t.Errorf("%d of %d segments were lost; expected about %d", lost, n, n/10)
	}
	one, again, other := through(s, 1, 200), through(s, 1, 200), through(s, 2, 200)
	same := true
	for i := range one {
		if i > 0 && one[i] < one[i-1] {
			t.Errorf("segment %d overtakes", i)
		}
		if one[i] != again[i] {
			t.Errorf("segment %d is due after %v, and after %v with the same seed", i, one[i], again[i])
		}
		same = same && one[i] == other[i]
	}
	if same {
		t.Error("two connections have the same chances")
	}
}

// What a slower gate held back does not stay when that one is cleared and a
// faster one is left; a slower one that comes holds nothing back for longer.
func TestReshape(t *testing.T) {
	const ms = time.Millisecond
	var f flow
	f.reshape(epoch, shape{delay: time.Hour, bitsPerS: 1000}, 1)
	f.push(epoch, make([]byte, 3*segment))
	f.pushEnd(epoch, closes, nil)
	expect := func(when string, want ...time.Duration) {
		t.Helper()
		for i, p := range f.pieces {
			if got := p.due.Sub(epoch); got != want[i] {
				t.Errorf("%s: piece %d is due after %v; expected %v", when, i, got, want[i])
			}
		}
	}
	f.reshape(epoch.Add(time.Second), shape{delay: 20 * ms}, 1)
	expect("faster", 1020*ms, 1020*ms, 1020*ms, 1020*ms)
	f.reshape(epoch.Add(1010*ms), shape{delay: time.Minute}, 1)
	expect("slower", 1020*ms, 1020*ms, 1020*ms, 1020*ms)
	if due := f.leave(epoch.Add(1010*ms), 1).Sub(epoch); due != time.Minute+1010*ms {
		t.Errorf("what comes then is due after %v", due)
	}
	f.reshape(epoch.Add(1015*ms), shape{}, 1)
	for i, p := range f.pieces {
		if !p.due.IsZero() {
			t.Errorf("without a gate: piece %d is held until %v", i, p.due)
		}
	}
}

func BenchmarkFlow(b *testing.B) {
	b.ReportAllocs()
	var f flow
	f.reshape(epoch, shape{delay: 1, jitter: 1, loss: 0.01, bitsPerS: 1e9, retransmit: 1}, 1)
	p, now := make([]byte, 512), epoch
	for b.Loop() {
		now = now.Add(time.Millisecond)
		f.push(now, p)
		f.discard(len(p))
	}
}
