package state

import (
	"errors"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// listed is the serials of the next list, with reasons.
func listed(t *testing.T, s *Store, endedBefore time.Time) (number uint64, revoked map[string]RevocationReason) {
	t.Helper()
	number, list, err := s.NextList(endedBefore)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(list, func(a, b Revocation) int { return slices.Compare([]byte(a.Serial), []byte(b.Serial)) }) {
		t.Errorf("the list is not in order: %+v", list)
	}
	revoked = make(map[string]RevocationReason)
	for _, r := range list {
		revoked[r.Serial] = r.Reason
	}
	return number, revoked
}

func told(s *Store) bool {
	select {
	case <-s.Revoked():
		return true
	default:
		return false
	}
}

func register(t *testing.T, s *Store, c Connector) {
	t.Helper()
	if err := s.Register(issue(t, s, c.Tenant), c, testKey, noon); err != nil {
		t.Fatal(err)
	}
}

// A revocation is kept, is one however often it is asked for, and ends with a
// new registration.
func TestRevoke(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, _, err := s.Revoke("contoso", "connector-1", noon); !errors.Is(err, ErrNoConnector) {
		t.Errorf("one that never registered: %v", err)
	}
	register(t, s, connector("connector-1", "0a"))
	register(t, s, connector("connector-2", "0b"))
	if s.Withdrawn("0a") || told(s) {
		t.Error("it is revoked before anybody did that")
	}
	later := noon.Add(time.Hour)
	if c, revoked, err := s.Revoke("contoso", "connector-1", later); err != nil || !revoked || !c.RevokedAt.Equal(later) || !told(s) {
		t.Errorf("%+v, %v, %v", c, revoked, err)
	}
	for range 2 {
		if c, revoked, err := s.Revoke("contoso", "connector-1", later.Add(time.Hour)); err != nil || revoked || !c.RevokedAt.Equal(later) || told(s) {
			t.Errorf("once more: %+v, %v, %v", c, revoked, err)
		}
		if !s.Withdrawn("0a") || s.Withdrawn("0b") || s.Withdrawn("0c") {
			t.Errorf("withdrawn: %v, %v, %v", s.Withdrawn("0a"), s.Withdrawn("0b"), s.Withdrawn("0c"))
		}
		if c, found := s.Known("0a"); !found || c.Accepts("0a", later) {
			t.Errorf("it is known %v and accepted %v", found, c.Accepts("0a", later))
		}
		s = reopen(t, s, dir)
	}
	if _, got := listed(t, s, noon); len(got) != 1 || got["0a"] != Withdrawn {
		t.Errorf("listed: %v", got)
	}
	register(t, s, connector("connector-1", "0c"))
	if c, found := s.Known("0c"); !found || s.Withdrawn("0c") || !c.Accepts("0c", later) {
		t.Error("registered again it is still revoked")
	}
	if _, got := listed(t, s, noon); len(got) != 1 || got["0a"] != Withdrawn {
		t.Errorf("listed after that: %v", got)
	}
}

// A certificate that another registration replaced is revoked, with the one
// that it was renewed from.
func TestReplacedIsRevoked(t *testing.T) {
	s := open(t, t.TempDir())
	register(t, s, connector("connector-1", "0a"))
	if _, err := s.Renew("0a", "0b", noon.Add(200*24*time.Hour), "0.1.0", noon); err != nil {
		t.Fatal(err)
	}
	if told(s) {
		t.Error("a renewal revokes something")
	}
	register(t, s, connector("connector-1", "0c"))
	if _, got := listed(t, s, noon); len(got) != 2 || got["0a"] != Superseded || got["0b"] != Superseded || !told(s) {
		t.Errorf("listed: %v", got)
	}
	if s.Withdrawn("0c") {
		t.Error("the new one is revoked")
	}
	if err := s.Register("no token", connector("connector-1", "0d"), testKey, noon); err == nil {
		t.Fatal("registered without a token")
	}
	if _, got := listed(t, s, noon); len(got) != 2 || told(s) {
		t.Errorf("a registration that was refused revoked something: %v", got)
	}
}

// Lists are numbered without a gap backwards, over restarts too, and forget
// what has ended by itself.
func TestNextList(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for i := uint64(1); i <= 3; i++ {
		if number, _ := listed(t, s, noon); number != i {
			t.Errorf("list %d has number %d", i, number)
		}
		s = reopen(t, s, dir)
	}
	end := connector("connector-1", "0a").NotAfter
	register(t, s, connector("connector-1", "0a"))
	register(t, s, connector("connector-1", "0b"))
	if _, got := listed(t, s, end); len(got) != 1 {
		t.Errorf("listed until its end: %v", got)
	}
	if _, got := listed(t, s, end.Add(time.Second)); len(got) != 0 {
		t.Errorf("listed after its end: %v", got)
	}
	if _, got := listed(t, s, noon); len(got) != 0 {
		t.Errorf("what was forgotten is listed again: %v", got)
	}
	if err := s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(revocationBucket).Put([]byte("0f"), []byte("{")) }); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.NextList(noon); err == nil {
		t.Error("a record that is damaged is not noticed")
	}
}
