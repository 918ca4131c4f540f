package endtoend

import (
	"fmt"
	"slices"
	"testing"
)

// BenchmarkFastPath is what port 9350 is worth: the same load with it, by which
// sign-ins are pushed to connectors in batches, and without, when each is
// signalled and accepted for itself. Runs alternate, in pairs of the same seed
// and in turn in either order. The unit is a pair; fewer than 6 say nothing.
//
// A fault has to end before a run does, so one second in ten of those without
// is with it.
func BenchmarkFastPath(b *testing.B) {
	const pairs = 6
	type figures struct{ cloud, connectors, all, p99 float64 }
	measure := func(seed int, faults string) (f figures) {
		r, _ := measured(b, "throughput", "--seed", fmt.Sprint(seed), "--set", "load.rate=1000/s",
			"--set", "load.warmup=2s", "--set", "load.duration=10s", "--set", "faults="+faults)
		for _, p := range r.Processes {
			us := float64(p.CPUPerSignIn) / 1e3
			f.all += us
			switch p.Role {
			case "cloudsim":
				f.cloud += us
			case "connector":
				f.connectors += us
			}
		}
		if f.cloud == 0 || f.connectors == 0 {
			b.Fatalf("nothing was spent: %+v", r.Processes)
		}
		f.p99 = float64(r.Response.P99) / 1e6
		return f
	}
	pushed := func(seed int) figures { return measure(seed, "[]") }
	signalled := func(seed int) figures {
		return measure(seed, `["block(connectors, ports=9350, mode=refuse) at 0s for 9s"]`)
	}
	for b.Loop() {
		var with, without []figures
		var ratios []float64
		for pair := range pairs {
			var on, off figures
			if seed := pair + 1; pair%2 == 0 {
				on, off = pushed(seed), signalled(seed)
			} else {
				off, on = signalled(seed), pushed(seed)
			}
			b.Logf("seed %d: pushed %+.0f, signalled %+.0f µs", pair+1, on, off)
			with, without = append(with, on), append(without, off)
			ratios = append(ratios, (off.cloud+off.connectors)/(on.cloud+on.connectors))
		}
		middle := func(all []figures, of func(figures) float64) float64 {
			values := make([]float64, len(all))
			for i, f := range all {
				values[i] = of(f)
			}
			return median(values)
		}
		b.ReportMetric(0, "ns/op") // a pair takes as long as its scenario says
		for _, side := range []struct {
			name string
			all  []figures
		}{{"pushed", with}, {"signalled", without}} {
			b.ReportMetric(middle(side.all, func(f figures) float64 { return f.cloud }), "µs-cloud-"+side.name)
			b.ReportMetric(middle(side.all, func(f figures) float64 { return f.connectors }), "µs-connectors-"+side.name)
			b.ReportMetric(middle(side.all, func(f figures) float64 { return f.all }), "µs-all-"+side.name)
			b.ReportMetric(middle(side.all, func(f figures) float64 { return f.p99 }), "ms-p99-"+side.name)
		}
		slices.Sort(ratios)
		// The least and the most of six bound the median with 97 % confidence
		// (binomial).
		b.ReportMetric(median(slices.Clone(ratios)), "ratio")
		b.ReportMetric(ratios[0], "ratio-least")
		b.ReportMetric(ratios[pairs-1], "ratio-most")
	}
}
