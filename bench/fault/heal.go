package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"ptabench/bench/fault/cgroup"
	"ptabench/bench/fault/kernel"
	"ptabench/bench/proc"
)

// ErrNotHealed says that something of a run could not be undone.
var ErrNotHealed = errors.New("not everything could be undone")

// ErrRunning says that the harness of a run is alive, and undoes its faults
// itself.
var ErrRunning = errors.New("the run is still going on")

// killWithin bounds the wait for one leftover process to end.
const killWithin = 10 * time.Second

// Heal undoes what the run in dir left: it ends the processes that are still
// there, frozen or not, deletes the run's table of the kernel's rules and its
// control groups, and marks the faults undone whose undo that is. It says on
// out what it did. Doing it again does no harm. Its error is
// ErrRunning, ErrNotHealed, or says what is wrong with the directory; in the
// first and the last case nothing was touched.
func Heal(ctx context.Context, dir string, out io.Writer) error {
	if err := heal(ctx, dir, out, means{kill: proc.Identity.Kill, table: deleteTable, group: cgroup.Remove}); err != nil {
		return fmt.Errorf("healing %s: %w", dir, err)
	}
	return nil
}

// means end what outlives a harness. Each says whether it was there.
type means struct {
	kill  func(proc.Identity, context.Context) (found bool, err error)
	table func(name, namespace string) (found bool, err error)
	group func(ctx context.Context, path string) (found bool, err error)
}

func heal(ctx context.Context, dir string, out io.Writer, by means) error {
	history, err := Read(dir)
	if err != nil {
		return err
	}
	rebooted, err := history.rebooted()
	if err != nil {
		return err
	}
	if !rebooted && history.Harness.PID != 0 {
		alive, err := history.Harness.Alive()
		if err != nil {
			return err
		}
		if alive {
			return fmt.Errorf("%w: its harness is process %d; end that first", ErrRunning, history.Harness.PID)
		}
	}
	// Read again under the lock: another heal may have come first.
	file, err := os.OpenFile(filepath.Join(dir, JournalName), os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("opening the journal: %w", err)
	}
	defer file.Close()
	if err := lock(file); err != nil {
		return err
	}
	if history, err = readFrom(file); err != nil {
		return err
	}
	if err := history.repair(file); err != nil {
		return fmt.Errorf("%w: cutting off the torn end of the journal: %w", ErrNotHealed, err)
	}
	h := &healer{history: history, rebooted: rebooted, journal: &Journal{file: file}, out: out, means: by}
	return h.heal(ctx)
}

// rebooted says whether the host was booted since the run, so that no process
// of it can be there. A run of another host cannot be healed here.
func (h *History) rebooted() (bool, error) {
	boot := proc.BootID()
	if h.Boot == "" || boot == "" || h.Boot == boot {
		return false, nil
	}
	if host, err := os.Hostname(); err != nil || host != h.Host {
		return false, fmt.Errorf("the run was made on host %q, and its processes can only be found there", h.Host)
	}
	return true, nil
}

// repair makes the journal end with a whole line, so that more can follow.
func (h *History) repair(file *os.File) error {
	if h.Torn {
		if err := file.Truncate(h.size); err != nil {
			return err
		}
	}
	if h.open {
		if _, err := file.WriteString("\n"); err != nil {
			return err
		}
	}
	return nil
}

// A healer heals one run.
type healer struct {
	history  *History
	rebooted bool
	journal  *Journal
	out      io.Writer
	means
	left map[proc.Identity]error // leftover processes that could not be ended
}

