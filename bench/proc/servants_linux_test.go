package proc

import (
	"syscall"
	"testing"
	"time"
)

// TestServants: what a role runs in its turn is frozen with it, and costs what
// the role costs, also when it has ended.
func TestServants(t *testing.T) {
	s := supervise(t, Options{})
	p, err := s.Start(t.Context(), specOf(t.TempDir(), "master", "master"))
	if err != nil {
		t.Fatal(err)
	}
	pid := servantsOf(p.Ready())[0].PID
	const burnt = 20 * time.Millisecond // the role itself only waits
	eventually(t, "it costs something", func() bool { return p.Sample().CPU > burnt })
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is frozen", func() bool { return stateOf(t, pid) == "T" })
	if err := p.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it goes on", func() bool { return stateOf(t, pid) != "T" })
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

// TestServantGone: a process that has taken the id of a servant that ended is
// left alone.
func TestServantGone(t *testing.T) {
	s := supervise(t, Options{})
	p, err := s.Start(t.Context(), specOf(t.TempDir(), "a", "good"))
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := s.Start(t.Context(), specOf(t.TempDir(), "b", "good"))
	if err != nil {
		t.Fatal(err)
	}
	id := stranger.Identity()
	for _, is := range []bool{true, false} {
		if !is {
			id.Start--
		}
		p.mu.Lock()
		p.servants = []Identity{id}
		got := p.household()
		p.mu.Unlock()
		if (len(got) == 1) != is {
			t.Errorf("servant %v of a process that is %v: %v", id, stranger.Identity(), got)
		}
	}
}

// TestServantEnds with its role, though nobody has the role end it.
func TestServantEnds(t *testing.T) {
	s := supervise(t, Options{})
	p, err := s.Start(t.Context(), specOf(t.TempDir(), "master", "master"))
	if err != nil {
		t.Fatal(err)
	}
	servant := servantsOf(p.Ready())[0]
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the servant has ended", func() bool {
		alive, err := servant.Alive()
		return err == nil && !alive
	})
}
