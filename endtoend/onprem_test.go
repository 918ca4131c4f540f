package endtoend

import (
	"testing"

	"ptabench/results"
)

// faultOf is what a fault did.
func faultOf(t *testing.T, r *results.Result, name string) results.Fault {
	t.Helper()
	for _, f := range r.Faults {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no fault %s: %+v", name, r.Faults)
	return results.Fault{}
}

// TestFederationFailover: one of two federation servers is killed and others go
// on; then both are down and nobody can sign in.
func TestFederationFailover(t *testing.T) {
	_, r, dir := run(t, "federation-failover", "--skip-ceiling", "--set", "population.users=500", "--set", "load.rate=40/s",
		"--set", "load.warmup=1s", "--set", "load.duration=7s", "--set", "load.recovery=1s", "--set", "objectives=[wrong_accepts == 0]",
		"--set", "faults=[crash(adfs-1) at 1s for 1s as killed, stop(adfs) at 3s for 1s as all-down]")
	if r.SignIns.ByPath.Federation == 0 || r.SignIns.ByPath.PassThrough+r.SignIns.ByPath.HashSync > 0 || r.SignIns.WrongAccepts+r.SignIns.WrongRefusals > 0 {
		t.Errorf("%+v", r.SignIns)
	}
	if f := faultOf(t, r, "all-down"); f.Lost == 0 || !f.Healed || f.Recover < 0 || f.Failover >= 0 {
		t.Errorf("all down: %d lost, healed %v, recovered %d, failed over %d", f.Lost, f.Healed, f.Recover, f.Failover)
	}
	if f := faultOf(t, r, "killed"); f.Injections != 1 || !f.Healed {
		t.Errorf("killed: %+v", f)
	}
	if !r.Ledgers.Balanced || r.Ledgers.Federation["accepted"] == 0 {
		t.Errorf("federation's ledger %v: %+v", r.Ledgers.Federation, r.Ledgers.Checks)
	}
	findNoSecrets(t, dir)
}

// TestDirectoryFailover: of two directory servers one dies, then the other one
// hangs, and no sign-in is lost.
func TestDirectoryFailover(t *testing.T) {
	_, r, dir := run(t, "directory-failover", "--skip-ceiling", "--set", "population.users=500", "--set", "load.rate=60/s",
		"--set", "load.warmup=1s", "--set", "load.duration=7s", "--set", "load.recovery=1s", "--set", "objectives=[failed == 0]",
		"--set", "faults=[crash(directory-1) at 1s for 1s as killed, hanging-directory(directory-2) at 4s for 1s as hanging]")
	if r.SignIns.Failed+r.SignIns.Unknown > 0 || r.SignIns.WrongAccepts+r.SignIns.WrongRefusals > 0 {
		t.Errorf("%+v", r.SignIns)
	}
	for _, name := range []string{"killed", "hanging"} {
		if f := faultOf(t, r, name); f.Lost > 0 || !f.Healed || f.Injections == 0 {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if !r.Ledgers.Balanced {
		t.Errorf("%+v", r.Ledgers.Checks)
	}
	findNoSecrets(t, dir)
}

// TestStaleAnswers: what hash sync does not know yet makes it wrong, and the
// report says why; the agent is killed and goes on.
func TestStaleAnswers(t *testing.T) {
	_, r, dir := run(t, "stale-answers", "--skip-ceiling", "--set", "population.users=300", "--set", "load.rate=100/s",
		"--set", "load.warmup=1s", "--set", "load.duration=8s", "--set", "load.recovery=1s", "--set", "objectives=[failed == 0]",
		"--set", "population.events.change-password=10/s", "--set", "faults=[crash(hashsync) at 3s for 2s as agent-down]")
	if r.SignIns.WrongAccepts == 0 || r.SignIns.WrongRefusals == 0 || r.SignIns.Failed+r.SignIns.Unknown > 0 {
		t.Errorf("%+v", r.SignIns)
	}
	var named uint64
	for _, w := range r.WrongByCause {
		if w.Cause != "" && w.Kind != "other-reason" {
			named += w.Count
		}
	}
	if named != r.SignIns.WrongAccepts+r.SignIns.WrongRefusals {
		t.Errorf("%d of %d wrong answers have a cause: %+v", named, r.SignIns.WrongAccepts+r.SignIns.WrongRefusals, r.WrongByCause)
	}
	if f := faultOf(t, r, "agent-down"); !f.Healed || f.Injections != 1 || f.Recover < 0 {
		t.Errorf("%+v", f)
	}
	if !r.Ledgers.Balanced {
		t.Errorf("%+v", r.Ledgers.Checks)
	}
	findNoSecrets(t, dir)
}
