package page

import (
	"encoding/json"
	"math"
	"strconv"

	"ptabench/results"
)

// Format is the version of the shape of Data.
const Format = 1

// Data is what the script of a page draws: a JSON block in the page, and the
// payload of each update of a live one. Its figures are those of result.json,
// in its units; times on an axis are seconds from time 0.
type Data struct {
	Format   int             `json:"format"`
	Live     *Live           `json:"live,omitempty"` // nil for a finished page: no connection is made
	Title    string          `json:"title"`
	Verdict  results.Verdict `json:"verdict"`
	From     float64         `json:"from_s,omitempty"` // where the time axes begin
	Duration float64         `json:"duration_s"`       // where they end
	Bands    []Band          `json:"bands"`
	// Bad are the seconds in which fewer than 99.9 % of the sign-ins succeeded,
	// at most mostBad.
	Bad    []float64 `json:"bad_s"`
	Charts []Chart   `json:"charts"`

	view any // the texts, which are rendered here and not by the script
}

// Live says where a page of a run that goes on hears of it. Addresses are
// relative to the page's.
type Live struct {
	Events string  `json:"events"` // server-sent events
	Stop   string  `json:"stop"`   // POST stops the run; "" where it cannot be stopped
	Phase  string  `json:"phase"`  // such as warm-up, load, draining, checking
	At     float64 `json:"at_s"`   // from time 0, negative in the warm-up
	End    float64 `json:"end_s"`  // of the load
	Done   bool    `json:"done"`   // the page at this address is the finished one now
}

// A Band is a fault over time.
type Band struct {
	Number int     `json:"number"` // of the fault in the result, from 1, as in the tables
	Name   string  `json:"name"`
	Label  string  `json:"label"` // in a word or two
	From   float64 `json:"from_s"`
	To     float64 `json:"to_s"`
	// Recovered is when its target served again; null when that was not seen.
	Recovered *float64 `json:"recovered_s"`
}

// The kinds of chart.
const (
	Lines = "lines" // one line a series
	Stack = "stack" // series on top of one another, bars as wide as a step of X
	Curve = "curve" // percentiles: X is log10(1/(1-p))
	Heat  = "heat"  // counts over time and response
)

// A Chart is one picture. Series are aligned with X. A chart that has nothing
// to show says why in Missing.
type Chart struct {
	ID      string    `json:"id"`
	Title   string    `json:"title"`
	Kind    string    `json:"kind"`
	Unit    string    `json:"unit"` // ns, per_s, ratio, count, bytes, cores
	Log     bool      `json:"log"`  // the scale of values
	X       []float64 `json:"x"`
	Step    float64   `json:"step,omitempty"` // of X in seconds, for Stack and Heat
	Series  []Series  `json:"series"`
	Heat    *HeatMap  `json:"heat,omitempty"`
	Says    string    `json:"says"`              // the chart in words
	Note    string    `json:"note,omitempty"`    // how it was made, when that matters
	Missing string    `json:"missing,omitempty"` // why there is nothing to draw
}

// fill makes empty lists of absent ones, for the script.
func (c *Chart) fill() {
	if c.X == nil {
		c.X = []float64{}
	}
	if c.Series == nil {
		c.Series = []Series{}
	}
}

// A Series is a line or a layer. Its role decides its colour and line, which
// are the same in every chart.
type Series struct {
	Name   string `json:"name"`
	Role   string `json:"role"`
	Values Values `json:"values"`
}

// Values are those of a series; what is not a number is null.
type Values []float64

// MarshalJSON writes integers as such and everything else to 6 significant
// digits.
func (v Values) MarshalJSON() ([]byte, error) {
	out := make([]byte, 0, 8*len(v)+2)
	out = append(out, '[')
	for i, f := range v {
		if i > 0 {
			out = append(out, ',')
		}
		switch {
		case math.IsNaN(f) || math.IsInf(f, 0):
			out = append(out, "null"...)
		case f == math.Trunc(f) && math.Abs(f) < 1<<53:
			out = strconv.AppendInt(out, int64(f), 10)
		default:
			out = strconv.AppendFloat(out, f, 'g', 6, 64)
		}
	}
	return append(out, ']'), nil
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (v *Values) UnmarshalJSON(text []byte) error {
	var list []*float64
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	*v = make(Values, len(list))
	for i, f := range list {
		(*v)[i] = math.NaN()
		if f != nil {
			(*v)[i] = *f
		}
	}
	return nil
}

// A HeatMap counts sign-ins by when they were due, in columns of Chart.X, and
// by response, in rows between bounds. Cells are triples of column, row and
// count, those with a count only.
type HeatMap struct {
	Bounds []float64 `json:"bounds_ns"` // of rows, one more than there are rows
	Cells  []uint32  `json:"cells"`
	Most   uint32    `json:"most"` // the greatest count
}
