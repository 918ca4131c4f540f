package chart

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"ptabench/results"
)

// A scale maps values to pixels.
type scale struct {
	from, to   float64 // values
	start, end float64 // pixels
	log        bool
}

func (s *scale) at(v float64) float64 {
	f := (v - s.from) / (s.to - s.from)
	if s.log {
		f = (math.Log(max(v, s.from)) - math.Log(s.from)) / (math.Log(s.to) - math.Log(s.from))
	}
	return s.start + f*(s.end-s.start)
}

// A tick is a place on a scale, with a label where there is room for one.
type tick struct {
	value float64
	label string
}

// nice is the step of 1, 2 or 5 times a power of ten that divides a span into
// at most so many.
func nice(span float64, most int) float64 {
	if span <= 0 || math.IsNaN(span) || math.IsInf(span, 0) {
		return 1
	}
	raw := span / float64(most)
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range [...]float64{1, 2, 5, 10} {
		if m*power >= raw*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// linear is a scale from 0 to a round value that is at least the greatest, with
// its ticks.
func linear(greatest float64, start, end float64, most int, label func(float64) string) (scale, []tick) {
	if greatest <= 0 || math.IsNaN(greatest) {
		greatest = 1
	}
	step := nice(greatest, most)
	n := int(math.Ceil(greatest/step - 1e-9))
	s := scale{from: 0, to: step * float64(n), start: start, end: end}
	var ticks []tick
	for i := range n + 1 {
		ticks = append(ticks, tick{float64(i) * step, label(float64(i) * step)})
	}
	return s, ticks
}

// logarithmic is a scale of times in ns that holds both, with a tick for each
// 1, 2 and 5 as long as they are few, else one for each power of ten. It spans
// a decade at least.
func logarithmic(least, greatest float64, start, end float64) (scale, []tick) {
	least, greatest = max(least, 1_000), max(greatest, 1_000)
	steps := [...]float64{1, 2, 5}
	below := func(v float64) float64 {
		power := math.Pow(10, math.Floor(math.Log10(v)+1e-9))
		for i := len(steps) - 1; i >= 0; i-- {
			if steps[i]*power <= v*(1+1e-9) {
				return steps[i] * power
			}
		}
		return power
	}
	above := func(v float64) float64 {
		power := math.Pow(10, math.Floor(math.Log10(v)+1e-9))
		for _, m := range [...]float64{1, 2, 5, 10} {
			if m*power >= v*(1-1e-9) {
				return m * power
			}
		}
		return 10 * power
	}
	s := scale{from: below(least), to: above(greatest), start: start, end: end, log: true}
	for s.to < 10*s.from*(1-1e-9) {
		s.to = above(s.to * 1.01)
	}
	decades := math.Log10(s.to / s.from)
	var ticks []tick
	for power := math.Pow(10, math.Floor(math.Log10(s.from)+1e-9)); power <= s.to*(1+1e-9); power *= 10 {
		for _, m := range steps {
			v := m * power
			if v < s.from*(1-1e-9) || v > s.to*(1+1e-9) {
				continue
			}
			t := tick{value: v}
			if m == 1 || decades <= 3.2 {
				t.label = roundTime(v)
			}
			ticks = append(ticks, t)
		}
	}
	return s, ticks
}

// roundTime is a round time in ns: 5 ms, not 5.00 ms.
func roundTime(ns float64) string {
	for _, unit := range [...]struct {
		name string
		ns   float64
	}{{"s", 1e9}, {"ms", 1e6}, {"µs", 1e3}} {
		if ns >= unit.ns*(1-1e-9) {
			return strconv.FormatFloat(math.Round(ns/unit.ns*1000)/1000, 'f', -1, 64) + " " + unit.name
		}
	}
	return strconv.FormatFloat(ns, 'f', -1, 64) + " ns"
}

// roundCount is a round number as an axis has it: 1,500, 0.5.
func roundCount(v float64) string {
	if v >= 1000 {
		return results.Count(uint64(math.Round(v)))
	}
	return strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64)
}

func percent(v float64) string { return strconv.FormatFloat(math.Round(v*1000)/10, 'f', -1, 64) + " %" }

// timeScale is the scale of the time since time 0, with ticks at whole seconds,
// minutes or hours.
func timeScale(length int64, start, end float64) (scale, []tick) {
	if length <= 0 {
		length = int64(time.Second)
	}
	s := scale{from: 0, to: float64(length), start: start, end: end}
	step := 24 * time.Hour
	for _, d := range [...]time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour} {
		if length/int64(d) <= 12 {
			step = d
			break
		}
	}
	var ticks []tick
	for at := int64(0); at <= length; at += int64(step) {
		ticks = append(ticks, tick{float64(at), clock(time.Duration(at), step)})
	}
	return s, ticks
}

// clock is a time on the axis, in the unit of its step: 90 s, 2:30 min, 1:05 h.
func clock(at, step time.Duration) string {
	switch {
	case step < time.Second:
		return fmt.Sprintf("%.1f s", at.Seconds())
	case step < 15*time.Second:
		return fmt.Sprintf("%d s", int(at.Seconds()))
	case step < 10*time.Minute:
		return fmt.Sprintf("%d:%02d min", int(at.Minutes()), int(at.Seconds())%60)
	}
	return fmt.Sprintf("%d:%02d h", int(at.Hours()), int(at.Minutes())%60)
}
