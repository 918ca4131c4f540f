package state

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// A renewal adds a certificate; the one before goes when its successor has been
// in use for Grace. Restarts in between change nothing.
func TestRenewal(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Register(issue(t, s, "contoso"), connector("connector-1", "0a"), testKey, noon); err != nil {
		t.Fatal(err)
	}
	end := noon.Add(360 * 24 * time.Hour)
	renew := func(shown, serial string, want error) {
		t.Helper()
		if _, err := s.Renew(shown, serial, end, "0.2.0", noon); !errors.Is(err, want) {
			t.Errorf("%s to %s: %v; expected %v", shown, serial, err, want)
		}
	}
	good := func(at time.Time, want string) {
		t.Helper()
		var got string
		for _, serial := range []string{"0a", "0b", "0c", "0d"} {
			if c, found := s.Known(serial); found && c.Accepts(serial, at) {
				got += serial
			}
		}
		if got != want {
			t.Errorf("%s are good; expected %s", got, want)
		}
	}
	used := func(serial string) {
		t.Helper()
		if err := s.Used(serial, noon); err != nil {
			t.Error(err)
		}
	}
	renew("ff", "0b", ErrNotCurrent)
	used("0a") // has no predecessor
	renew("0a", "0b", nil)
	good(noon.Add(time.Hour), "0a0b")
	renew("0a", "0c", nil) // 0b never arrived
	s = reopen(t, s, dir)
	good(noon.Add(time.Hour), "0a0c")
	used("0a") // the old one's use says nothing
	good(noon.Add(time.Hour), "0a0c")
	used("0c")
	s = reopen(t, s, dir)
	good(noon.Add(Grace-1), "0a0c")
	good(noon.Add(Grace), "0c")
	renew("0a", "0d", ErrSuperseded)
	renew("0b", "0d", ErrNotCurrent)
	renew("0c", "0d", nil)
	good(noon, "0c0d")
	c, _ := s.Known("0d")
	if c.Version != "0.2.0" || !c.NotAfter.Equal(end) || !c.RenewedAt.Equal(noon) || c.ID != "id of 0a" {
		t.Errorf("recorded %+v", c)
	}

	if _, found, err := s.Remove("contoso", "connector-1", "another", noon); found || err != nil {
		t.Errorf("removed by another ID: %v, %v", found, err)
	}
	if gone, found, err := s.Remove("contoso", "connector-1", c.ID, noon); !found || err != nil || gone != c {
		t.Errorf("removed %+v, %v, %v", gone, found, err)
	}
	s = reopen(t, s, dir)
	good(noon, "")
	_, revoked, err := s.NextList(noon)
	if err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]bool)
	for _, r := range revoked {
		listed[r.Serial] = r.Reason == Ceased
	}
	if !listed["0c"] || !listed["0d"] {
		t.Errorf("revoked %+v; expected both certificates that were good", revoked)
	}
}

func TestRules(t *testing.T) {
	s := open(t, t.TempDir())
	s.SetRules(Rules{Limit: 3, OnePerHost: true})
	register := func(tenant, name, host string, want error) {
		t.Helper()
		c := connector(name, "of "+tenant+name)
		c.Tenant, c.HostName = tenant, host
		if err := s.Register(issue(t, s, tenant), c, testKey, noon); !errors.Is(err, want) {
			t.Errorf("%s of %s on %q: %v; expected %v", name, tenant, host, err, want)
		}
	}
	register("contoso", "connector-1", "host-1", nil)
	register("contoso", "connector-2", "HOST-1", ErrHostTaken)
	register("fabrikam", "connector-1", "host-1", nil)
	register("contoso", "connector-2", "", nil) // says nothing of its host
	register("contoso", "connector-3", "", nil)
	register("contoso", "connector-4", "host-4", ErrTooManyConnectors)
	register("contoso", "connector-1", "host-1", nil) // in its own place
	register("contoso", "connector-2", "host-1", ErrHostTaken)
	if _, _, err := s.Remove("contoso", "connector-1", "", noon); err != nil {
		t.Fatal(err)
	}
	register("contoso", "connector-4", "host-1", nil)
}

func TestSeen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	c := connector("connector-1", "0a")
	if err := s.Register(issue(t, s, "contoso"), c, testKey, noon); err != nil {
		t.Fatal(err)
	}
	last := func(want time.Duration) {
		t.Helper()
		if c, _ := s.Known("0a"); !c.LastSeen.Equal(noon.Add(want)) {
			t.Errorf("last seen %v; expected %v", c.LastSeen, noon.Add(want))
		}
	}
	for i, d := range []time.Duration{time.Minute, time.Hour, time.Second} {
		s.Seen("contoso", "connector-1", c.ID, noon.Add(d))
		s.Seen("contoso", "connector-1", "another", noon.Add(24*time.Hour))
		s.Seen("contoso", fmt.Sprint("nobody-", i), c.ID, noon.Add(d))
	}
	last(time.Hour)
	if err := s.SaveSeen(); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s, dir)
	last(time.Hour)
	// Not yet in the file when the record is written otherwise.
	s.Seen("contoso", "connector-1", c.ID, noon.Add(2*time.Hour))
	if _, err := s.Renew("0a", "0b", noon.Add(time.Hour), "", noon); err != nil {
		t.Fatal(err)
	}
	last(2 * time.Hour)
	if err := s.SaveSeen(); err != nil {
		t.Fatal(err)
	}
	s = reopen(t, s, dir)
	last(2 * time.Hour)
}
