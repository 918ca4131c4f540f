package endtoend

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ptabench/results"
)

// terminal makes a pseudo-terminal of 80 columns and 24 rows, whose screen is
// read and thrown away until it is closed.
func terminal(b *testing.B) *os.File {
	b.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		b.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		b.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		b.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		b.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		b.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(io.Discard, master) // ends with an error when the last slave is closed
	}()
	b.Cleanup(func() { slave.Close(); <-read; master.Close() })
	return slave
}

var liveAddress = regexp.MustCompile(`live page: (http://\S+)/\?token=(\w+)`)

// watched runs a scenario on a terminal, with a live page that is open, and
// returns its result and how many updates the page took.
func watched(b *testing.B, args ...string) (r *results.Result, updates int) {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "run")
	stderr, err := os.Create(filepath.Join(b.TempDir(), "stderr"))
	if err != nil {
		b.Fatal(err)
	}
	defer stderr.Close()
	cmd := exec.Command(program, append(append([]string{"run"}, args...), "--ui", ":0", "--skip-ceiling", "--out", dir)...)
	cmd.Stdout, cmd.Stderr = terminal(b), stderr
	cmd.Env = append(os.Environ(), "TERM=xterm-256color")
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	var at []string
	for end := time.Now().Add(30 * time.Second); at == nil; time.Sleep(5 * time.Millisecond) {
		text, err := os.ReadFile(stderr.Name())
		if err != nil || time.Now().After(end) {
			b.Fatalf("no live page: %v\n%s", err, text)
		}
		at = liveAddress.FindStringSubmatch(string(text))
	}
	for _, path := range []string{"/", "/events"} {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, at[1]+path, nil)
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+at[2])
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatalf("%s: %s, %v", path, resp.Status, err)
		}
		resp.Body.Close()
		updates = strings.Count(string(text), "event: update\n")
	}
	_ = cmd.Wait() // whatever its verdict
	if r, err = results.ReadResult(filepath.Join(dir, results.ResultFile)); err != nil {
		b.Fatal(err)
	}
	return r, updates
}

// BenchmarkWatching is what it costs to watch a run: the live screen of a
// terminal and one open live page, against a run with --quiet. The figure is
// the CPU that the harness takes more for a sign-in, as a share of what one
// takes from all processes together, which is what bounds the rate on a machine
// that is full. Only the harness does more; what the others take differs by
// chance. What the browser takes is not in it. Runs alternate as in
// BenchmarkObserver.
func BenchmarkWatching(b *testing.B) {
	const pairs = 8
	scenario := func(seed int) []string {
		return []string{"throughput", "--seed", fmt.Sprint(seed),
			"--set", "load.rate=1000/s", "--set", "load.warmup=1s", "--set", "load.duration=8s"}
	}
	cost := func(r *results.Result) (harness, all float64) {
		for _, p := range r.Processes {
			if all += float64(p.CPUPerSignIn) / 1e3; p.Role == "bench" {
				harness += float64(p.CPUPerSignIn) / 1e3
			}
		}
		if harness == 0 {
			b.Fatalf("nothing was spent: %+v", r.Processes)
		}
		return harness, all
	}
	quiet := func(seed int) (harness, all float64) {
		r, _ := measured(b, scenario(seed)...)
		return cost(r)
	}
	open := func(seed int) (harness float64) {
		r, updates := watched(b, scenario(seed)...)
		if updates < 5 {
			b.Fatalf("the page took %d updates: it was not watched", updates)
		}
		harness, _ = cost(r)
		return harness
	}
	for b.Loop() {
		var with, without, ratios []float64
		for pair := range pairs {
			var on, off, all float64
			if seed := pair + 1; pair%2 == 0 {
				on = open(seed)
				off, all = quiet(seed)
			} else {
				off, all = quiet(seed)
				on = open(seed)
			}
			ratio := (on - off) / all
			b.Logf("seed %d: harness %.1f µs watched, %.1f µs not, of %.1f µs: %.2f %%", pair+1, on, off, all, 100*ratio)
			with, without, ratios = append(with, on), append(without, off), append(ratios, 100*ratio)
		}
		b.ReportMetric(0, "ns/op") // a pair takes as long as its scenario says
		b.ReportMetric(median(with), "µs-harness-watched")
		b.ReportMetric(median(without), "µs-harness-not")
		b.ReportMetric(median(ratios), "%-more")
		b.ReportMetric(ratios[1], "%-more-least") // as in BenchmarkObserver
		b.ReportMetric(ratios[pairs-2], "%-more-most")
	}
}
