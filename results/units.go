package results

import (
	"fmt"
	"math"
	"strconv"
)

// What people read is made here, and only here: every figure with its unit, to
// 3 significant digits.

// Duration is a time in nanoseconds in its fitting unit: 850 ns, 12.3 µs,
// 1.93 s, 2 min 5 s.
func Duration(ns int64) string {
	switch {
	case ns == math.MinInt64:
		return Duration(ns + 1)
	case ns < 0:
		return "-" + Duration(-ns)
	case ns < 1000:
		return strconv.FormatInt(ns, 10) + " ns"
	}
	for _, unit := range [...]struct {
		name string
		ns   float64
		end  float64 // in the unit
	}{{"µs", 1e3, 999.5}, {"ms", 1e6, 999.5}, {"s", 1e9, 119.5}} {
		if v := float64(ns) / unit.ns; v < unit.end {
			return significant(v) + " " + unit.name
		}
	}
	s := ns / 1e9
	if ns%1e9 >= 5e8 {
		s++
	}
	if s < 7200 {
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	}
	m := (s + 30) / 60
	return fmt.Sprintf("%d h %d min", m/60, m%60)
}

// significant is v, from 0 to below 1000, to 3 significant digits.
func significant(v float64) string {
	switch {
	case v < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
}

// Count is a number with its thousands apart: 12,345.
func Count(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// PerSecond is a rate: 99.8/s, 1,003/s.
func PerSecond(v float64) string {
	switch {
	case v <= 0:
		return "0/s"
	case v < 999.5:
		return significant(v) + "/s"
	}
	return Count(uint64(math.Round(v))) + "/s"
}

// Percent is a share. It is 0 or 100 only when the share is.
func Percent(ratio float64) string {
	v := ratio * 100
	switch {
	case v > 0 && v < 0.05:
		return "<0.1 %"
	case v < 100 && v >= 99.95:
		return ">99.9 %"
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + " %"
}

// share is part of whole as a percentage, "-" of nothing.
func share(part, whole uint64) string {
	if whole == 0 {
		return "-"
	}
	return Percent(float64(part) / float64(whole))
}

// Bytes is an amount of memory: 13.5 MiB.
func Bytes(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	v := float64(n)
	unit := ""
	for _, unit = range [...]string{"KiB", "MiB", "GiB", "TiB"} {
		if v /= 1024; v < 999.5 {
			break
		}
	}
	return significant(v) + " " + unit
}

// plural is a count with its noun.
func plural(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}
