package proc

import (
	"errors"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestSignals walks one process through its life.
func TestSignals(t *testing.T) {
	var untold atomic.Int32
	s := supervise(t, Options{Ended: func(_ *Process, _ string, told bool) {
		if !told {
			untold.Add(1)
		}
	}})
	p, err := s.Start(t.Context(), specOf(t.TempDir(), "a", "good"))
	if err != nil {
		t.Fatal(err)
	}
	first := p.Identity()
	if r := p.Ready(); r.Name != "a" || r.PID != first.PID {
		t.Errorf("ready line %+v of process %v", r, first)
	}
	if err := p.Restart(t.Context()); err != nil || p.Identity() != first {
		t.Errorf("restarting what runs: %v, %v became %v", err, first, p.Identity())
	}
	if p.State() != nil {
		t.Error("it has a state and runs")
	}
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil { // frozen, and yet
		t.Fatal(err)
	}
	if err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if how := p.State().Sys().(syscall.WaitStatus); how.Signal() != syscall.SIGKILL {
		t.Errorf("ended as %v", p.State())
	}
	if err := p.Kill(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("killing after the end: %v", err)
	}
	if err := p.Terminate(t.Context(), 0); err != nil {
		t.Errorf("terminating what has ended: %v", err)
	}
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.Identity() == first || p.Sample().Starts != 2 {
		t.Errorf("%v became %v in %d starts", first, p.Identity(), p.Sample().Starts)
	}
	if err := p.Terminate(t.Context(), time.Minute); err != nil {
		t.Error(err)
	}
	if untold.Load() != 0 {
		t.Errorf("%d ends were untold", untold.Load())
	}
}

// TestUntold reports a process that somebody else killed, unless that was to be
// expected, and starts it again.
func TestUntold(t *testing.T) {
	how := make(chan bool, 4)
	s := supervise(t, Options{Ended: func(_ *Process, _ string, told bool) { how <- told }})
	p, err := s.Start(t.Context(), specOf(t.TempDir(), "a", "good"))
	if err != nil {
		t.Fatal(err)
	}
	if found, err := p.Identity().Kill(t.Context()); err != nil || !found {
		t.Fatalf("killed from outside: %v, %v", found, err)
	}
	if <-how {
		t.Error("the end counts as told")
	}
	<-p.Done()
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, expected := range []bool{true, false} {
		p.Expect(expected)
		if _, err := p.Identity().Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
		if told := <-how; told != expected {
			t.Errorf("expected: %v, told: %v", expected, told)
		}
		<-p.Done()
		if err := p.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestUsage carries what a process cost over its starts.
func TestUsage(t *testing.T) {
	s := supervise(t, Options{})
	p, err := s.Start(t.Context(), specOf(t.TempDir(), "a", "busy"))
	if err != nil {
		t.Fatal(err)
	}
	const burnt = 50 * time.Millisecond // the child burns 60, by a coarser clock
	live := p.Sample()
	if live.Live && (live.CPU < burnt || live.RSS < 1<<20 || live.RSSMax < live.RSS) {
		t.Errorf("while it runs: %+v", live)
	}
	if err := p.Terminate(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	over := p.Sample()
	if over.CPU < max(burnt, live.CPU) || over.RSS != 0 || over.RSSMax < 1<<20 || over.Live || over.Starts != 1 {
		t.Errorf("after its end: %+v, before %+v", over, live)
	}
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := p.Sample(); again.Live && again.CPU < over.CPU+burnt || again.CPU < over.CPU || again.Starts != 2 {
		t.Errorf("after the second start: %+v, before %+v", again, over)
	}
	// One that nobody looked at while it ran counts as well.
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	second := p.Sample()
	if err := errors.Join(p.Restart(t.Context()), p.Kill()); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if third := p.Sample(); third.CPU < second.CPU+burnt || third.Starts != 3 {
		t.Errorf("after the third end: %+v, before %+v", third, second)
	}
}

func BenchmarkSample(b *testing.B) {
	s := NewSupervisor(Options{})
	defer func() { _ = s.Close(b.Context(), time.Minute) }()
	p, err := s.Start(b.Context(), specOf(b.TempDir(), "a", "good"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if p.Sample().Starts != 1 {
			b.Fatal("it was started again")
		}
	}
}

// TestEnvAgain: what is added at later starts comes last, so that it counts.
func TestEnvAgain(t *testing.T) {
	p := newProcess(nil, Spec{Env: []string{"TOKEN=first"}, EnvAgain: func() []string { return []string{"TOKEN=second"} }})
	for starts, want := range []string{"TOKEN=first", "TOKEN=second"} {
		p.starts = starts
		if env := p.env(); env[len(env)-1] != want {
			t.Errorf("at start %d the last is %s, want %s", starts+1, env[len(env)-1], want)
		}
	}
}

// A child's monitor thread naps on, whatever else the runtime is told.
func TestSysmon(t *testing.T) {
	const naps = "GODEBUG=schedtrace=2147483647"
	for _, c := range []struct{ told, want string }{
		{"", naps},
		{"gctrace=1", naps + ",gctrace=1"},
		{"schedtrace=1000", "GODEBUG=schedtrace=1000"},
		{"schedtrace=2147483647,gctrace=1", naps + ",gctrace=1"},
	} {
		t.Setenv("GODEBUG", c.told)
		if env := newProcess(nil, Spec{}).env(); !slices.Contains(env, c.want) {
			t.Errorf("told %q: %s is not in %q", c.told, c.want, env)
		}
	}
	if env, changed := WithSysmon([]string{"A=1"}); !changed || !slices.Equal(env, []string{"A=1", naps}) {
		t.Errorf("%q, %t", env, changed)
	}
	if _, changed := WithSysmon([]string{"A=1", naps}); changed {
		t.Error("changed though it is there")
	}
}
