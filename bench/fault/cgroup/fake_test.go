package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// fakeHost is a file system that behaves like one with control groups, as far
// as this package can see. Processes are 1 and the calling one, "self".
type fakeHost struct {
	host
	t       *testing.T
	gone    int   // a process that ends when it is to be moved
	busy    int   // how many removals fail before one does not
	refuses error // what making a group gives
}

// newFakeHost lays out mounts, by lines of mountinfo, and groups, by path and
// the text of their control files.
func newFakeHost(t *testing.T, mountinfo, self string, files map[string]string) *fakeHost {
	t.Helper()
	h := &fakeHost{t: t, host: host{root: t.TempDir()}}
	h.put("proc/self/mountinfo", mountinfo)
	h.put("proc/self/cgroup", self)
	for name, text := range files {
		h.put(name, text)
	}
	h.mkdir = func(path string) error {
		if h.refuses != nil {
			return &os.PathError{Op: "mkdir", Path: path, Err: h.refuses}
		}
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		for _, name := range []string{"cgroup.procs", "cpu.max", "memory.max", "memory.swap.max", "cpu.cfs_quota_us", "cpu.cfs_period_us", "memory.limit_in_bytes"} {
			h.put(filepath.Join(h.within(path), name), "")
		}
		h.put(filepath.Join(h.within(path), "cpu.stat"), "nr_periods 9\nnr_throttled 4\nthrottled_usec 5\n")
		h.put(filepath.Join(h.within(path), "memory.events"), "max 7\noom 2\noom_kill 1\n")
		return nil
	}
	h.rmdir = func(path string) error {
		if procs, _ := words(filepath.Join(path, "cgroup.procs")); h.busy > 0 || len(procs) > 0 {
			h.busy--
			return &os.PathError{Op: "rmdir", Path: path, Err: syscall.EBUSY}
		}
		return os.RemoveAll(path)
	}
	h.attach = h.move
	return h
}

func (h *fakeHost) within(path string) string { return strings.TrimPrefix(path, h.root) }

func (h *fakeHost) put(name, text string) {
	h.t.Helper()
	path := filepath.Join(h.root, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		h.t.Fatal(err)
	}
}

func (h *fakeHost) get(name string) string {
	h.t.Helper()
	text, err := os.ReadFile(filepath.Join(h.root, name))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text)
}

// process adds one, of a process group, to a group of version 2.
func (h *fakeHost) process(pid, leader int, group string, rssKiB int) {
	p := filepath.Join("proc", strconv.Itoa(pid))
	h.put(p+"/stat", strconv.Itoa(pid)+" (a) b) S 1 "+strconv.Itoa(leader)+" 0\n")
	h.put(p+"/cgroup", "0::"+group+"\n")
	h.put(p+"/status", "Name:\ta\nRssAnon:\t"+strconv.Itoa(rssKiB)+" kB\n")
}

// move does what the kernel does with a process id in cgroup.procs.
func (h *fakeHost) move(group string, pid int) error {
	if pid == h.gone {
		return os.ErrProcessDone
	}
	if _, err := os.Stat(group); err != nil {
		return err
	}
	// From wherever it was.
	err := filepath.WalkDir(h.root, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Name() == "cgroup.procs" {
			procs, _ := words(path)
			procs = slices.DeleteFunc(procs, func(p string) bool { return p == strconv.Itoa(pid) })
			return os.WriteFile(path, []byte(strings.Join(procs, "\n")), 0o644)
		}
		return err
	})
	if err != nil {
		return err
	}
	procs, _ := words(filepath.Join(group, "cgroup.procs"))
	h.put(filepath.Join(h.within(group), "cgroup.procs"), strings.Join(append(procs, strconv.Itoa(pid)), "\n"))
	name := strconv.Itoa(pid)
	if pid == os.Getpid() {
		name = "self"
	}
	h.put(filepath.Join("proc", name, "cgroup"), "0::"+strings.TrimPrefix(h.within(group), "/sys/fs/cgroup")+"\n")
	return nil
}
