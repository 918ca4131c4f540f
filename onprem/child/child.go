// Package child runs a directory server of others as a child of the role that
// stands for it: it ends with the role, however that ends, and what it says goes
// to the role's log. It is a room of its own because every kind of server is run
// so, and none of them has anything else in common.
package child

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Env is the environment of every child: what programs are found by, and
// nothing of the role's own, which holds secrets.
var Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"}

const (
	lastLines = 12              // kept of what it said, for when it ends unasked
	longLine  = 16 << 10        // bytes of a line; the rest of it is dropped
	pipeGrace = 2 * time.Second // for what it left in its pipe when it ended
)

// A Process is a running child. Whoever started it must Stop it.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // once ended

	mu   sync.Mutex
	last []string
}

// Start runs a command in a process group of its own. On Linux the kernel kills
// it when this process ends without Stop.
func Start(log *slog.Logger, name string, args ...string) (*Process, error) {
	return startWith(log, nil, nil, name, args...)
}

// startWith gives the child an input, and an output other than to the log, unless
// they are nil.
func startWith(log *slog.Logger, in, out *os.File, name string, args ...string) (*Process, error) {
	p := &Process{cmd: exec.Command(name, args...), ended: make(chan struct{})}
	p.cmd.Env = Env
	p.cmd.SysProcAttr = attributes()
	p.cmd.WaitDelay = pipeGrace
	read, write := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = write, write
	if out != nil {
		p.cmd.Stdin, p.cmd.Stdout = in, out
	}

	started := make(chan error)
	go func() { // ends with the child, which Stop sees to
		// The kernel watches the thread that started the child, not the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		said := make(chan struct{})
		go func() { // ends when the pipe is closed below
			defer close(said)
			p.listen(log, read)
		}()
		// Its group goes with it, and before it is waited for: afterwards the number
		// may be another one's.
		awaitExit(p.PID())
		killGroup(p.PID())
		p.err = p.cmd.Wait()
		_ = write.Close()
		<-said
		if errors.Is(p.err, exec.ErrWaitDelay) {
			p.err = nil // grandchildren of another group may hold the pipe
		}
		close(p.ended)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// listen logs what the child says, line by line.
func (p *Process) listen(log *slog.Logger, from io.Reader) {
	lines := bufio.NewReaderSize(from, longLine)
	for {
		line, cut, err := lines.ReadLine()
		if err != nil {
			return
		}
		text := strings.TrimSpace(string(line))
		for cut && err == nil {
			_, cut, err = lines.ReadLine()
		}
		if text == "" {
			continue
		}
		log.Info("said", "line", text)
		p.mu.Lock()
		p.last = append(p.last, text)
		if len(p.last) > lastLines {
			p.last = p.last[1:]
		}
		p.mu.Unlock()
	}
}

// Ended is closed when the child has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Err says how it ended and what it said last. It must have ended.
func (p *Process) Err() error {
	<-p.ended
	how := "exit status 0"
	if p.err != nil {
		how = p.err.Error()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Errorf("%s: %s: %s", p.cmd.Path, how, strings.Join(p.last, "; "))
}

// PID is the child's own; see PIDs.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop asks the child to end, kills it after the grace, and waits. What it
// started in its group ends with it. Stopping one that has ended is no error.
func (p *Process) Stop(grace time.Duration) {
	select {
	case <-p.ended:
		return
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// Output runs a command to its end, or that of the context, with an input, and
// returns what it wrote to its standard output. What it wrote to the other is in
// the error. It ends with this process as a child of Start does.
func Output(ctx context.Context, input io.Reader, name string, args ...string) ([]byte, error) {
	runtime.LockOSThread() // see Start
	defer runtime.UnlockOSThread()
	var said strings.Builder
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = attributes()
	cmd.Cancel = func() error {
		if err := cmd.Process.Kill(); err != nil {
			return err
		}
		killGroup(cmd.Process.Pid)
		return nil
	}
	cmd.WaitDelay = pipeGrace
	cmd.Env, cmd.Stdin, cmd.Stderr = Env, input, &said
	out, err := cmd.Output()
	if err == nil {
		return out, nil
	}
	text := strings.TrimSpace(said.String()) // and nothing of the output, which may be secrets
	if from := len(text) - 1000; from > 0 {  // the end says why
		text = "… " + text[from:]
	}
	return nil, fmt.Errorf("%s: %w: %s", name, err, text)
}

// Find returns where a program is, by the path that children have, and says how
// to get it where it is not.
func Find(name, installer string) (string, error) {
	for _, dir := range strings.Split(strings.TrimPrefix(Env[0], "PATH="), ":") {
		file := dir + "/" + name
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("%s: expected it in %s; on Debian: %s", name, strings.TrimPrefix(Env[0], "PATH="), installer)
}
