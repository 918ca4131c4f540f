package proc

import (
	"context"
	"encoding/json"
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
)

// The test binary is its own child: TEST_CHILD says as what it runs.
const (
	childVar  = "TEST_CHILD"
	secretVar = "TEST_SECRET"
	secret    = "correct-horse-battery"
)

func TestMain(m *testing.M) {
	if kind := os.Getenv(childVar); kind != "" {
		os.Exit(child(kind))
	}
	os.Exit(m.Run())
}

// child behaves as its kind says, the way a role process would.
func child(kind string) int {
	ready := os.NewFile(3, "ready")
	say := func(line string) { fmt.Fprintln(ready, line) }
	sayReady := func() { say(fmt.Sprintf(`{"role":"connector","name":%q,"pid":%d}`, os.Args[1], os.Getpid())) }
	untilStdinCloses := func() { _, _ = io.Copy(io.Discard, os.Stdin) }

	switch kind {
	case "good":
		sayReady()
		untilStdinCloses()
	case "deaf": // to its standard input, so only the kernel ends it with its parent
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		sayReady()
		<-stop
	case "stubborn": // to SIGTERM
		signal.Ignore(syscall.SIGTERM)
		sayReady()
		sleep()
	case "silent":
		sleep()
	case "closes":
		_ = ready.Close()
		sleep()
	case "garbage":
		say("ready! my secret is " + os.Getenv(secretVar))
		untilStdinCloses()
	case "endless":
		fmt.Fprint(ready, strings.Repeat("x", readyLimit+1))
		untilStdinCloses()
	case "stranger":
		say(`{"role":"cloudsim","name":"somebody else"}`)
		untilStdinCloses()
	case "early":
		for i := range 30 {
			fmt.Fprintf(os.Stderr, "line %d\n", i)
		}
		fmt.Fprintln(os.Stderr, "no such directory, secret", os.Getenv(secretVar))
		return 7
	case "busy":
		for burnt() < 60*time.Millisecond {
		}
		sayReady()
		untilStdinCloses()
	case "master": // of a servant, which it starts
		// The kernel kills it with this process, whose thread must not end before;
		// and where it does not, its CPU time is bounded, in seconds.
		runtime.LockOSThread()
		servant := exec.Command("sh", "-c", "ulimit -t 20; while :; do :; done")
		servant.SysProcAttr = childAttr()
		if err := servant.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		say(fmt.Sprintf(`{"role":"connector","name":%q,"pid":%d,"info":{"pids":"%d"}}`, os.Args[1], os.Getpid(), servant.Process.Pid))
		untilStdinCloses()
		_ = servant.Process.Kill()
		_ = servant.Wait()
	case "args":
		fmt.Fprintln(os.Stderr, strings.Join(os.Args[1:], " "), os.Getenv("PTABENCH_INHERITED"), os.Getenv("PTABENCH_GIVEN"))
		sayReady()
		untilStdinCloses()
	case "parent":
		return parent(os.Args[1])
	default:
		fmt.Fprintln(os.Stderr, "unknown kind of child:", kind)
		return 2
	}
	return 0
}

// sleep is for ever; blocking on nothing the runtime would call a deadlock.
func sleep() {
	for {
		time.Sleep(time.Hour)
	}
}

// burnt is the CPU time of this process.
func burnt() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// parent is a harness that starts children, freezes one, says who they are,
// and waits to be killed.
func parent(dir string) int {
	s := NewSupervisor(Options{})
	var all []Identity
	for _, kind := range []string{"good", "deaf", "stubborn", "frozen"} {
		as := strings.Replace(kind, "frozen", "deaf", 1)
		p, err := s.Start(context.Background(), specOf(dir, kind, as))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if kind == "frozen" {
			if err := p.Signal(syscall.SIGSTOP); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
		all = append(all, p.Identity())
	}
	_ = json.NewEncoder(os.Stdout).Encode(all)
	sleep()
	return 0
}

// specOf starts this binary again as a child of a kind.
func specOf(dir, name, kind string) Spec {
	return Spec{
		Name: name, Role: "connector",
		Command: []string{os.Args[0], name},
		Env:     []string{childVar + "=" + kind, secretVar + "=" + secret},
		LogFile: filepath.Join(dir, name+".log"),
	}
}

// supervise returns a supervisor that is closed when the test ends.
func supervise(t *testing.T, o Options) *Supervisor {
	t.Helper()
	s := NewSupervisor(o)
	t.Cleanup(func() {
		if err := s.Close(context.Background(), 10*time.Second); err != nil {
			t.Errorf("closing the supervisor: %v", err)
		}
	})
	return s
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
