package state

import (
	"errors"
	"testing"

	"ptabench/synchash"
	"ptabench/wire"
)

// TestAdvance: accounts and cursor move together, from where the cursor is, and
// both are there after a restart.
func TestAdvance(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	zero := Cursor{}
	first := Cursor{Source: "a", Passwords: 10, Standings: 10, Complete: true}
	second := Cursor{Source: "a", Passwords: 20, Standings: 10, Complete: true}
	whole := []Account{{UPN: "One@contoso.test", HasHash: true, Hash: synchash.New("p1")}, {UPN: "two@contoso.test", HasHash: true, Hash: synchash.New("p2"), Disabled: true}}
	if err := s.Advance("contoso", zero, first, whole); err != nil {
		t.Fatal(err)
	}
	for _, from := range []Cursor{zero, second, {Source: "b", Passwords: 10, Standings: 10, Complete: true}} {
		if err := s.Advance("contoso", from, second, []Account{{UPN: "one@contoso.test", Deleted: true}}); !errors.Is(err, ErrElsewhere) {
			t.Errorf("from %+v: %v", from, err)
		}
	}
	if is, err := s.Cursor("contoso"); err != nil || is != first {
		t.Errorf("cursor %+v, %v", is, err)
	}
	if err := s.Advance("contoso", first, second, nil); err != nil {
		t.Errorf("moving it past nothing: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if is, err := s.Cursor("contoso"); err != nil || is != second {
		t.Errorf("after a restart: cursor %+v, %v", is, err)
	}
	if is, err := s.Cursor("fabrikam"); err != nil || is != zero {
		t.Errorf("of another tenant: cursor %+v, %v", is, err)
	}
	if got := s.Check("contoso", "one@contoso.test", "p1"); got != wire.Result_RESULT_ACCEPTED {
		t.Errorf("after a restart: %v", got)
	}
}

// TestParts: what a part does not carry stays as it was.
func TestParts(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const upn = "one@contoso.test"
	old, other := synchash.New("old"), synchash.New("other")
	at := Cursor{}
	for i, step := range []struct {
		give Account
		want Account
	}{
		{Account{HasHash: true, Hash: old, Disabled: true}, Account{HasHash: true, Hash: old, Disabled: true}},
		{Account{HasHash: true, Hash: other, Part: Password}, Account{HasHash: true, Hash: other, Disabled: true}},
		{Account{Part: Standing}, Account{HasHash: true, Hash: other}},
		{Account{Disabled: true, Part: Standing}, Account{HasHash: true, Hash: other, Disabled: true}},
		{Account{Part: Password}, Account{Disabled: true}},
		{Account{Part: Standing}, Account{}},
		{Account{HasHash: true, Hash: old, Disabled: true, Part: Password}, Account{HasHash: true, Hash: old}},
		{Account{}, Account{}},
	} {
		step.give.UPN, step.want.UPN = upn, upn
		next := Cursor{Source: "a", Passwords: uint64(i + 1)}
		if err := s.Advance("contoso", at, next, []Account{step.give}); err != nil {
			t.Fatal(err)
		}
		at = next
		if got, found := s.Account("contoso", upn); !found || got != step.want {
			t.Errorf("step %d: %+v, want %+v", i, got, step.want)
		}
	}
	// One that is new has nothing but the part.
	if err := s.Advance("contoso", at, Cursor{Source: "a", Passwords: 99}, []Account{{UPN: "new@contoso.test", Disabled: true, Part: Standing}}); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Account("contoso", "new@contoso.test"); !got.Disabled || got.HasHash {
		t.Errorf("%+v", got)
	}
}
