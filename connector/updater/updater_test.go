package updater

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ptabench/observe"
	"ptabench/signed"
	"ptabench/update"
)

const platform = "linux-amd64"

// A world is a cloud, a connector and programs that are not there.
type world struct {
	t      *testing.T
	key    ed25519.PrivateKey
	dir    string // what the cloud publishes
	state  string
	log    []string // what happened, in order
	starts int      // of new versions
	began  time.Time

	// lease and healthy are what the cloud answers, by how often it was asked.
	lease   func(n int) signed.UpdateAnswer
	healthy func(n int) bool
	asked   map[signed.UpdateStep]int
	down    atomic.Bool // nobody answers
	// child is what becomes of the n-th new version.
	child func(n int) *fakeChild
}

func newWorld(t *testing.T) *world {
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil || public == nil {
		t.Fatal(err)
	}
	return &world{t: t, key: key, dir: t.TempDir(), state: t.TempDir(), asked: map[signed.UpdateStep]int{}, began: time.Now(),
		lease:   func(int) signed.UpdateAnswer { return signed.UpdateAnswer{Granted: true} },
		healthy: func(int) bool { return true },
		child:   func(int) *fakeChild { return &fakeChild{version: "2.0.0", after: time.Second} },
	}
}

func (w *world) note(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) }

// publish publishes a version for the platform of these tests.
func (w *world) publish(version string, change ...func(*update.Release)) {
	w.t.Helper()
	program := filepath.Join(w.dir, "program")
	if err := os.WriteFile(program, bytes.Repeat([]byte("program "), 100), 0o755); err != nil {
		w.t.Fatal(err)
	}
	r := update.Release{Binary: program, Version: version, Platform: platform, Key: w.key}
	for _, c := range change {
		c(&r)
	}
	if _, err := update.Publish(w.dir, r, time.Now()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) updater(change ...func(*Config)) *Updater {
	c := Config{
		Version: "1.0.0", Platform: platform, Key: func() ed25519.PublicKey { return w.key.Public().(ed25519.PublicKey) },
		Every: func() time.Duration { return time.Hour }, Deadline: DefaultDeadline, Store: NewStore(w.state),
		Cloud: w, Host: w, Log: slog.New(slog.DiscardHandler),
		Start: func(program, succeeds string) (Child, error) {
			w.starts++
			c := w.child(w.starts)
			if c == nil {
				return nil, errors.New("exec format error")
			}
			w.note("start %s after %s", filepath.Base(program), succeeds)
			return c.begin(w), nil
		},
	}
	for _, f := range change {
		f(&c)
	}
	return New(c)
}

func (w *world) Manifest(context.Context) ([]byte, error) {
	text, err := os.ReadFile(update.ManifestFile(w.dir, platform))
	switch {
	case w.down.Load():
		return nil, errors.New("connection refused")
	case err != nil:
		return nil, ErrNone
	}
	return text, nil
}

func (w *world) Binary(_ context.Context, version string) (io.ReadCloser, error) {
	return os.Open(update.BinaryFile(w.dir, platform, version))
}

func (w *world) Say(_ context.Context, m *signed.UpdateMessage) (signed.UpdateAnswer, error) {
	if w.down.Load() {
		return signed.UpdateAnswer{}, errors.New("connection refused")
	}
	w.asked[m.Step]++
	n := w.asked[m.Step]
	switch m.Step {
	case signed.UpdateLease:
		if n == 1 || m.To != "2.0.0" {
			w.note("lease %s", m.To)
		}
		return w.lease(n), nil
	case signed.UpdateConfirm:
		answer := w.lease(w.asked[signed.UpdateLease] + n)
		answer.Healthy = w.healthy(n)
		return answer, nil
	}
	w.note("%s %s %s", m.Step, m.To, m.Reason)
	return signed.UpdateAnswer{}, nil
}

func (w *world) Session() string { return "session-1" }

func (w *world) StepAside(context.Context) error {
	w.note("aside")
	return nil
}
func (w *world) StepBack() { w.note("back") }
func (w *world) Refused()  {}

// A fakeChild attaches after some time, unless it ends or does not.
type fakeChild struct {
	version string
	after   time.Duration // until it attaches; 0 for never
	ends    time.Duration // until it ends by itself; 0 for never

	w     *world
	ready chan observe.Ready
	done  chan struct{}
	stop  chan struct{}
}

func (c *fakeChild) begin(w *world) *fakeChild {
	c.w, c.ready, c.done, c.stop = w, make(chan observe.Ready, 1), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(c.done)
		var attached, end <-chan time.Time
		if c.after > 0 {
			attached = time.After(c.after)
		}
		if c.ends > 0 {
			end = time.After(c.ends)
		}
		for {
			select {
			case <-attached:
				c.ready <- observe.Ready{Version: c.version, Info: map[string]string{SessionInfo: "session-2"}}
			case <-end:
				return
			case <-c.stop:
				return
			}
		}
	}()
	return c
}

func (c *fakeChild) Ready() <-chan observe.Ready { return c.ready }
func (c *fakeChild) Done() <-chan struct{}       { return c.done }
func (c *fakeChild) Stop() {
	close(c.stop)
	<-c.done
	c.w.note("stop")
}

