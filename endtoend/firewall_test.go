package endtoend

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ptabench/results"
)

// ruleset is what the kernel's packet filter holds.
func ruleset(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("nft", "list", "ruleset").CombinedOutput()
	if err != nil {
		t.Fatalf("nft list ruleset: %v\n%s", err, out)
	}
	return string(out)
}

const firewalled = `
format: 1
name: firewalled
tenants: [{name: contoso, domains: [contoso.test], fallback: off}]
population: {users: 500}
directory: {delay: 10ms}
connectors: {count: 3}
load: {rate: 200/s, warmup: 1s, duration: 10s, mix: {right: 95%, wrong: 5%}}
faults:
  - block(connector-1, ports=requests,responses, mode=drop) at 1s for 2s as dropped
  - block(connector-2, ports=requests, mode=reject) at 5s for 2s as rejected
objectives:
  - failed == 0
  - unknown == 0
  - unsent == 0
  - wrong_accepts == 0
  - wrong_refusals == 0
`

// TestKernelBlocks drops and rejects packets in the kernel, on loopback and
// with the real ports in network namespaces: nobody may be lost, the packet
// filter must have seen something, and be as before afterwards.
func TestKernelBlocks(t *testing.T) {
	mustRoot(t)
	scenario := scenarioFile(t, firewalled)
	for _, network := range []string{"loopback", "namespaces"} {
		t.Run(network, func(t *testing.T) {
			before := ruleset(t)
			e, r, dir := run(t, scenario, "--skip-ceiling", "--set", "network="+network)
			if after := ruleset(t); after != before {
				t.Errorf("the rule set was\n%s\nand is\n%s", before, after)
			}
			if e.code != 0 && e.code != 2 { // a busy machine may be late
				t.Errorf("exit %d, %v", e.code, r.Reasons)
			}
			if lost := r.SignIns.Failed + r.SignIns.Unknown; lost > 0 {
				t.Errorf("%d sign-ins lost", lost)
			}
			for _, f := range r.Faults {
				if f.Tier != "kernel" || f.Injections == 0 || !f.Healed || f.Detect < 0 || f.Recover < 0 {
					t.Errorf("fault %s: tier %s, %d injections, healed %v, detected %d, recovered %d",
						f.Name, f.Tier, f.Injections, f.Healed, f.Detect, f.Recover)
				}
			}
			if r.Network != network {
				t.Errorf("the result says network %q", r.Network)
			}
			if !r.Ledgers.Balanced {
				t.Errorf("the books do not balance: %+v", r.Ledgers.Checks)
			}
			if network == "namespaces" {
				cloud, err := os.ReadFile(filepath.Join(dir, "state", "cloudsim", "cloud.json"))
				if err != nil {
					t.Fatal(err)
				}
				for _, port := range []string{":443\"", ":5671\"", ":9350\"", ":9352\"", ":9090\"", ":10100\"", ":10120\""} {
					if !bytes.Contains(cloud, []byte(port)) {
						t.Errorf("cloudsim does not listen on the real port %s", strings.Trim(port, `":`))
					}
				}
			}
		})
	}
}

// TestHealAfterKilledKernelBlock kills the harness while the kernel drops a
// connector's packets; heal must leave the packet filter as it was.
func TestHealAfterKilledKernelBlock(t *testing.T) {
	mustRoot(t)
	before := ruleset(t)
	scenario := scenarioFile(t, strings.NewReplacer("10s", "60s", "for 2s as dropped", "for 50s as dropped",
		"at 5s for 2s as rejected", "at 1s for 50s as rejected").Replace(firewalled))
	cmd, _, dir := underWay(t, scenario, "--skip-ceiling")
	journal := filepath.Join(dir, results.JournalFile)
	eventually(t, "both faults injected", func() bool {
		text, _ := os.ReadFile(journal)
		return strings.Count(string(text), `"injected"`) >= 2
	})
	during := ruleset(t)
	if !strings.Contains(during, "table inet ptabench_") {
		t.Errorf("while the faults are on, the rule set is\n%s", during)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if !strings.Contains(ruleset(t), "table inet ptabench_") {
		t.Error("the rules went with the harness, so there is nothing for heal to do")
	}
	for range 2 { // the second finds all healed
		if e := ptabench(t, "heal", dir); e.code != 0 {
			t.Errorf("heal: exit %d", e.code)
		}
		if after := ruleset(t); after != before {
			t.Errorf("the rule set was\n%s\nand is after heal\n%s", before, after)
		}
	}
}

// TestKernelWithoutPrivilege runs a scenario with kernel faults as a user who
// may not have them: refused before anything starts, with every reason.
func TestKernelWithoutPrivilege(t *testing.T) {
	mustRoot(t) // to become somebody else
	there := newPlace(t, nobody)
	text := strings.Replace(firewalled, "objectives:", "  - limit-cpu(connector-3, cpu=10%) at 8s for 1s\nobjectives:", 1)
	there.write(t, "scenario.yaml", text)
	e := there.ptabench(t, "run", "scenario.yaml", "--out", "refused")
	if e.code != 3 {
		t.Errorf("exit %d; want 3", e.code)
	}
	for _, want := range []string{"dropped", "rejected", "limit-cpu", "root"} {
		if !strings.Contains(e.stderr, want) {
			t.Errorf("the error does not name %s", want)
		}
	}
	if _, err := os.Stat(filepath.Join(there.dir, "refused")); err == nil {
		t.Error("a run directory was made")
	}
	// A user namespace gives an unprivileged user a packet filter of his own.
	e = there.ptabench(t, "run", "scenario.yaml", "--out", "run", "--skip-ceiling", "--set", "network=namespaces", "--set", "faults[2]=crash(connector-3) at 8s for 500ms")
	there.needsNamespaces(t, e)
	if e.code != 0 && e.code != 2 {
		t.Errorf("unprivileged, in namespaces: exit %d", e.code)
	}
	r, err := results.ReadResult(filepath.Join(there.dir, "run", results.ResultFile))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Faults) != 3 || r.Faults[0].Tier != "kernel" || r.Faults[0].Injections == 0 {
		t.Errorf("faults: %+v", r.Faults)
	}
}
