package telemetry

import (
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ptabench/results"
)

func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ptabench_run_"+name, help, labels, nil)
}

var (
	descInfo      = metric("info", "1; what is run is in the labels.", "scenario", "seed", "version")
	descPhase     = metric("phase", "1 for the phase that the run is in.", "phase")
	descTime      = metric("time_seconds", "Time since the end of the warm-up; negative before.")
	descDuration  = metric("duration_seconds", "How long the load is planned to go on.")
	descRate      = metric("planned_sign_ins_per_second", "Arrivals that the scenario plans.")
	descPlanned   = metric("generator_planned", "Sign-ins that the whole load plans, warm-up included.")
	descSent      = metric("generator_sent_total", "Sign-ins sent, warm-up included.")
	descDone      = metric("generator_done_total", "Sign-ins sent that ended, one way or another, warm-up included.")
	descInFlight  = metric("in_flight", "Sign-ins sent that have not ended.")
	descSignIns   = metric("sign_ins_total", "Sign-ins of the measured load that ended, by outcome and by who decided.", "outcome", "path")
	descWrong     = metric("wrong_answers_total", "Sign-ins answered differently from the directory.", "kind")
	descConnector = metric("connector_sign_ins_total", "Sign-ins of the measured load that a connector decided.", "connector")
	descHand      = metric("connector_in_flight", "Sign-ins that a connector has in hand.", "connector")
	descQueued    = metric("queued", "Sign-ins that wait for a connector.")
	descInjected  = metric("faults_injected_total", "Faults injected.")
	descFault     = metric("fault_on", "1 while a fault is on, 0 after.", "fault", "kind", "target")
	descValue     = metric("objective_value", "Value of an objective so far, in its base unit.", "objective", "unit")
	descLimit     = metric("objective_limit", "What the value of an objective is compared with.", "objective", "unit")
	descMet       = metric("objective_met", "1 for an objective that is met so far, 0 for one that is missed; none while it is not known.", "objective")
	descCPU       = metric("process_cpu_seconds_total", "CPU that a process of the run used, over all its starts.", "process")
	descMemory    = metric("process_resident_memory_bytes", "Memory that a process of the run holds.", "process")
)

// collector reads the metrics of a run when they are asked for.
type collector struct{ *Run }

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descInfo, descPhase, descTime, descDuration, descRate, descPlanned, descSent, descDone,
		descInFlight, descSignIns, descWrong, descConnector, descHand, descQueued, descInjected, descFault, descValue, descLimit,
		descMet, descCPU, descMemory} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	e := emitter{ch}
	c.gauge(e)
	c.signIns(e)
	if r := c.soFar(); r != nil {
		faults(e, r)
		objectives(e, r)
	}
}

type emitter struct{ ch chan<- prometheus.Metric }

func (e emitter) count(d *prometheus.Desc, n uint64, labels ...string) {
	e.send(d, prometheus.CounterValue, float64(n), labels)
}

func (e emitter) gauge(d *prometheus.Desc, v float64, labels ...string) {
	e.send(d, prometheus.GaugeValue, v, labels)
}

// send leaves out what has no name in UTF-8, which Prometheus refuses, and
// would refuse everything with it.
func (e emitter) send(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels []string) {
	if m, err := prometheus.NewConstMetric(d, kind, v, labels...); err == nil {
		e.ch <- m
	}
}

func (c collector) gauge(e emitter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.gauge(descInfo, 1, c.Scenario, strconv.FormatUint(c.Seed, 10), c.Version)
	for _, phase := range phases {
		e.gauge(descPhase, flag(phase == c.phase), phase)
	}
	p := &c.progress
	e.gauge(descTime, p.At.Seconds())
	e.gauge(descDuration, c.Duration.Seconds())
	e.gauge(descRate, c.PlannedPerS)
	e.gauge(descPlanned, float64(p.Planned))
	e.count(descSent, p.Sent)
	e.count(descDone, p.Done)
	e.gauge(descInFlight, float64(p.InFlight))
	e.count(descInjected, c.injected)
	for name, u := range c.usage {
		e.send(descCPU, prometheus.CounterValue, time.Duration(u.CPU).Seconds(), []string{name})
		e.gauge(descMemory, float64(u.RSS), name)
	}
	if c.hands == nil {
		return
	}
	e.gauge(descQueued, float64(c.queued))
	for i, name := range sortedKeys(c.hands) {
		if i < maxNamed {
			e.gauge(descHand, float64(c.hands[name]), name)
		}
	}
}

func sortedKeys(m map[string]int) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// signIns tells of outcomes that can occur, from the start, so that a rate of
// the first one is not lost.
func (c collector) signIns(e emitter) {
	for o := range c.outcomes {
		outcome := results.Outcome(o)
		decided := outcome == results.OutcomeAccepted || outcome == results.OutcomeRefused
		for p := range c.outcomes[o] {
			path := results.Path(p)
			if n := c.outcomes[o][p].Load(); n > 0 || decided == (path != results.PathNone) {
				e.count(descSignIns, n, outcome.String(), path.String())
			}
		}
	}
	for _, j := range []results.Judgement{results.WrongAccept, results.WrongRefusal, results.OtherReason} {
		e.count(descWrong, c.judgements[j].Load(), j.String())
	}
	list := c.connectors.Load()
	if list == nil {
		return
	}
	told := map[*atomic.Uint64]bool{}
	for _, of := range *list {
		if !told[of.n] {
			told[of.n] = true
			e.count(descConnector, of.n.Load(), of.name)
		}
	}
}

// faults tells which faults are on; those of one group are one.
func faults(e emitter, r *results.Result) {
	type key struct{ name, kind, target string }
	var order []key
	on := map[key]bool{}
	for i := range r.Faults {
		f := &r.Faults[i]
		if f.At < 0 {
			continue
		}
		k := key{f.Name, f.Kind, f.Target}
		if f.Group != "" {
			k = key{name: f.Group} // of many kinds and targets
		}
		if _, known := on[k]; !known {
			if len(order) >= maxNamed {
				k = key{name: otherName}
			}
			if _, known := on[k]; !known {
				order = append(order, k)
			}
		}
		on[k] = on[k] || !f.Healed
	}
	for _, k := range order {
		e.gauge(descFault, flag(on[k]), k.name, k.kind, k.target)
	}
}

// objectives tells how objectives stand. Two with the same words are one.
func objectives(e emitter, r *results.Result) {
	told := map[string]bool{}
	for i := range r.Objectives {
		o := &r.Objectives[i]
		if told[o.Text] || len(told) >= maxNamed {
			continue
		}
		told[o.Text] = true
		value, limit, unit := o.Value, o.Limit, o.Unit
		switch unit {
		case "ns":
			value, limit, unit = value/1e9, limit/1e9, "seconds"
		case "per_s":
			unit = "per_second"
		}
		e.gauge(descLimit, limit, o.Text, unit)
		if never := o.Unit == "ns" && o.Value < 0; !never && (o.Samples > 0 || o.Verdict != results.Inconclusive) {
			e.gauge(descValue, value, o.Text, unit)
		}
		switch o.Verdict {
		case results.Pass:
			e.gauge(descMet, 1, o.Text)
		case results.Fail:
			e.gauge(descMet, 0, o.Text)
		}
	}
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}
