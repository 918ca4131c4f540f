package page

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"ptabench/results"
)

// mostConnectors is how many connectors a chart tells apart; the rest is one
// layer. More colours than that nobody tells apart.
const mostConnectors = 8

// charts draws everything that a run tells over time.
func (in *Input) charts() []Chart {
	return []Chart{in.response(), in.outcomes(), in.shares(), in.inFlight(), in.curve(), in.heat(), in.timeSpent(),
		in.used("cpu", "CPU", "cores"), in.used("memory", "Memory", "bytes")}
}

const noSeconds = "The run recorded no second of load."

// intervals are those of the result. What an older result does not have in
// them, the samples tell.
func (in *Input) intervals() []results.Interval {
	list := in.Result.Intervals
	if in.Course == nil || !in.Course.Sampled || len(in.Course.Intervals) < len(list) {
		return list
	}
	list = slices.Clone(list)
	for i := range list {
		if list[i].P95 == 0 {
			list[i].P95 = in.Course.Intervals[i].P95
		}
		if list[i].HashSyncRefused == 0 {
			list[i].HashSyncRefused = in.Course.Intervals[i].HashSyncRefused
		}
	}
	return list
}

// each is one value of every interval.
func each(list []results.Interval, value func(s *results.Interval) float64) []float64 {
	out := make([]float64, len(list))
	for i := range list {
		out[i] = value(&list[i])
	}
	return out
}

func begins(s *results.Interval) float64 { return float64(s.At) / 1e9 }

// thinned says how a chart of many seconds was drawn, "" when each is drawn.
func thinned(k int, how string) string {
	if k <= 1 {
		return ""
	}
	return fmt.Sprintf("Drawn %d s at a time: %s.", k, how)
}

func (in *Input) response() Chart {
	c := Chart{ID: "response", Title: "Response time", Kind: Lines, Unit: "ns", Log: true}
	list := in.intervals()
	if len(list) == 0 {
		c.Missing = noSeconds
		return c
	}
	k := stretch(len(list))
	// A second stands in its middle, so that what happens in it is not drawn
	// before it.
	c.X = pairs(each(list, func(s *results.Interval) float64 { return begins(s) + 0.5 }), k)
	c.Note = thinned(k, "the least and the greatest of each stretch are kept")
	for _, line := range []struct {
		name string
		of   func(s *results.Interval) int64
	}{
		{"max", func(s *results.Interval) int64 { return s.Max }},
		{"p99", func(s *results.Interval) int64 { return s.P99 }},
		{"p95", func(s *results.Interval) int64 { return s.P95 }},
		{"p50", func(s *results.Interval) int64 { return s.P50 }},
	} {
		c.Series = append(c.Series, Series{Name: line.name, Role: line.name,
			Values: extremes(each(list, func(s *results.Interval) float64 { return positive(line.of(s)) }), k)})
	}
	worst := slices.MaxFunc(list, func(a, b results.Interval) int { return cmp.Compare(a.P99, b.P99) })
	r := &in.Result.Response
	verb, but := in.Result.SignIns.EndedWithin()
	c.Says = fmt.Sprintf("Half of the sign-ins %s %s and 99 %% within %s%s. In the slowest second, at %s, the p99 was %s and the maximum %s.",
		verb, results.Duration(r.P50), results.Duration(r.P99), but, moment(worst.At), results.Duration(worst.P99), results.Duration(worst.Max))
	return c
}

// moment is a time on the axis, in seconds even at its beginning.
func moment(ns int64) string {
	if ns == 0 {
		return "0 s"
	}
	return results.Duration(ns)
}

// positive is a time as a value, or nothing where nothing was measured.
func positive(ns int64) float64 {
	if ns <= 0 {
		return math.NaN()
	}
	return float64(ns)
}

