package endtoend

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ptabench/observe"
	"ptabench/ports"
	"ptabench/results"
)

const realPorts = `
format: 1
name: real-ports
network: namespaces
tenants: [{name: contoso, domains: [contoso.test]}]
population: {users: 200}
connectors: {count: 2}
load: {rate: 50/s, warmup: 500ms, duration: 7500ms, mix: {right: 100%}}
faults:
  - block(connector-2, ports=requests, mode=refuse) at 500ms for 500ms
  - crash(connector-1) at 2500ms for 500ms
  - crash(cloudsim) at 4500ms for 500ms
`

// TestRealPorts runs a scenario in a network of its own, as root and without
// any privilege: everybody is at the documented ports and has an address of
// its own, and after a crash has them again.
func TestRealPorts(t *testing.T) {
	for _, as := range []string{"root", "user"} {
		t.Run(as, func(t *testing.T) {
			dir := runInNamespaces(t, as == "root")
			r, err := results.ReadResult(filepath.Join(dir, results.ResultFile))
			if err != nil {
				t.Fatal(err)
			}
			if r.SignIns.ByPath.PassThrough == 0 || !r.Ledgers.Balanced {
				t.Errorf("%d sign-ins by pass-through, ledgers balanced: %v", r.SignIns.ByPath.PassThrough, r.Ledgers.Balanced)
			}
			if len(r.Faults) != 3 {
				t.Errorf("%d faults; want 3", len(r.Faults))
			}
			for _, f := range r.Faults {
				if !f.Healed || f.Injections == 0 || f.Recover < 0 {
					t.Errorf("%s: healed %v, %d injections, recovered at %d", f.Name, f.Healed, f.Injections, f.Recover)
				}
			}
			text, err := os.ReadFile(filepath.Join(dir, "state", "cloudsim", "cloud.json"))
			if err != nil {
				t.Fatal(err)
			}
			var cloud observe.Ready
			if err := json.Unmarshal(text, &cloud); err != nil {
				t.Fatal(err)
			}
			for _, p := range ports.Cloud() {
				if want := "10.98.0.1:" + p; cloud.Ports[p] != want {
					t.Errorf("the cloud that was started again has port %s at %s; want %s", p, cloud.Ports[p], want)
				}
			}
			binds, err := os.Open(filepath.Join(dir, results.LogsDir, "binds.csv"))
			if err != nil {
				t.Fatal(err)
			}
			defer binds.Close()
			rows, err := csv.NewReader(binds).ReadAll()
			if err != nil || len(rows) < 2 {
				t.Fatalf("the bind log has %d rows, %v", len(rows), err)
			}
			sources := make(map[string]int)
			for _, row := range rows[1:] {
				host, _, _ := strings.Cut(row[3], ":")
				sources[host]++
			}
			if len(sources) != 2 || sources["10.98.0.11"] == 0 || sources["10.98.0.12"] == 0 {
				t.Errorf("the directory was asked from %v; want both connectors", sources)
			}
			if log, err := os.ReadFile(filepath.Join(dir, results.LogsDir, "directory.log")); err != nil || !bytes.Contains(log, []byte(`"10.98.0.1:636"`)) {
				t.Errorf("the directory does not say that it is at port 636 (%v):\n%s", err, log)
			}
		})
	}
}

// runInNamespaces runs the scenario with or without privilege and returns the
// run directory.
func runInNamespaces(t *testing.T, root bool) string {
	t.Helper()
	user := uint32(os.Geteuid())
	switch {
	case root:
		mustRoot(t)
	case user == 0:
		user = nobody
	}
	there := newPlace(t, user)
	there.write(t, "s.yaml", realPorts)
	e := there.ptabench(t, "run", "s.yaml", "--out", "run")
	there.needsNamespaces(t, e)
	// So short a run may be inconclusive; here it need only have worked.
	if e.code != 0 && e.code != 2 {
		t.Fatalf("exit %d", e.code)
	}
	dir := filepath.Join(there.dir, "run")
	stat, err := os.Stat(filepath.Join(dir, results.ResultFile))
	if err != nil {
		t.Fatal(err)
	}
	if got := stat.Sys().(*syscall.Stat_t).Uid; got != user {
		t.Errorf("the result belongs to user %d; want %d, who ran it", got, user)
	}
	return dir
}
