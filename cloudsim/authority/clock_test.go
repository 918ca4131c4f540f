package authority

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// Clocks may differ by the bound that is stated, in either direction; beyond it
// both are named.
func TestCheckClock(t *testing.T) {
	for _, tc := range []struct {
		apart time.Duration
		want  string // empty: tolerated
	}{
		{0, ""}, {9 * time.Minute, ""}, {-9 * time.Minute, ""}, {ClockTolerance, ""}, {-ClockTolerance, ""},
		{ClockTolerance + time.Second, "differ by 10m1s: the connector's says 2026-01-02T12:10:01Z, the cloud's 2026-01-02T12:00:00Z; expected at most 10m0s"},
		{-ClockTolerance - time.Second, "differ by 10m1s: the connector's says 2026-01-02T11:49:59Z, the cloud's 2026-01-02T12:00:00Z; expected at most 10m0s"},
		{-50 * 365 * 24 * time.Hour, "differ by 438000h0m0s"},
	} {
		err := CheckClock(noon.Add(tc.apart).UnixNano(), noon)
		if (err == nil) != (tc.want == "") || err != nil && (!errors.Is(err, ErrClock) || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%v: %v; expected %q", tc.apart, err, tc.want)
		}
	}
	if err := CheckClock(0, noon); err != nil {
		t.Errorf("of a connector that says nothing: %v", err)
	}
}

// A certificate is good for a connector whose clock is as far behind as it may
// be, and its authority's too.
func TestBackdated(t *testing.T) {
	a := newTestAuthority(t, memory{}, func() time.Time { return noon })
	c := issued(t, a, connector1, time.Hour)
	for name, notBefore := range map[string]time.Time{"connector": c.Leaf.NotBefore, "simulator": a.server.Leaf.NotBefore, "authority": a.certificate.NotBefore} {
		if noon.Sub(notBefore) <= ClockTolerance {
			t.Errorf("that of the %s is valid from %v before; expected more than %v", name, noon.Sub(notBefore), ClockTolerance)
		}
	}
}