func (in *Input) outcomes() Chart {
	c := Chart{ID: "outcomes", Title: "Sign-ins each second, by who answered", Kind: Stack, Unit: "per_s"}
	list := in.intervals()
	if len(list) == 0 {
		c.Missing = noSeconds
		return c
	}
	k := stretch(len(list))
	c.X, c.Step = firsts(each(list, begins), k), float64(k)
	c.Note = strings.TrimSpace("A sign-in belongs to the second in which it was due, whoever answered it when. " +
		thinned(k, "means, so that the area is the number of sign-ins; bad seconds are marked one by one"))
	hash := func(s *results.Interval) float64 { return float64(s.HashSync - min(s.HashSync, s.HashSyncRefused)) }
	federated := func(s *results.Interval) float64 {
		return float64(s.Federation - min(s.Federation, s.FederationRefused))
	}
	n := &in.Result.SignIns
	for _, layer := range []struct {
		name, role string
		of         func(s *results.Interval) float64
	}{
		{"accepted by pass-through", "pass-through", func(s *results.Interval) float64 { return max(float64(s.Accepted)-hash(s)-federated(s), 0) }},
		{"accepted by hash sync", "hash-sync", hash},
		{"accepted by federation", "federation", federated},
		{"refused", "refused", func(s *results.Interval) float64 { return float64(s.Refused) }},
		{"failed", "failed", func(s *results.Interval) float64 { return float64(s.Failed) }},
		{"unknown", "unknown", func(s *results.Interval) float64 { return float64(s.Unknown) }},
	} {
		values := each(list, layer.of)
		if layer.role != "pass-through" && !slices.ContainsFunc(values, func(v float64) bool { return v > 0 }) {
			continue // an empty layer is only a word in the legend
		}
		c.Series = append(c.Series, Series{Name: layer.name, Role: layer.role, Values: means(values, k)})
	}
	c.Says = fmt.Sprintf("Of %s sign-ins sent, %s were accepted and %s refused", results.Count(n.Sent), results.Count(n.Accepted), results.Count(n.Refused))
	if n.Lost() > 0 {
		c.Says += fmt.Sprintf("; %s failed", results.Count(n.Failed))
		if n.Unknown > 0 {
			c.Says += fmt.Sprintf(", and how %s ended is not known", results.Count(n.Unknown))
		}
	}
	if n.ByPath.HashSync > 0 {
		c.Says += fmt.Sprintf("; hash sync answered %s of them", results.Count(n.ByPath.HashSync))
	}
	if n.ByPath.Federation > 0 {
		c.Says += fmt.Sprintf("; federation answered %s of them", results.Count(n.ByPath.Federation))
	}
	c.Says += "."
	if n.Lost() > 0 {
		c.Says += " Seconds in which fewer than 99.9 % succeeded are marked along the axis."
	}
	return c
}

func (in *Input) curve() Chart {
	c := Chart{ID: "curve", Title: "Percentiles", Kind: Curve, Unit: "ns", Log: true}
	if in.Course == nil || len(in.Course.Response) == 0 {
		c.Missing = "No sign-in was sent, so there are no percentiles."
		return c
	}
	drawCurves(&c, []named{{"response", "response", in.Course.Response}, {"service", "service", in.Course.Service}, {"lag", "lag", in.Course.Lag}})
	if !in.Course.Sampled {
		c.Note = "Of the percentiles in result.json alone, for there are no samples."
	}
	r := in.Result
	verb, but := r.SignIns.EndedWithin()
	c.Says = fmt.Sprintf("Response is from when a sign-in was due, service from when it was sent, lag the difference: the generator's own. "+
		"99 %% of the sign-ins %s %s, 99.9 %% within %s%s. The lag's p99 is %s.",
		verb, results.Duration(r.Response.P99), results.Duration(r.Response.P999), but, results.Duration(r.Lag.P99))
	return c
}

// named is a distribution to draw.
type named struct {
	name, role string
	points     []results.CurvePoint
}

// drawCurves draws distributions on one axis, that of all their percentiles.
// The maximum stands where one sign-in of all would.
func drawCurves(c *Chart, list []named) {
	at := func(points []results.CurvePoint, i int) float64 {
		if p := points[i].Percentile; p < 100 {
			return math.Round(-math.Log10(1-p/100)*1e6) / 1e6
		}
		// The end of the curve: half a step of it past the point before.
		if i == 0 {
			return 0
		}
		return math.Round((-math.Log10(1-points[i-1].Percentile/100)+math.Log10(2)/8)*1e6) / 1e6
	}
	values := map[float64][]float64{}
	for n, curve := range list {
		for i := range curve.points {
			x := at(curve.points, i)
			if values[x] == nil {
				values[x] = slices.Repeat([]float64{math.NaN()}, len(list))
				c.X = append(c.X, x)
			}
			values[x][n] = positive(curve.points[i].Value)
		}
	}
	slices.Sort(c.X)
	for n, curve := range list {
		s := Series{Name: curve.name, Role: curve.role}
		for _, x := range c.X {
			s.Values = append(s.Values, values[x][n])
		}
		c.Series = append(c.Series, s)
	}
}

