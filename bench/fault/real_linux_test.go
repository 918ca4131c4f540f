package fault

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ptabench/bench/proc"
	"ptabench/scenarios"
)

// requireVar is set where a test that needs root must not be skipped.
const requireVar = "PTABENCH_REQUIRE_ROOT_TESTS"

// needMeans skips without root, unless that is forbidden.
func needMeans(t *testing.T, faults ...string) []scenarios.Fault {
	t.Helper()
	if os.Geteuid() != 0 && os.Getenv(requireVar) == "" {
		t.Skipf("needs root; CI sets %s so that this is not skipped there", requireVar)
	}
	schedule := faultsOf(t, faults...)
	if err := errors.Join(Refuse(schedule, nil)...); err != nil {
		t.Fatal(err)
	}
	return schedule
}

// TestKilledInKernel kills a harness while it drops packets and holds a
// process, and heals after it: the drop ends, and nothing is left.
func TestKilledInKernel(t *testing.T) {
	lines := []string{"block(connector-1, ports=9350, mode=drop) at 0s for 1h", "limit-cpu(connector-2, cpu=10%) at 0s for 1h"}
	needMeans(t, lines...)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dial := func(within time.Duration) error {
		d := net.Dialer{Timeout: within, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 78, 1)}}
		c, err := d.Dial("tcp4", listener.Addr().String())
		if err == nil {
			_ = c.Close()
		}
		return err
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], append([]string{dir, listener.Addr().String()}, lines...)...)
	cmd.Env = append(os.Environ(), childVar+"=harness")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	said := bufio.NewScanner(out)
	for range lines {
		if !said.Scan() || said.Text() != "injected" {
			t.Fatalf("the harness said %q", said.Text())
		}
	}
	if err := dial(300 * time.Millisecond); err == nil {
		t.Error("nothing was dropped")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	h := historyOf(t, dir)
	table, groups := "", []string{}
	for _, f := range h.Faults {
		table += f.Undo.Table
		groups = append(groups, f.Undo.Groups...)
	}
	if !strings.HasPrefix(table, "ptabench_") || len(groups) != 1 || len(h.Faults) != 2 {
		t.Fatalf("the journal says %+v", h.Faults)
	}
	if _, err := os.Stat(groups[0]); err != nil {
		t.Errorf("the group was not there: %v", err)
	}
	var healed strings.Builder
	if err := Heal(t.Context(), dir, &healed); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"nftables table " + table + " was still there: deleted, and gone", "cgroup " + groups[0] + " was still there: removed, and gone"} {
		if !strings.Contains(healed.String(), want) {
			t.Errorf("heal said:\n%s, want %q in it", &healed, want)
		}
	}
	if err := dial(10 * time.Second); err != nil {
		t.Errorf("after the healing: %v", err)
	}
	if _, err := os.Stat(groups[0]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the group is there: %v", err)
	}
	healed.Reset()
	if err := Heal(t.Context(), dir, &healed); err != nil || healed.String() != "nothing was left to undo\n" {
		t.Errorf("healing again: %v, %q", err, &healed)
	}
}

// TestKilledForMemory has the kernel kill a process, which is no death of its
// own, and starts it again.
func TestKilledForMemory(t *testing.T) {
	schedule := needMeans(t, "limit-memory(connector-1, memory=64MiB) at 0s for 2s")
	dir := t.TempDir()
	journal, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	told := make(chan bool, 4)
	supervisor := proc.NewSupervisor(proc.Options{Started: journal.Process, Ended: func(_ *proc.Process, _ string, was bool) { told <- was }})
	defer func() {
		if err := supervisor.Close(t.Context(), time.Minute); err != nil {
			t.Error(err)
		}
	}()
	p, err := supervisor.Start(t.Context(), proc.Spec{
		Name: "connector-1", Role: "connector", Command: []string{os.Args[0], "connector-1"},
		Env: []string{childVar + "=hog"}, LogFile: filepath.Join(dir, "connector-1.log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	first := p.Identity()
	records := Start(t.Context(), Plan{
		System: realSystem{processes: []*proc.Process{p}}, Journal: journal, Zero: time.Now(), Faults: schedule,
		Changed: func(r Record) {
			if r.UndoneAt == Never && r.Err == nil {
				_ = p.Signal(syscall.SIGUSR1) // take what it may not
			}
		},
	}).Wait()
	r := records[0]
	if r.Err != nil || !r.Healed || r.Injections != 1 || r.Note != "connector-1 was killed for its memory, and started again" {
		t.Errorf("record %s: %v", r, r.Err)
	}
	if !<-told {
		t.Error("the end counts as one of its own")
	}
	if alive, err := p.Identity().Alive(); p.Identity() == first || !alive || err != nil {
		t.Errorf("started again: %v, alive %v, %v", p.Identity() != first, alive, err)
	}
}

// deaf takes no signals, for a process that does.
type deaf struct {
	Process
	id proc.Identity
}

func (d deaf) Name() string            { return "connector-1" }
func (d deaf) Identity() proc.Identity { return d.id }
func (d deaf) Signal(os.Signal) error  { return nil }

// TestStillFrozen does not take the kernel's word for it that a process goes
// on.
func TestStillFrozen(t *testing.T) {
	child := sleeper(t)
	if err := child.signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	v := victim{Process: deaf{id: child.id}, id: child.id}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if frozen, err := child.id.Frozen(); frozen {
			break
		} else if err != nil || time.Now().After(end) {
			t.Fatalf("it is not frozen: %v", err)
		}
	}
	within, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := (&freeze{hit: []victim{v}}).undo(within); err == nil || !strings.Contains(err.Error(), "connector-1 is still frozen: kill -CONT") {
		t.Errorf("undoing: %v", err)
	}
	if err := child.signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if _, err := (&freeze{hit: []victim{v}}).undo(t.Context()); err != nil {
		t.Errorf("undoing what went on: %v", err)
	}
}

// TestOtherNamespace does not claim to have deleted a table where it cannot
// look, unless nobody is there any more.
func TestOtherNamespace(t *testing.T) {
	needMeans(t, "power-loss(connector-1) at 0s for 1s")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"=sleeper")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	namespace, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("as root: nsenter -t %d -n nft delete table inet ptabench_x", cmd.Process.Pid)
	if _, err := deleteTable("ptabench_x", namespace); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("while it is there: %v, want %q in it", err, want)
	}
	_ = stdin.Close()
	_ = cmd.Wait()
	if found, err := deleteTable("ptabench_x", namespace); found || err != nil {
		t.Errorf("when it is gone: %v, %v", found, err)
	}
}
