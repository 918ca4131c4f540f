package endtoend

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"ptabench/bench/proc"
	"ptabench/page/pagetest"
	"ptabench/results"
)

// TestStopFromTheLivePage follows a real run in a browser and presses Stop while
// a connector is frozen: what is broken is put right, nothing stays, the page
// ends as the report of an aborted run. It has a network of its own, so that
// the page is seen to be outside of it, where the browser is.
func TestStopFromTheLivePage(t *testing.T) {
	tab := pagetest.Open(t)
	network := "namespaces"
	if os.Geteuid() != 0 {
		network = "loopback" // it can be made without root, but not everywhere
	}
	stderr := filepath.Join(t.TempDir(), "stderr")
	cmd, _, dir := underWayTo(t, stderr, "freeze-one", "--ui", ":0", "--skip-ceiling", "--set", "load.rate=200/s",
		"--set", "faults[0].at=1s", "--set", "network="+network)
	address := regexp.MustCompile(`live page: (http://127\.0\.0\.1:\d+/\?token=\w+)\n`)
	var at []string
	eventually(t, "the address of the live page", func() bool {
		text, _ := os.ReadFile(stderr) // it may not be there yet
		at = address.FindStringSubmatch(string(text))
		return at != nil
	})
	if runtime.GOOS == "linux" {
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", cmd.Process.Pid))
		if naps := strings.Contains(string(env), "GODEBUG=schedtrace="); err != nil || naps == proc.SysmonTraces() {
			t.Errorf("the monitor thread of the load generator naps on: %t, %v", naps, err)
		}
	}
	tab.Run(t, chromedp.Navigate(at[1]))
	tab.Until(t, `Number(document.documentElement.dataset.updates) > 1 && document.getElementById("part-faults").innerText.includes("connector-1")`)
	tab.Shot(t, "live-fault.png")
	tab.Click(t, "#stop")
	tab.Until(t, `document.documentElement.dataset.done === "true"`)
	if word := pagetest.Value[string](t, tab, `document.querySelector("#part-verdict").innerText`); !strings.Contains(strings.ToLower(word), "aborted") {
		t.Errorf("in the end the page says %q", word)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 4 {
		text, _ := os.ReadFile(stderr)
		t.Errorf("exit %d, want 4\n%s", code, text)
	}
	for _, id := range journaledProcesses(t, filepath.Join(dir, results.JournalFile)) {
		if alive, err := id.Alive(); err != nil || alive {
			t.Errorf("process %d: alive %v, %v", id.PID, alive, err)
		}
	}
	r, err := results.ReadResult(filepath.Join(dir, results.ResultFile))
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict != results.Aborted || len(r.Faults) != 1 || !r.Faults[0].Healed || !strings.Contains(strings.Join(r.Reasons, " "), "stopped from the live page") {
		t.Errorf("%s %q, faults %+v", r.Verdict, r.Reasons, r.Faults)
	}
	if errs := tab.Errors(); len(errs) > 0 {
		t.Errorf("the page said %q", errs)
	}
	tab.Shot(t, "live-stopped.png")
}
