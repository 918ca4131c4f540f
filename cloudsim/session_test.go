package cloudsim

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"ptabench/cloudsim/dispatch"
)

// A simulator that was paused itself has heard nobody, and blames nobody for
// it.
func TestPauseOfTheSimulator(t *testing.T) {
	t.Parallel()
	cfg := settings(t)
	cfg.Heartbeat, cfg.HeartbeatMisses = 100*time.Millisecond, 10
	limit := cfg.Heartbeat * time.Duration(cfg.HeartbeatMisses)
	s := &session{server: &server{cfg: cfg}, tenant: &tenant{began: time.Now()}}
	s.done, s.ended = context.WithCancelCause(context.Background())
	r := &requestStream{session: s, end: s.ended}
	s.streams = append(s.streams, r)
	watched := make(chan struct{})
	s.answers.mu.Lock() // stops the watch, as whatever stops the process would
	go func() {
		defer close(watched)
		s.watch()
	}()
	time.AfterFunc(limit*3/2, s.answers.mu.Unlock)
	// Half of the patience later the connector is heard again.
	beats := time.NewTimer(limit * 2)
	defer beats.Stop()
	<-beats.C
	for range 5 {
		if cause := context.Cause(s.done); cause != nil {
			t.Fatalf("the session ended: %v", cause)
		}
		r.heard.Store(int64(s.tenant.now()))
		beats.Reset(cfg.Heartbeat)
		<-beats.C
	}
	<-watched // now it is silent in earnest
	if cause := context.Cause(s.done); !errors.Is(cause, errHeartbeat) {
		t.Errorf("the session ended: %v", cause)
	}
}

// What the dispatcher gives faster than the sender sends waits, in order.
func TestGive(t *testing.T) {
	v, err := newVault()
	if err != nil {
		t.Fatal(err)
	}
	own := &tenant{began: time.Now(), vault: v}
	s := &session{tenant: own, log: slog.New(slog.DiscardHandler)}
	s.fast = &requestStream{session: s, number: 3, fast: true, wake: make(chan struct{}, 1)}
	for id := range uint64(3) {
		r := &request{user: user, password: v.hide(password)}
		r.signIn = dispatch.SignIn{ID: id, Attempt: int(id) + 1, Payload: r}
		if via, want := s.give(own.now(), &r.signIn), (dispatch.Via{Stream: 3, Place: id + 1}); via != want {
			t.Errorf("sign-in %d goes by %+v; expected %+v", id, via, want)
		}
	}
	if len(s.fast.wake) != 1 || len(s.fast.gifts) != 3 {
		t.Fatalf("woken %d times for %d", len(s.fast.wake), len(s.fast.gifts))
	}
	for id, g := range s.fast.gifts {
		if g.request.signIn.ID != uint64(id) || g.attempt != uint32(id)+1 || string(v.reveal(nil, g.request.password)) != password {
			t.Errorf("%d. is %d, attempt %d", id, g.request.signIn.ID, g.attempt)
		}
	}
}

// Two passwords that are the same are hidden differently, and a hidden one
// that was changed does not come out as another.
func TestVault(t *testing.T) {
	v, err := newVault()
	if err != nil {
		t.Fatal(err)
	}
	one, two := v.hide(password), v.hide(password)
	if string(one) == string(two) || string(v.reveal(nil, one)) != password || string(v.reveal([]byte("x"), two)) != "x"+password {
		t.Error("the vault gives back something else, or always hides alike")
	}
	if got := v.reveal(nil, v.hide("")); len(got) != 0 {
		t.Errorf("nothing became %q", got)
	}
	one[len(one)-1] ^= 1
	defer func() {
		if recover() == nil {
			t.Error("a damaged password was revealed")
		}
	}()
	v.reveal(nil, one)
}

// A sealing context is replaced by age and by count, each time with a new one
// that opens.
func TestSealer(t *testing.T) {
	s, key := sealed(t, 2)
	s.maxAge = time.Minute
	v, err := newVault()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	var seen []string
	for i, tc := range []struct {
		after time.Duration
		fresh bool
		room  int // before
	}{
		{0, true, 2}, {0, false, 1}, {0, true, 2}, {59 * time.Second, false, 1}, // by count
		{time.Second, true, 2}, {time.Minute, true, 1}, // by age
	} {
		if got := s.room(); got != tc.room {
			t.Errorf("%d: room for %d; expected %d", i, got, tc.room)
		}
		now = now.Add(tc.after)
		enc, err := s.roll(now)
		if err != nil || (enc != nil) != tc.fresh {
			t.Fatalf("%d: a new context %v, %v; expected %v", i, enc != nil, err, tc.fresh)
		}
		if enc != nil {
			seen = append(seen, string(enc))
		}
		text, err := s.reseal(v, 7, 1, v.hide(password))
		if err != nil {
			t.Fatal(err)
		}
		if tc.fresh {
			r := recipient(t, key, enc)
			aad := []byte{0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1}
			if plain, err := r.Open(aad, text); err != nil || string(plain) != password {
				t.Errorf("%d: %q, %v", i, plain, err)
			}
			aad[11] = 2 // another attempt
			if _, err := recipient(t, key, enc).Open(aad, text); err == nil {
				t.Errorf("%d: it opens for another attempt", i)
			}
		}
		for _, b := range s.plain {
			if b != 0 {
				t.Fatalf("%d: the sealer keeps %q", i, s.plain)
			}
		}
	}
	for i := range seen {
		for j := range i {
			if seen[i] == seen[j] {
				t.Error("a context came twice")
			}
		}
	}
}
