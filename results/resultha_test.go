package results

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
)

// gates are all conditions of a run, holding.
func gates() []Gate {
	return []Gate{
		{Name: "lag", Text: "the p99 of the lag is at most 5.00 ms, 10 % of the smallest response time in an objective", Value: 1_200_000, Limit: 5_000_000, Unit: "ns", Holds: true},
		{Name: "unsent", Text: "every planned sign-in was sent", Unit: "count", Holds: true},
		{Name: "rate", Text: "the achieved rate is within 1 % of the plan", Value: 0.0008, Limit: 0.01, Unit: "ratio", Holds: true},
		{Name: "generator-cpu", Text: "the load generator never uses more than 85 % of its processors for 5 s", Value: 0.41, Limit: 0.85, Unit: "ratio", Holds: true},
		{Name: "arrivals", Text: "in every second, what was sent is within 10 % of what was due", Value: 0.002, Limit: 0.1, Unit: "ratio", Holds: true},
		{Name: "steady", Text: "the response is steady from within the first half of the window steady on (MSER-5)", Limit: 2_500_000_000, Unit: "ns", Holds: true},
		{Name: "samples", Text: "every percentile in an objective has the samples that a claim about it takes", Value: 5940, Limit: 299, Unit: "count", Holds: true},
		{Name: "ceiling", Text: "the planned rate is at most 80 % of what the load generator reaches on this machine", Value: 990, Limit: 9530, Unit: "per_s", Holds: true},
	}
}

// addHA fills in what a run of the HA suite has: objectives in windows, gates
// of which two do not hold, faults of several kinds, unlike connectors.
func addHA(r *Result) {
	r.Preset, r.TimeScale, r.Network = "okta", 20, "namespaces"
	r.Ceiling = Ceiling{PerS: 11_912.4, Duration: 2e9, P99: 4_100_000}
	r.Unavailable = Unavailable{Repeated: 1088, Seconds: 3, Of: 30}
	r.Gates = gates()
	r.Gates[0].Holds, r.Gates[0].Value, r.Gates[0].Reason = false, 9_300_000, "The load generator sent late: 1 in 100 sign-ins by more than 9.30 ms, over 5.00 ms."
	r.Gates[5].Holds, r.Gates[5].Value, r.Gates[5].Reason = false, 4_000_000_000, "The load was not steady before the first fault: the response was 9.00 ms until 4.00 s of 5.00 s, and 2.00 ms afterwards."
	r.Gates[3].Value, r.Gates[3].Reason = 0, "Not measured."
	r.Objectives = []Objective{
		{Text: "failed == 0", Verdict: Fail, Value: 537, Unit: "count", Reason: "537 is not 0", Window: "whole", Samples: 27_000},
		{Text: "p99(response) < 200ms in steady", Verdict: Pass, Value: 98_765_432, Unit: "ns", Window: "steady", Limit: 200e6, Samples: 2_300,
			Interval: &[2]float64{90_100_000, 101_400_000}, Method: "order statistics"},
		{Text: "jain(connectors) > 0.9", Verdict: Inconclusive, Value: 0.74986, Unit: "ratio", Reason: "connector-4 was away for half of the load",
			Window: "whole", Limit: 0.9, Samples: 23_036, Interval: &[2]float64{0.71, 0.9123}, Method: "block bootstrap"},
		{Text: "share(hash_sync) < 1% in recovered", Verdict: Pass, Value: 0.0004, Unit: "ratio", Window: "recovered", Limit: 0.01, Samples: 4_100,
			Interval: &[2]float64{0, 0.002}, Method: "block bootstrap"},
		{Text: "time_to_failover(block-2) < 1s", Verdict: Fail, Value: -1, Unit: "ns", Window: "whole", Limit: 1e9, Reason: "no sign-in was served another way"},
		{Text: "rate(answered) > 800/s in during(crash-1)", Verdict: Pass, Value: 868.2, Unit: "per_s", Window: "during(crash-1)", Limit: 800, Samples: 3_600,
			Interval: &[2]float64{851.5, 884}, Method: "block bootstrap"},
	}
	for i := range r.Connectors {
		c := &r.Connectors[i]
		c.InFlightPeak, c.Capacity = 20+i, 256
	}
	r.Connectors[1].DelayNS, r.Connectors[1].HandedOff, r.Connectors[1].Restarts = 20_000_000, 12, 1
	r.Connectors[2].Capacity = 25
	r.Faults = []Fault{
		{Name: "crash-1", Kind: "crash", Target: "connector-1", Text: "crash(connector-1) at 5s for 4s", Tier: "process", At: 5e9, Duration: 4e9, Injections: 1,
			Detect: 1_340_000, Failover: 2_100_000, Recover: 612_000_000, Rebalance: 1_100_000_000, HandedOff: 12, P99: 48_100_000, Healed: true,
			HashSync: 1, Wrong: []Wrong{{Kind: "wrong-accept", Path: "hash-sync", Cause: "hash sync holds an older password", Count: 1}}, DoubledBinds: 12, WouldLock: 1},
		{Name: "block-2", Kind: "block", Target: "connector-2", Text: "block(connector-2, ports=9350,9352,5671, mode=stall) at 12s for 5s as block-2", Tier: "gate", At: 12e9, Duration: 5e9, Injections: 3,
			Detect: 761_000_000, Failover: -1, Recover: -1, Rebalance: -1, Lost: 24, ErrorWindow: 1_230_000_000, BadSeconds: 3, HandedOff: 1, HashSync: 1, P99: 1_930_000_000, Note: "the gate was gone",
			Wrong: []Wrong{{Kind: "wrong-accept", Path: "hash-sync", Cause: "disabled since hash sync last carried it", Count: 9}, {Kind: "wrong-refusal", Path: "hash-sync", Cause: "hash sync holds no hash, or an older one", Count: 4},
				{Kind: "other-reason", Path: "hash-sync", Cause: "expired is not carried by hash sync", Count: 3}, {Kind: "wrong-accept", Path: "hash-sync", Cause: "hash sync holds an older password", Count: 2}, {Kind: "other-reason", Path: "hash-sync", Cause: "locked is not carried by hash sync", Count: 1}}},
		{Name: "slow-1", Kind: "slow-directory", Target: "directory", Text: "slow-directory(delay=20ms, only=connector-3) at 20s for 1s", Tier: "role", At: 20e9, Duration: 1e9, Detect: -1, Failover: -1, Recover: 0, Rebalance: 0, Healed: true},
		{Name: "degrade-1", Kind: "degrade", Target: "connectors", Text: "degrade(connectors, ports=requests, delay=30ms, loss=1%, by=gate) at 22s for 1s", Tier: "gate", At: 22e9, Duration: 1e9, Injections: 3, Detect: -1, Failover: -1, Recover: 0, Rebalance: -1, P99: 71_000_000, Healed: true},
		{Name: "stale-1", Kind: "stale-hashes", Target: "hash-store", Text: "stale-hashes(age=24h) at 24s for 1s", Tier: "role", At: 24e9, Duration: 1e9, Injections: 140, Detect: -1, Failover: -1, Recover: 0, Rebalance: -1, P99: 50_000_000, Healed: true},
		{Name: "power-1", Kind: "power-loss", Target: "connector-2", Text: "power-loss(connector-2) at 26s for 2s as power-1", Tier: "kernel", At: -1, Duration: 0, Detect: -1, Failover: -1, Recover: -1, Rebalance: -1, Note: "the run ended first"},
	}
	r.normalise()
}