func TestUpdate(t *testing.T) {
	good := func(w *world) { w.publish("2.0.0") }
	for _, tt := range []struct {
		name    string
		prepare func(*world)
		log     string // what happens
		updated bool
		refused string // reason
		failed  string // reason
	}{
		{name: "nothing is published", prepare: func(*world) {}},
		{name: "the cloud is down", prepare: func(w *world) { good(w); w.down.Store(true) }},
		{name: "the version that runs", prepare: func(w *world) { w.publish("1.0.0") }},
		{name: "a later version", prepare: good, updated: true,
			log: "lease 2.0.0, start ptabench-2.0.0 after session-1, aside"},
		{name: "somebody else is at it", prepare: func(w *world) {
			good(w)
			w.lease = func(n int) signed.UpdateAnswer { return signed.UpdateAnswer{Granted: n > 3, Holder: "other"} }
		}, updated: true, log: "lease 2.0.0, start ptabench-2.0.0 after session-1, aside"},
		{name: "halted", prepare: func(w *world) {
			good(w)
			w.lease = func(int) signed.UpdateAnswer { return signed.UpdateAnswer{Halted: "it failed elsewhere"} }
		}, log: "lease 2.0.0"},
		{name: "it is not executable", prepare: func(w *world) { good(w); w.child = func(int) *fakeChild { return nil } },
			log: "lease 2.0.0, failed 2.0.0 it does not start: exec format error", failed: "it does not start: exec format error"},
		{name: "it ends each time", prepare: func(w *world) {
			good(w)
			w.child = func(int) *fakeChild { return &fakeChild{ends: time.Second} }
		}, log: "lease 2.0.0, start ptabench-2.0.0 after session-1, stop, start ptabench-2.0.0 after session-1, stop, " +
			"start ptabench-2.0.0 after session-1, stop, failed 2.0.0 it ended by itself", failed: "it ended by itself"},
		{name: "it ends once", prepare: func(w *world) {
			good(w)
			w.child = func(n int) *fakeChild {
				if n == 1 {
					return &fakeChild{ends: time.Second}
				}
				return &fakeChild{version: "2.0.0", after: time.Second}
			}
		}, log: "lease 2.0.0, start ptabench-2.0.0 after session-1, stop, start ptabench-2.0.0 after session-1, aside", updated: true},
		{name: "it never attaches", prepare: func(w *world) {
			good(w)
			w.child = func(int) *fakeChild { return &fakeChild{} }
		}, log: "lease 2.0.0, start ptabench-2.0.0 after session-1, stop, failed 2.0.0 it was not attached and confirmed within 30s",
			failed: "it was not attached and confirmed within 30s"},
		{name: "the cloud never hears of it", prepare: func(w *world) {
			good(w)
			w.healthy = func(int) bool { return false }
		}, log: "lease 2.0.0, start ptabench-2.0.0 after session-1, aside, stop, back, failed 2.0.0 it was not attached and confirmed within 30s",
			failed: "it was not attached and confirmed within 30s"},
		{name: "it ends when it has attached", prepare: func(w *world) {
			good(w)
			w.healthy = func(int) bool { return false }
			w.child = func(int) *fakeChild { return &fakeChild{version: "2.0.0", after: time.Second, ends: 2 * time.Second} }
		}, log: strings.Repeat("start ptabench-2.0.0 after session-1, aside, stop, back, ", 3) + "failed 2.0.0 it ended by itself", failed: "it ended by itself"},
		{name: "it says that it is another version", prepare: func(w *world) {
			good(w)
			w.child = func(int) *fakeChild { return &fakeChild{version: "1.0.0", after: time.Second} }
		}, log: `lease 2.0.0, start ptabench-2.0.0 after session-1, stop, failed 2.0.0 it says that it is version "1.0.0": expected 2.0.0`,
			failed: `it says that it is version "1.0.0": expected 2.0.0`},
		{name: "the lease runs out", prepare: func(w *world) {
			good(w)
			w.healthy = func(int) bool { return false }
			w.lease = func(n int) signed.UpdateAnswer { return signed.UpdateAnswer{Granted: n < 3} }
		}, log: "lease 2.0.0, start ptabench-2.0.0 after session-1, aside, stop, back, failed 2.0.0 the lease has run out meanwhile",
			failed: "the lease has run out meanwhile"},
		{name: "tampered", prepare: func(w *world) { w.publish("2.0.0", func(r *update.Release) { r.Flaw = update.Tampered }) },
			log: "refused 2.0.0 wrong-hash", refused: "wrong-hash"},
		{name: "truncated", prepare: func(w *world) { w.publish("2.0.0", func(r *update.Release) { r.Flaw = update.Truncated }) },
			log: "refused 2.0.0 wrong-size", refused: "wrong-size"},
		{name: "more than it says", prepare: func(w *world) {
			good(w)
			f, err := os.OpenFile(update.BinaryFile(w.dir, platform, "2.0.0"), os.O_APPEND|os.O_WRONLY, 0)
			if err == nil {
				_, err = f.WriteString("more")
			}
			if err = errors.Join(err, f.Close()); err != nil {
				w.t.Fatal(err)
			}
		}, log: "refused 2.0.0 wrong-size", refused: "wrong-size"},
		{name: "forged", prepare: func(w *world) { w.publish("2.0.0", func(r *update.Release) { r.Flaw = update.Forged }) },
			log: "refused  other-key", refused: "other-key"},
		{name: "expired", prepare: func(w *world) { w.publish("2.0.0", func(r *update.Release) { r.Flaw = update.Stale }) },
			log: "refused  expired", refused: "expired"},
		{name: "for another platform", prepare: func(w *world) { w.publish("2.0.0", func(r *update.Release) { r.Flaw = update.Foreign }) },
			log: "refused 2.0.0 wrong-platform", refused: "wrong-platform"},
		{name: "older", prepare: func(w *world) { w.publish("0.9.0") }, log: "refused 0.9.0 downgrade", refused: "downgrade"},
		{name: "this version is too old for it", prepare: func(w *world) { w.publish("2.0.0", func(r *update.Release) { r.From = "1.5.0" }) },
			log: "refused 2.0.0 too-old", refused: "too-old"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				tt.prepare(w)
				u := w.updater()
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Hour) // it looks again and again
				defer cancel()
				trial := u.Run(ctx)
				log := strings.Join(w.log, ", ")
				if tt.name == "it ends when it has attached" {
					log = strings.TrimPrefix(log, "lease 2.0.0, ")
				}
				if log != tt.log {
					t.Errorf("happened: %s\nwant:     %s", log, tt.log)
				}
				store := NewStore(w.state)
				current := store.load().Current
				if got := trial != nil; got != tt.updated || got != (current != nil && current.Version == "2.0.0") {
					t.Errorf("updated: %v, kept: %+v", got, current)
				}
				if trial != nil {
					if trial.Succeeds != "session-2" || trial.Version != "2.0.0" || update.Stamped(trial.Program) != "2.0.0" {
						t.Errorf("%+v", trial)
					}
					trial.Child.Stop()
				}
				r := u.Report()
				switch {
				case tt.refused != "":
					if r == nil || r.Refused[tt.refused] != 1 || r.LastRefused != tt.refused || r.Failed != "" {
						t.Errorf("report: %+v", r)
					}
				case tt.failed != "":
					if r == nil || r.Failed != "2.0.0" || r.FailedReason != tt.failed || !store.Failed("2.0.0") {
						t.Errorf("report: %+v", r)
					}
					if again := w.updater().Report(); again == nil || again.Failed != "2.0.0" {
						t.Errorf("forgotten when it was started again: %+v", again)
					}
				case r != nil:
					t.Errorf("report: %+v", r)
				}
				// What was refused, and what failed, is not kept.
				if kept, _ := filepath.Glob(store.program("*")); (len(kept) == 1) != tt.updated && tt.name != "halted" {
					t.Errorf("kept: %v", kept)
				}
			})
		})
	}
}

