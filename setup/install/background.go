package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A Process is the connector as a process that this program started.
type Process struct {
	c     *Connector
	cmd   *exec.Cmd
	ended chan struct{} // closed once it has
	err   error         // after that
}

// StartBackground starts the connector as a process that goes on when this
// program ends: in a session of its own, logging to a file, with its process ID
// in another.
func (c *Connector) StartBackground() (*Process, error) {
	log, err := os.OpenFile(c.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p, err := c.start(log, log, &syscall.SysProcAttr{Setsid: true})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(c.path(pidFile), []byte(strconv.Itoa(p.PID())+"\n"), 0o600); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

// StartForeground starts it as a process that ends with this one.
func (c *Connector) StartForeground(out, log io.Writer) (*Process, error) {
	return c.start(out, log, nil)
}

func (c *Connector) start(out, log io.Writer, how *syscall.SysProcAttr) (*Process, error) {
	cmd := exec.Command(c.path(program), "connector", "--config", c.ConfigFile())
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = "/", environ(), out, log, how
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the connector: %w", err)
	}
	p := &Process{c: c, cmd: cmd, ended: make(chan struct{})}
	go func() { // ends with the process, which may outlive this program
		defer close(p.ended)
		p.err = cmd.Wait()
	}()
	return p, nil
}

// PID is its process ID.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended is closed once the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// LastWords is what the process said last of what is wrong, where it logs to a
// file; empty for nothing.
func (p *Process) LastWords() string {
	text, err := os.ReadFile(p.c.LogFile())
	if err != nil {
		return ""
	}
	return lastWords(text)
}

// Why is why the process ended, in its own last words: whoever asks may be about
// to delete the file that it logs to.
func (p *Process) Why() error {
	if said := p.LastWords(); said != "" {
		return fmt.Errorf("the connector ended: %s", said)
	}
	return fmt.Errorf("the connector ended: %w", p.err)
}

// grace is how long a connector may take to finish what it has.
const grace = 10 * time.Second

// Stop asks the process to end, and waits for that.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(grace):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// readyLine begins what a role says once it serves.
var readyLine = []byte(`{"role":"connector"`)

// Attached waits until the connector in the background has said that it is
// attached to the cloud.
func (p *Process) Attached(ctx context.Context) error {
	for {
		if text, err := os.ReadFile(p.c.LogFile()); err == nil && bytes.Contains(text, readyLine) {
			return nil
		}
		select {
		case <-p.ended:
			return p.Why()
		case <-ctx.Done():
			if said := p.LastWords(); said != "" {
				return fmt.Errorf("the connector says: %s", said)
			}
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Running reports whether the connector runs, as a unit or in the background.
func (c *Connector) Running(ctx context.Context) bool {
	if _, err := os.Stat(c.UnitFile()); err == nil && c.Host.Systemd {
		return systemctl(ctx, "is-active", "--quiet", c.UnitName()) == nil
	}
	pid, err := c.running()
	return err == nil && pid != 0
}

// StopBackground ends the process that StartBackground started, whoever did. It
// is no error that there is none any more.
func (c *Connector) StopBackground(ctx context.Context) error {
	pid, err := c.running()
	if err != nil || pid == 0 {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("ending process %d: %w", pid, err)
	}
	bounded, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	for {
		if pid, err := c.running(); err != nil || pid == 0 {
			return err
		}
		select {
		case <-bounded.Done():
			return fmt.Errorf("process %d has not ended within %v after SIGTERM; end it, then try again", pid, grace)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// running is the process of the connector in the background; 0 for none. A
// number in a file may be another's by now, so the process must have been
// started with this installation's settings.
func (c *Connector) running() (pid int, err error) {
	text, err := os.ReadFile(c.path(pidFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil || pid < 2 {
		return 0, fmt.Errorf("%s: expected a process ID", c.path(pidFile))
	}
	if !bytes.Contains(argumentsOf(pid), []byte(c.ConfigFile())) {
		return 0, nil // it has ended, or is somebody else's
	}
	return pid, nil
}

// argumentsOf is the command line of a process; empty when there is none.
func argumentsOf(pid int) []byte {
	if runtime.GOOS == "linux" {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return text
	}
	text, _ := exec.Command("ps", "-ww", "-o", "args=", "-p", strconv.Itoa(pid)).Output()
	return text
}