// soaked is a run under a nemesis: many faults of one of the scenario's.
func soaked(t *testing.T) Result {
	r := passing(t)
	r.Scenario = "soak"
	r.Faults = nemesis(t, 14)
	return r
}

// nemesis is what n faults of one nemesis did.
func nemesis(t testing.TB, n int) []Fault {
	const seed = 3
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 2))
	list := make([]Fault, n)
	for i := range list {
		kind := []string{"crash", "freeze", "block"}[rnd.IntN(3)]
		target := fmt.Sprintf("connector-%d", 1+rnd.IntN(3))
		list[i] = Fault{Name: fmt.Sprintf("nemesis-1-%d", i+1), Group: "nemesis-1", Kind: kind, Target: target, Tier: "process",
			Text: fmt.Sprintf("%s(%s) at %ds for 3s", kind, target, 5*i), At: int64(5*i) * 1e9, Duration: 3e9, Injections: 1,
			Detect: rnd.Int64N(1e9), Failover: rnd.Int64N(2e9), Recover: rnd.Int64N(3e9), Rebalance: rnd.Int64N(5e9),
			HandedOff: rnd.Uint64N(9), HashSync: rnd.Uint64N(4), P99: rnd.Int64N(1e8), DoubledBinds: rnd.Uint64N(5), Healed: true, Wrong: []Wrong{}}
	}
	list[n/2].Detect, list[n/2].Failover, list[n/2].Lost = -1, -1, 2
	list[n/2].Wrong = []Wrong{{Kind: "wrong-accept", Path: "hash-sync", Cause: "hash sync holds an older password", Count: 3}}
	return list
}

// formerResult is a result of format 1, as the first release wrote it.
func formerResult(t *testing.T) Result {
	r, err := ReadResult(filepath.Join("testdata", "result-1.json"))
	if err != nil {
		t.Fatal(err)
	}
	return *r
}
