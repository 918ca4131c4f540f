package cloudsim_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ptabench/observe"
)

// process is a simulator in a process of its own, which can be killed.
type process struct {
	cmd   *exec.Cmd
	stdin interface{ Close() error }
}

// spawn starts the simulator in another process and waits until it is ready.
func (w *world) spawn() *process {
	w.t.Helper()
	config, err := json.Marshal(w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	p := &process{cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), "PTABENCH_TEST_CLOUDSIM="+string(config)) // as TestMain reads it
	p.cmd.Stderr = os.Stderr
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	p.stdin = stdin
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(p.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	var ready observe.Ready
	if err == nil {
		err = json.Unmarshal([]byte(line), &ready)
	}
	if err != nil {
		w.t.Fatalf("the simulator is not ready: %v", err)
	}
	w.found(ready)
	return p
}

// kill ends the process at once.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait() // says that it was killed
		_ = p.stdin.Close()
	}
}

// dials notes when somebody dials an address, and hangs up.
func dials(t *testing.T, address string) (stop func() []time.Time) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	var all []time.Time
	var done sync.WaitGroup
	done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all = append(all, time.Now())
			_ = c.Close()
		}
	})
	return func() []time.Time {
		_ = l.Close()
		done.Wait()
		return all
	}
}

// crowd is the most of some times within any window.
func crowd(times []time.Time, window time.Duration) (most int) {
	for first, last := 0, 0; last < len(times); last++ {
		for times[last].Sub(times[first]) > window {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

// The simulator is killed and started again where it was. Its connectors come
// back with what they have, soon and not all at once; its books go on.
func TestKilledAndStartedAgain(t *testing.T) {
	const connectors, window = 20, 20 * time.Millisecond
	w := newWorld(t)
	w.cfg.Heartbeat, w.cfg.HeartbeatMisses = 250*time.Millisecond, 20 // a busy machine is not the matter
	w.cfg.SignInLog = filepath.Join(t.TempDir(), "sign-ins.csv")
	p := w.spawn()
	for i := range connectors {
		w.connect(fmt.Sprint("connector-", i+1), "")
	}
	w.attached(connectors)
	if err := w.signIn(); err != nil {
		t.Fatalf("before: %v", err)
	}
	before, ca := w.ready, w.ready.CAPEM
	time.Sleep(1100 * time.Millisecond) // past what the log may lose, and a session's first second

	p.kill()
	stop := dials(t, before.Ports["9350"])
	time.Sleep(1500 * time.Millisecond) // an outage, in which they try again and again
	tried := stop()
	if len(tried) < connectors {
		t.Errorf("%d dials during the outage; expected each of %d connectors to try", len(tried), connectors)
	}
	most := crowd(tried, window)
	t.Logf("%d dials in 1.5 s, at most %d within %v", len(tried), most, window)
	if most > min(connectors*3/4*slowness, connectors-1) {
		t.Errorf("%d of %d connectors dialled within %v; expected them spread", most, connectors, window)
	}

	w.cfg.Ports = before.Ports
	w.spawn()
	back := time.Now()
	w.attached(connectors)
	took := time.Since(back)
	t.Logf("all are back after %v", took)
	if took > slowness*3*time.Second {
		t.Errorf("all are back after %v; expected %v at most", took, slowness*3*time.Second)
	}
	if w.ready.CAPEM != ca {
		t.Error("another certificate authority")
	}
	for port, at := range before.Ports {
		if w.ready.Ports[port] != at {
			t.Errorf("port %s is at %s; it was at %s", port, w.ready.Ports[port], at)
		}
	}
	if err := w.signIn(); err != nil {
		t.Errorf("after: %v", err)
	}
	if got := len(w.happened(observe.RegistrationDenied, "")); got != 0 {
		t.Errorf("%d registrations were denied; expected nobody to register again", got)
	}
	w.eventually("the log has both sign-ins, in parts that begin with a header", func() bool {
		text, err := os.ReadFile(w.cfg.SignInLog)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), "at_ns,") == 2 && strings.Count(string(text), ",accepted,") == 2
	})
}
