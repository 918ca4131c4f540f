package directory

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"ptabench/observe"
	"ptabench/population"
)

// An outcome is how a user bind ended.
type outcome uint8

const (
	success outcome = iota
	wrongPassword
	unknown
	firstState // the states of the population other than active follow
	outcomes   = firstState + outcome(population.AccountExpired)
)

// outcomeOf is the outcome for users in a state that refuses them.
func outcomeOf(s population.State) outcome { return firstState + outcome(s) - 1 }

func (o outcome) String() string {
	switch o {
	case success:
		return "success"
	case wrongPassword:
		return "wrong-password"
	case unknown:
		return "unknown"
	}
	return population.State(o - firstState + 1).String()
}

// counts is what the directory counted since it started.
type counts struct {
	binds          [outcomes]atomic.Uint64
	delayed        atomic.Uint64 // of those, by a fault
	unavailable    atomic.Uint64 // refused by a fault, unchecked, and none of those above
	service        atomic.Uint64
	serviceRefused atomic.Uint64 // of those
	searches       atomic.Uint64
	malformed      atomic.Uint64 // connections ended for what came on them
	accepted       atomic.Uint64
	open           atomic.Int64
	users          []userCounts
}

type userCounts struct{ success, refused atomic.Uint64 }

func newCounts(users int) *counts { return &counts{users: make([]userCounts, users)} }

func (c *counts) bind(n node, o outcome) {
	c.binds[o].Add(1)
	switch {
	case o == success:
		c.users[n].success.Add(1)
	case n >= 0:
		c.users[n].refused.Add(1)
	}
}

func (c *counts) serviceBind(ok bool) {
	c.service.Add(1)
	if !ok {
		c.serviceRefused.Add(1)
	}
}

// counters is a copy for observers.
func (c *counts) counters() observe.DirectoryCounters {
	binds := make(map[string]uint64, outcomes)
	for o := range outcomes {
		binds[o.String()] = c.binds[o].Load()
	}
	return observe.DirectoryCounters{
		Binds: binds, Delayed: c.delayed.Load(), Unavailable: c.unavailable.Load(), Service: c.service.Load(), Searches: c.searches.Load(),
		Open: int(c.open.Load()), Accepted: c.accepted.Load(),
	}
}

// byUser lists the users that were bound as at least once.
func (c *counts) byUser(users *population.Population) []observe.UserBinds {
	list := []observe.UserBinds{}
	for i := range c.users {
		u := observe.UserBinds{Success: c.users[i].success.Load(), Refused: c.users[i].refused.Load()}
		if u.Success+u.Refused > 0 {
			u.User = users.UPN(i)
			list = append(list, u)
		}
	}
	return list
}

// registry exposes the counts, and the process's own, to Prometheus.
func (c *counts) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	counter := func(name, help string, labels prometheus.Labels, n *atomic.Uint64) {
		r.MustRegister(prometheus.NewCounterFunc(
			prometheus.CounterOpts{Namespace: "ptabench", Subsystem: "directory", Name: name, Help: help, ConstLabels: labels},
			func() float64 { return float64(n.Load()) },
		))
	}
	for o := range outcomes {
		counter("binds_total", "User binds by outcome.", prometheus.Labels{"outcome": o.String()}, &c.binds[o])
	}
	counter("delayed_binds_total", "User binds that a fault slowed or held.", nil, &c.delayed)
	counter("unavailable_binds_total", "Binds that a fault refused: the directory was not available.", nil, &c.unavailable)
	counter("service_binds_total", "Binds of the service account.", nil, &c.service)
	counter("service_binds_refused_total", "Binds of the service account that were refused.", nil, &c.serviceRefused)
	counter("searches_total", "Searches, refused ones included.", nil, &c.searches)
	counter("malformed_total", "Connections ended because of what came on them.", nil, &c.malformed)
	counter("accepted_connections_total", "Connections accepted.", nil, &c.accepted)
	r.MustRegister(prometheus.NewGaugeFunc(
		prometheus.GaugeOpts{Namespace: "ptabench", Subsystem: "directory", Name: "open_connections", Help: "Connections open at present."},
		func() float64 { return float64(c.open.Load()) },
	))
	return r
}
