package check

import (
	"math/rand/v2"
	"strings"
	"testing"

	"ptabench/results"
	"ptabench/scenarios"
)

func TestGates(t *testing.T) {
	w := newWorld(t)
	w.objectives = []string{"p99(response) < 50ms", "p50(response) < 1s"}
	w.settle()
	for name, c := range map[string]struct {
		spoil  func(*Input, *results.Result)
		broken string // the gate that does not hold
		why    string
	}{
		"all well":             {},
		"the generator's CPU":  {func(in *Input, _ *results.Result) { in.GeneratorCPU = .9 }, "generator-cpu", "used 90.0 % of its processors"},
		"nearly all of it":     {func(in *Input, _ *results.Result) { in.GeneratorCPU = .85 }, "", ""},
		"close to the ceiling": {func(_ *Input, r *results.Result) { r.Ceiling.PerS = 120 }, "ceiling", "more than 80 % of the 120/s"},
		"well below it":        {func(_ *Input, r *results.Result) { r.Ceiling.PerS = 130 }, "", ""},
		"an ambitious percentile": {func(in *Input, _ *results.Result) {
			in.Objectives = append(in.Objectives, parsed(t, "p99.9(response) < 1s"))
		}, "samples", "takes 2,995 sign-ins, and the load has 400"},
		"one that takes no more": {func(in *Input, _ *results.Result) {
			in.Objectives = append(in.Objectives, parsed(t, "p99.9(response) > 1ms"))
		}, "", ""},
		"an achieved rate too low": {func(_ *Input, r *results.Result) { r.Rate.AchievedPerS = 98.9 }, "rate", "more than 1 % off"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := results.Summarise(w.header(), w.all())
			if err != nil {
				t.Fatal(err)
			}
			in := w.input(t)
			if c.spoil != nil {
				c.spoil(&in, &r)
			}
			if err := Conclude(in, &r); err != nil {
				t.Fatal(err)
			}
			names := ""
			for _, g := range r.Gates {
				names += g.Name + " "
				switch {
				case g.Text == "" || g.Unit == "":
					t.Errorf("%+v", g)
				case g.Holds == (g.Name == c.broken):
					t.Errorf("%s holds: %v; %s", g.Name, g.Holds, g.Reason)
				case !g.Holds && !strings.Contains(g.Reason, c.why):
					t.Errorf("%s: %q, expected %q", g.Name, g.Reason, c.why)
				}
			}
			if names != "lag unsent rate generator-cpu arrivals steady samples ceiling " {
				t.Errorf("gates %s", names)
			}
			if (r.Verdict == results.Pass) != (c.broken == "") {
				t.Errorf("verdict %s: %q", r.Verdict, r.Reasons)
			}
		})
	}
}

