package scenarios

import "math"

// Connector is the n-th connector, from 1, with what is different for it.
func (s *Scenario) Connector(n int) Override {
	o := Override{Name: connectorName(n), Concurrency: s.Connectors.Concurrency}
	for _, given := range s.Connectors.Overrides {
		if given.Name != o.Name {
			continue
		}
		if given.Concurrency > 0 {
			o.Concurrency = given.Concurrency
		}
		o.DirectoryDelay = given.DirectoryDelay
		o.ResponsePort, o.SignallingPort = given.ResponsePort, given.SignallingPort
	}
	return o
}

// ChangedUsers is how many users changed their password within an age before
// the run. Only active users do.
func (p Population) ChangedUsers(age Duration) int {
	n := math.Floor(float64(p.PasswordChanges)*float64(age)/1e9 + tolerance)
	return int(min(n, float64(max(0, active(p)))))
}

// OldestHashes is the largest age of the hash store in the run, and a day when
// it is never stale: how far back sign-ins with an old password reach.
func (s *Scenario) OldestHashes() Duration {
	oldest := Duration(0)
	for _, f := range s.Faults {
		if f.Kind == StaleHashes {
			oldest = max(oldest, f.Age)
		}
	}
	if oldest == 0 {
		return 24 * 3600 * 1e9
	}
	return oldest
}
