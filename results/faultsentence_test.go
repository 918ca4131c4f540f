package results

import (
	"strings"
	"testing"
)

// What a sentence says of how sign-ins were served must agree with what it says
// was lost, also where the cloud has no word of the server that is broken.
func TestSentenceOfServersBehindTheCloud(t *testing.T) {
	for _, c := range []struct {
		name      string
		fault     Fault
		want, not string
		recovered int64
	}{
		{"nobody noticed", Fault{Target: "adfs-1", Detect: -1, Recover: 5}, "; no sign-in was lost or late for it;", "others", 5},
		{"only what was under way was lost", Fault{Target: "adfs-1", Detect: 15_700_000, Lost: 4, Recover: 5},
			"; users noticed after 15.7 ms; others served every sign-in that was due after that;", "no sign-in was lost", 5},
		{"until others took over", Fault{Target: "directory-2", Detect: 2e8, Failover: 48e7, Lost: 7, Recover: -1},
			"; others served every sign-in from 480 ms on;", "; no sign-in needs", Unseen},
		{"until it ended", Fault{Target: "adfs-1", Detect: 2e8, Failover: -1, Lost: 26, Recover: -1},
			"; sign-ins were lost or late for it until it ended;", "served another way", Unseen},
		{"the agent, while something else lost a sign-in", Fault{Target: "hashsync", Detect: -1, Failover: -1, Lost: 1, Recover: 5},
			"; the hash sync agent worked again 5 ns after its end", "another way", 5},
		{"what no sign-in needs", Fault{Target: "directory", Detect: 3e6, Failover: -1, Recover: -1, Idle: true},
			"; no sign-in needs the directory.", "no recovery was seen", unneeded},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := c.fault
			f.Name, f.Kind, f.Healed, f.Injections = "killed", "crash", true, 1
			if got := sentence(&f); !strings.Contains(got, c.want) || strings.Contains(got, c.not) {
				t.Errorf("%s\nwant %q, and not %q", got, c.want, c.not)
			}
			if got := figuresOf(&f).Recover; got != c.recovered {
				t.Errorf("recovered %d, want %d", got, c.recovered)
			}
		})
	}
	agent := figuresOf(&Fault{Target: "hashsync", Kind: "crash", Detect: -1, Failover: -1, Lost: 1})
	if agent.Detect != unneeded || agent.Failover != unneeded {
		t.Errorf("a sign-in waits for the agent: %+v", agent)
	}
}
