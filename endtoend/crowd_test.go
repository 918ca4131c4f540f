package endtoend

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ptabench/bench/proc"
	"ptabench/observe"
)

// An actor is a role started by hand.
type actor struct {
	observe.Ready
	cmd    *exec.Cmd
	out    io.Reader
	stderr bytes.Buffer // complete once it has ended
}

// actWithin is how long a role may take to be ready.
const actWithin = 3 * time.Minute

// launch starts a role. It is asked to end with the test, and must do so.
func launch(tb testing.TB, env []string, args ...string) *actor {
	tb.Helper()
	a := &actor{cmd: exec.Command(program, args...)}
	a.cmd.Stderr = &a.stderr
	a.cmd.Env, _ = proc.WithSysmon(append(os.Environ(), env...)) // as in a run
	out, err := a.cmd.StdoutPipe()
	if err == nil {
		err = a.cmd.Start()
	}
	if err != nil {
		tb.Fatal(err)
	}
	a.out = out
	tb.Cleanup(func() { a.end(tb) })
	return a
}

// await waits until it is ready.
func (a *actor) await(tb testing.TB) *actor {
	tb.Helper()
	late := time.AfterFunc(actWithin, func() { _ = a.cmd.Process.Kill() })
	defer late.Stop()
	line, err := bufio.NewReader(a.out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &a.Ready)
	}
	if err != nil {
		_ = a.cmd.Process.Kill()
		_ = a.cmd.Wait()
		said := a.stderr.Bytes()
		tb.Fatalf("%s is not ready: %v\n%s", a.cmd.Args[1], err, said[max(0, len(said)-2000):])
	}
	return a
}

// end asks it to end.
func (a *actor) end(tb testing.TB) {
	if a.cmd.ProcessState != nil {
		return
	}
	_ = a.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(time.Minute, func() { _ = a.cmd.Process.Kill() })
	defer late.Stop()
	if err := a.cmd.Wait(); err != nil {
		tb.Errorf("%s ended with %v\n%s", a.cmd.Args[1], err, &a.stderr)
	}
}

var memoryLine = regexp.MustCompile(`(?m)^(Rss|Pss):\s+(\d+) kB$`)

// memory is what the process has resident, and its share of that when what
// several processes have is divided by them; in MiB.
func (a *actor) memory(tb testing.TB) (rss, pss float64) {
	tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", a.cmd.Process.Pid))
	if err != nil {
		tb.Fatal(err)
	}
	for _, m := range memoryLine.FindAllSubmatch(text, -1) {
		kb, err := strconv.ParseFloat(string(m[2]), 64)
		if err != nil {
			tb.Fatal(err)
		}
		if string(m[1]) == "Rss" {
			rss = kb / 1024
		} else {
			pss = kb / 1024
		}
	}
	return rss, pss
}

// cpu is what the process has used of the processors, in seconds.
func (a *actor) cpu(tb testing.TB) float64 {
	tb.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", a.cmd.Process.Pid))
	if err != nil {
		tb.Fatal(err)
	}
	var total float64
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // the thread has ended
		}
		ns, err := strconv.ParseFloat(strings.Fields(string(text))[0], 64)
		if err != nil {
			tb.Fatal(err)
		}
		total += ns / 1e9
	}
	return total
}

// stage is a cloud with a directory, for connectors.
type stage struct {
	testing.TB
	dir              string
	cloud, directory *actor
	observe          *observe.Client
}

const (
	stageObserve   = "PTABENCH_OBSERVE_TOKEN=observe-token-of-a-benchmark"
	stageDirectory = "PTABENCH_DIRECTORY_PASSWORD=directory-password-of-a-benchmark"
)

