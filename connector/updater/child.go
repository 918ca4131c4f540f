package updater

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"ptabench/observe"
)

// stopGrace is how long a child may take to drain and end.
const stopGrace = 10 * time.Second

// A process is a child of this one: it says on file descriptor 3 that it is
// ready, and ends when its standard input closes, as every role does for
// whoever starts it. So it does not outlive this one.
type process struct {
	cmd   *exec.Cmd
	stdin *os.File
	ready chan observe.Ready
	done  chan struct{}
}

var _ Child = (*process)(nil)

// start starts a program with the arguments of this one.
func start(program string, env ...string) (_ *process, err error) {
	var files []*os.File
	pipe := func() (r, w *os.File) {
		if err == nil {
			r, w, err = os.Pipe()
			files = append(files, r, w)
		}
		return r, w
	}
	stdinRead, stdinWrite := pipe()
	readyRead, readyWrite := pipe()
	p := &process{stdin: stdinWrite, ready: make(chan observe.Ready, 1), done: make(chan struct{})}
	if err == nil {
		p.cmd = exec.Command(program, os.Args[1:]...)
		p.cmd.Env = append(os.Environ(), env...)
		p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = stdinRead, os.Stderr, os.Stderr
		p.cmd.ExtraFiles = []*os.File{readyWrite}
		err = p.cmd.Start()
	}
	if err != nil {
		for _, f := range files {
			_ = f.Close()
		}
		return nil, err
	}
	_ = stdinRead.Close()
	_ = readyWrite.Close()
	go func() { // until the child ends, or says that it is ready
		defer readyRead.Close()
		var r observe.Ready
		if json.NewDecoder(io.LimitReader(readyRead, 1<<16)).Decode(&r) == nil {
			p.ready <- r
		}
	}()
	go func() { // until the child ends
		defer close(p.done)
		_ = p.cmd.Wait() // that it has ended is all that counts
	}()
	return p, nil
}

func (p *process) Ready() <-chan observe.Ready { return p.ready }
func (p *process) Done() <-chan struct{}       { return p.done }

// Stop implements Child.
func (p *process) Stop() {
	_ = p.stdin.Close()
	timer := time.NewTimer(stopGrace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// adopted is the child that a process had which became this one.
type adopted struct {
	process *os.Process
	stdin   *os.File
}

// stop has it drain and end, and waits for that.
func (a *adopted) stop() error {
	_ = a.stdin.Close()
	timer := time.AfterFunc(stopGrace, func() { _ = a.process.Kill() })
	defer timer.Stop()
	state, err := a.process.Wait()
	if err == nil && !state.Success() {
		err = fmt.Errorf("the version on trial ended with %v", state)
	}
	return err
}
