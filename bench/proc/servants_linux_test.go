package proc

import (
	"context"
	"syscall"
	"testing"
	"time"
)

// TestServants: what a role runs in its turn is frozen with it, and costs what
// the role costs, also when it has ended.
func TestServants(t *testing.T) {
	s := NewSupervisor(Options{})
	defer s.Close(t.Context(), time.Second)
	p, err := s.Start(t.Context(), specOf(t.TempDir(), "master", "master"))
	if err != nil {
		t.Fatal(err)
	}
	pid := servantsOf(p.Ready())[0]
	eventually := func(what string, is func() bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for !is() {
			select {
			case <-ctx.Done():
				t.Fatalf("%s: not within 10 s", what)
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	const burnt = 20 * time.Millisecond // the role itself only waits
	eventually("it costs something", func() bool { return p.Sample().CPU > burnt })
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually("it is frozen", func() bool { return stateOf(t, pid) == "T" })
	if err := p.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually("it goes on", func() bool { return stateOf(t, pid) != "T" })
	before := p.Sample()
	if before.RSS <= 0 || before.RSSMax < before.RSS {
		t.Errorf("it holds %d bytes, at most %d", before.RSS, before.RSSMax)
	}
	if err := p.Terminate(t.Context(), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if after := p.Sample(); after.CPU < before.CPU || after.RSS != 0 {
		t.Errorf("it has cost %v once it has ended, and %v before", after.CPU, before.CPU)
	}
}
