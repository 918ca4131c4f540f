package scenarios

import (
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A Duration is a length of time, written with its unit: 250ms, 5s, 1m30s. A
// plain 0 needs none.
type Duration time.Duration

// A Rate is a number of events per second, written 1000/s, 60/m or 100/h.
type Rate float64

// A Share is a part of a whole from 0 to 1, written 2% or 0.5%.
type Share float64

// A Switch is on or off.
type Switch bool

// A BitRate is bits per second, written 64kbit/s, 10Mbit/s or 1Gbit/s.
type BitRate float64

// Bytes is an amount of memory, written 64MiB, 512KiB or 1GiB.
type Bytes int64

// The text forms, as regular expressions for the JSON schema; the parsers
// below read the same ones.
const (
	durationPattern = `^(0|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$`
	ratePattern     = `^[0-9]+(\.[0-9]+)?/[smh]$`
	sharePattern    = `^[0-9]+(\.[0-9]+)?%$`
	bitRatePattern  = `^[0-9]+(\.[0-9]+)?(|k|M|G)bit/s$`
	bytesPattern    = `^[0-9]+(|Ki|Mi|Gi|Ti)B$`
)

// What the text forms are, in words.
const (
	durationForm = "a duration with its unit, such as 250ms or 5s"
	rateForm     = "a rate with its unit, such as 1000/s or 60/m"
	shareForm    = "a share in percent, such as 2% or 0.5%"
	switchForm   = "on or off"
	bitRateForm  = "bits per second with their unit, such as 10Mbit/s"
	bytesForm    = "an amount of memory with its unit, such as 64MiB"
)

var (
	durationRE = regexp.MustCompile(durationPattern)
	rateRE     = regexp.MustCompile(ratePattern)
	shareRE    = regexp.MustCompile(sharePattern)
	bitRateRE  = regexp.MustCompile(bitRatePattern)
	bytesRE    = regexp.MustCompile(bytesPattern)
)

// String is the shortest common form: 10m rather than 10m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText returns String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what String writes.
func (d *Duration) UnmarshalText(text []byte) error {
	t, err := time.ParseDuration(string(text))
	if err != nil || !durationRE.Match(text) {
		return errors.New("expected " + durationForm)
	}
	*d = Duration(t)
	return nil
}

// perSecond is how many seconds the unit of a rate has.
var perSecond = map[string]float64{"s": 1, "m": 60, "h": 3600}

// String prefers a whole number in the shortest unit that gives one.
func (r Rate) String() string {
	for _, unit := range []string{"s", "m", "h"} {
		n := math.Round(float64(r) * perSecond[unit])
		if n/perSecond[unit] == float64(r) {
			return decimal(n) + "/" + unit
		}
	}
	return decimal(float64(r)) + "/s"
}

// MarshalText returns String.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what String writes.
func (r *Rate) UnmarshalText(text []byte) error {
	number, unit, _ := strings.Cut(string(text), "/")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !rateRE.Match(text) {
		return errors.New("expected " + rateForm)
	}
	*r = Rate(n / perSecond[unit])
	return nil
}

// String gives the percentage with as many digits as the share has.
func (s Share) String() string { return shiftPoint(decimal(float64(s)), 2) + "%" }

// MarshalText returns String.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what String writes. The point is moved in the text, so
// that 0.7% is the number nearest to 0.007 and prints as 0.7% again.
func (s *Share) UnmarshalText(text []byte) error {
	n, err := strconv.ParseFloat(strings.TrimSuffix(string(text), "%")+"e-2", 64)
	if err != nil || !shareRE.Match(text) {
		return errors.New("expected " + shareForm)
	}
	*s = Share(n)
	return nil
}

// String is on or off.
func (s Switch) String() string {
	if s {
		return "on"
	}
	return "off"
}

// MarshalText returns String.
func (s Switch) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what String writes, and true and false.
func (s *Switch) UnmarshalText(text []byte) error {
	switch string(text) {
	case "on", "true":
		*s = true
	case "off", "false":
		*s = false
	default:
		return errors.New("expected " + switchForm)
	}
	return nil
}

// bitRateUnits are the prefixes of bit/s and their powers of ten.
var bitRateUnits = []struct {
	prefix string
	power  int
}{{"G", 9}, {"M", 6}, {"k", 3}, {"", 0}}

// String prefers a whole number in the largest unit that gives one.
func (r BitRate) String() string {
	for _, unit := range bitRateUnits {
		if n := float64(r) / math.Pow10(unit.power); n >= 1 && n == math.Trunc(n) && n*math.Pow10(unit.power) == float64(r) {
			return decimal(n) + unit.prefix + "bit/s"
		}
	}
	return decimal(float64(r)) + "bit/s"
}

// MarshalText returns String.
func (r BitRate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what String writes. The unit becomes an exponent in the
// text, so that nothing is rounded twice.
func (r *BitRate) UnmarshalText(text []byte) error {
	number := strings.TrimSuffix(string(text), "bit/s")
	power := 0
	for _, unit := range bitRateUnits[:len(bitRateUnits)-1] {
		if rest, ok := strings.CutSuffix(number, unit.prefix); ok {
			number, power = rest, unit.power
		}
	}
	n, err := strconv.ParseFloat(number+"e"+strconv.Itoa(power), 64)
	if err != nil || !bitRateRE.Match(text) {
		return errors.New("expected " + bitRateForm)
	}
	*r = BitRate(n)
	return nil
}

// bytesUnits are the prefixes of B and their powers of two.
var bytesUnits = []struct {
	prefix string
	shift  int
}{{"Ti", 40}, {"Gi", 30}, {"Mi", 20}, {"Ki", 10}, {"", 0}}

// String is the whole number in the largest unit that gives one.
func (b Bytes) String() string {
	for _, unit := range bytesUnits {
		if n := b >> unit.shift; n != 0 && n<<unit.shift == b {
			return strconv.FormatInt(int64(n), 10) + unit.prefix + "B"
		}
	}
	return "0B"
}

// MarshalText returns String.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads what String writes.
func (b *Bytes) UnmarshalText(text []byte) error {
	number := strings.TrimSuffix(string(text), "B")
	shift := 0
	for _, unit := range bytesUnits[:len(bytesUnits)-1] {
		if rest, ok := strings.CutSuffix(number, unit.prefix); ok {
			number, shift = rest, unit.shift
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || !bytesRE.Match(text) || n > math.MaxInt64>>shift {
		return errors.New("expected " + bytesForm)
	}
	*b = Bytes(n << shift)
	return nil
}

// decimal writes a number in as few digits as identify it, without exponent.
func decimal(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// shiftPoint moves the point of a decimal number to the right.
func shiftPoint(number string, places int) string {
	whole, fraction, _ := strings.Cut(number, ".")
	fraction += strings.Repeat("0", max(0, places-len(fraction)))
	whole = strings.TrimLeft(whole+fraction[:places], "0")
	if whole == "" {
		whole = "0"
	}
	if rest := fraction[places:]; rest != "" {
		whole += "." + rest
	}
	return whole
}
