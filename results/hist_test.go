package results

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// sketch is a histogram and, sorted, what was recorded in it.
func sketch(t *testing.T, seed uint64, n int) (*Histogram, []int64) {
	t.Logf("seed %d, %d values", seed, n)
	rnd := rand.New(rand.NewPCG(seed, 2))
	h, values := NewHistogram(), make([]int64, n)
	for i := range values {
		values[i] = int64(1e5 * math.Exp(3*rnd.NormFloat64()))
		h.Record(values[i])
	}
	slices.Sort(values)
	return h, values
}

// near reports whether got is want to the histogram's precision.
func near(got, want int64) bool {
	return math.Abs(float64(got-want)) <= max(1, float64(want)/1000)
}

func TestPercentilesAgainstSortedValues(t *testing.T) {
	for seed, n := range []int{1, 2, 3, 10, 299, 1000, 54_321} {
		h, values := sketch(t, uint64(seed), n)
		// HdrHistogram's rank: the nearest whole one.
		at := func(percentile float64) int64 {
			return values[min(max(int(percentile/100*float64(n)+0.5), 1), n)-1]
		}
		p := h.Percentiles()
		var sum float64
		for _, v := range values {
			sum += float64(v)
		}
		for _, c := range []struct {
			name      string
			got, want int64
		}{
			{"p50", p.P50, at(50)}, {"p90", p.P90, at(90)}, {"p99", p.P99, at(99)}, {"p99.9", p.P999, at(99.9)},
		} {
			if !near(c.got, c.want) {
				t.Errorf("%d values: %s %d, sorted %d", n, c.name, c.got, c.want)
			}
		}
		if p.Samples != uint64(n) || p.Max != values[n-1] || math.Abs(float64(p.Mean)-sum/float64(n)) > 1 {
			t.Errorf("%d values: samples %d, max %d, mean %d; expected %d, %d, %.1f", n, p.Samples, p.Max, p.Mean, n, values[n-1], sum/float64(n))
		}
		if got := p.P99Interval; n < 299 && got != [2]int64{} || n >= 299 && !(got[0] <= p.P99 && p.P99 <= got[1] && got[0] > 0) {
			t.Errorf("%d values: p99 %d, interval %v", n, p.P99, got)
		}
	}
}

func TestHistogramExtremes(t *testing.T) {
	h := NewHistogram()
	if p := h.Percentiles(); p != (Percentiles{}) {
		t.Errorf("of nothing: %+v", p)
	}
	h.Record(-5)
	h.Record(5 * highestTime)
	if p := h.Percentiles(); p.Samples != 2 || p.Max != highestTime || p.P50 != 0 {
		t.Errorf("of less than nothing and more than all: %+v", p)
	}
	h.Reset()
	if p := h.Percentiles(); p != (Percentiles{}) {
		t.Errorf("after a reset: %+v", p)
	}
}

// bruteForce is the binomial distribution by Pascal's rule, one trial at a
// time: no shared code, no factorials.
func bruteForce(n int, q float64) []float64 {
	p := []float64{1}
	for range n {
		next := make([]float64, len(p)+1)
		for k, v := range p {
			next[k] += v * (1 - q)
			next[k+1] += v * q
		}
		p = next
	}
	return p
}

func TestQuantileRanksAgainstBruteForce(t *testing.T) {
	for _, n := range []int{1, 50, 298, 299, 300, 367, 368, 473, 1000, 1693, 4000} {
		for _, q := range []float64{0.5, 0.9, 0.99} {
			p := bruteForce(n, q)
			between := func(from, below int) (sum float64) {
				for k := max(from, 0); k < min(below, n+1); k++ {
					sum += p[k]
				}
				return sum
			}
			lower, upper, ok := QuantileRanks(uint64(n), q, 0.95)
			if possible := between(1, n) >= 0.95; ok != possible {
				t.Errorf("n %d, q %v: bounded %v, possible %v", n, q, ok, possible)
			}
			if !ok {
				continue
			}
			l, u := int(lower), int(upper)
			if l < 1 || u > n || l >= u {
				t.Errorf("n %d, q %v: ranks %d to %d", n, q, l, u)
				continue
			}
			if c := between(l, u); c < 0.95 {
				t.Errorf("n %d, q %v: ranks %d to %d hold with %v", n, q, l, u, c)
			}
			// Neither bound can move in without its tail growing too heavy.
			above := between(u, n+1)
			if u < n && above > 0.025 || between(u-1, n+1) <= 0.025 {
				t.Errorf("n %d, q %v: the upper rank %d is not the least", n, q, u)
			}
			if spare := 0.05 - max(above, 0.025); between(0, l+1) <= spare-1e-12 {
				t.Errorf("n %d, q %v: the lower rank %d is not the greatest", n, q, l)
			}
		}
	}
}

