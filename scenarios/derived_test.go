package scenarios

import (
	"testing"
	"time"
)

func TestConnectorOverrides(t *testing.T) {
	s := parse(t, base, "connectors.concurrency=50", "connectors.overrides=[{name: connector-2, concurrency: 5}, {name: connector-3, directory_delay: 30ms}]")
	for n, want := range []Override{
		{Name: "connector-1", Concurrency: 50},
		{Name: "connector-2", Concurrency: 5},
		{Name: "connector-3", Concurrency: 50, DirectoryDelay: 30 * second / 1000},
	} {
		if got := s.Connector(n + 1); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	roundTrip(t, s)
}

func TestChangedUsers(t *testing.T) {
	for _, c := range []struct {
		changes string
		age     time.Duration
		want    int
	}{
		{"0/s", time.Hour, 0},
		{"1/h", 59 * time.Minute, 0},
		{"1/h", time.Hour, 1},
		{"7/h", 24 * time.Hour, 90}, // of 100 users, 10 are disabled
		{"3/h", 24 * time.Hour, 72}, // 3/3600 is no binary fraction
	} {
		s := parse(t, base, "population.password_changes="+c.changes)
		if got := s.Population.ChangedUsers(Duration(c.age)); got != c.want {
			t.Errorf("%s within %s: %d users, want %d", c.changes, c.age, got, c.want)
		}
	}
}

// How far back old passwords reach is as old as the hash store gets.
func TestOldestHashes(t *testing.T) {
	s := parse(t, base, "population.password_changes=1/h", "load.mix={right: 90%, old: 10%}")
	if got := s.OldestHashes(); got != 24*3600*second {
		t.Errorf("without stale hashes: %s", got)
	}
	s = parse(t, base, "population.password_changes=1/h", "load.mix={right: 90%, old: 10%}",
		"faults=['stale-hashes(age=1h) at 1s for 1s', 'stale-hashes(age=2h) at 5s for 1s']")
	if got := s.OldestHashes(); got != 2*3600*second {
		t.Errorf("stale by one and two hours: %s", got)
	}
}