// TestFailedIsTriedNoMore holds that a later version is, and the failed one
// never.
func TestFailedIsTriedNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.publish("2.0.0")
		w.child = func(n int) *fakeChild {
			if n == 1 {
				return nil
			}
			return &fakeChild{version: "2.0.1", after: time.Second}
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan *Trial)
		go func() { done <- w.updater().Run(ctx) }()
		time.Sleep(10 * time.Hour)
		synctest.Wait()
		if w.starts != 1 || w.asked[signed.UpdateLease] != 1 {
			t.Errorf("it was started %d times, and the lease asked for %d times", w.starts, w.asked[signed.UpdateLease])
		}
		w.publish("2.0.1")
		trial := <-done
		if trial == nil || trial.Version != "2.0.1" || w.starts != 2 {
			t.Fatalf("%+v after %d starts", trial, w.starts)
		}
		trial.Child.Stop()
	})
}

// TestFirstLook holds that the first look comes soon, and those after it as
// often as they should.
func TestFirstLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var looks []time.Duration
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Hour)
		defer cancel()
		began := time.Now()
		w.updater(func(c *Config) {
			c.Key = func() ed25519.PublicKey { looks = append(looks, time.Since(began)); return nil }
		}).Run(ctx)
		if len(looks) < 8 || len(looks) > 12 || looks[0] > soon {
			t.Fatalf("looks: %v", looks)
		}
		for i, at := range looks[1:] {
			if wait := at - looks[i]; wait < 54*time.Minute || wait > 66*time.Minute {
				t.Errorf("%v between looks", wait)
			}
		}
	})
}

// TestAfter holds that how an update went is said until it is heard.
func TestAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.down.Store(true)
		go func() {
			time.Sleep(time.Minute)
			w.down.Store(false)
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		w.updater(func(c *Config) {
			c.After = &signed.UpdateMessage{Step: signed.UpdateDone, From: "0.9.0", To: "1.0.0"}
		}).Run(ctx)
		if !slices.Equal(w.log, []string{"done 1.0.0 "}) {
			t.Errorf("%q", w.log)
		}
	})
}
