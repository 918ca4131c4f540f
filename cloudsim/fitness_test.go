package cloudsim

import (
	"testing"

	"ptabench/cloudsim/dispatch"
)

// A connector serves while one session takes over from another one.
func TestFitnessWhileSucceeding(t *testing.T) {
	draining := dispatch.Fit
	draining.Draining = true
	for _, c := range []struct {
		name              string
		s                 *session
		attached, serving bool
	}{
		{"attached and fit", &session{attached: true, status: dispatch.Fit}, true, true},
		{"attached and draining", &session{attached: true, status: draining}, true, false},
		{"not attached yet", &session{}, false, false},
		{"not attached yet, the one before serves", &session{before: &session{attached: true, status: dispatch.Fit}}, true, true},
		{"not attached yet, the one before drains", &session{before: &session{attached: true, status: draining}}, true, false},
		{"not attached yet, the one before has ended", &session{before: &session{status: dispatch.Fit}}, false, false},
		{"attached, the one before drains", &session{attached: true, status: dispatch.Fit, before: &session{attached: true, status: draining}}, true, true},
	} {
		if attached, serving := c.s.fitness(); attached != c.attached || serving != c.serving {
			t.Errorf("%s: attached %v, serving %v; want %v, %v", c.name, attached, serving, c.attached, c.serving)
		}
	}
}