func newStage(tb testing.TB, tenants []string, flags ...string) *stage {
	tb.Helper()
	s := &stage{TB: tb, dir: tb.TempDir()}
	args := append([]string{"cloudsim", "--state", filepath.Join(s.dir, "cloud")}, flags...)
	for _, t := range tenants {
		args = append(args, "--tenant", fmt.Sprintf("name=%s,domain=%s.test,fallback=off", t, t))
	}
	s.cloud = launch(tb, []string{stageObserve}, args...).await(tb)
	s.directory = launch(tb, []string{stageDirectory, stageObserve}, "directory", "--state", filepath.Join(s.dir, "directory"),
		"--domain", tenants[0]+".test", "--users", "10", "--hash-sync-at-start=false").await(tb)
	s.observe = &observe.Client{Address: s.cloud.Ports["observe"], Token: strings.TrimPrefix(stageObserve, "PTABENCH_OBSERVE_TOKEN="), HTTP: http.DefaultClient}
	return s
}

// token is for one registration of a tenant.
func (s *stage) token(tenant string) string {
	var got struct{ Token string }
	if err := s.observe.Post(context.Background(), "/tenants/"+tenant+"/registration-tokens", nil, &got); err != nil {
		s.Fatal(err)
	}
	return got.Token
}

// connector is the command line of a connector of this stage.
func (s *stage) connector(more ...string) []string { return s.role([]string{"connector"}, more...) }

func (s *stage) role(command []string, more ...string) []string {
	return slices.Concat(command, []string{"--cloud", filepath.Join(s.dir, "cloud", "cloud.json"),
		"--directory", "ldaps://" + s.directory.Ports["ldaps"], "--directory-ca", filepath.Join(s.dir, "directory", "ca.pem"),
		"--bind-dn", s.directory.Info["service_dn"], "--base-dn", s.directory.Info["base_dn"]}, more)
}

// serving counts the connectors of all tenants that are attached.
func (s *stage) serving() (n int) {
	var c observe.CloudCounters
	if err := s.observe.Get(context.Background(), "/counters", &c); err != nil {
		s.Fatal(err)
	}
	for _, t := range c.Tenants {
		for _, one := range t.Connectors {
			if one.Attached {
				n++
			}
		}
	}
	return n
}

// allServe waits until all processes are ready and so many connectors attached.
func (s *stage) allServe(all []*actor, connectors int) {
	s.Helper()
	for _, a := range all {
		a.await(s)
	}
	for deadline := time.Now().Add(actWithin); s.serving() < connectors; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("%d of %d connectors are attached after %v", s.serving(), connectors, actWithin)
		}
	}
}

// residentLimit is what an idle connector may have resident, in MiB: 20 MB.
const residentLimit = 20e6 / (1 << 20)

