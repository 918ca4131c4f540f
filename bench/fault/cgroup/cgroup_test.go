package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	mountedCPU    = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
	mountedBoth   = "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
	mountedHybrid = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
	mountedSecond = "26 23 0:23 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	mountedPart   = "27 23 0:23 /box /sys/fs/a\\040group rw - cgroup2 cgroup2 rw\n"
)

// TestFind looks for where a group may be made.
func TestFind(t *testing.T) {
	second := "sys/fs/cgroup/"
	cases := []struct {
		name, mounts, self string
		files              map[string]string
		kind               Kind
		want               string // path of the group, or part of the error
	}{
		{name: "version 1", mounts: mountedCPU, self: "1:cpu:/\n", kind: CPU, want: "/sys/fs/cgroup/cpu/ptabench-x"},
		{name: "version 1, two controllers, a group", mounts: mountedBoth, self: "4:cpuacct,cpu:/some:where\n", kind: CPU, want: "/sys/fs/cgroup/cpu,cpuacct/some:where/ptabench-x"},
		{name: "hybrid: the controllers are of version 1", mounts: mountedHybrid + mountedCPU, self: "1:cpu:/a\n0::/b\n", kind: CPU, want: "/sys/fs/cgroup/cpu/a/ptabench-x"},
		{name: "hybrid: not all of them", mounts: mountedHybrid + mountedCPU, self: "1:cpu:/a\n0::/b\n", kind: Memory,
			files: map[string]string{"sys/fs/cgroup/unified/cgroup.controllers": "pids\n"}, want: "/sys/fs/cgroup/unified lacks the controller memory"},
		{name: "version 2, a service", mounts: mountedSecond, self: "0::/system.slice/a.service\n", kind: Memory, files: map[string]string{
			second + "cgroup.controllers": "cpuset cpu memory\n", second + "cgroup.subtree_control": "cpu memory\n",
			second + "system.slice/cgroup.subtree_control": "memory\n", second + "system.slice/a.service/cgroup.subtree_control": "\n",
		}, want: "/sys/fs/cgroup/system.slice/ptabench-x"},
		{name: "version 2, the root", mounts: mountedSecond, self: "0::/\n", kind: CPU, files: map[string]string{
			second + "cgroup.controllers": "cpu", second + "cgroup.subtree_control": "cpu",
		}, want: "/sys/fs/cgroup/ptabench-x"},
		{name: "version 2, not given on", mounts: mountedSecond, self: "0::/\n", kind: CPU, files: map[string]string{
			second + "cgroup.controllers": "cpu", second + "cgroup.subtree_control": "",
		}, want: "as root: echo +cpu > "},
		{name: "version 2, a part of it", mounts: mountedPart, self: "0::/box/in\n", kind: CPU, files: map[string]string{
			"sys/fs/a group/cgroup.controllers": "cpu", "sys/fs/a group/cgroup.subtree_control": "cpu", "sys/fs/a group/in/cgroup.subtree_control": "",
		}, want: "/sys/fs/a group/ptabench-x"},
		{name: "version 2, outside of it", mounts: mountedPart, self: "0::/other\n", kind: CPU, files: map[string]string{
			"sys/fs/a group/cgroup.controllers": "cpu",
		}, want: "/other: outside of /box"},
		{name: "nothing", mounts: "23 1 0:5 / /proc rw - proc proc rw\n", self: "", kind: CPU, want: "the machine has no controller cpu"},
		{name: "not in it", mounts: mountedCPU, self: "3:memory:/\n", kind: CPU, want: "expected one of version 1 with cpu"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := newFakeHost(t, c.mounts, c.self, c.files)
			g, err := h.group(c.kind, "x")
			switch {
			case err != nil && !strings.Contains(err.Error(), c.want):
				t.Errorf("got %v, want %q in it", err, c.want)
			case err == nil && h.within(g.Path()) != c.want:
				t.Errorf("got %s, want %s", h.within(g.Path()), c.want)
			}
		})
	}
	h := newFakeHost(t, mountedCPU, "1:cpu:/\n", nil)
	if _, err := h.group(CPU, "../x/y"); err == nil || !strings.Contains(err.Error(), "plain name") {
		t.Errorf("a name that leads elsewhere: %v", err)
	}
}

// secondHost has version 2, with the harness in /run and room for groups in /.
func secondHost(t *testing.T) *fakeHost {
	h := newFakeHost(t, mountedSecond, "0::/run\n", map[string]string{
		"sys/fs/cgroup/cgroup.controllers": "cpu memory", "sys/fs/cgroup/cgroup.subtree_control": "cpu memory",
		"sys/fs/cgroup/run/cgroup.subtree_control": "", "sys/fs/cgroup/run/cgroup.procs": "70\n71\n72\n",
	})
	h.process(70, 70, "/run", 2048)
	h.process(71, 70, "/run", 1024)
	h.process(72, 72, "/run", 1024)
	return h
}

