// Package proc runs the roles of a run as child processes: it starts them,
// waits for their ready lines, signals and samples them, and sees to it that
// none outlives the harness.
//
// Three things end a child whose parent was killed: the kernel's parent-death
// signal (Linux), the end of its standard input, and `ptabench heal`, which
// knows every process by the journal.
package proc

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"time"

	"ptabench/observe"
)

// ErrClosed says that the supervisor starts nothing any more.
var ErrClosed = errors.New("the supervisor is closed")

// defaultReadyWithin bounds a start whose Spec says nothing.
const defaultReadyWithin = 30 * time.Second

// A Spec says how to run one process.
type Spec struct {
	Name    string   // unique within a run, such as connector-1
	Role    string   // directory, cloudsim, connector
	Command []string // program and arguments; never a secret
	// Env is added to the environment of the harness, from which everything
	// called PTABENCH_* is taken away. Secrets go here and are never printed.
	Env []string
	// EnvAgain is added to Env at starts but the first; nil means nothing.
	EnvAgain func() []string
	LogFile  string // standard output and error are appended to it
	// ReadyWithin bounds the time to the ready line; 30 s when 0.
	ReadyWithin time.Duration
	// Again is the command of later starts, given the ready line of the last
	// one: a role that others know by its port must get that port back. Nil
	// means Command.
	Again func(last observe.Ready) []string
	// Within starts the process somewhere else, such as in another network
	// namespace: it calls start once, on the thread it was called on. Nil
	// means where the harness is.
	Within func(start func() error) error
	// Started is called after each start with the ready line, before anybody
	// is told of it: what a role forgets when it ends is said to it anew. An
	// error of it ends the process again.
	Started func(ctx context.Context, ready observe.Ready) error
}

// Options are what a supervisor tells its owner. The functions are called
// from the supervisor's goroutines, one at a time for each process.
type Options struct {
	// Started is called for each process that was started, before it is
	// waited for. An error of it ends the process again.
	Started func(name, role string, id Identity) error
	// Ended is called when a process has ended. Told says that it was asked
	// to, or expected to. It must not block.
	Ended func(p *Process, how string, told bool)
}

// A Supervisor owns child processes. Close ends them.
type Supervisor struct {
	options Options
	starts  chan start
	ctx     context.Context // ends the wait for ready lines at Close
	cancel  context.CancelFunc

	mu        sync.Mutex
	closed    bool
	processes []*Process

	launches sync.WaitGroup // of starts and restarts under way
	reapers  sync.WaitGroup // one goroutine for each running child
	starter  sync.WaitGroup
}

// start asks the starter goroutine for one child.
type start struct {
	cmd    *exec.Cmd
	within func(func() error) error
	done   chan error
}

// NewSupervisor returns a supervisor without processes. Its owner calls Close.
func NewSupervisor(o Options) *Supervisor {
	s := &Supervisor{options: o, starts: make(chan start)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.starter.Go(s.startChildren)
	return s
}

// startChildren starts every child. It stays on one thread until all of them
// have ended, because the parent-death signal is sent when the thread that
// started a child ends, which for other threads the Go runtime decides.
func (s *Supervisor) startChildren() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for request := range s.starts {
		if request.within == nil {
			request.done <- request.cmd.Start()
		} else {
			request.done <- request.within(request.cmd.Start)
		}
	}
}

// Start runs a process and returns when it has said that it is ready. When it
// does not, it is ended and the error quotes the end of its log.
func (s *Supervisor) Start(ctx context.Context, spec Spec) (*Process, error) {
	if len(spec.Command) == 0 || spec.Name == "" || spec.LogFile == "" {
		return nil, fmt.Errorf("starting %q: a name, a command and a log file are needed", spec.Name)
	}
	p := newProcess(s, spec)
	s.mu.Lock()
	if slices.ContainsFunc(s.processes, func(other *Process) bool { return other.spec.Name == spec.Name }) {
		s.mu.Unlock()
		return nil, fmt.Errorf("starting %s: there is a process of that name", spec.Name)
	}
	s.processes = append(s.processes, p)
	s.mu.Unlock()
	if err := p.Restart(ctx); err != nil {
		s.mu.Lock() // the process is gone: its name is free again
		s.processes = slices.DeleteFunc(s.processes, func(other *Process) bool { return other == p })
		s.mu.Unlock()
		return nil, err
	}
	return p, nil
}

// Processes are those that were started, in that order, running or not.
func (s *Supervisor) Processes() []*Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.processes)
}

// Close ends every process and returns when all are gone: role after role in
// the given order, then the rest, each by SIGTERM and, when the grace is over
// or ctx has ended, by SIGKILL. Its error names those that had to be killed.
// Starts under way are given up.
func (s *Supervisor) Close(ctx context.Context, grace time.Duration, order ...string) error {
	s.mu.Lock()
	already := s.closed
	s.closed = true
	left := slices.Clone(s.processes)
	s.mu.Unlock()
	if already {
		return nil
	}
	s.cancel()
	s.launches.Wait()

	var errs []error
	for _, role := range order {
		of := func(p *Process) bool { return p.spec.Role == role }
		errs = append(errs, terminateAll(ctx, grace, slices.DeleteFunc(slices.Clone(left), func(p *Process) bool { return !of(p) })))
		left = slices.DeleteFunc(left, of)
	}
	errs = append(errs, terminateAll(ctx, grace, left))
	s.reapers.Wait()
	close(s.starts)
	s.starter.Wait()
	return errors.Join(errs...)
}

// terminateAll ends processes side by side.
func terminateAll(ctx context.Context, grace time.Duration, processes []*Process) error {
	errs := make([]error, len(processes))
	var all sync.WaitGroup
	for i, p := range processes {
		all.Go(func() { errs[i] = p.Terminate(ctx, grace) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// launching registers one start, so that Close waits for it. It returns false
// when the supervisor is closed; otherwise the caller calls launches.Done.
func (s *Supervisor) launching() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.launches.Add(1)
	return true
}

// startChild starts a command on the starter's thread. The caller is a launch
// that Close waits for, so the starter runs.
func (s *Supervisor) startChild(cmd *exec.Cmd, within func(func() error) error) error {
	request := start{cmd: cmd, within: within, done: make(chan error, 1)}
	s.starts <- request
	return <-request.done
}
