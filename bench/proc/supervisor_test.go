package proc

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ptabench/observe"
)

// TestNotReady starts children that do not get ready, each for its reason.
func TestNotReady(t *testing.T) {
	cases := []struct {
		kind   string
		within time.Duration
		want   []string
	}{
		{"early", 0, []string{"starting early:", "ended before it was ready: exit status 7", "early.log", "line 29", "no such directory"}},
		{"silent", 100 * time.Millisecond, []string{"no ready line on fd 3 within 100ms", "wrote nothing to", "silent.log"}},
		{"closes", 0, []string{"closed fd 3 without saying"}},
		{"garbage", 0, []string{"is not JSON", "ready! my secret is [masked]"}},
		{"endless", 0, []string{"longer than 65536 bytes"}},
		{"stranger", 0, []string{`of "somebody else", role "cloudsim"`}},
	}
	for _, c := range cases {
		t.Run(c.kind, func(t *testing.T) {
			var id Identity
			s := supervise(t, Options{Started: func(_, _ string, started Identity) error { id = started; return nil }})
			spec := specOf(t.TempDir(), c.kind, c.kind)
			spec.ReadyWithin = c.within
			_, err := s.Start(t.Context(), spec)
			if err == nil {
				t.Fatal("started")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q:\n%v", want, err)
				}
			}
			for _, never := range []string{secret, secretVar, "line 0\n"} {
				if strings.Contains(err.Error(), never) {
					t.Errorf("the error shows %q:\n%v", never, err)
				}
			}
			if alive, err := id.Alive(); err != nil || alive || id.PID == 0 {
				t.Errorf("process %v: alive %v, %v", id, alive, err)
			}
			if len(s.Processes()) != 0 {
				t.Error("it is still among the processes")
			}
		})
	}
}