// The interval must enclose the true p99 about as often as it says.
func TestP99IntervalCovers(t *testing.T) {
	const runs, n, seed = 2000, 700, 11
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 3))
	lower, upper, ok := QuantileRanks(n, 0.99, 0.95)
	if !ok {
		t.Fatal("700 values bound no p99")
	}
	hits := 0
	values := make([]float64, n)
	for range runs {
		for i := range values {
			values[i] = rnd.Float64()
		}
		slices.Sort(values)
		if values[lower-1] <= 0.99 && 0.99 <= values[upper-1] {
			hits++
		}
	}
	if c := float64(hits) / runs; c < 0.935 || c > 0.985 {
		t.Errorf("covers the true value in %.1f %% of runs", 100*c)
	}
}

func TestBinomialFarOut(t *testing.T) {
	// A million times: the ranks of the normal approximation, ± 1.96 σ.
	const n = 1_000_000
	sigma := math.Sqrt(n * 0.99 * 0.01)
	lower, upper, ok := QuantileRanks(n, 0.99, 0.95)
	if !ok || math.Abs(float64(lower)-(0.99*n-1.96*sigma)) > 3 || math.Abs(float64(upper)-(0.99*n+1.96*sigma)) > 3 {
		t.Errorf("ranks %d to %d, %v", lower, upper, ok)
	}
}

func TestDistributionFile(t *testing.T) {
	h, values := sketch(t, 9, 5000)
	path := filepath.Join(t.TempDir(), ResponseFile)
	if err := h.WriteDistribution(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	if f := strings.Fields(lines[0]); !slices.Equal(f, []string{"Value", "Percentile", "TotalCount", "1/(1-Percentile)"}) {
		t.Errorf("first line %q", lines[0])
	}
	rows := 0
	for _, line := range lines[2:] {
		f := strings.Fields(line)
		if len(f) != 4 || strings.HasPrefix(line, "#") {
			continue
		}
		ms, err1 := strconv.ParseFloat(f[0], 64)
		count, err2 := strconv.Atoi(f[2])
		if err1 != nil || err2 != nil {
			t.Fatalf("row %q", line)
		}
		if got, want := int64(ms*1e6), values[count-1]; math.Abs(float64(got-want)) > float64(want)/1000+1000 {
			t.Errorf("row %q: value %d of the sorted is %d ns", line, count, want)
		}
		rows++
	}
	if rows < 20 || !strings.Contains(string(text), "#[Max ") || !strings.Contains(string(text), "Total count    =         5000") {
		t.Errorf("%d rows:\n%s", rows, text)
	}
	if err := h.WriteDistribution(path); err == nil {
		t.Error("a file that exists was written over")
	}
}

func TestIntervalLogReadsBack(t *testing.T) {
	h := testHeader()
	list := madeUp(t, 21, h, 12_000)
	start, err := time.Parse(time.RFC3339Nano, h.StartedAt)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), IntervalLogFile)
	log, err := CreateIntervalLog(path, start)
	if err != nil {
		t.Fatal(err)
	}
	r := NewRecorder(h, log)
	for _, s := range list {
		r.Record(s)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	res := r.Result()

	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	reader := hdr.NewHistogramLogReader(f)
	whole := map[string]*hdr.Histogram{}
	lines := map[string]int{}
	for {
		one, err := reader.NextIntervalHistogram()
		if err != nil {
			t.Fatal(err)
		}
		if one == nil {
			break
		}
		tag := one.Tag()
		i := lines[tag]
		lines[tag]++
		if whole[tag] == nil {
			whole[tag] = NewHistogram().counts
		}
		if dropped := whole[tag].Merge(one); dropped != 0 {
			t.Errorf("%s of second %d does not fit: %d dropped", tag, i, dropped)
		}
		// Times in the log are seconds in floating point.
		if off := one.StartTimeMs() - (start.UnixMilli() + int64(i)*1000); off < -1 || off > 1 || one.EndTimeMs()-one.StartTimeMs() < 999 {
			t.Errorf("%s of second %d is from %d to %d ms", tag, i, one.StartTimeMs(), one.EndTimeMs())
		}
		if tag != "response" {
			continue
		}
		if in := res.Intervals[i]; one.TotalCount() != int64(in.Sent) || !near(one.ValueAtPercentile(99), in.P99) || !near(one.Max(), in.Max) {
			t.Errorf("second %d: %d values, p99 %d, max %d; the result has %+v", i, one.TotalCount(), one.ValueAtPercentile(99), one.Max(), in)
		}
	}
	for tag, want := range map[string]Percentiles{"response": res.Response, "service": res.Service, "lag": res.Lag} {
		if lines[tag] != len(res.Intervals) || len(res.Intervals) != 30 {
			t.Fatalf("%d lines tagged %s, %d intervals", lines[tag], tag, len(res.Intervals))
		}
		got := whole[tag]
		if uint64(got.TotalCount()) != want.Samples || !near(got.ValueAtPercentile(50), want.P50) || !near(got.ValueAtPercentile(90), want.P90) ||
			!near(got.ValueAtPercentile(99), want.P99) || !near(got.ValueAtPercentile(99.9), want.P999) || !near(got.Max(), want.Max) {
			t.Errorf("%s from the log: %d values, p99 %d; the result has %+v", tag, got.TotalCount(), got.ValueAtPercentile(99), want)
		}
	}
}
