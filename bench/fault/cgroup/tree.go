package cgroup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A tree is the hierarchy of groups in which a resource is limited.
type tree struct {
	version int
	kind    Kind
	mount   string // its directory
	root    string // the group that is mounted there
}

// find looks up where a resource is limited: version 1 where its controller is
// mounted, else version 2. See proc_pid_mountinfo(5) and cgroups(7).
func (h host) find(kind Kind) (tree, error) {
	text, err := os.ReadFile(filepath.Join(h.root, "proc/self/mountinfo"))
	if err != nil {
		return tree{}, fmt.Errorf("cgroups: %w", err)
	}
	var second *tree
	for line := range strings.Lines(string(text)) {
		before, after, ok := strings.Cut(line, " - ")
		fields, rest := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 5 || len(rest) < 3 {
			continue
		}
		t := tree{kind: kind, mount: filepath.Join(h.root, unescape(fields[4])), root: unescape(fields[3])}
		switch {
		case rest[0] == "cgroup" && slices.Contains(strings.Split(rest[2], ","), string(kind)):
			t.version = 1
			return t, nil
		case rest[0] == "cgroup2" && second == nil:
			t.version = 2
			second = &t
		}
	}
	if second == nil {
		return tree{}, fmt.Errorf("cgroups: the machine has no controller %s", kind)
	}
	has, err := words(filepath.Join(second.mount, "cgroup.controllers"))
	if err != nil {
		return tree{}, fmt.Errorf("cgroups: %w", err)
	}
	if !slices.Contains(has, string(kind)) {
		return tree{}, fmt.Errorf("cgroups: %s lacks the controller %s", second.mount, kind)
	}
	return *second, nil
}

// unescape undoes how mountinfo writes blanks.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

// parent is the group below which new ones are made.
func (t tree) parent(h host, kind Kind) (string, error) {
	own, err := t.groupOf(h, os.Getpid())
	if err != nil {
		return "", err
	}
	if t.version == 1 {
		return own, nil
	}
	// A group of version 2 has processes or limited children, not both, so the
	// harness's own seldom will do.
	for at := own; ; at = filepath.Dir(at) {
		children, err := words(filepath.Join(at, "cgroup.subtree_control"))
		if err != nil {
			return "", fmt.Errorf("cgroups: %w", err)
		}
		if slices.Contains(children, string(kind)) {
			return at, nil
		}
		if at == t.mount {
			return "", fmt.Errorf("cgroups: no group from %s up lets the %s of its children be limited; as root: echo +%s > %s",
				own, kind, kind, filepath.Join(t.mount, "cgroup.subtree_control"))
		}
	}
}

// groupOf is the directory of the group that a process is in;
// os.ErrProcessDone when it has ended.
func (t tree) groupOf(h host, pid int) (string, error) {
	process := strconv.Itoa(pid)
	if pid == os.Getpid() {
		process = "self"
	}
	text, err := os.ReadFile(filepath.Join(h.root, "proc", process, "cgroup"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return "", fmt.Errorf("cgroup of process %d: %w", pid, os.ErrProcessDone)
	}
	if err != nil {
		return "", fmt.Errorf("cgroup of process %d: %w", pid, err)
	}
	for line := range strings.Lines(strings.TrimRight(string(text), "\n")) {
		fields := strings.SplitN(strings.TrimRight(line, "\n"), ":", 3) // number, controllers, path
		if len(fields) != 3 {
			continue
		}
		if t.version == 1 && slices.Contains(strings.Split(fields[1], ","), string(t.kind)) ||
			t.version == 2 && fields[0] == "0" {
			return t.directory(fields[2])
		}
	}
	return "", fmt.Errorf("cgroup of process %d: expected one of version %d with %s", pid, t.version, t.kind)
}

// directory is that of a group in the mounted part of its tree.
func (t tree) directory(group string) (string, error) {
	within, err := filepath.Rel(t.root, group)
	if err != nil || within == ".." || strings.HasPrefix(within, "../") {
		return "", fmt.Errorf("cgroup %s: outside of %s, which is what is mounted at %s", group, t.root, t.mount)
	}
	return filepath.Join(t.mount, within), nil
}

func words(file string) ([]string, error) {
	text, err := os.ReadFile(file)
	return strings.Fields(string(text)), err
}

// put writes to a control file, which must be there.
func put(file, text string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// attach moves a process into a group; os.ErrProcessDone when it has ended.
func attach(group string, pid int) error {
	err := put(filepath.Join(group, "cgroup.procs"), strconv.Itoa(pid))
	if errors.Is(err, unix.ESRCH) {
		err = os.ErrProcessDone
	}
	if err != nil {
		return fmt.Errorf("cgroup: moving process %d to %s: %w", pid, group, err)
	}
	return nil
}

// members are the process and others of its process group, which it leads.
func (h host) members(pid int) ([]int, error) {
	all := []int{pid}
	entries, err := os.ReadDir(filepath.Join(h.root, "proc"))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		other, err := strconv.Atoi(e.Name())
		if err != nil || other == pid {
			continue
		}
		stat, err := os.ReadFile(filepath.Join(h.root, "proc", e.Name(), "stat"))
		if err != nil {
			continue // it has ended meanwhile
		}
		if fields := afterName(stat); len(fields) > 2 && fields[2] == strconv.Itoa(pid) {
			all = append(all, other)
		}
	}
	return all, nil
}

// ended says that a process is gone, or waits to be reaped: it is in no group
// that means anything.
func (h host) ended(pid int) bool {
	stat, err := os.ReadFile(filepath.Join(h.root, "proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return true
	}
	fields := afterName(stat)
	return len(fields) == 0 || strings.ContainsAny(fields[0], "ZXx")
}

// afterName are the fields of proc_pid_stat(5) from the third, the state, on;
// the fifth is the process group. The name, in parentheses, may hold anything.
func afterName(stat []byte) []string {
	return strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
}

// held is how much memory of its own a process has, in bytes: RssAnon of
// proc_pid_status(5), in KiB.
func (h host) held(pid int) (int64, error) {
	status, err := os.Open(filepath.Join(h.root, "proc", strconv.Itoa(pid), "status"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("memory of process %d: %w", pid, os.ErrProcessDone)
	}
	if err != nil {
		return 0, fmt.Errorf("memory of process %d: %w", pid, err)
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "RssAnon:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("memory of process %d: RssAnon: %w", pid, err)
			}
			return kib << 10, nil
		}
	}
	return 0, nil // it has ended, and waits to be reaped
}
