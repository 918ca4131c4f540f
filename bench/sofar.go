package bench

import (
	"time"

	"ptabench/bench/check"
	"ptabench/bench/fault"
	"ptabench/results"
)

// A Follower is told what is kept of a run when it is kept. Began comes first,
// once time 0 is known; what else there was before is told then. Calls come
// from several goroutines, those of Sample one at a time; each must return
// soon, for who measures waits for it.
type Follower interface {
	Began(results.Header)
	Sample(results.Sample)
	Event(results.Event)
	Usage(results.Usage)
}

// soFar makes the result of what has ended so far: the figures as they are,
// objectives as they stand, and of faults what was done, not yet what it did.
// The verdict is empty. It may be called until the load is concluded.
func (m *measurement) soFar() *results.Result {
	r := m.counted()
	r.Preset, r.TimeScale, r.Network = string(m.Scenario.Preset), m.Scenario.TimeScale, string(m.Scenario.Network)
	r.Ceiling = m.ceiling
	var in check.Input
	for i := range r.Connectors {
		in.Fleet = append(in.Fleet, m.Scenario.Connector(i+1))
	}
	for _, read := range m.watch.readings(roleCloud) {
		in.Cloud = append(in.Cloud, check.CloudBook{Counters: read.cloud})
	}
	for _, read := range m.watch.readings(roleConnector) {
		in.Connectors = append(in.Connectors, check.ConnectorBook{Name: read.Name()})
	}
	check.CompleteConnectors(in, &r)
	for _, rec := range m.progress.faults() {
		r.Faults = append(r.Faults, faultSoFar(rec, time.Since(m.zero)))
	}
	return &r
}

// counted is what the sign-ins so far tell, and how objectives stand.
func (m *measurement) counted() results.Result {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.recorder.Result()
	r.Objectives = check.Standing(m.Scenario.Objectives, &r, m.recorder.AnsweredWithin)
	return r
}

// faultSoFar is a fault without what only the whole run tells. The duration of
// one that is on is that until now.
func faultSoFar(rec fault.Record, now time.Duration) results.Fault {
	f := results.Fault{Name: rec.Name, Kind: string(rec.Fault.Kind), Target: rec.Fault.Target, Group: rec.Fault.Group,
		Text: rec.Fault.String(), Tier: string(rec.Tier), At: int64(rec.InjectedAt), Injections: rec.Injections,
		Detect: results.Unseen, Failover: results.Unseen, Recover: results.Unseen, Rebalance: results.Unseen,
		Wrong: []results.Wrong{}, Healed: rec.Healed, Note: rec.Note}
	switch {
	case rec.InjectedAt == fault.Never:
	case rec.UndoneAt == fault.Never:
		f.Duration = int64(now - rec.InjectedAt)
	default:
		f.Duration = int64(rec.UndoneAt - rec.InjectedAt)
	}
	if rec.Err != nil {
		f.Note = rec.Err.Error()
	}
	return f
}

// latest is what came in since it was last asked; the samples reach the file at
// the same pace.
func (m *measurement) latest() results.Interval {
	m.mu.Lock()
	defer m.mu.Unlock()
	recent := m.recorder.Recent()
	if recent.Sent > 0 {
		m.p99 = time.Duration(recent.P99)
	}
	m.lost(m.samples.Flush())
	return recent
}
