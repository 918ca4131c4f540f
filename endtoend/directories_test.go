package endtoend

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"ptabench/results"
)

// TestRealDirectories: the same sign-ins on directories that nobody here wrote.
// Each state of an account gets its own answer, in the dialect of each kind.
func TestRealDirectories(t *testing.T) {
	for kind, programs := range map[string][]string{"slapd": {"slapd", "slapadd"}, "samba": {"samba", "samba-tool"}} {
		t.Run(kind, func(t *testing.T) {
			needDirectories(t, programs...)
			// A rate that a domain controller carries on a machine that does other
			// things too. What is looked at is who gets which answer.
			people := []string{"--set", "population.users=300",
				"--set", "population.states={disabled: 10%, locked: 10%, expired: 10%, must-change: 10%, account-expired: 10%}"}
			_, r, dir := run(t, append(slices.Clone(people), "throughput", "--set", "directory.kind="+kind, "--skip-ceiling",
				"--set", "load.rate=25/s", "--set", "load.warmup=500ms", "--set", "load.duration=4s",
				"--set", "cloud.attempt_timeout=4s", "--set", "connectors.bind_timeout=3900ms", "--set", "tenants[0].fallback=off", "--set", "objectives=[wrong_accepts == 0, wrong_refusals == 0]",
				"--set", "load.mix={right: 40%, wrong: 10%, disabled: 10%, locked: 10%, expired: 10%, must-change: 10%, account-expired: 10%}")...)
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
			if kind == "samba" {
				testHashesOfSamba(t, people)
			}
		})
	}
}

// testHashesOfSamba: the agent reads the hashes out of the domain controller's
// database, also of passwords that change meanwhile, and the cloud answers by
// them alone: what is wrong is what the agent had not read yet. The people are
// those that are in the cache already.
func testHashesOfSamba(t *testing.T, people []string) {
	_, r, dir := run(t, append(slices.Clone(people), "throughput", "--set", "directory.kind=samba", "--skip-ceiling",
		"--set", "tenants[0].method=hash-sync", "--set", "hash_sync.interval=1s", "--set", "hash_sync.standing_interval=1s", "--set", "objectives=[failed == 0]",
		"--set", "population.events={change-password: 15/s, disable: 5/s}",
		"--set", "load.rate=50/s", "--set", "load.warmup=500ms", "--set", "load.duration=4s", "--set", "load.mix={right: 70%, wrong: 20%, disabled: 10%}")...)
	s := r.SignIns
	if s.Accepted == 0 || s.ByCode["50126"] == 0 || s.ByCode["50057"] == 0 || s.ByPath.HashSync != s.Sent || s.WrongRefusals == 0 || s.Failed+s.Unknown > 0 {
		t.Errorf("%+v", s)
	}
	for _, w := range r.WrongByCause {
		if !strings.HasSuffix(w.Cause, "which hash sync had not carried yet") {
			t.Errorf("%+v", w)
		}
	}
	var happened uint64
	for _, e := range r.Events {
		happened += e.Count
	}
	if r.Sync == nil || happened < 30 || r.Sync.Accounts < 300+happened/2 || !r.Ledgers.Balanced {
		t.Errorf("the agent carried %+v of %d changes; %+v", r.Sync, happened, r.Ledgers.Checks)
	}
	findNoSecrets(t, dir)
}

// needDirectories skips a test where these programs are not, or this is not
// root, unless it must not be skipped.
func needDirectories(t testing.TB, programs ...string) {
	t.Helper()
	const requireAll = "PTABENCH_REQUIRE_DIRECTORY_TESTS"
	for _, program := range programs {
		if _, err := exec.LookPath(program); err == nil && os.Geteuid() == 0 {
			continue
		}
		if os.Getenv(requireAll) != "" {
			t.Fatalf("%s is not there, or this is not root", program)
		}
		t.Skipf("%s is set where this must run: %s is not there, or this is not root", requireAll, program)
	}
}
