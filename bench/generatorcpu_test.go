package bench

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

func TestGeneratorCPU(t *testing.T) {
	for name, c := range map[string]struct {
		perSecond  []float64 // processors used
		processors int
		want       float64
	}{
		"nothing":                    {nil, 2, 0},
		"even":                       {[]float64{1, 1, 1, 1, 1, 1, 1}, 2, 0.5},
		"one second at full":         {[]float64{0, 0, 0, 2, 0, 0, 0, 0, 0}, 2, 0.2},
		"five seconds at full":       {[]float64{0, 0, 2, 2, 2, 2, 2, 0}, 2, 1},
		"six of them, not aligned":   {[]float64{1, 2, 2, 2, 2, 2, 2, 1}, 2, 1},
		"shorter than a window":      {[]float64{1, 0, 2}, 1, 1},
		"the first second says less": {[]float64{9, 0, 0, 0, 0, 0}, 1, 1.8},
	} {
		var m cpuMeter
		at, used := time.Unix(0, 0), time.Duration(0)
		m.own = func() time.Duration { return used }
		if c.perSecond != nil {
			m.mark(at)
		}
		for _, busy := range c.perSecond {
			at, used = at.Add(time.Second), used+time.Duration(busy*float64(time.Second))
			m.mark(at)
		}
		if got := m.peak(c.processors); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: peak %v, want %v", name, got, c.want)
		}
	}
}

func TestGeneratorCPUIsMarkedEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		m := cpuMeter{own: func() time.Duration { return time.Since(began) / 2 }}
		m.run(ctx)
		if len(m.marks) != 5 { // at the beginning, thrice, at the end
			t.Errorf("%d marks", len(m.marks))
		}
		if got := m.peak(1); math.Abs(got-0.5) > 1e-9 {
			t.Errorf("peak %v, want 0.5", got)
		}
	})
}
