package connector

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ptabench/bind"
	"ptabench/observe"
	"ptabench/wire"
)

// results bounds the values of wire.Result.
const results = 64

// counters count what the connector did since it started.
type counters struct {
	taken    atomic.Uint64
	answers  atomic.Uint64
	resent   atomic.Uint64
	sessions atomic.Uint64
	results  [results]atomic.Uint64
	// Of the taken, by path: pushed, or accepted after they were signalled.
	pushed, signalled, accepted atomic.Uint64
	// renewals of the certificate, and attempts at one that failed.
	renewals, renewalFailures atomic.Uint64
	// directory is the time that the directory took for a sign-in.
	directory prometheus.Histogram
	// bootstraps count the documents that were fetched or tried to, reports
	// those sent or not, by outcome.
	bootstraps, reports *prometheus.CounterVec
}

func newCounters() *counters {
	outcomes := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ptabench_connector_" + name, Help: help}, []string{"outcome"})
	}
	return &counters{
		bootstraps: outcomes("bootstraps_total", "Bootstrap documents: accepted, unreachable, or why one was refused."),
		reports:    outcomes("status_reports_total", "Status reports: sent-443, sent-8080 or failed."),
		directory: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "ptabench_connector_directory_seconds",
			Help: "Time the directory took for a sign-in: the bind, and the look-up of the reason of a refusal.",
			Buckets: []float64{
				.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5,
			},
		}),
	}
}

// answered counts an answer that was queued.
func (c *counters) answered(r wire.Result, directory time.Duration) {
	c.answers.Add(1)
	c.results[r].Add(1)
	if directory > 0 {
		c.directory.Observe(directory.Seconds())
	}
}

// by sums the answers for which is holds.
func (c *counters) by(is func(wire.Result) bool) uint64 {
	var n uint64
	for r := range c.results {
		if is(wire.Result(r)) {
			n += c.results[r].Load()
		}
	}
	return n
}

func accepted(r wire.Result) bool { return r == wire.Result_RESULT_ACCEPTED }
func failed(r wire.Result) bool   { return r >= wire.Result_RESULT_DIRECTORY_UNREACHABLE }
func refused(r wire.Result) bool  { return !accepted(r) && !failed(r) }

// resultName is the name of a result as counters and metrics have it.
func resultName(r wire.Result) string {
	return strings.ToLower(strings.TrimPrefix(r.String(), "RESULT_"))
}

// snapshot is the counters as whoever watches gets them.
func (a *connector) snapshot() observe.AgentCounters {
	c, pool := a.counters, a.pool
	reachable, _ := pool.Reachable()
	binds := pool.Counts()
	s := observe.AgentCounters{
		Taken:              c.taken.Load(),
		Pushed:             c.pushed.Load(),
		Signalled:          c.signalled.Load(),
		Accepted:           c.accepted.Load(),
		Answers:            c.answers.Load(),
		Resent:             c.resent.Load(),
		Binds:              binds.Binds,
		BindReplies:        binds.Replies,
		ReasonLookups:      binds.Lookups,
		NameLookups:        binds.NameLookups,
		DirectoryRedials:   binds.Redials,
		DirectoryMoves:     binds.Moved,
		DirectoryServers:   serverCounters(pool.Servers()),
		CloudSessions:      c.sessions.Load(),
		Results:            map[string]uint64{},
		InFlight:           int(a.inFlight.Load()),
		DirectoryReachable: reachable,
		Renewals:           c.renewals.Load(),
		RenewalFailures:    c.renewalFailures.Load(),
		Revocation:         a.revocation.Counters(),
	}
	a.standing.tell(&s)
	for r := range c.results {
		if n := c.results[r].Load(); n > 0 {
			s.Results[resultName(wire.Result(r))] = n
		}
	}
	s.Add(a.succession.counted())
	return s
}

// serverCounters are the directory's servers as whoever watches gets them.
func serverCounters(servers []bind.ServerState) []observe.ServerCounters {
	all := make([]observe.ServerCounters, len(servers))
	for i, s := range servers {
		all[i] = observe.ServerCounters{
			Server: s.Address, InService: s.InService, Connections: s.Connections, Outstanding: s.Outstanding, Dialect: string(s.Dialect),
			Binds: s.Binds, BindReplies: s.Replies, ReasonLookups: s.Lookups, FailedLookups: s.FailedLookups, NameLookups: s.NameLookups,
			Redials: s.Redials, Moved: s.Moved, Outages: s.Outages, Silences: s.Silences, Probes: s.Probes,
		}
	}
	return all
}
