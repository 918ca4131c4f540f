package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"ptabench/observe"
)

// A Process is one role of the run, over all its starts.
type Process struct {
	spec Spec
	sup  *Supervisor
	op   chan struct{} // holds one token; taken by a start

	mu       sync.Mutex
	run      *incarnation  // the last one started, nil before the first
	ready    observe.Ready // the last one read
	servants []Identity    // that it names
	starts   int
	spent    time.Duration // CPU of those that ended
	rssMax   int64         // bytes
}

// An incarnation is one start of a process. Its fields but done belong to the
// mutex of the process.
type incarnation struct {
	cmd     *exec.Cmd
	id      Identity
	stdin   *os.File      // its other end closes in the child when this one does
	logFrom int64         // where in the log file it began
	cpu     time.Duration // the last sample
	// servants is the last sample of each, by process id.
	servants map[int]time.Duration
	told     bool // it was asked to end
	may      bool // it may end by itself
	ended    bool
	done     chan struct{} // closed once it was reaped
}

// ended is what Done returns before the first start.
var ended = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func newProcess(s *Supervisor, spec Spec) *Process {
	p := &Process{spec: spec, sup: s, op: make(chan struct{}, 1)}
	p.op <- struct{}{}
	return p
}

// Name is that of the spec.
func (p *Process) Name() string { return p.spec.Name }

// Role is that of the spec.
func (p *Process) Role() string { return p.spec.Role }

// Ready is the last ready line.
func (p *Process) Ready() observe.Ready {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ready
}

// Identity is that of the last start.
func (p *Process) Identity() Identity {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run == nil {
		return Identity{}
	}
	return p.run.id
}

// Done is closed when the last start has ended.
func (p *Process) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run == nil {
		return ended
	}
	return p.run.done
}

// Wait returns when the last start has ended, or with the context's error.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.Done():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for %s to end: %w", p.spec.Name, ctx.Err())
	}
}

// State is how the last start ended, nil while it runs.
func (p *Process) State() *os.ProcessState {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run == nil || !p.run.ended {
		return nil
	}
	return p.run.cmd.ProcessState
}

// Signal sends a signal to the process; os.ErrProcessDone when it has ended. A
// later process of the same id is never hit: the handle is a pidfd on Linux,
// and elsewhere the Go runtime sends nothing after the reaping.
func (p *Process) Signal(sig os.Signal) error {
	p.mu.Lock()
	r := p.run
	p.mu.Unlock()
	return p.signal(r, sig)
}

// signal sends a signal to one incarnation.
func (p *Process) signal(r *incarnation, sig os.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r == nil || r.ended {
		return fmt.Errorf("signalling %s: %w", p.spec.Name, os.ErrProcessDone)
	}
	if sig == syscall.SIGKILL || sig == syscall.SIGTERM {
		r.told = true
		p.notePeak(r)
	}
	if sig == syscall.SIGCONT {
		p.signalServants(syscall.SIGCONT)
	}
	if err := r.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("signalling %s: %w", p.spec.Name, err)
	}
	if sig == syscall.SIGSTOP { // afterwards, so that it starts no other in their place
		p.signalServants(syscall.SIGSTOP)
	}
	return nil
}

// Kill sends SIGKILL, which ends a frozen process too. It does not wait.
func (p *Process) Kill() error { return p.Signal(syscall.SIGKILL) }

// Expect says whether the last start may end from now on without being asked
// to, because something was done to it; Options.Ended is then told that it was.
func (p *Process) Expect(end bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run != nil {
		p.run.may = end
	}
}

// Terminate asks the process to end and waits for it; it is killed when it
// has not after the grace, or when ctx ends, and the error says so.
func (p *Process) Terminate(ctx context.Context, grace time.Duration) error {
	p.mu.Lock()
	r := p.run
	p.mu.Unlock()
	if r == nil {
		return nil
	}
	err := p.signal(r, syscall.SIGTERM)
	if errors.Is(err, os.ErrProcessDone) {
		<-r.done
		return nil
	}
	if err != nil {
		return err
	}
	_ = p.signal(r, syscall.SIGCONT) // a frozen one could not act on it; one that has ended needs nothing
	patience := time.NewTimer(grace)
	defer patience.Stop()
	var why string
	select {
	case <-r.done:
		return nil
	case <-patience.C:
		why = fmt.Sprintf("still running %v after SIGTERM", grace)
	case <-ctx.Done():
		why = "not waited for: " + context.Cause(ctx).Error()
	}
	if err := p.signal(r, syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-r.done
	return fmt.Errorf("%s was killed: %s", p.spec.Name, why)
}

// Restart starts the process again, unless it runs and was not asked to end,
// and returns when it is ready. If it was asked to, its end is waited for
// first. What it cost is carried over.
func (p *Process) Restart(ctx context.Context) error {
	if !p.sup.launching() {
		return fmt.Errorf("starting %s: %w", p.spec.Name, ErrClosed)
	}
	defer p.sup.launches.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.sup.ctx, cancel)()

	select {
	case <-p.op:
		defer func() { p.op <- struct{}{} }()
	case <-ctx.Done():
		return fmt.Errorf("starting %s: %w", p.spec.Name, ctx.Err())
	}
	p.mu.Lock()
	r := p.run
	runs := r != nil && !r.ended && !r.told
	p.mu.Unlock()
	if runs {
		return nil
	}
	if err := p.Wait(ctx); err != nil {
		return fmt.Errorf("starting %s: %w", p.spec.Name, err)
	}
	return p.launch(ctx)
}

