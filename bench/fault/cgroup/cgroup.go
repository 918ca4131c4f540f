// Package cgroup limits the processors and the memory of processes: it puts
// them into control groups of its own, of version 1 or 2, whichever the
// machine has for the resource, and puts them back.
//
// A group is made beside or below the harness's own, so that what limits the
// harness goes on limiting them. On version 2 that is the nearest group upwards
// whose children may be limited; none is changed for it.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// A Kind is what is limited: the controller's name.
type Kind string

// The kinds.
const (
	CPU    Kind = "cpu"
	Memory Kind = "memory"
)

// A Limit is how much the processes of a group have together.
type Limit struct {
	CPU    float64 // of one processor, for CPU
	Memory int64   // bytes, for Memory; beyond them the kernel kills
}

// prefix is how the name of every group begins that this package makes, and
// may delete.
const prefix = "ptabench-"

// A host is a machine's groups; another one's in tests.
type host struct {
	root   string // of the file system
	mkdir  func(string) error
	rmdir  func(string) error
	attach func(group string, pid int) error // os.ErrProcessDone when it has ended
}

var this = host{root: "/",
	mkdir:  func(path string) error { return os.Mkdir(path, 0o755) },
	rmdir:  os.Remove,
	attach: attach,
}

// A Group is a control group of one fault for one process. It is for one
// goroutine at a time.
type Group struct {
	host
	tree tree
	kind Kind
	path string
	home map[int]string // by process id: where it was
}

// New names a group without making it. The name must be its own within the
// machine.
func New(kind Kind, name string) (*Group, error) { return this.group(kind, name) }

func (h host) group(kind Kind, name string) (*Group, error) {
	t, err := h.find(kind)
	if err != nil {
		return nil, err
	}
	parent, err := t.parent(h, kind)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(parent, prefix+name)
	if filepath.Dir(path) != parent {
		return nil, fmt.Errorf("cgroup %q: expected a plain name", name)
	}
	return &Group{host: h, tree: t, kind: kind, path: path, home: map[int]string{}}, nil
}

// Path is the group's directory.
func (g *Group) Path() string { return g.path }

// Hold makes the group and moves a process with the rest of its process group
// into it. It returns how many were moved; os.ErrProcessDone when the process
// has ended. Memory that it holds already counts, although the kernel goes on
// charging that to the group it was in.
func (g *Group) Hold(pid int, limit Limit) (moved int, err error) {
	if err := g.create(); err != nil {
		return 0, err
	}
	members, err := g.members(pid)
	if err != nil {
		return 0, fmt.Errorf("cgroup: finding the processes of %d: %w", pid, err)
	}
	if g.kind == Memory {
		for _, m := range members {
			held, err := g.held(m)
			if err != nil && !errors.Is(err, os.ErrProcessDone) {
				return 0, err
			}
			limit.Memory -= held
		}
		limit.Memory = max(0, limit.Memory)
	}
	if err := g.limit(limit); err != nil {
		return 0, err
	}
	for _, m := range members {
		switch err := g.move(m); {
		case err == nil:
			moved++
		case !errors.Is(err, os.ErrProcessDone) || m == pid:
			return moved, err
		}
	}
	return moved, nil
}

func (g *Group) create() error {
	if err := g.mkdir(g.path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cgroup: making a group: %w", err)
	}
	return nil
}

// period is how often the kernel gives out processor time, in microseconds.
const period = 100_000

// limit writes what the group may have: cpu.cfs_quota_us and
// memory.limit_in_bytes of version 1, cpu.max and memory.max of version 2.
func (g *Group) limit(l Limit) error {
	quota := max(1000, int64(math.Round(l.CPU*period))) // the kernel's least is 1 ms
	switch {
	case g.kind == CPU && g.tree.version == 1:
		return errors.Join(g.write("cpu.cfs_period_us", period), g.write("cpu.cfs_quota_us", quota))
	case g.kind == CPU:
		return g.write("cpu.max", fmt.Sprintf("%d %d", quota, period))
	case g.tree.version == 1:
		return errors.Join(g.write("memory.limit_in_bytes", l.Memory),
			g.writeWhereItIs("memory.memsw.limit_in_bytes", l.Memory)) // memory and swap together
	}
	return errors.Join(g.write("memory.max", l.Memory), g.writeWhereItIs("memory.swap.max", 0))
}

// move puts one process into the group, and remembers where it was.
func (g *Group) move(pid int) error {
	home, err := g.tree.groupOf(g.host, pid)
	if err != nil {
		return err
	}
	if home == g.path {
		return nil
	}
	if err := g.attach(g.path, pid); err != nil {
		return err
	}
	g.home[pid] = home
	return nil
}

// Events counts what the limit did: periods without processor time for CPU,
// processes killed for Memory.
func (g *Group) Events() (uint64, error) {
	name, key := "cpu.stat", "nr_throttled"
	if g.kind == Memory {
		name, key = "memory.oom_control", "oom_kill"
		if g.tree.version == 2 {
			name = "memory.events"
		}
	}
	text, err := os.ReadFile(filepath.Join(g.path, name))
	if err != nil {
		return 0, fmt.Errorf("cgroup: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		var value uint64
		if rest, ok := strings.CutPrefix(line, key+" "); ok {
			if _, err := fmt.Sscan(rest, &value); err != nil {
				return 0, fmt.Errorf("cgroup: %s: %s %w", name, key, err)
			}
			return value, nil
		}
	}
	return 0, fmt.Errorf("cgroup: %s: expected a line %s", filepath.Join(g.path, name), key)
}

func (g *Group) write(name string, value any) error {
	if err := put(filepath.Join(g.path, name), fmt.Sprint(value)); err != nil {
		return fmt.Errorf("cgroup: setting %v: %w", value, err)
	}
	return nil
}

// writeWhereItIs is for what a kernel may have been built without.
func (g *Group) writeWhereItIs(name string, value any) error {
	if _, err := os.Stat(filepath.Join(g.path, name)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return g.write(name, value)
}

// Supported says why processes cannot be limited from here, nil when they can.
// It makes a group, moves the calling process in and back, and removes it.
func Supported(kind Kind) error { return this.supported(kind) }

func (h host) supported(kind Kind) (err error) {
	if runtime.GOOS != "linux" {
		return errors.New("cgroups: linux has them and " + runtime.GOOS + " has not")
	}
	g, err := h.group(kind, fmt.Sprintf("probe-%s-%d", kind, os.Getpid()))
	if err == nil {
		err = g.probe()
	}
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w: needs root, or a group that is delegated to the user", err)
	}
	return err
}
