package directory

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	client "github.com/go-ldap/ldap/v3"

	"ptabench/observe"
	"ptabench/population"
	"ptabench/synchash"
)

const testSyncPassword = "sync-password-of-this-test"

func withSync(t testing.TB) Config {
	cfg := testConfig(t)
	cfg.SyncPassword = testSyncPassword
	return cfg
}

// syncer is a connection of the sync account.
func (r *running) syncer() *client.Conn {
	r.t.Helper()
	conn := r.dial()
	if err := conn.Bind(r.ready.Info["sync_dn"], testSyncPassword); err != nil {
		r.t.Fatal(err)
	}
	return conn
}

func (r *running) change(seq uint64, user int, kind population.EventKind) (applied observe.AppliedChange, err error) {
	want := observe.AccountChange{Seq: seq, User: r.users.UPN(user), Kind: string(kind)}
	return applied, r.observe.Post(r.t.Context(), "/accounts", want, &applied)
}

func code(err error) uint16 {
	var e *client.Error
	if errors.As(err, &e) {
		return e.ResultCode
	}
	return 0
}

// TestEvents: what happens to an account shows in its binds and its entry, at
// once and after a restart.
func TestEvents(t *testing.T) {
	cfg := withSync(t)
	r := start(t, cfg)
	active := r.users.In(population.Active)
	const wrong, right = client.LDAPResultInvalidCredentials, client.LDAPResultSuccess
	steps := []struct {
		user  int
		kinds []population.EventKind
		state population.State
		old   uint16 // result of a bind with the first password
		new   uint16 // and of one with the second
	}{
		{active[0], []population.EventKind{population.ChangePassword}, population.Active, wrong, right},
		{active[1], []population.EventKind{population.Disable}, population.Disabled, wrong, wrong},
		{active[2], []population.EventKind{population.Disable, population.Enable}, population.Active, right, wrong},
		{active[3], []population.EventKind{population.Lock}, population.Locked, wrong, wrong},
		{active[4], []population.EventKind{population.Lock, population.Unlock, population.ChangePassword}, population.Active, wrong, right},
		{active[5], []population.EventKind{population.Expire, population.ChangePassword}, population.Active, wrong, right},
		{active[6], []population.EventKind{population.DemandChange}, population.MustChange, wrong, wrong},
		{active[7], []population.EventKind{population.ExpireAccount}, population.AccountExpired, wrong, wrong},
		{active[8], []population.EventKind{population.ExpireAccount, population.RenewAccount}, population.Active, right, wrong},
	}
	usn, seq := uint64(r.users.Len()), uint64(0)
	for _, s := range steps {
		for _, kind := range s.kinds {
			seq++
			usn++
			applied, err := r.change(seq, s.user, kind)
			if err != nil {
				t.Fatal(err)
			}
			if applied.USN != usn || applied.Seq != seq || applied.AtNS == 0 {
				t.Errorf("%s: %+v, want number %d", kind, applied, usn)
			}
			again, err := r.change(seq, s.user, kind)
			if err != nil || again != applied {
				t.Errorf("%s a second time: %+v, %v; want %+v", kind, again, err, applied)
			}
		}
	}
	check := func(t *testing.T) {
		conn, sync := r.dial(), r.syncer()
		for _, s := range steps {
			upn := r.users.UPN(s.user)
			if got := code(conn.Bind(upn, r.users.Password(s.user))); got != s.old {
				t.Errorf("%v: the first password: result %d, want %d", s.kinds, got, s.old)
			}
			if got := code(conn.Bind(upn, r.users.VersionOf(s.user, 1))); got != s.new {
				t.Errorf("%v: the second password: result %d, want %d", s.kinds, got, s.new)
			}
			found, err := find(sync, base, 2, "(userPrincipalName="+upn+")")
			if err != nil || len(found.Entries) != 1 {
				t.Fatal(err)
			}
			nt := synchash.NTHash(r.users.Password(s.user))
			if s.new == right {
				nt = synchash.NTHash(r.users.VersionOf(s.user, 1))
			}
			if got := found.Entries[0].GetRawAttributeValue("unicodePwd"); string(got) != string(nt[:]) {
				t.Errorf("%v: another hash", s.kinds)
			}
			control, _ := strconv.Atoi(found.Entries[0].GetAttributeValue("userAccountControl"))
			if disabled := control&accountDisabled != 0; disabled != (s.state == population.Disabled) {
				t.Errorf("%v: disabled is %v", s.kinds, disabled)
			}
		}
	}
	t.Run("at once", check)
	r.stop()
	// A line that a kill cut off is no event.
	f, err := os.OpenFile(filepath.Join(cfg.State, eventsFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"usn":`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	r = start(t, cfg)
	t.Run("after a restart", check)
	if again, err := r.change(seq, steps[8].user, population.RenewAccount); err != nil || again.USN != usn {
		t.Errorf("the last event sent again after a restart: %+v, %v", again, err)
	}
	if applied, err := r.change(seq+1, active[9], population.Disable); err != nil || applied.USN != usn+1 {
		t.Errorf("the next event after a restart: %+v, %v", applied, err)
	}
}

// TestNoEvent holds what is no event, and that nothing happens then.
func TestNoEvent(t *testing.T) {
	r := start(t, withSync(t))
	active := r.users.In(population.Active)[0]
	if _, err := r.change(7, active, population.Lock); err != nil {
		t.Fatal(err)
	}
	upn := r.users.UPN(active)
	tests := map[string]struct {
		body any
		want string
	}{
		"nobody":             {observe.AccountChange{User: "nobody@contoso.test", Kind: "disable"}, "nobody has this name"},
		"no kind":            {observe.AccountChange{User: upn, Kind: "delete"}, `event "delete": expected one of change-password`},
		"does not fit":       {observe.AccountChange{User: upn, Kind: "enable"}, "the account is locked: expected disabled"},
		"a locked password":  {observe.AccountChange{User: upn, Kind: "change-password"}, "expected active or expired or must-change"},
		"an earlier one":     {observe.AccountChange{Seq: 6, User: upn, Kind: "unlock"}, "seq 6: 7 was applied"},
		"more than is known": {map[string]string{"user": upn, "kind": "unlock", "password": "x"}, "unknown field"},
	}
	for about, tt := range tests {
		t.Run(about, func(t *testing.T) {
			err := r.observe.Post(t.Context(), "/accounts", tt.body, nil)
			if !observe.Refused(err) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
	if applied, err := r.change(8, active, population.Unlock); err != nil || applied.USN != uint64(r.users.Len())+2 {
		t.Errorf("after all of them: %+v, %v", applied, err)
	}
}

// TestWhatChanged: a range of numbers finds the accounts that changed last
// within it, and nobody but the sync account may ask.
func TestWhatChanged(t *testing.T) {
	r := start(t, withSync(t))
	n, active := r.users.Len(), r.users.In(population.Active)
	for _, user := range []int{active[3], active[1], active[3]} {
		if _, err := r.change(0, user, population.ChangePassword); err != nil {
			t.Fatal(err)
		}
	}
	sync := r.syncer()
	changed := func(from, to int) (names []string) {
		t.Helper()
		found, err := find(sync, base, 2, fmt.Sprintf("(&(objectClass=user)(uSNChanged>=%d)(uSNChanged<=%d))", from, to), "userPrincipalName", "uSNChanged")
		if err != nil {
			t.Fatal(err)
		}
		last := 0
		for _, e := range found.Entries {
			usn, _ := strconv.Atoi(e.GetAttributeValue("uSNChanged"))
			if usn <= last || usn < from || usn > to {
				t.Errorf("number %d after %d, in %d to %d", usn, last, from, to)
			}
			last = usn
			names = append(names, e.GetAttributeValue("userPrincipalName"))
		}
		return names
	}
	if got := changed(n+1, n+100); len(got) != 2 || got[0] != r.users.UPN(active[1]) || got[1] != r.users.UPN(active[3]) {
		t.Errorf("what changed: %q", got)
	}
	if got := changed(1, n+3); len(got) != n {
		t.Errorf("of %d accounts %d were found", n, len(got))
	}
	if got := changed(active[3]+1, active[3]+1); got != nil {
		t.Errorf("at the number that it had before: %q", got)
	}
	root, err := find(sync, "", 0, "(objectClass=*)", "highestCommittedUSN", "invocationId")
	if err != nil || root.Entries[0].GetAttributeValue("highestCommittedUSN") != strconv.Itoa(n+3) || root.Entries[0].GetAttributeValue("invocationId") == "" {
		t.Errorf("rootDSE: %v, %v", root, err)
	}
	// The connectors' account finds users, and neither hashes nor what changed.
	service := r.service()
	if _, err := find(service, base, 2, "(uSNChanged>=1)"); code(err) != client.LDAPResultUnwillingToPerform {
		t.Errorf("the service account was answered %v", err)
	}
	found, err := find(service, base, 2, "(userPrincipalName="+r.users.UPN(active[0])+")", "*", "+", "unicodePwd")
	if err != nil || len(found.Entries) != 1 || len(found.Entries[0].GetRawAttributeValue("unicodePwd")) != 0 {
		t.Errorf("the service account found %v, %v", found, err)
	}
	// Nor does the sync account without TLS.
	plain, err := client.DialURL("ldap://" + r.ready.Ports["ldap"])
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if err := plain.Bind(r.ready.Info["sync_dn"], testSyncPassword); code(err) != client.LDAPResultConfidentialityRequired {
		t.Errorf("the sync account, in the clear, was answered %v", err)
	}
}

// TestSizeLimit: more than a page is not given, and it is said that there is more.
func TestSizeLimit(t *testing.T) {
	users, err := population.New(population.Spec{Users: 2500, Domain: "contoso.test"})
	if err != nil {
		t.Fatal(err)
	}
	c := newChanges(users, time.Unix(1_700_000_000, 0))
	for i := range 10 {
		if _, err := c.apply(observe.AccountChange{User: users.UPN(i), Kind: "disable"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		from, to uint64
		users    int
		more     bool
	}{{1, 2500, 1000, true}, {1, 10, 0, false}, {11, 1010, 1000, false}, {11, 1011, 1000, true}, {2000, 9999, 511, false}, {2505, 2506, 2, false}, {5, 1, 0, false}} {
		if got, more := c.between(tt.from, tt.to, maxBetween); len(got) != tt.users || more != tt.more {
			t.Errorf("%d to %d: %d users, more is %v; want %d, %v", tt.from, tt.to, len(got), more, tt.users, tt.more)
		}
	}
	// What is remembered of order is bounded by who changed, not by how often.
	for range 10_000 {
		if _, err := c.apply(observe.AccountChange{User: users.UPN(100), Kind: "change-password"}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.order); n > 2*11+1024+1 {
		t.Errorf("%d numbers are remembered of 11 accounts", n)
	}
	if got, _ := c.between(c.last, c.last, 10); len(got) != 1 || got[0] != 100 || c.of(100).Version != 10_000 {
		t.Errorf("the last change is of %v, %+v", got, c.of(100))
	}
}

// TestEventsOfAnotherPopulation are none of this one, whether that is made of a
// seed or is in a file.
func TestEventsOfAnotherPopulation(t *testing.T) {
	spec := func(seed uint64) Config {
		return Config{Population: population.Spec{Seed: seed, Users: 10, Domain: "contoso.test"}}
	}
	file := func(first string) Config {
		path := filepath.Join(t.TempDir(), "users.csv")
		if err := os.WriteFile(path, []byte(first+",secret-1\nbob@contoso.test,secret-2\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return Config{UsersFile: path}
	}
	for _, tt := range []struct {
		name           string
		first, another Config
	}{
		{"seed", spec(1), spec(2)},
		{"file", file("ann@contoso.test"), file("zoe@contoso.test")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			open := func(cfg Config) *changes {
				users, err := cfg.users()
				if err != nil {
					t.Fatal(err)
				}
				c, err := openEvents(dir, cfg.nameOf(users), users, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			first := open(tt.first)
			if _, err := first.apply(observe.AccountChange{User: first.users.UPN(1), Kind: "lock"}); err != nil {
				t.Fatal(err)
			}
			if err := first.log.close(); err != nil {
				t.Fatal(err)
			}
			second := open(tt.first)
			if second.of(1).State != population.Locked || second.id() != first.id() {
				t.Errorf("the same population: %+v, %s and %s", second.of(1), second.id(), first.id())
			}
			second.log.close()
			third := open(tt.another)
			defer third.log.close()
			if third.of(1).State != population.Active || third.id() == first.id() || third.highest() != uint64(third.users.Len()) {
				t.Errorf("another population: %+v, number %d", third.of(1), third.highest())
			}
		})
	}
}
