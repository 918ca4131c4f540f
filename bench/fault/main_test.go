package fault

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"ptabench/bench/proc"
	"ptabench/scenarios"
)

// childVar says as what the test binary runs when it is its own child.
const childVar = "TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childVar) {
	case "":
		os.Exit(m.Run())
	case "role":
		fmt.Fprintf(os.NewFile(3, "ready"), `{"role":"connector","name":%q}`+"\n", os.Args[1])
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "sleeper":
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "hog": // a role that takes 256 MiB when it is told to
		fmt.Fprintf(os.NewFile(3, "ready"), `{"role":"connector","name":%q}`+"\n", os.Args[1])
		told := make(chan os.Signal, 1)
		signal.Notify(told, syscall.SIGUSR1)
		go func() {
			<-told
			taken := make([]byte, 256<<20)
			for i := range taken {
				taken[i] = 1
			}
			runtime.KeepAlive(taken)
		}()
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "harness":
		if err := harness(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// harness runs two processes, breaks something for an hour, says so for each
// fault, and waits. The cloud's port 9350 is at an address.
func harness(dir, address string, lines []string) error {
	journal, err := Create(dir)
	if err != nil {
		return err
	}
	supervisor := proc.NewSupervisor(proc.Options{Started: journal.Process})
	system := realSystem{ports: map[string]string{"9350": address}}
	for _, name := range []string{"connector-1", "connector-2"} {
		p, err := supervisor.Start(context.Background(), proc.Spec{
			Name: name, Role: "connector", Command: []string{os.Args[0], name},
			Env: []string{childVar + "=role"}, LogFile: filepath.Join(dir, name+".log"),
		})
		if err != nil {
			return err
		}
		system.processes = append(system.processes, p)
	}
	var faults []scenarios.Fault
	for _, l := range lines {
		fault, err := scenarios.ParseFault(l)
		if err != nil {
			return err
		}
		faults = append(faults, fault)
	}
	Start(context.Background(), Plan{
		System: system, Journal: journal, Zero: time.Now(), Faults: faults,
		Changed: func(r Record) {
			// What the journal says next must be there when the parent kills.
			if r.Err == nil {
				fmt.Println("injected")
			} else {
				fmt.Println(r.Err)
			}
		},
	}).Wait()
	return nil
}

// realSystem has only processes and ports.
type realSystem struct {
	System
	processes []*proc.Process
	ports     map[string]string
}

func (s realSystem) Role(string) (Role, error) { return Role{Ports: s.ports}, nil }

func (s realSystem) Source(connector string) (string, error) {
	return "127.0.78." + strings.TrimPrefix(connector, "connector-"), nil
}

func (s realSystem) Processes(target string) (found []Process, err error) {
	for _, p := range s.processes {
		if p.Name() == target {
			found = append(found, p)
		}
	}
	return found, nil
}

// childProcess is a process that does nothing until its standard input closes.
type childProcess struct {
	cmd *exec.Cmd
	id  proc.Identity
}

// sleeper starts one, for the time of the test.
func sleeper(t *testing.T) *childProcess {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"=sleeper")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	id, err := proc.Identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return &childProcess{cmd: cmd, id: id}
}

func (c *childProcess) signal(sig os.Signal) error { return c.cmd.Process.Signal(sig) }
