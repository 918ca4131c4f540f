package endtoend

import (
	"strings"
	"testing"

	"ptabench/results"
)

// TestQuickstart is the main job: sign-ins go on while a connector is killed,
// another one's ports are blocked, and then all connectors are killed.
func TestQuickstart(t *testing.T) {
	e, r, dir := run(t, "quickstart")
	if e.code != 0 || r.Verdict != results.Pass || !strings.Contains(e.stdout, "verdict: pass") {
		t.Fatalf("exit %d, verdict %s: %v", e.code, r.Verdict, r.Reasons)
	}
	for _, want := range []struct {
		path string
		ok   func(float64) bool
	}{
		{"sign_ins.planned", positive}, {"sign_ins.sent", positive}, {"sign_ins.accepted", positive},
		{"sign_ins.refused", positive}, {"sign_ins.failed", zero}, {"sign_ins.unknown", zero},
		{"sign_ins.unsent", zero}, {"sign_ins.handed_off", positive}, {"sign_ins.wrong_accepts", zero},
		{"sign_ins.wrong_refusals", zero}, {"sign_ins.by_path.pass_through", positive},
		{"sign_ins.by_path.hash_sync", positive}, {"response_ns.p50", positive}, {"response_ns.p90", positive},
		{"response_ns.p99", positive}, {"response_ns.p999", positive}, {"response_ns.max", positive},
		{"service_ns.p99", positive}, {"lag_ns.p99", positive}, {"rate.planned_per_s", positive},
		{"rate.achieved_per_s", positive}, {"balance.jain", positive}, {"seed", positive},
		{"machine.cpus", positive},
	} {
		value, ok := field(t, dir, strings.Split(want.path, ".")...).(float64)
		if !ok || !want.ok(value) {
			t.Errorf("%s is %v", want.path, value)
		}
	}
	if len(r.Faults) != 3 {
		t.Fatalf("%d faults; want 3", len(r.Faults))
	}
	for _, f := range r.Faults {
		if f.Injections == 0 || !f.Healed || f.Detect < 0 || f.Failover < 0 || f.Recover < 0 {
			t.Errorf("fault %s: %d injections, healed %v, detected %d, failed over %d, recovered %d",
				f.Name, f.Injections, f.Healed, f.Detect, f.Failover, f.Recover)
		}
	}
	if !r.Ledgers.Balanced || len(r.Ledgers.Checks) == 0 {
		t.Errorf("ledgers balanced: %v, by %d checks", r.Ledgers.Balanced, len(r.Ledgers.Checks))
	}
	if len(r.Connectors) != 3 || len(r.Processes) != 6 {
		t.Errorf("%d connectors and %d processes; want 3 and 6", len(r.Connectors), len(r.Processes))
	}
	t.Run("secrets", func(t *testing.T) { findNoSecrets(t, dir) })
	t.Run("report", func(t *testing.T) {
		again := ptabench(t, "report", dir)
		if again.code != 0 || !strings.Contains(e.stdout, again.stdout) {
			t.Errorf("exit %d; the report differs from what the run printed", again.code)
		}
	})
	t.Run("again", func(t *testing.T) {
		e := ptabench(t, "run", "quickstart", "--out", dir)
		if e.code != 3 || !strings.Contains(e.stderr, "exists already") {
			t.Errorf("a run into an existing directory: exit %d", e.code)
		}
	})
}

func positive(v float64) bool { return v > 0 }
func zero(v float64) bool     { return v == 0 }

// TestTheHarnessTellsGoodFromBad takes away what keeps users from being locked
// out, and expects to be told; TestSuite does so with the handoff.
func TestTheHarnessTellsGoodFromBad(t *testing.T) {
	e, r, _ := run(t, "crash-all", "--set", "tenants[0].fallback=off", "--skip-ceiling", "--set", "load.rate=400/s", "--set", "load.warmup=1s",
		"--set", "load.duration=6s", "--set", "faults[0].at=1s", "--set", "faults[0].for=2s")
	if e.code != 1 || r.Verdict != results.Fail || r.SignIns.ByCode["80001"] == 0 {
		t.Errorf("exit %d, verdict %s, codes %v", e.code, r.Verdict, r.SignIns.ByCode)
	}
	if !r.Ledgers.Balanced {
		t.Errorf("the books of a run that lost sign-ins must balance too: %+v", r.Ledgers.Checks)
	}
}

// TestHashSyncsWrongAnswersAreNamed lets users in who are locked or whose
// password has expired, while hash sync answers.
func TestHashSyncsWrongAnswersAreNamed(t *testing.T) {
	e, r, _ := run(t, "fallback-answers", "--skip-ceiling", "--set", "load.rate=300/s", "--set", "load.warmup=1s",
		"--set", "load.duration=6s", "--set", "faults[0].at=1s", "--set", "faults[0].for=2s")
	if e.code != 0 || r.SignIns.WrongAccepts == 0 {
		t.Fatalf("exit %d, %d wrong accepts: %v", e.code, r.SignIns.WrongAccepts, r.Reasons)
	}
	var named uint64
	for _, w := range r.WrongByCause {
		if w.Kind == "wrong-accept" && w.Path == "hash-sync" && w.Cause != "" {
			named += w.Count
		}
	}
	if named != r.SignIns.WrongAccepts {
		t.Errorf("%d of %d wrong accepts have a cause: %+v", named, r.SignIns.WrongAccepts, r.WrongByCause)
	}
}
