package connector

import (
	"maps"
	"slices"
	"sync"

	"ptabench/observe"
)

// answering is a stream of answers, beside the two paths of requests.
const answering = paths

// standing is on which ports this connector's streams are, and by which ports
// it reported and fetched bootstrap documents: what tells somebody who watches
// it through which holes of a firewall it goes. It is safe for concurrent use.
type standing struct {
	mu sync.Mutex
	// streams are those of each kind that stand, the newest last: while one
	// session succeeds another there are two.
	streams             [paths + 1][]standingStream
	reports, bootstraps map[string]uint64
}

type standingStream struct {
	port string
	by   any // tells it from others
}

// on notes a stream that works.
func (s *standing) on(p path, port string, by any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[p] = append(s.streams[p], standingStream{port, by})
}

// off notes its end.
func (s *standing) off(p path, by any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[p] = slices.DeleteFunc(s.streams[p], func(o standingStream) bool { return o.by == by })
}

// port is that of the newest stream of a kind; mu is held.
func (s *standing) port(p path) string {
	if n := len(s.streams[p]); n > 0 {
		return s.streams[p][n-1].port
	}
	return ""
}

// outcomeFailed is of what came about by no port.
const outcomeFailed = "failed"

func (s *standing) reported(outcome string)     { s.count(&s.reports, outcome) }
func (s *standing) bootstrapped(outcome string) { s.count(&s.bootstraps, outcome) }

func (s *standing) count(in *map[string]uint64, outcome string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if *in == nil {
		*in = make(map[string]uint64)
	}
	(*in)[outcome]++
}

// tell adds what is known to the counters.
func (s *standing) tell(c *observe.AgentCounters) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.SignallingPort, c.FastPort, c.ResponsePort = s.port(signalling), s.port(fast), s.port(answering)
	c.Reports, c.Bootstraps = maps.Clone(s.reports), maps.Clone(s.bootstraps)
}

// firstly puts one port before the others, if it is among them.
func firstly(all []string, port string) []string {
	at := slices.Index(all, port)
	if at <= 0 {
		return all
	}
	return slices.Concat([]string{port}, all[:at], all[at+1:])
}