// TestSecond limits and frees a process and its child on version 2.
func TestSecond(t *testing.T) {
	cases := []struct {
		name   string
		kind   Kind
		limit  Limit
		files  map[string]string
		events uint64
	}{
		{"processors", CPU, Limit{CPU: 0.25}, map[string]string{"cpu.max": "25000 100000"}, 4},
		{"the least", CPU, Limit{CPU: 0.001}, map[string]string{"cpu.max": "1000 100000"}, 4},
		{"memory, less what is held", Memory, Limit{Memory: 8 << 20}, map[string]string{"memory.max": fmt.Sprint(5 << 20), "memory.swap.max": "0"}, 1},
		{"memory, less than is held", Memory, Limit{Memory: 1 << 20}, map[string]string{"memory.max": "0"}, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := secondHost(t)
			g, err := h.group(c.kind, "fault-1")
			if err != nil {
				t.Fatal(err)
			}
			moved, err := g.Hold(70, c.limit)
			if err != nil || moved != 2 {
				t.Fatalf("moved %d, %v", moved, err)
			}
			for name, want := range c.files {
				if got := h.get("sys/fs/cgroup/ptabench-fault-1/" + name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if got := h.get("sys/fs/cgroup/ptabench-fault-1/cgroup.procs"); got != "70\n71" {
				t.Errorf("in the group: %q", got)
			}
			if n, err := g.Events(); n != c.events || err != nil {
				t.Errorf("events %d, %v; want %d", n, err, c.events)
			}
			h.busy = 2 // as while something in it is ending
			if err := g.Remove(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := h.get("sys/fs/cgroup/run/cgroup.procs"); got != "72\n70\n71" {
				t.Errorf("back where they were: %q", got)
			}
			if _, err := os.Stat(g.Path()); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the group is there: %v", err)
			}
			if err := g.Remove(t.Context()); err != nil {
				t.Errorf("again: %v", err)
			}
		})
	}
}

// TestTrouble says what went wrong and what to type.
func TestTrouble(t *testing.T) {
	t.Run("the process has ended", func(t *testing.T) {
		h := secondHost(t)
		h.gone = 70
		g, _ := h.group(CPU, "fault-1")
		if _, err := g.Hold(70, Limit{CPU: 1}); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("holding: %v", err)
		}
		if err := g.Remove(t.Context()); err != nil {
			t.Errorf("removing: %v", err)
		}
	})
	t.Run("it cannot be removed", func(t *testing.T) {
		h := secondHost(t)
		g, _ := h.group(CPU, "fault-1")
		if _, err := g.Hold(70, Limit{CPU: 1}); err != nil {
			t.Fatal(err)
		}
		h.busy = 1 << 30
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := g.Remove(ctx); err == nil || !strings.Contains(err.Error(), "as root: rmdir "+g.Path()) {
			t.Errorf("removing: %v", err)
		}
	})
	t.Run("no permission", func(t *testing.T) {
		h := secondHost(t)
		h.refuses = syscall.EACCES
		if err := h.supported(CPU); err == nil || !strings.Contains(err.Error(), "needs root, or a group that is delegated") {
			t.Errorf("supported: %v", err)
		}
	})
	t.Run("somebody else's group", func(t *testing.T) {
		for _, path := range []string{"", "ptabench-x", "/sys/fs/cgroup", "/sys/ptabench-x/../y", "/sys/fs/cgroup/user.slice"} {
			if _, err := Remove(t.Context(), path); err == nil || !strings.Contains(err.Error(), "expected a path") {
				t.Errorf("%q: %v", path, err)
			}
		}
	})
}

// TestRemove is for who knows the path only.
func TestRemove(t *testing.T) {
	h := secondHost(t)
	g, err := h.group(CPU, "fault-1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Hold(70, Limit{CPU: 1}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		if found, err := h.remove(t.Context(), g.Path()); found != want || err != nil {
			t.Errorf("found %v, %v; want %v", found, err, want)
		}
	}
	if got := h.get("sys/fs/cgroup/cgroup.procs"); got != "70\n71" {
		t.Errorf("with the parent: %q", got)
	}
	if err := h.supported(Memory); err != nil {
		t.Errorf("supported: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(h.root, "sys/fs/cgroup/ptabench-*")); len(left) > 0 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
}
