// Package capacity looks for the highest rate at which an objective holds, by
// short loads. It follows the idea of multiple loss ratio search (IETF, draft
// ietf-bmwg-mlrsearch): trials are short while the search is far off, what
// decides the ends is tried at full length and, when trials of one rate differ,
// again; the answer is an interval. The search itself knows no clock and makes
// no load.
package capacity

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// A Plan bounds a search.
type Plan struct {
	From, To  float64       // rates per second to try, the lowest and the highest
	Precision float64       // how close the ends shall be, as a share of the lower one
	Trial     time.Duration // full length
	Within    time.Duration // of all trials and what is between them
}

// maxTrials bounds a search whose trials take no time.
const maxTrials = 100

// short is the part of a full trial that is enough while the search is far off.
const short = 2

// A Search asks for one trial after the other. It belongs to one goroutine.
type Search struct {
	plan   Plan
	tried  map[float64]*record
	rate   float64 // of the trial that is on
	full   bool
	trials int
	spent  time.Duration
	hasty  bool // it ended for lack of time
}

// record is how the trials of one rate ended.
type record struct {
	short        int // +1 when the last short one held, -1 when it did not
	held, broken int // full ones
}

// class says whether a rate holds, +1, or not, -1; 0 when nothing can be said.
func (r *record) class() int {
	switch {
	case r == nil:
		return 0
	case r.held > r.broken:
		return 1
	case r.held < r.broken:
		return -1
	case r.held > 0: // full trials differ
		return 0
	}
	return r.short
}

func (r *record) tied() bool { return r != nil && r.held == r.broken && r.held > 0 }

func (r *record) full() bool { return r != nil && r.held+r.broken > 0 }

// New begins a search.
func New(p Plan) *Search { return &Search{plan: p, tried: map[float64]*record{}} }

// Next is what to try: a rate and for how long. It is not ok when the search is
// over. Told must be called before the next call.
func (s *Search) Next() (rate float64, length time.Duration, ok bool) {
	rate, full, ok := s.next()
	if !ok {
		return 0, 0, false
	}
	length = s.plan.Trial
	if !full {
		length /= short
	}
	if s.trials >= maxTrials || s.trials > 0 && s.spent+length > s.plan.Within {
		s.hasty = true
		return 0, 0, false
	}
	s.rate, s.full = rate, full
	return rate, length, true
}

// Told takes in how the trial ended, and what it took with all around it.
func (s *Search) Told(held bool, took time.Duration) {
	r := s.tried[s.rate]
	if r == nil {
		r = new(record)
		s.tried[s.rate] = r
	}
	s.trials++
	s.spent += took
	switch {
	case s.full && held:
		r.held++
	case s.full:
		r.broken++
	case held:
		r.short = 1
	default:
		r.short = -1
	}
}

func (s *Search) next() (rate float64, full, ok bool) {
	for _, rate := range slices.Sorted(maps.Keys(s.tried)) {
		if s.tried[rate].tied() {
			return rate, true, true
		}
	}
	held, broken := s.Ends()
	switch {
	case held == 0 && broken == 0:
		return s.plan.From, false, true
	case held == 0 && broken > s.plan.From:
		return s.plan.From, true, true // it was tried first, and taken back by none
	case held == 0:
		return broken, true, !s.tried[broken].full()
	case broken == 0 && held >= s.plan.To:
		return held, true, !s.tried[held].full()
	case broken == 0:
		return min(s.ahead()*held, s.plan.To), false, true
	}
	apart := broken / held
	middle := round(math.Sqrt(held * broken))
	confirmed := s.tried[held].full() && s.tried[broken].full()
	left := s.plan.Within - s.spent
	if apart > 1+s.plan.Precision+1e-9 && middle > held && middle < broken && (confirmed || left >= 3*s.plan.Trial) {
		return middle, apart <= math.Pow(1+s.plan.Precision, 4), true
	}
	switch {
	case !s.tried[held].full():
		return held, true, true
	case !s.tried[broken].full():
		return broken, true, true
	}
	return 0, false, false
}

// ahead is how many times the last rate comes next while none was too high:
// twice at first, and then greater steps. One that is far too high is told soon.
func (s *Search) ahead() float64 {
	if s.trials < 2 {
		return 2
	}
	return 4
}

// round keeps rates to what people can read: 3 digits.
func round(rate float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(rate))-2)
	return math.Round(rate/unit) * unit
}

// Ends are the highest rate that held below every one that did not, and the
// lowest that did not; 0 where there is none. Of trials that contradict each
// other over several rates the lower counts: what did not hold at one rate is
// not promised above it.
func (s *Search) Ends() (held, broken float64) {
	for rate, r := range s.tried {
		if r.class() < 0 && (broken == 0 || rate < broken) {
			broken = rate
		}
	}
	for rate, r := range s.tried {
		if r.class() > 0 && (broken == 0 || rate < broken) {
			held = max(held, rate)
		}
	}
	return held, broken
}

// CutShort says that the search ended for lack of time, before its ends were as
// close as planned.
func (s *Search) CutShort() bool {
	held, broken := s.Ends()
	return s.hasty && (broken == 0 || broken > held*(1+s.plan.Precision))
}

// Note says what there is to know of the interval; "" when it is as planned.
func (s *Search) Note() string {
	var differ []float64
	for _, rate := range slices.Sorted(maps.Keys(s.tried)) {
		if r := s.tried[rate]; r.held > 0 && r.broken > 0 {
			differ = append(differ, rate)
		}
	}
	text := ""
	if s.CutShort() {
		text = fmt.Sprintf("The search ended after %v, before its ends were within %.0f %%.", s.spent.Round(time.Second), 100*s.plan.Precision)
	}
	for _, rate := range differ {
		if text != "" {
			text += " "
		}
		text += fmt.Sprintf("At %g/s %d of %d full trials held.", rate, s.tried[rate].held, s.tried[rate].held+s.tried[rate].broken)
	}
	return text
}
