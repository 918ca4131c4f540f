package endtoend

import (
	"os"
	"os/exec"
	"testing"

	"ptabench/results"
)

// TestRealDirectories: the same sign-ins on directories that nobody here wrote.
// Each state of an account gets its own answer, in the dialect of each kind.
func TestRealDirectories(t *testing.T) {
	for kind, programs := range map[string][]string{"slapd": {"slapd", "slapadd"}, "samba": {"samba", "samba-tool"}} {
		t.Run(kind, func(t *testing.T) {
			for _, program := range programs {
				if _, err := exec.LookPath(program); err != nil || os.Geteuid() != 0 {
					needDirectories(t, program)
				}
			}
			// A rate that a domain controller carries on a machine that does other
			// things too. What is looked at is who gets which answer.
			_, r, dir := run(t, "throughput", "--set", "directory.kind="+kind, "--skip-ceiling",
				"--set", "population.users=300", "--set", "population.states={disabled: 10%, locked: 10%, expired: 10%, must-change: 10%, account-expired: 10%}",
				"--set", "load.rate=25/s", "--set", "load.warmup=1s", "--set", "load.duration=5s",
				"--set", "cloud.attempt_timeout=4s", "--set", "connectors.bind_timeout=3900ms", "--set", "tenants[0].fallback=off", "--set", "objectives=[wrong_accepts == 0, wrong_refusals == 0]",
				"--set", "load.mix={right: 40%, wrong: 10%, disabled: 10%, locked: 10%, expired: 10%, must-change: 10%, account-expired: 10%}")
			if r.SignIns.WrongAccepts != 0 || r.SignIns.WrongRefusals != 0 {
				t.Errorf("%d wrong accepts, %d wrong refusals", r.SignIns.WrongAccepts, r.SignIns.WrongRefusals)
			}
			for code, what := range map[string]string{
				"50126": "wrong password", "50057": "disabled, or account expired", "50053": "locked", "50144": "expired, or must change",
			} {
				if r.SignIns.ByCode[code] == 0 {
					t.Errorf("nobody was refused by AADSTS%s, %s: %v", code, what, r.SignIns.ByCode)
				}
			}
			if r.SignIns.Accepted == 0 || !r.Ledgers.Balanced || r.Verdict == results.Aborted {
				t.Errorf("%d accepted, balanced: %v, verdict %s: %v", r.SignIns.Accepted, r.Ledgers.Balanced, r.Verdict, r.Reasons)
			}
			findNoSecrets(t, dir)
		})
	}
}

// needDirectories skips a test, unless it must not be.
func needDirectories(t *testing.T, program string) {
	t.Helper()
	const requireAll = "PTABENCH_REQUIRE_DIRECTORY_TESTS"
	if os.Getenv(requireAll) != "" {
		t.Fatalf("%s is not there, or this is not root", program)
	}
	t.Skipf("%s is set where this must run: %s is not there, or this is not root", requireAll, program)
}