// A connector that is attached has little resident, and a crowd of them are as
// many as it says, each of its tenant.
func TestConnectorsAreLean(t *testing.T) {
	s := newStage(t, []string{"contoso", "fabrikam"})
	tokens := filepath.Join(s.dir, "tokens")
	text := fmt.Sprintf("%s\n%s\n%s\n%s\n", s.token("contoso"), s.token("contoso"), s.token("fabrikam"), s.token("fabrikam"))
	if err := os.WriteFile(tokens, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	one := launch(t, []string{stageDirectory, "PTABENCH_REGISTRATION_TOKEN=" + s.token("contoso")},
		s.connector("--name", "alone", "--host-name", "alone", "--state", filepath.Join(s.dir, "alone"))...)
	crowd := launch(t, []string{stageDirectory}, s.role([]string{"connector", "crowd"}, "--tenants", "contoso,fabrikam",
		"--count", "2", "--tokens", tokens, "--state", filepath.Join(s.dir, "crowd"))...)
	s.allServe([]*actor{one, crowd}, 5)
	if crowd.Info["connectors"] != "4" {
		t.Errorf("the crowd's ready line: %+v", crowd.Ready)
	}
	if runtime.GOOS != "linux" {
		return
	}
	rss, _ := one.memory(t)
	for deadline := time.Now().Add(10 * time.Second); rss > residentLimit && time.Now().Before(deadline); rss, _ = one.memory(t) {
		time.Sleep(10 * time.Millisecond)
	}
	if rss > residentLimit {
		t.Errorf("an idle connector has %.1f MiB resident; expected at most %.1f", rss, residentLimit)
	}
}

// BenchmarkForty is a tenant's documented limit, 40 connectors, each a process
// of its own that registers and attaches: how long that takes from the first
// start to the last one attached, and what each has resident then.
func BenchmarkForty(b *testing.B) {
	const connectors = 40
	for b.Loop() {
		s := newStage(b, []string{"contoso"})
		tokens := make([]string, connectors)
		for i := range tokens {
			tokens[i] = s.token("contoso")
		}
		all := make([]*actor, connectors)
		began := time.Now()
		for i := range connectors {
			name := fmt.Sprintf("connector-%d", i+1)
			all[i] = launch(b, []string{stageDirectory, "PTABENCH_REGISTRATION_TOKEN=" + tokens[i], "GOMAXPROCS=" + strconv.Itoa(min(2, runtime.NumCPU()))},
				s.connector("--name", name, "--host-name", name, "--state", filepath.Join(s.dir, name))...)
		}
		s.allServe(all, connectors)
		b.ReportMetric(time.Since(began).Seconds(), "s/40-attached")
		var most, rss, pss, cpu float64
		for _, a := range all {
			r, p := a.memory(b)
			most, rss, pss, cpu = max(most, r), rss+r, pss+p, cpu+a.cpu(b)
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(most, "MiB-rss-most")
		b.ReportMetric(rss/connectors, "MiB-rss-mean")
		b.ReportMetric(pss/connectors, "MiB-pss-mean")
		b.ReportMetric(1e3*cpu/connectors, "ms-cpu-connector")
		b.ReportMetric(1e3*s.cloud.cpu(b)/connectors, "ms-cpu-cloud-each")
		for _, a := range all {
			a.end(b)
		}
	}
}

// BenchmarkThousand is 1,000 connectors of 100 tenants, in four processes: how
// long it takes from their start until the last has registered and attached,
// and what they cost.
func BenchmarkThousand(b *testing.B) {
	const tenants, each, processes = 100, 10, 4
	for b.Loop() {
		names := make([]string, tenants)
		for i := range names {
			names[i] = fmt.Sprintf("tenant-%d", i+1)
		}
		// Heartbeats as often as a bench of failover wants them would be 24,000
		// a second here.
		s := newStage(b, names, "--heartbeat", "2s")
		var share [processes][]string
		for p := range share {
			mine := names[p*tenants/processes : (p+1)*tenants/processes]
			var tokens strings.Builder
			for _, t := range mine {
				for range each {
					fmt.Fprintln(&tokens, s.token(t))
				}
			}
			file := filepath.Join(s.dir, fmt.Sprintf("tokens-%d", p))
			if err := os.WriteFile(file, []byte(tokens.String()), 0o600); err != nil {
				b.Fatal(err)
			}
			share[p] = s.role([]string{"connector", "crowd"}, "--tenants", strings.Join(mine, ","), "--count", strconv.Itoa(each),
				"--tokens", file, "--state", filepath.Join(s.dir, fmt.Sprintf("crowd-%d", p)))
		}
		began := time.Now()
		all := make([]*actor, processes)
		for p, args := range share {
			all[p] = launch(b, []string{stageDirectory}, args...)
		}
		s.allServe(all, tenants*each)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(time.Since(began).Seconds(), "s/1000-attached")
		var rss, cpu float64
		for _, a := range all {
			r, _ := a.memory(b)
			rss, cpu = rss+r, cpu+a.cpu(b)
		}
		cloud, _ := s.cloud.memory(b)
		b.ReportMetric(1024*rss/tenants/each, "KiB-rss-connector")
		b.ReportMetric(cloud, "MiB-rss-cloud")
		b.ReportMetric(1e3*cpu/tenants/each, "ms-cpu-connector")
		b.ReportMetric(1e3*s.cloud.cpu(b)/tenants/each, "ms-cpu-cloud-each")
		for _, a := range all {
			a.end(b)
		}
	}
}