func parsed(t *testing.T, text string) scenarios.Objective {
	t.Helper()
	o, err := scenarios.ParseObjective(text)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// arriving is a Poisson process of so many a second, or a constant one, sent
// after a delay.
func arriving(random *rand.Rand, perS float64, constant bool, seconds int, delay func(due int64) int64) *arrivals {
	a := &arrivals{}
	for due := 0.0; ; {
		if constant {
			due += 1e9 / perS
		} else {
			due += random.ExpFloat64() * 1e9 / perS
		}
		if due >= float64(seconds)*second {
			return a
		}
		a.count(&results.Sample{Due: int64(due), Sent: int64(due) + delay(int64(due)), Outcome: results.OutcomeAccepted})
	}
}

func TestArrivals(t *testing.T) {
	const seed = 4
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for name, c := range map[string]struct {
		delay func(due int64) int64
		holds bool
		why   string
	}{
		"at once":           {func(int64) int64 { return 0 }, true, ""},
		"a little late":     {func(int64) int64 { return int64(random.ExpFloat64() * float64(2*ms)) }, true, ""},
		"one pause":         {func(due int64) int64 { return max(5200*ms-due, 0) * step(due >= 5100*ms) }, true, ""},
		"in bursts":         {func(due int64) int64 { return max(190*ms-due%(200*ms), 0) }, false, "more unevenly than planned"},
		"a second too late": {func(due int64) int64 { return step(due >= 6*second && due < 8*second) * (8*second - due) }, false, "In second 9 of the load"},
	} {
		for _, rate := range []float64{5, 300, 3000} {
			for _, constant := range []bool{false, true} {
				if rate == 5 && !c.holds {
					continue // three sign-ins more or less are nothing
				}
				g := arriving(random, rate, constant, 30, c.delay).gate(30*second, 10*ms)
				if g.Holds != c.holds || !strings.Contains(g.Reason, c.why) {
					t.Errorf("%s, %v/s, constant %v: holds %v, %q", name, rate, constant, g.Holds, g.Reason)
				}
				if g.Holds != (g.Value <= g.Limit) {
					t.Errorf("%s: holds %v with %v of %v", name, g.Holds, g.Value, g.Limit)
				}
			}
		}
	}
	// What is late by less than an objective would notice is not off the plan.
	bursts := func(due int64) int64 { return max(190*ms-due%(200*ms), 0) }
	if g := arriving(random, 300, false, 30, bursts).gate(30*second, 200*ms); !g.Holds {
		t.Errorf("bursts of less than is allowed: %+v", g)
	}
	// A plan of Poisson arrivals that is sent like clockwork is off it too.
	a := arriving(random, 5000, false, 30, func(int64) int64 { return 0 })
	for i := range a.sent {
		a.sent[i] = 500
	}
	if g := a.gate(30*second, 10*ms); g.Holds || !strings.Contains(g.Reason, "less unevenly") {
		t.Errorf("like clockwork: %+v", g)
	}
}

func step(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

func TestSteady(t *testing.T) {
	const seed = 6
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	var allowed float64
	run := func(length int64, response func(at int64) float64) results.Gate {
		s := newSteadiness([]scenarios.Span{{From: 0, To: scenarios.Duration(length)}})
		for due := int64(0); due < length; due += 4 * ms {
			took := response(due) * (.5 + random.ExpFloat64()/2)
			s.count(&results.Sample{Due: due, Sent: due, Done: due + int64(took*float64(ms)), Outcome: results.OutcomeAccepted})
		}
		return s.gate(allowed)
	}
	at := func(at, from int64, before, after float64) float64 {
		if at < from {
			return before
		}
		return after
	}
	for name, c := range map[string]struct {
		length   int64
		response func(at int64) float64
		holds    bool
		measured bool
	}{
		"a short warming up":  {20 * second, func(t int64) float64 { return at(t, 3*second, 9, 3) }, true, true},
		"warming up for long": {20 * second, func(t int64) float64 { return at(t, 13*second, 9, 3) }, false, true},
		"growing all along":   {20 * second, func(t int64) float64 { return 3 + float64(t)/second }, false, true},
		"one slow moment":     {20 * second, func(t int64) float64 { return 3 + 30*float64(step(t > 12*second && t < 12100*ms)) }, true, true},
		"too short":           {4 * second, func(t int64) float64 { return at(t, 3*second, 9, 3) }, true, false},
	} {
		g := run(c.length, c.response)
		if g.Holds != c.holds || c.measured == strings.HasPrefix(g.Reason, "Not measured") {
			t.Errorf("%s: %+v", name, g)
		}
		if !g.Holds && !strings.Contains(g.Reason, "not steady") {
			t.Errorf("%s: %q", name, g.Reason)
		}
	}
	if g := run(20*second, func(t int64) float64 { return at(t, 13*second, 9, 3) }); g.Value < float64(12500*ms) || g.Value > float64(13500*ms) {
		t.Errorf("cut at %v, expected 13 s", g.Value)
	}
	// An objective that would not notice makes it steady enough.
	for _, allowed = range []float64{5 * float64(ms), 7 * float64(ms)} {
		if g := run(20*second, func(t int64) float64 { return at(t, 13*second, 9, 3) }); g.Holds != (allowed > 6*float64(ms)) {
			t.Errorf("with %v allowed: %+v", allowed, g)
		}
	}
	allowed = 0
	// What is steady is rarely taken for unsteady.
	wrong := 0
	for i := range 200 {
		if !run(int64(5+i%10)*second, func(int64) float64 { return 3 }).Holds {
			wrong++
		}
	}
	if wrong > 6 {
		t.Errorf("%d of 200 steady windows are called unsteady", wrong)
	}
}
