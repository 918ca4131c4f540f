package adfs

import (
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"ptabench/observe"
	"ptabench/onprem/adfs/farm"
)

// counts is what the server counted since it started. The maps are made once
// and not changed.
type counts struct {
	received, sessions atomic.Uint64
	answers            map[int]*atomic.Uint64    // by code
	denied             map[string]*atomic.Uint64 // by reason
}

// reasons are why input never becomes a sign-in.
var reasons = []string{
	"malformed", "oversized", "unfinished", "malformed-xml", "document-type", "no-request", "repeated-element", "password-type",
	"not-understood", "timestamp", "unsupported-request", "unsupported-token", "unknown-realm",
	"reply-elsewhere", "malformed-address", "form-of-another-site", "form-expired", "malformed-form", "wrong-method",
}

func newCounts() *counts {
	c := &counts{answers: make(map[int]*atomic.Uint64), denied: make(map[string]*atomic.Uint64)}
	for _, code := range codes {
		c.answers[code] = new(atomic.Uint64)
	}
	for _, code := range []int{codeMalformed, codeMissing} {
		c.answers[code] = new(atomic.Uint64)
	}
	for _, reason := range reasons {
		c.denied[reason] = new(atomic.Uint64)
	}
	return c
}

func (c *counts) answer(code int) { c.answers[code].Add(1) }

// deny counts input by reason, and says how often it was that one.
func (c *counts) deny(reason string) uint64 {
	n := c.denied[reason]
	if n == nil {
		n = c.denied["malformed"]
	}
	return n.Add(1)
}

func (s *server) counters() observe.FederationCounters {
	c := s.counts
	out := observe.FederationCounters{
		Refused: make(map[string]uint64), Failed: make(map[string]uint64), Denied: make(map[string]uint64),
		InFlight: len(s.slots), Held: s.faults.met.Load(), Sessions: c.sessions.Load(), Signing: certificates(s.farm.Keys()),
	}
	// The answers first: none of them is of a sign-in that came later.
	for code, n := range c.answers {
		switch count := n.Load(); {
		case code == codeAccepted:
			out.Accepted = count
		case count == 0:
		case failed(code):
			out.Failed[strconv.Itoa(code)] = count
		default:
			out.Refused[strconv.Itoa(code)] = count
		}
	}
	out.Received = c.received.Load()
	for reason, n := range c.denied {
		if count := n.Load(); count > 0 {
			out.Denied[reason] = count
		}
	}
	s.directoryCounters(&out)
	return out
}

// certificates is what observers are told of keys.
func certificates(k *farm.Keys) observe.SigningCertificates {
	out := observe.SigningCertificates{Signs: observe.SigningCertificate{
		Thumbprint: farm.Thumbprint(k.Signing.Certificate), Since: k.Signing.Since, Ends: k.Signing.Certificate.NotAfter,
	}}
	if o := k.Other; o != nil {
		c := &observe.SigningCertificate{Thumbprint: farm.Thumbprint(o.Certificate), Since: o.Since, Ends: o.Certificate.NotAfter}
		if o.Next {
			out.Next = c
		} else {
			out.Before = c
		}
	}
	return out
}

// registry is the counters for Prometheus.
func (s *server) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), (*metrics)(s))
	return r
}

// metrics reads the counters when they are asked for.
type metrics server

var (
	signInsDesc = prometheus.NewDesc("ptabench_adfs_sign_ins_total", "Sign-ins answered, by AADSTS code; 0 is a token.", []string{"code"}, nil)
	deniedDesc  = prometheus.NewDesc("ptabench_adfs_denied_total", "Input that never became a sign-in, by reason.", []string{"reason"}, nil)
	flightDesc  = prometheus.NewDesc("ptabench_adfs_in_flight", "Sign-ins that are being answered.", nil, nil)
	reachDesc   = prometheus.NewDesc("ptabench_adfs_directory_reachable", "1 while the directory could be reached when last tried.", nil, nil)
)

// Describe implements prometheus.Collector.
func (*metrics) Describe(out chan<- *prometheus.Desc) {
	out <- signInsDesc
	out <- deniedDesc
	out <- flightDesc
	out <- reachDesc
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	s := (*server)(m)
	for code, n := range s.counts.answers {
		out <- prometheus.MustNewConstMetric(signInsDesc, prometheus.CounterValue, float64(n.Load()), strconv.Itoa(code))
	}
	for reason, n := range s.counts.denied {
		out <- prometheus.MustNewConstMetric(deniedDesc, prometheus.CounterValue, float64(n.Load()), reason)
	}
	reachable := 0.0
	if up, _ := s.pool.Reachable(); up {
		reachable = 1
	}
	out <- prometheus.MustNewConstMetric(flightDesc, prometheus.GaugeValue, float64(len(s.slots)))
	out <- prometheus.MustNewConstMetric(reachDesc, prometheus.GaugeValue, reachable)
}
