package conformance

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ptabench/observe"
	"ptabench/population"
	"ptabench/wire"
)

// changing are the users to whom something happens, what does, how often they
// have changed their password then, and what they are told who know it. Those
// who "was" something were in that state from the first.
var changing = []struct {
	name    string
	kinds   []population.EventKind
	version uint32
	is      wire.Result
}{
	{"password", []population.EventKind{population.ChangePassword}, 1, accepted},
	{"password-twice", []population.EventKind{population.ChangePassword, population.DemandChange, population.ChangePassword}, 2, accepted},
	{"disable", []population.EventKind{population.ChangePassword, population.Disable}, 1, disabled},
	{"enable", []population.EventKind{population.Disable, population.Enable}, 0, accepted},
	{"lock", []population.EventKind{population.Lock}, 0, locked},
	{"unlock", []population.EventKind{population.Lock, population.Unlock, population.ChangePassword}, 1, accepted},
	{"expire", []population.EventKind{population.Expire}, 0, expired},
	{"no-longer-expired", []population.EventKind{population.Expire, population.ChangePassword}, 1, accepted},
	{"must-change", []population.EventKind{population.ChangePassword, population.DemandChange}, 1, mustChange},
	{"account-expire", []population.EventKind{population.ExpireAccount}, 0, accountExpired},
	{"account-renew", []population.EventKind{population.ExpireAccount, population.RenewAccount}, 0, accepted},
	{"was-disabled", []population.EventKind{population.Enable}, 0, accepted},
	{"was-locked", []population.EventKind{population.Unlock, population.ChangePassword}, 1, accepted},
	{"was-expired", []population.EventKind{population.ChangePassword, population.Lock}, 1, locked},
	{"was-must-change", []population.EventKind{population.ChangePassword}, 1, accepted},
	{"was-account-expired", []population.EventKind{population.RenewAccount}, 0, accepted},
}

// TestChanges: what happens to accounts while a directory serves is what their
// next binds are told, and a directory that was gone still knows.
func TestChanges(t *testing.T) {
	list := [][]string{{"plain" + atDomain, secret}}
	for _, c := range changing {
		state, found := strings.CutPrefix(c.name, "was-")
		if !found {
			state = "active"
		}
		list = append(list, []string{c.name + atDomain, secret, state})
	}
	file := usersFile(t, list)
	people, err := population.FromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			s := serve(t, kind.server, file)
			pool := s.pool(t, nil)
			binds := counters(t, s).Total
			seq := uint64(0)
			for _, c := range changing {
				for _, kind := range c.kinds {
					seq++
					s.change(t, seq, c.name, kind)
				}
			}
			if got := counters(t, s).Total; got != binds {
				t.Errorf("%d of its own binds are counted", got-binds)
			}
			check := func(t *testing.T) {
				for _, c := range changing {
					user, _ := people.Index(c.name + atDomain)
					for version := range uint32(3) {
						want := []wire.Result{wrongPassword}
						switch {
						case version == c.version:
							want = []wire.Result{c.is}
						case c.is != accepted: // who is refused anyway may be told why
							want = append(want, c.is)
						}
						if got := ask(pool, c.name+atDomain, people.VersionOf(user, version)); !slices.Contains(want, got) {
							t.Errorf("%s, %v: password %d: %v, expected %v", c.name, c.kinds, version, got, want)
						}
					}
				}
			}
			t.Run("at once", check)
			again := func() {
				s.end(t)
				s.again(t)
				eventually(t, "accepted when it is back", func() bool { return ask(pool, "plain"+atDomain, secret) == accepted })
			}
			again()
			t.Run("after a restart", check)
			if kind.server != nil {
				if err := os.Remove(filepath.Join(s.cfg.State, kind.name, "provisioned")); err != nil {
					t.Fatal(err)
				}
				again()
				t.Run("with accounts made anew", check)
			}
			last := changing[len(changing)-1]
			s.change(t, seq, last.name, last.kinds[len(last.kinds)-1]) // the last one once more
			s.change(t, seq+1, "plain", population.Disable)
			if got := ask(pool, "plain"+atDomain, secret); got != disabled {
				t.Errorf("disabled after a restart: %v", got)
			}
		})
	}
}

// change has something happen to a user, and asks for it again as somebody who
// did not hear the answer.
func (s *served) change(t *testing.T, seq uint64, name string, kind population.EventKind) {
	t.Helper()
	client := observe.Client{Address: s.ready.Ports["observe"], Token: "observer"}
	want := observe.AccountChange{Seq: seq, User: name + atDomain, Kind: string(kind)}
	var answers [2]observe.AppliedChange
	for i := range answers {
		if err := client.Post(t.Context(), "/accounts", want, &answers[i]); err != nil {
			t.Fatal(err)
		}
	}
	if answers[0] != answers[1] || answers[0].Seq != seq {
		t.Errorf("%s of %s: %+v, and again: %+v", kind, name, answers[0], answers[1])
	}
}