func (in *Input) heat() Chart {
	c := Chart{ID: "heat", Title: "Every sign-in, by response time", Kind: Heat, Unit: "ns", Log: true}
	if in.Course == nil || len(in.Course.Stretches) == 0 {
		c.Missing = "There are no samples, so single sign-ins are not known."
		return c
	}
	// As few columns as a narrow page shows.
	const columns = 300
	k := (len(in.Course.Stretches) + columns - 1) / columns
	c.Step = float64(in.Course.Width) * float64(k) / 1e9
	rows := len(in.Course.Stretches[0].Heat)
	low, high := rows, 0
	var all uint64
	columnsOf := slices.Collect(slices.Chunk(in.Course.Stretches, k))
	sums := make([][]uint32, len(columnsOf))
	h := &HeatMap{Cells: []uint32{}}
	for i, chunk := range columnsOf {
		c.X = append(c.X, float64(chunk[0].At)/1e9)
		sums[i] = make([]uint32, rows)
		for _, s := range chunk {
			for row, n := range s.Heat {
				if n > 0 {
					sums[i][row] += n
					all += uint64(n)
					low, high = min(low, row), max(high, row)
				}
			}
		}
	}
	if all == 0 {
		c.Missing = "No sign-in was sent."
		return c
	}
	for i, sum := range sums {
		for row, n := range sum {
			if n > 0 {
				h.Cells = append(h.Cells, uint32(i), uint32(row-low), n)
				h.Most = max(h.Most, n)
			}
		}
	}
	for row := low; row <= high+1; row++ {
		h.Bounds = append(h.Bounds, float64(results.HeatBound(row)))
	}
	c.Heat = h
	c.Says = fmt.Sprintf("%s sign-ins, each counted where its response time lies, in columns of %s.",
		results.Count(all), results.Duration(int64(c.Step*1e9)))
	return c
}

func (in *Input) timeSpent() Chart {
	spent := in.Result.Spent()
	c := Chart{ID: "time-spent", Title: "Where the time of a " + spent.Of + " sign-in went", Kind: Stack, Unit: "ns"}
	if in.Course == nil || len(in.Course.Stretches) == 0 {
		c.Missing = "There are no samples, so where the time went is known as a whole only."
		return c
	}
	c.Step = float64(in.Course.Width) / 1e9
	layers := []struct {
		name, role string
		of         func(t *results.TimeSpent) int64
	}{
		{"directory", "directory", func(t *results.TimeSpent) int64 { return t.Directory }},
		{spent.Server, "connector", func(t *results.TimeSpent) int64 { return t.Connector }},
		{"queue", "queue", func(t *results.TimeSpent) int64 { return t.Queue }},
		{"rest", "rest", func(t *results.TimeSpent) int64 { return t.Rest }},
	}
	for _, l := range layers {
		s := Series{Name: l.name, Role: l.role}
		for i := range in.Course.Stretches {
			t := spent.In(&in.Course.Stretches[i])
			if t.Queue+t.Connector+t.Directory+t.Rest == 0 {
				s.Values = append(s.Values, math.NaN())
				continue
			}
			s.Values = append(s.Values, float64(l.of(t)))
		}
		c.Series = append(c.Series, s)
	}
	for i := range in.Course.Stretches {
		c.X = append(c.X, float64(in.Course.Stretches[i].At)/1e9)
	}
	t := &spent.Mean
	if n := &in.Result.SignIns; spent.Of == "pass-through" && n.ByPath.PassThrough == 0 && n.ByPath.HashSync+n.ByPath.Federation > 0 {
		return Chart{ID: c.ID, Title: c.Title, Kind: c.Kind, Unit: c.Unit, Missing: "No sign-in was decided by pass-through."}
	}
	c.Says = fmt.Sprintf("On average a %s sign-in took %s: %s in the directory, %s in the %s, %s in the queue and %s elsewhere (network, TLS, tokens, scheduling).",
		spent.Of, results.Duration(t.Queue+t.Connector+t.Directory+t.Rest), results.Duration(t.Directory), results.Duration(t.Connector), spent.Server,
		results.Duration(t.Queue), results.Duration(t.Rest))
	return c
}

// bands are the faults over time.
func bands(r *results.Result) []Band {
	list := []Band{}
	for i := range r.Faults {
		f := &r.Faults[i]
		if f.At < 0 {
			continue
		}
		to := f.At + max(f.Duration, 0)
		b := Band{Number: i + 1, Name: f.Name, Label: strings.TrimSpace(f.Kind + " " + f.Target), From: float64(f.At) / 1e9, To: float64(to) / 1e9}
		if f.Recover >= 0 {
			at := float64(to+f.Recover) / 1e9
			b.Recovered = &at
		}
		list = append(list, b)
	}
	return list
}

// mostBad bounds the bad seconds that are marked.
const mostBad = 2000

// badSeconds are the seconds in which fewer than 99.9 % succeeded.
func badSeconds(list []results.Interval) []float64 {
	bad := []float64{}
	for i := range list {
		if s := &list[i]; s.Sent > 0 && results.BadSecond(s.Sent, s.Failed+s.Unknown) && len(bad) < mostBad {
			bad = append(bad, begins(s))
		}
	}
	return bad
}
