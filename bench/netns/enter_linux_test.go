package netns

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ptabench/bench/proc"
)

func each(t *testing.T, f func(*testing.T, privilege)) {
	for _, as := range []privilege{asRoot, asUser} {
		t.Run(string(as), func(t *testing.T) { f(t, as) })
	}
}

// TestEnterHandsOn: the program inside is the same program to whoever started
// it, and its files are the user's.
func TestEnterHandsOn(t *testing.T) {
	each(t, func(t *testing.T, as privilege) {
		cmd, _ := prepare(t, as, "echo", "two words", "--flag=1")
		var stdout, stderr bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("typed"), &stdout, &stderr
		cmd.Env = append(cmd.Env, "TEST_GIVEN=given", outsideVar+"=") // no marker yet
		err := cmd.Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 7 {
			t.Fatalf("ended by %v; want exit status 7, that of the program inside\n%s%s", err, &stdout, &stderr)
		}
		file := cmd.Args[1]
		if want := fmt.Sprintf("typed given %q\n", cmd.Args[1:]); stdout.String() != want {
			t.Errorf("inside, it was given %swant %s", &stdout, want)
		}
		stat, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		want := uint32(os.Geteuid())
		if a := cmd.SysProcAttr; a != nil && a.Credential != nil {
			want = a.Credential.Uid
		}
		if owner := stat.Sys().(*syscall.Stat_t).Uid; owner != want {
			t.Errorf("its file belongs to %d; want %d, who started it", owner, want)
		}
	})
}

// TestEnterIsNotFooled by a marker that comes from somewhere else.
func TestEnterIsNotFooled(t *testing.T) {
	here, err := current()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(outsideVar, here)
	if inside, err := Inside(); inside || err != nil {
		t.Errorf("inside: %v, %v, where the marker names this very namespace", inside, err)
	}
	if _, err := Build(1); err == nil || !strings.Contains(err.Error(), "not in a network namespace of its own") {
		t.Errorf("building in the host's network: %v", err)
	}
}

// TestSignals: what is sent to the program outside reaches the one inside once.
func TestSignals(t *testing.T) {
	each(t, func(t *testing.T, as privilege) {
		cmd, _ := prepare(t, as, "signals")
		next := lines(t, cmd)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		inside, err := strconv.Atoi(next())
		if err != nil {
			t.Fatal(err)
		}
		group, err := unix.Getpgid(inside)
		if err != nil || group != inside {
			t.Errorf("inside is of process group %d, %v; want its own, so that a terminal's Ctrl-C comes once", group, err)
		}
		for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGINT, syscall.SIGTERM} {
			if err := cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			if got := next(); got != s.String() {
				t.Errorf("inside got %q; want %q", got, s)
			}
		}
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 7 {
			t.Errorf("%v; want exit status 7", cmd.ProcessState)
		}
	})
}

// TestKilledOutside: nobody stays inside when the program outside is killed.
func TestKilledOutside(t *testing.T) {
	each(t, func(t *testing.T, as privilege) {
		cmd, _ := prepare(t, as, "wait")
		next := lines(t, cmd)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(next())
		if err != nil {
			t.Fatal(err)
		}
		inside, err := proc.Identify(pid)
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		eventually(t, "the program inside gone", func() bool {
			alive, err := inside.Alive()
			return err == nil && !alive
		})
	})
}

// TestKilledInside: an end without an exit code is no exit code.
func TestKilledInside(t *testing.T) {
	each(t, func(t *testing.T, as privilege) {
		cmd, _ := prepare(t, as, "wait")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		next := lines(t, cmd)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		inside, err := strconv.Atoi(next())
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Kill(inside, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 4 || !strings.Contains(stderr.String(), "signal: killed") {
			t.Errorf("%v: %s; want a KilledError", cmd.ProcessState, &stderr)
		}
	})
}

// TestNetwork builds one and looks at it from every side.
func TestNetwork(t *testing.T) {
	each(t, func(t *testing.T, as privilege) {
		before := devices()
		cmd, _ := prepare(t, as, "network")
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		_ = cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != 7 {
			t.Fatalf("%v\n%s", cmd.ProcessState, &stderr)
		}
		var got seen
		if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if got.UID != 0 {
			t.Errorf("inside, the user is %d; want 0", got.UID)
		}
		if want := []string{"10.98.0.11", "10.98.0.11", "10.98.0.12", "10.98.0.12"}; !slices.Equal(got.Sources, want) {
			t.Errorf("the cloud saw %v dial; want %v", got.Sources, want)
		}
		one, two := []string{"lo 127.0.0.1", "eth0 10.98.0.11"}, []string{"lo 127.0.0.1", "eth0 10.98.0.12"}
		want := [][]string{{"lo 127.0.0.1 10.98.0.1", "connector-1 10.98.0.1", "connector-2 10.98.0.1"}, one, one, two, two}
		sorted := func(d [][]string) [][]string {
			for _, names := range d {
				slices.Sort(names)
			}
			return d
		}
		if !slices.EqualFunc(sorted(got.Devices), sorted(want), slices.Equal) {
			t.Errorf("devices %q; want %q", got.Devices, want)
		}
		for _, n := range got.Neighbour {
			if !strings.Contains(n, "unreachable") {
				t.Errorf("a connector dialled another one: %q; want network unreachable", n)
			}
		}
		if got.SecondBuild != "" || !slices.Equal(got.AfterClose, []string{"lo 127.0.0.1 10.98.0.1"}) {
			t.Errorf("after Close there are %q, and building again: %s", got.AfterClose, got.SecondBuild)
		}
		if after := devices(); !slices.Equal(before, after) {
			t.Errorf("the host had %q, and now %q", before, after)
		}
	})
}

// TestNoMoreNamespaces says which limit was reached, and that nothing started.
func TestNoMoreNamespaces(t *testing.T) {
	cmd, _ := prepare(t, asUser, "forbidden")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != 7 {
		t.Fatalf("%v\n%s", cmd.ProcessState, &stderr)
	}
	said := strings.Split(stdout.String(), "\n")
	for i, begins := range []string{"connector-1: network: namespaces: no more", "false network: namespaces: no more"} {
		if !strings.HasPrefix(said[i], begins) || !strings.Contains(said[i], "user.max_net_namespaces") {
			t.Errorf("it said %q; want %q and the limit", said[i], begins)
		}
	}
}

func TestForbidden(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{unix.EPERM, "may not make a network namespace here"},
		{fmt.Errorf("fork/exec: %w", unix.EACCES), "run it as root"},
		{unix.ENOSPC, "user.max_user_namespaces"},
		{unix.EINVAL, "the kernel has no user or network namespaces"},
		{unix.EOPNOTSUPP, "no veth"},
		{unix.EIO, "network: namespaces: input/output error"},
	} {
		got := forbidden(c.err)
		if !strings.Contains(got.Error(), c.want) || !strings.HasPrefix(got.Error(), "network: namespaces: ") || !errors.Is(got, c.err) {
			t.Errorf("%v: %v; want %q", c.err, got, c.want)
		}
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("still not so: %s", what)
		}
	}
}
