package state

import "testing"

func TestNext(t *testing.T) {
	dir := t.TempDir()
	for want := uint64(1); want <= 3; want++ { // one each start
		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Next("documents")
		other, otherErr := s.Next("others")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil || otherErr != nil || got != want || other != want {
			t.Errorf("start %d: %d and %d, %v, %v", want, got, other, err, otherErr)
		}
	}
}
