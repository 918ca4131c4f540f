package observe

import (
	"testing"
	"time"
)

func TestCoarse(t *testing.T) {
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		180*day - time.Second: "180 d", 179*day + time.Hour: "179 d", 48 * time.Hour: "2 d", 47 * time.Hour: "47 h", 3 * time.Minute: "3 min", -time.Second: "0 s",
	} {
		if got := coarse(d); got != want {
			t.Errorf("%v: %q, expected %q", d, got, want)
		}
	}
}
