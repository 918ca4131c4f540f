package proc

import (
	"errors"
	"os"
	"os/exec"
	"testing"
)

func TestIdentity(t *testing.T) {
	self, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	if alive, err := self.Alive(); !alive || err != nil {
		t.Errorf("this process is alive: %v, %v", alive, err)
	}
	// The same process id, another start time: what a reused id looks like.
	other := Identity{PID: self.PID, Start: self.Start + 1}
	if alive, err := other.Alive(); alive || err != nil {
		t.Errorf("another process of this id is alive: %v, %v", alive, err)
	}
	if found, err := other.Kill(t.Context()); found || err != nil {
		t.Errorf("killing another process of this id: %v, %v", found, err)
	}
}

// TestZombie takes a process that has ended, unreaped, for gone.
func TestZombie(t *testing.T) {
	cmd := exec.Command(os.Args[0], "a")
	cmd.Env = append(os.Environ(), childVar+"=early")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := Identify(cmd.Process.Pid)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	eventually(t, "the process has ended", func() bool {
		alive, err := id.Alive()
		return err == nil && !alive
	})
	if found, err := id.Kill(t.Context()); found || err != nil {
		t.Errorf("killing a zombie: %v, %v", found, err)
	}
	_ = cmd.Wait()
}