func (h *healer) heal(ctx context.Context) error {
	if h.history.Torn {
		h.say("the last line of the journal was cut off, and is left out")
	}
	if h.rebooted {
		h.say("the host was booted since: no process of the run is left, nor anything of its kernel")
	}
	found := h.endProcesses(ctx)
	errs := []error{}
	for _, err := range h.left {
		errs = append(errs, err)
	}
	var undone int
	for _, f := range h.history.Faults {
		if f.Undone {
			continue
		}
		did, err := h.undo(ctx, f)
		if err != nil {
			errs = append(errs, err)
		}
		if did {
			undone++
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("%w: %w", ErrNotHealed, errors.Join(errs...))
	}
	if found == 0 && undone == 0 {
		h.say("nothing was left to undo")
	}
	return nil
}

// endProcesses ends what is left of the run, and returns how many there were.
func (h *healer) endProcesses(ctx context.Context) (found int) {
	h.left = map[proc.Identity]error{}
	if h.rebooted {
		return 0
	}
	type end struct {
		found bool
		err   error
	}
	processes := h.history.everyProcess()
	ends := make([]end, len(processes))
	var all sync.WaitGroup
	for i, p := range processes {
		all.Go(func() {
			within, cancel := context.WithTimeout(ctx, killWithin)
			defer cancel()
			ends[i].found, ends[i].err = h.kill(p.Identity, within)
		})
	}
	all.Wait()
	for i, p := range processes {
		switch {
		case ends[i].err != nil:
			h.left[p.Identity] = fmt.Errorf("%s: %w; as root: kill -KILL %d", p.Name, ends[i].err, p.PID)
			found++
		case ends[i].found:
			h.say("%s (process %d) was still there: killed, and gone", p.Name, p.PID)
			found++
		}
	}
	return found
}

// everyProcess returns each process that the journal names, once.
func (h *History) everyProcess() []ProcessLine {
	var all []ProcessLine
	seen := map[proc.Identity]bool{h.Harness: true}
	add := func(processes []ProcessLine) {
		for _, p := range processes {
			if !seen[p.Identity] && p.PID > 0 {
				seen[p.Identity] = true
				all = append(all, p)
			}
		}
	}
	add(h.Processes)
	for _, f := range h.Faults {
		for _, u := range f.Undo.parts() {
			add(u.Processes)
		}
	}
	return all
}

// undo marks a fault undone when what it broke is gone.
func (h *healer) undo(ctx context.Context, f Past) (did bool, err error) {
	var errs []error
	var healed []string
	for _, u := range f.Undo.parts() {
		errs = append(errs, h.clean(ctx, u))
		for _, p := range u.Processes {
			if _, left := h.left[p.Identity]; left {
				errs = append(errs, fmt.Errorf("%s is still there", p.Name))
			}
		}
		healed = append(healed, u.healed())
	}
	if err := errors.Join(errs...); err != nil {
		return false, fmt.Errorf("%s: %w", f.describe(), err)
	}
	if err := h.journal.add(line{Kind: lineUndone, Fault: f.Number, By: "heal"}); err != nil {
		return false, fmt.Errorf("%s: %w", f.describe(), err)
	}
	h.say("%s: undone: %s", f.describe(), strings.Join(healed, "; "))
	return true, nil
}

// clean ends what a fault left in the kernel.
func (h *healer) clean(ctx context.Context, u Undo) error {
	if h.rebooted {
		return nil
	}
	var errs []error
	if u.Table != "" {
		found, err := h.table(u.Table, u.Namespace)
		if errs = append(errs, err); found && err == nil {
			h.say("nftables table %s was still there: deleted, and gone", u.Table)
		}
	}
	within, cancel := context.WithTimeout(ctx, killWithin)
	defer cancel()
	for _, path := range u.Groups {
		found, err := h.group(within, path)
		if errs = append(errs, err); found && err == nil {
			h.say("cgroup %s was still there: removed, and gone", path)
		}
	}
	return errors.Join(errs...)
}

// deleteTable deletes a run's table. One of another network namespace went
// with that, unless there is a process in it that holds it.
func deleteTable(name, namespace string) (found bool, err error) {
	if namespace == "" || namespace == kernel.Namespace() {
		return kernel.Delete(name)
	}
	if pid := kernel.Holder(namespace); pid != 0 {
		return true, fmt.Errorf("nftables table %s is in another network namespace, that of process %d; as root: nsenter -t %d -n %s",
			name, pid, pid, kernel.Command(name))
	}
	return false, nil
}

// healed says what it means for a part of a fault that everything is gone.
func (u Undo) healed() string {
	switch u.Action {
	case ActionClearGate:
		return "the process behind the gate is gone, and its gates with it"
	case ActionClearDelay, ActionClearFault:
		return "the directory is gone, and what it did to binds with it"
	case ActionSyncHashes:
		return "the run is over, and its hash store with it"
	case ActionThaw:
		return "nothing is frozen any more, the processes are gone"
	case ActionDeleteRules:
		return "nothing is dropped or rejected any more, the table is gone"
	case ActionRemoveGroups:
		return "nothing is limited any more, the groups are gone"
	}
	return "the run is over, so nothing is started again"
}

func (h *healer) say(format string, args ...any) {
	fmt.Fprintf(h.out, format+"\n", args...)
}