// launch starts the command and waits for its ready line. The caller holds
// the token of p.op.
func (p *Process) launch(ctx context.Context) error {
	within := p.spec.ReadyWithin
	if within == 0 {
		within = defaultReadyWithin
	}
	limit := time.Now().Add(within)
	r, readyPipe, err := p.fork()
	if err != nil {
		return fmt.Errorf("starting %s: %w", p.spec.Name, err)
	}
	defer readyPipe.Close()

	if p.sup.options.Started != nil {
		err = p.sup.options.Started(p.spec.Name, p.spec.Role, r.id)
	}
	var ready observe.Ready
	if err == nil {
		ready, err = readReady(ctx, readyPipe, limit, within)
	}
	if err == nil && (ready.Role != p.spec.Role || ready.Name != p.spec.Name) {
		err = fmt.Errorf("its ready line is of %q, role %q; wanted role %q", ready.Name, ready.Role, p.spec.Role)
	}
	if err == nil && p.spec.Started != nil {
		err = p.spec.Started(ctx, ready)
	}
	if err != nil {
		return p.giveUp(ctx, r, err)
	}
	servants := servantsOf(ready)
	p.mu.Lock()
	p.ready, p.servants = ready, servants
	p.mu.Unlock()
	return nil
}

// fork starts the child, with its pipes and its log, and the goroutine that
// reaps it. It returns the reading end of the ready pipe.
func (p *Process) fork() (_ *incarnation, ready *os.File, err error) {
	var files []*os.File
	defer func() {
		if err != nil {
			for _, f := range files {
				_ = f.Close()
			}
		}
	}()
	log, err := os.OpenFile(p.spec.LogFile, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, nil, err
	}
	defer log.Close() // the child has its own
	logFrom, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, nil, err
	}
	stdinRead, stdinWrite, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer stdinRead.Close()
	files = append(files, stdinWrite)
	readyRead, readyWrite, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer readyWrite.Close()
	files = append(files, readyRead)

	command := p.command()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = p.env()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdinRead, log, log
	cmd.ExtraFiles = []*os.File{readyWrite} // fd 3
	cmd.SysProcAttr = childAttr()
	if err := p.sup.startChild(cmd, p.spec.Within); err != nil {
		return nil, nil, err
	}
	r := &incarnation{cmd: cmd, stdin: stdinWrite, logFrom: logFrom, done: make(chan struct{})}
	r.id.PID = cmd.Process.Pid
	// Not reaped yet, so the start time can be read even if it has ended.
	r.id.Start, _, err = startTime(r.id.PID)
	p.mu.Lock()
	p.run = r
	p.starts++
	p.mu.Unlock()
	p.sup.reapers.Go(func() { p.reap(r) })
	if err != nil {
		_ = p.Kill()
		<-r.done
		return nil, nil, fmt.Errorf("identifying process %d: %w", r.id.PID, err)
	}
	return r, readyRead, nil
}

// env is the environment of the next start. Of a variable that is there twice
// the last counts.
func (p *Process) env() []string {
	inherited, _ := WithSysmon(inheritedEnv())
	env := slices.Concat(inherited, p.spec.Env)
	p.mu.Lock()
	again := p.starts > 0
	p.mu.Unlock()
	if again && p.spec.EnvAgain != nil {
		env = append(env, p.spec.EnvAgain()...)
	}
	return env
}

// command is that of the next start.
func (p *Process) command() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spec.Again == nil || p.ready.Role == "" {
		return p.spec.Command
	}
	return p.spec.Again(p.ready)
}

// reap waits for the end of one incarnation.
func (p *Process) reap(r *incarnation) {
	awaitExit(r.id.PID)
	killGroup(r.id.PID)
	_ = r.cmd.Wait() // how it ended is in the state
	_ = r.stdin.Close()
	p.mu.Lock()
	r.ended = true
	p.account(r, r.cmd.ProcessState)
	told := r.told || r.may
	p.mu.Unlock()
	close(r.done)
	if p.sup.options.Ended != nil {
		p.sup.options.Ended(p, r.cmd.ProcessState.String(), told)
	}
}
