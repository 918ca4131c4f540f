package live

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"ptabench/page"
	"ptabench/results"
)

// nan compares as itself.
func same(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) })
}

func TestCoarsen(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name       string
		make       func(*page.Chart)
		wantX      []float64
		wantValues []float64
	}{
		{"lines keep peaks and dips in order", func(c *page.Chart) { coarsenLines(c, 4) },
			[]float64{0.75, 2.25, 4.75, 6.25, 8.25, 8.75}, []float64{9, 1, nan, nan, 5, 5}},
		{"stacks keep the area", func(c *page.Chart) { coarsenStack(c, 4) },
			[]float64{0, 4, 8}, []float64{4, nan, 5}},
	} {
		chart := page.Chart{Kind: page.Lines, Step: 1, X: []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
			Series: []page.Series{{Values: page.Values{nan, 9, 1, 2, nan, nan, nan, nan, 5, nan}}}}
		c.make(&chart)
		if got := chart.Series[0].Values; !same(chart.X, c.wantX) || !same(got, c.wantValues) {
			t.Errorf("%s: at %v values %v, want %v and %v", c.name, chart.X, got, c.wantX, c.wantValues)
		}
	}
	heat := page.Chart{Kind: page.Heat, Step: 2, X: []float64{0, 2, 4}, Heat: &page.HeatMap{Bounds: []float64{1, 10, 100},
		Cells: []uint32{0, 0, 5, 0, 1, 1, 1, 1, 2, 2, 0, 7}, Most: 7}}
	coarsenHeat(&heat, 2)
	if got, want := fmt.Sprint(heat.X, heat.Step, heat.Heat.Cells, heat.Heat.Most), "[0 4] 4 [0 0 5 0 1 3 1 0 7] 7"; got != want {
		t.Errorf("heat map: %s, want %s", got, want)
	}
}

// However long a run goes on, and however full its charts, an update is small.
func TestUpdateStaysSmall(t *testing.T) {
	const hours = 1
	h := header()
	h.Duration = int64(hours * time.Hour)
	p := &Page{Options: Options{Name: "long", Duration: hours * time.Hour}, course: results.NewCourseRecorder(h, h.Duration)}
	for second := range hours * 3600 {
		for i := range 3 {
			due := int64(second)*int64(time.Second) + int64(i)
			p.course.Record(results.Sample{Due: due, Sent: due, Done: due + int64(1+(second*7919+i*104729)%97*(1+second%89))*int64(100*time.Microsecond),
				Outcome: results.OutcomeAccepted, Path: results.PathPassThrough, Judgement: results.Right, Attempts: 1, Server: uint8(1 + i%2)})
		}
	}
	for second := range 3600 {
		for i := range 12 {
			p.usage = append(p.usage, results.Usage{At: int64(second) * hours * int64(time.Second), Process: fmt.Sprint("process-", i), CPU: int64(second) * int64(1e8+second), RSS: 1<<24 + int64(second)<<12})
		}
	}
	for i := range maxEvents {
		p.Event(results.Event{At: int64(i) * int64(time.Second), Source: "cloudsim", Kind: "connector-attached", Connector: "connector-1"})
	}
	so := p.course.Recorder().Result()
	p.progress = Progress{Phase: "load", At: hours * time.Hour, SoFar: func() *results.Result { return &so }}
	d := p.data()
	if last := len(p.events) - 1; last+1 != mostEvents || p.more != maxEvents-mostEvents || p.events[last].At != (maxEvents-1)*int64(time.Second) {
		t.Errorf("%d events are shown and %d are not, the last at %d", len(p.events), p.more, p.events[last].At)
	}
	text, err := page.Update(d)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 200_000 {
		t.Errorf("an update of %d bytes", len(text))
	}
	for _, c := range d.Charts {
		if c.ID == "response" && (len(c.X) < leastX || slices.Max(c.Series[0].Values) != float64(slices.MaxFunc(so.Intervals, func(a, b results.Interval) int { return int(a.Max - b.Max) }).Max)) {
			t.Errorf("%d points of response, the greatest %v", len(c.X), slices.Max(c.Series[0].Values))
		}
	}
}

func TestPause(t *testing.T) {
	for cost, want := range map[time.Duration]time.Duration{0: time.Second, 5 * time.Millisecond: time.Second, 100 * time.Millisecond: 5 * time.Second} {
		if got := pause(time.Second, cost); got != want {
			t.Errorf("after %v of work the next update comes after %v, want %v", cost, got, want)
		}
	}
}
