package population

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// An EventKind is one way in which an account changes while a run goes on.
type EventKind string

// The kinds of event. Those that end a state lead back to Active.
const (
	ChangePassword EventKind = "change-password" // of an account that is active, or must change it, or let it expire
	Disable        EventKind = "disable"
	Enable         EventKind = "enable"
	Lock           EventKind = "lock"
	Unlock         EventKind = "unlock"
	Expire         EventKind = "expire" // the password
	DemandChange   EventKind = "must-change"
	ExpireAccount  EventKind = "account-expire"
	RenewAccount   EventKind = "account-renew"
)

// transitions says from which state each kind leads to which.
var transitions = []struct {
	kind     EventKind
	from, to State
}{
	{ChangePassword, Active, Active},
	{ChangePassword, PasswordExpired, Active},
	{ChangePassword, MustChange, Active},
	{Disable, Active, Disabled},
	{Enable, Disabled, Active},
	{Lock, Active, Locked},
	{Unlock, Locked, Active},
	{Expire, Active, PasswordExpired},
	{DemandChange, Active, MustChange},
	{ExpireAccount, Active, AccountExpired},
	{RenewAccount, AccountExpired, Active},
}

// EventKinds are all kinds of event, in a fixed order.
func EventKinds() (all []EventKind) {
	for _, t := range transitions {
		if !slices.Contains(all, t.kind) {
			all = append(all, t.kind)
		}
	}
	return all
}

// ParseEventKind reads the name of a kind.
func ParseEventKind(s string) (EventKind, error) {
	names := make([]string, 0, len(transitions))
	for _, kind := range EventKinds() {
		if s == string(kind) {
			return kind, nil
		}
		names = append(names, string(kind))
	}
	return "", fmt.Errorf("event %q: expected one of %s", s, strings.Join(names, ", "))
}

// An Account is what of a user's account events change.
type Account struct {
	State   State
	Version uint32 // of its password: how often it was changed
}

// Account is what user i has before any event.
func (p *Population) Account(i int) Account { return Account{State: p.state[i]} }

// After is the account after an event, which must fit its state.
func (a Account) After(kind EventKind) (Account, error) {
	var fits []string
	for _, t := range transitions {
		switch {
		case t.kind != kind:
		case t.from == a.State:
			a.State = t.to
			if kind == ChangePassword {
				a.Version++
			}
			return a, nil
		default:
			fits = append(fits, t.from.String())
		}
	}
	if len(fits) == 0 {
		_, err := ParseEventKind(string(kind))
		return a, err
	}
	return a, fmt.Errorf("%s: the account is %s: expected %s", kind, a.State, strings.Join(fits, " or "))
}

// VersionOf is the password that user i has after changing it so many times.
func (p *Population) VersionOf(i int, version uint32) string {
	if version == 0 {
		return p.Password(i)
	}
	return p.derive(string(binary.BigEndian.AppendUint32([]byte("password version "), version)), i)
}

// FormerOf is the password before that one.
func (p *Population) FormerOf(i int, version uint32) string {
	if version == 0 {
		return p.PreviousPassword(i)
	}
	return p.VersionOf(i, version-1)
}
