package scenarios

import (
	"encoding"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestUnitsReadAndPrint(t *testing.T) {
	for _, c := range []struct {
		text  string
		value interface {
			String() string
		}
		print string // empty when it prints as it reads
	}{
		{"0", Duration(0), "0s"},
		{"0s", Duration(0), ""},
		{"250ms", Duration(250 * time.Millisecond), ""},
		{"1.5s", Duration(1500 * time.Millisecond), ""},
		{"90s", Duration(90 * time.Second), "1m30s"},
		{"10m", Duration(10 * time.Minute), ""},
		{"4320h", Duration(180 * 24 * time.Hour), ""},
		{"1h30m", Duration(90 * time.Minute), ""},
		{"20us", Duration(20 * time.Microsecond), "20µs"},
		{"20µs", Duration(20 * time.Microsecond), ""},
		{"1000/s", Rate(1000), ""},
		{"60/m", Rate(1), "1/s"},
		{"1/m", Rate(1.0 / 60), ""},
		{"7/h", Rate(7.0 / 3600), ""},
		{"0.5/s", Rate(0.5), "30/m"},
		{"2%", Share(0.02), ""},
		{"0.5%", Share(0.005), ""},
		{"0.7%", Share(0.007), ""},
		{"100%", Share(1), ""},
		{"0%", Share(0), ""},
		{"33.333333%", Share(0.33333333), ""},
		{"64kbit/s", BitRate(64e3), ""},
		{"10Mbit/s", BitRate(1e7), ""},
		{"1Gbit/s", BitRate(1e9), ""},
		{"1500Mbit/s", BitRate(1.5e9), ""},
		{"1.5Gbit/s", BitRate(1.5e9), "1500Mbit/s"},
		{"0.5bit/s", BitRate(0.5), ""},
		{"0bit/s", BitRate(0), ""},
		{"64MiB", Bytes(64 << 20), ""},
		{"512KiB", Bytes(512 << 10), ""},
		{"1024MiB", Bytes(1 << 30), "1GiB"},
		{"1025B", Bytes(1025), ""},
		{"0B", Bytes(0), ""},
		{"1TiB", Bytes(1 << 40), ""},
		{"on", Switch(true), ""},
		{"off", Switch(false), ""},
		{"true", Switch(true), "on"},
		{"false", Switch(false), "off"},
	} {
		if got := read(t, c.value, c.text); got != c.value {
			t.Errorf("%T from %q: %#v, want %#v", c.value, c.text, got, c.value)
		}
		want := c.print
		if want == "" {
			want = c.text
		}
		if got := c.value.String(); got != want {
			t.Errorf("%T from %q prints %q, want %q", c.value, c.text, got, want)
		}
	}
}

// read makes a value of the type of like from its text form.
func read(t *testing.T, like any, text string) any {
	t.Helper()
	check := func(err error) {
		if err != nil {
			t.Errorf("%T from %q: %v", like, text, err)
		}
	}
	switch like.(type) {
	case Duration:
		var d Duration
		check(d.UnmarshalText([]byte(text)))
		return d
	case Rate:
		var r Rate
		check(r.UnmarshalText([]byte(text)))
		return r
	case Share:
		var s Share
		check(s.UnmarshalText([]byte(text)))
		return s
	case BitRate:
		var r BitRate
		check(r.UnmarshalText([]byte(text)))
		return r
	case Bytes:
		var b Bytes
		check(b.UnmarshalText([]byte(text)))
		return b
	default:
		var s Switch
		check(s.UnmarshalText([]byte(text)))
		return s
	}
}

func TestUnitsRefuse(t *testing.T) {
	for _, c := range []struct {
		into  encoding.TextUnmarshaler
		texts []string
	}{
		{new(Duration), []string{"", "5", "5 s", "-5s", "+5s", ".5s", "5.s", "1d", "s", "1e3s", "99999999999h", "00"}},
		{new(Rate), []string{"", "1000", "/s", "1000/", "-1/s", "1e3/s", "1000/d", "1000/ s", "NaN/s", "Inf/s", "0x10/s"}},
		{new(Share), []string{"", "2", "0.02", "%", "-2%", "2 %", "NaN%", "1e1%", "0x1%"}},
		{new(BitRate), []string{"", "10", "10M", "Mbit/s", "10mbit/s", "-1bit/s", "1e3bit/s", "10 Mbit/s", "NaNbit/s", "10Mbit", "0x1bit/s", "1kMbit/s"}},
		{new(Bytes), []string{"", "64", "64M", "MiB", "64MB", "64mib", "1.5GiB", "-1B", "1e3B", "9000000TiB", "8388608TiB", "99999999999999999999B"}},
		{new(Switch), []string{"", "yes", "no", "On", "1", "-on"}},
	} {
		for _, text := range c.texts {
			if err := c.into.UnmarshalText([]byte(text)); err == nil {
				t.Errorf("%T from %q: %v, want an error", c.into, text, c.into)
			}
		}
	}
}

// Whatever a value is, its text form is read back to the same value.
func TestUnitsRoundTrip(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 5_000 {
		values := []interface{ String() string }{
			Duration(random.Int64N(math.MaxInt64 >> random.IntN(60))),
			Rate(random.Float64() * math.Pow(10, float64(random.IntN(12)-6))),
			Rate(float64(1+random.IntN(100_000)) / 60),
			Share(random.Float64() * math.Pow(10, -float64(random.IntN(12)))),
			Share(float64(random.IntN(10_001)) / 10_000),
			BitRate(random.Float64() * math.Pow(10, float64(random.IntN(14)))),
			BitRate(float64(random.IntN(10_000)) * math.Pow(10, float64(random.IntN(8)))),
			Bytes(random.Int64N(math.MaxInt64 >> random.IntN(62))),
			Bytes(random.Int64N(1000) << random.IntN(50)),
		}
		for _, v := range values {
			if got := read(t, v, v.String()); got != v {
				t.Fatalf("%T %#v prints %q, which is read as %#v", v, v, v.String(), got)
			}
		}
	}
}
