package updater

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"ptabench/observe"
)

// handoffVariable brings a Handoff to the process that it is for.
const handoffVariable = "PTABENCH_CONNECTOR_HANDOFF"

// The files, within the bin directory, by which counters go from one version of
// a process to the next.
const (
	countersFile      = "counters.json"
	trialCountersFile = "trial-counters.json"
)

// A Handoff is what a version of the connector leaves to another.
type Handoff struct {
	// Trial says that this process is a child which has to prove itself.
	// Otherwise it is the one that was there before, with another program.
	Trial    bool   `json:"trial,omitempty"`
	Succeeds string `json:"succeeds,omitempty"` // session to take over from

	// The rest is not for one on trial.
	From     string `json:"from,omitempty"`     // version before
	To       string `json:"to,omitempty"`       // version that was offered
	Failed   string `json:"failed,omitempty"`   // why this is the old version again
	Previous string `json:"previous,omitempty"` // program to go back to
	Watched  bool   `json:"watched,omitempty"`  // whoever started the process holds its standard input
	Listener int    `json:"listener_fd,omitempty"`
	Child    int    `json:"child_pid,omitempty"` // the one on trial, which serves until this one does
	ChildFD  int    `json:"child_fd,omitempty"`  // its standard input

	once  sync.Once
	child *adopted
}

// TakeHandoff returns what was left to this process; nil for nothing. It is
// taken out of the environment: what this process starts is given its own.
func TakeHandoff() (*Handoff, error) {
	text := os.Getenv(handoffVariable)
	if text == "" {
		return nil, nil
	}
	if err := os.Unsetenv(handoffVariable); err != nil {
		return nil, err
	}
	h := &Handoff{}
	if err := json.Unmarshal([]byte(text), h); err != nil {
		return nil, fmt.Errorf("%s: %w", handoffVariable, err)
	}
	if h.Child > 0 {
		unix.CloseOnExec(h.ChildFD)
		p, err := os.FindProcess(h.Child)
		if err != nil {
			return nil, fmt.Errorf("%s: child_pid: %w", handoffVariable, err)
		}
		h.child = &adopted{process: p, stdin: os.NewFile(uintptr(h.ChildFD), "child")}
	}
	return h, nil
}

func (h *Handoff) variable() (string, error) {
	text, err := json.Marshal(h)
	return handoffVariable + "=" + string(text), err
}

// Listen returns the listener that was left to this process; nil for none.
func (h *Handoff) Listen() (net.Listener, error) {
	if h == nil || h.Listener == 0 {
		return nil, nil
	}
	f := os.NewFile(uintptr(h.Listener), "observe")
	defer f.Close() // the listener has its own
	return net.FileListener(f)
}

// EndChild ends the version on trial, once this process serves in its place or
// is about to end, and then does what is to follow, once. It waits for both,
// whoever called it first.
func (h *Handoff) EndChild(follow func()) (err error) {
	h.once.Do(func() {
		if h.child != nil {
			err = h.child.stop()
			follow()
		}
	})
	return err
}

// StartTrial starts a program on trial, which succeeds a session.
func StartTrial(program, succeeds string) (Child, error) {
	env, err := (&Handoff{Trial: true, Succeeds: succeeds}).variable()
	if err != nil {
		return nil, err
	}
	return start(program, env)
}

// ExecSelected makes this process the version that is to be used instead of the
// program that was started, which is of the version given. It returns when that
// is the one.
func ExecSelected(state, version string) error {
	if state == "" {
		return nil
	}
	program, err := NewStore(state).Select(version)
	if program == "" || err != nil {
		return err
	}
	return fmt.Errorf("becoming %s: %w", program, unix.Exec(program, os.Args, os.Environ()))
}

// A Next is the program that is to take this one's place. It is an error so
// that what runs the connector can end with it.
type Next struct {
	Program  string
	Handoff  Handoff
	listener *os.File // stays open
	child    *process
}

func (n *Next) Error() string { return "to be continued by " + n.Program }

// NextOf is a version that has proved itself, with the listener that it is to
// have.
func NextOf(t *Trial, from string, listener *os.File) (*Next, error) {
	own, err := os.Executable()
	if err != nil {
		return nil, err
	}
	n := &Next{Program: t.Program, Handoff: Handoff{Succeeds: t.Succeeds, From: from, To: t.Version, Previous: own}, listener: listener}
	n.child, _ = t.Child.(*process)
	return n, nil
}

// Back is the version before, after this one has failed.
func (h *Handoff) Back(reason string, listener *os.File) *Next {
	return &Next{Program: h.Previous, Handoff: Handoff{From: h.From, To: h.To, Failed: reason}, listener: listener}
}

// Exec makes this process the next program. It returns only when that cannot
// be. watched says that whoever started it holds its standard input.
func (n *Next) Exec(watched bool) error {
	h := &n.Handoff
	h.Watched = watched
	inherit := func(f *os.File) (int, error) {
		fd := int(f.Fd())
		_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0)
		return fd, err
	}
	var errs [2]error
	if n.listener != nil {
		h.Listener, errs[0] = inherit(n.listener)
	}
	if n.child != nil {
		h.Child = n.child.cmd.Process.Pid
		h.ChildFD, errs[1] = inherit(n.child.stdin)
	}
	env, err := h.variable()
	if err = errors.Join(err, errs[0], errs[1]); err == nil {
		err = unix.Exec(n.Program, os.Args, append(os.Environ(), env))
	}
	if n.child != nil {
		n.child.Stop()
	}
	return fmt.Errorf("becoming %s: %w", n.Program, err)
}

// LeaveCounters leaves what this process counted, to the next program or, by
// one on trial, to whoever had it.
func (s *Store) LeaveCounters(trial bool, c observe.AgentCounters) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, counters(trial)), text, 0o600)
}

// TakeCounters takes what LeaveCounters left.
func (s *Store) TakeCounters(trial bool) (c observe.AgentCounters, err error) {
	file := filepath.Join(s.dir, counters(trial))
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	if err := os.Remove(file); err != nil {
		return c, err
	}
	return c, json.Unmarshal(text, &c)
}

func counters(trial bool) string {
	if trial {
		return trialCountersFile
	}
	return countersFile
}