func TestStartRefused(t *testing.T) {
	dir := t.TempDir()
	s := NewSupervisor(Options{})
	if _, err := s.Start(t.Context(), Spec{Name: "x"}); err == nil || !strings.Contains(err.Error(), "command") {
		t.Errorf("no command: %v", err)
	}
	missing := specOf(dir, "missing", "good")
	missing.Command = []string{filepath.Join(dir, "no-such-program")}
	if _, err := s.Start(t.Context(), missing); !errors.Is(err, os.ErrNotExist) || strings.Contains(err.Error(), secret) {
		t.Errorf("a program that is not there: %v", err)
	}
	if _, err := s.Start(t.Context(), specOf(dir, "one", "good")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Start(t.Context(), specOf(dir, "one", "good")); err == nil || !strings.Contains(err.Error(), "of that name") {
		t.Errorf("the same name twice: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Start(cancelled, specOf(dir, "late", "silent")); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled start: %v", err)
	}
	if err := s.Close(t.Context(), time.Minute); err != nil {
		t.Error(err)
	}
	if _, err := s.Start(t.Context(), specOf(dir, "two", "good")); !errors.Is(err, ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}

// TestCloseGivesUpStarts closes while a child keeps its ready line back.
func TestCloseGivesUpStarts(t *testing.T) {
	started := make(chan struct{})
	s := NewSupervisor(Options{Started: func(string, string, Identity) error { close(started); return nil }})
	result := make(chan error, 1)
	go func() {
		_, err := s.Start(context.Background(), specOf(t.TempDir(), "silent", "silent"))
		result <- err
	}()
	<-started
	if err := s.Close(t.Context(), time.Minute); err != nil {
		t.Error(err)
	}
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("the start said: %v", err)
	}
}

// TestJournalFails ends a child that could not be journaled.
func TestJournalFails(t *testing.T) {
	full := errors.New("disk full")
	var id Identity
	s := supervise(t, Options{Started: func(_, _ string, i Identity) error { id = i; return full }})
	if _, err := s.Start(t.Context(), specOf(t.TempDir(), "a", "good")); !errors.Is(err, full) {
		t.Errorf("started with %v", err)
	}
	if alive, err := id.Alive(); alive || err != nil {
		t.Errorf("alive %v, %v", alive, err)
	}
}

// TestCloseOrder ends roles in the order asked for, the stubborn by SIGKILL.
func TestCloseOrder(t *testing.T) {
	var mu sync.Mutex
	var order []string
	s := NewSupervisor(Options{Ended: func(p *Process, _ string, told bool) {
		mu.Lock()
		defer mu.Unlock()
		if !told {
			t.Errorf("%s ended untold", p.Name())
		}
		order = append(order, p.Role())
	}})
	dir := t.TempDir()
	for _, role := range []string{"a", "b", "c", "d"} {
		spec := specOf(dir, role, "deaf")
		if role == "b" {
			spec = specOf(dir, role, "stubborn")
		}
		if _, err := s.Start(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range s.Processes() {
		p.spec.Role = p.spec.Name // the children all say connector
	}
	if err := s.Processes()[2].Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	err := s.Close(t.Context(), 300*time.Millisecond, "c", "b", "a")
	if err == nil || !strings.Contains(err.Error(), "b was killed: still running 300ms after SIGTERM") {
		t.Errorf("closing: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := []string{"c", "b", "a", "d"}; !slices.Equal(order, want) {
		t.Errorf("ended in the order %v, want %v", order, want)
	}
	if err := s.Close(t.Context(), 0); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}

// TestCloseCancelled kills at once when the context is over.
func TestCloseCancelled(t *testing.T) {
	s := NewSupervisor(Options{})
	p, err := s.Start(t.Context(), specOf(t.TempDir(), "a", "stubborn"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(ctx, time.Hour); err == nil || !strings.Contains(err.Error(), "not waited for") {
		t.Errorf("closing: %v", err)
	}
	if state := p.State(); state == nil || state.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("ended as %v", state)
	}
}

// TestEnvironment gives a child what is its own, and appends to its log.
func TestEnvironment(t *testing.T) {
	t.Setenv("PTABENCH_INHERITED", "inherited")
	s := supervise(t, Options{})
	spec := specOf(t.TempDir(), "a", "args")
	spec.Env = append(spec.Env, "PTABENCH_GIVEN=given")
	spec.Again = func(last observe.Ready) []string { return []string{os.Args[0], last.Name, "again"} }
	p, err := s.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(spec.LogFile)
	if err != nil {
		t.Fatal(err)
	}
	written := regexp.MustCompile("(?m)^SCHED .*\n").ReplaceAllString(string(log), "") // see Sysmon
	if want := "a  given\na again  given\n"; written != want {
		t.Errorf("the children wrote %q, want %q", written, want)
	}
}

// TestStartedEachTime tells a role anew, after each start, what it forgets, and
// ends it when that fails; and each start is made within what the spec says.
func TestStartedEachTime(t *testing.T) {
	s := supervise(t, Options{})
	spec := specOf(t.TempDir(), "a", "good")
	var told []int
	var threads []int
	spec.Started = func(_ context.Context, ready observe.Ready) error { told = append(told, ready.PID); return nil }
	spec.Within = func(start func() error) error {
		threads = append(threads, thread())
		return start()
	}
	p, err := s.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	first := p.Ready().PID
	if err := errors.Join(p.Kill(), p.Restart(t.Context())); err != nil {
		t.Fatal(err)
	}
	if want := []int{first, p.Ready().PID}; !slices.Equal(told, want) || first == p.Ready().PID {
		t.Errorf("told %v; want %v", told, want)
	}
	if len(threads) != 2 || threads[0] != threads[1] {
		t.Errorf("started within on threads %v; want the starter's twice", threads)
	}

	deaf := errors.New("it does not listen")
	spec = specOf(t.TempDir(), "b", "good")
	var id int
	spec.Started = func(_ context.Context, ready observe.Ready) error { id = ready.PID; return deaf }
	if _, err := s.Start(t.Context(), spec); !errors.Is(err, deaf) {
		t.Errorf("started with %v", err)
	}
	if _, err := Identify(id); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("process %d: %v; want it gone", id, err)
	}
	nowhere := errors.New("no such place")
	spec = specOf(t.TempDir(), "c", "good")
	spec.Within = func(func() error) error { return nowhere }
	if _, err := s.Start(t.Context(), spec); !errors.Is(err, nowhere) {
		t.Errorf("started with %v", err)
	}
}
