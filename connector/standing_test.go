package connector

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"ptabench/observe"
	"ptabench/ports"
)

// TestStanding: a stream that ends takes back what it said, and another one of
// its kind stays, whichever came first.
func TestStanding(t *testing.T) {
	var s standing
	s.on(signalling, "9352", "one")
	s.on(fast, "9350", "one")
	s.on(answering, "10100", "one")
	s.on(answering, "10101", "two")
	s.off(answering, "one")
	s.on(signalling, "5671", "old session") // which ends in a moment
	s.off(signalling, "old session")
	s.off(fast, "one")
	s.reported("443")
	s.reported("443")
	s.reported(outcomeFailed)
	s.bootstrapped("8080")
	var got observe.AgentCounters
	s.tell(&got)
	s.reported("8080") // told is told
	want := observe.AgentCounters{SignallingPort: "9352", ResponsePort: "10101",
		Reports: map[string]uint64{"443": 2, "failed": 1}, Bootstraps: map[string]uint64{"8080": 1}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("told %+v, want %+v", got, want)
	}
}

func TestPortsPreferred(t *testing.T) {
	for _, c := range []struct {
		port string
		want []string
	}{
		{"", []string{"9352", "5671"}},
		{"9352", []string{"9352", "5671"}},
		{"5671", []string{"5671", "9352"}},
	} {
		a := &connector{cfg: &checked{Config: Config{SignallingPort: c.port}}}
		if got := a.portsOf(signalling); !slices.Equal(got, c.want) {
			t.Errorf("preferring %q: %q, want %q", c.port, got, c.want)
		}
		if got := a.portsOf(fast); !slices.Equal(got, []string{ports.Fast}) {
			t.Errorf("preferring %q, the fast path is on %q", c.port, got)
		}
	}
	if got := ports.Signalling(); !slices.Equal(got, []string{"9352", "5671"}) {
		t.Errorf("the order of others was changed: %q", got)
	}
}

func TestPreferredPortsRefused(t *testing.T) {
	err := Config{SignallingPort: "9350", ResponsePort: "10121"}.Validate()
	for _, want := range []string{`--signalling-port "9350": expected 9352 or 5671`, `--response-port "10121": expected 10100 to 10120`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
}
