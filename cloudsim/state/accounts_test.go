package state

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"ptabench/synchash"
	"ptabench/wire"
)

// many makes accounts as a directory of this project names them. Their hashes
// are no password's.
func many(n int) []Account {
	list := make([]Account, n)
	for i := range list {
		list[i] = Account{UPN: fmt.Sprintf("user%06d@contoso.test", i+1), HasHash: true}
		list[i].Hash.Sum[0], list[i].Hash.Sum[1] = byte(i), byte(i>>8)
	}
	return list
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	accounts := []Account{
		{UPN: "Ann@Contoso.test", Hash: synchash.New("right"), HasHash: true},
		{UPN: "bob@contoso.test", Hash: synchash.New("right"), HasHash: true, Disabled: true},
		{UPN: "new@contoso.test", Hash: synchash.New("right")},
		{UPN: "off@contoso.test", Disabled: true},
		{UPN: "ünal@contoso.test", Hash: synchash.New("pässwörd🔑"), HasHash: true},
	}
	if err := s.PutAccounts("contoso", accounts); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		tenant, upn, password string
		want                  wire.Result
	}{
		{"contoso", "ann@contoso.test", "right", wire.Result_RESULT_ACCEPTED},
		{"contoso", "ANN@CONTOSO.TEST", "right", wire.Result_RESULT_ACCEPTED},
		{"contoso", "ann@contoso.test", "wrong", wire.Result_RESULT_WRONG_PASSWORD},
		{"contoso", "ann@contoso.test", "", wire.Result_RESULT_WRONG_PASSWORD},
		{"contoso", "bob@contoso.test", "right", wire.Result_RESULT_DISABLED},
		{"contoso", "bob@contoso.test", "wrong", wire.Result_RESULT_DISABLED},
		{"contoso", "new@contoso.test", "right", wire.Result_RESULT_WRONG_PASSWORD},
		{"contoso", "new@contoso.test", "", wire.Result_RESULT_WRONG_PASSWORD},
		{"contoso", "off@contoso.test", "right", wire.Result_RESULT_DISABLED},
		{"contoso", "ÜNAL@contoso.test", "pässwörd🔑", wire.Result_RESULT_ACCEPTED},
		{"contoso", "eve@contoso.test", "right", wire.Result_RESULT_UNKNOWN_USER},
		{"contoso", "", "right", wire.Result_RESULT_UNKNOWN_USER},
		{"fabrikam", "ann@contoso.test", "right", wire.Result_RESULT_UNKNOWN_USER},
	} {
		if got := s.Check(tc.tenant, tc.upn, tc.password); got != tc.want {
			t.Errorf("%s of %s with %q: %v; expected %v", tc.upn, tc.tenant, tc.password, got, tc.want)
		}
	}

	// A later push replaces; a restart changes nothing.
	if err := s.PutAccounts("contoso", []Account{{UPN: "ann@contoso.test", Hash: synchash.New("changed"), HasHash: true}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := s.count("contoso"); got != len(accounts) {
			t.Errorf("%d accounts; expected %d", got, len(accounts))
		}
		if got := s.Check("contoso", "ann@contoso.test", "right"); got != wire.Result_RESULT_WRONG_PASSWORD {
			t.Errorf("the old password: %v", got)
		}
		if got := s.Check("contoso", "ann@contoso.test", "changed"); got != wire.Result_RESULT_ACCEPTED {
			t.Errorf("the new password: %v", got)
		}
		if got := s.Check("contoso", "bob@contoso.test", "right"); got != wire.Result_RESULT_DISABLED {
			t.Errorf("a disabled user: %v", got)
		}
		s = reopen(t, s, dir)
	}
}

// Accounts go and come back, many at a time, and none is mistaken for another;
// memory and file agree.
func TestDeletedAccounts(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	s.db.NoSync = true
	all := many(3 * chunkSize)
	put := func(batch ...Account) {
		t.Helper()
		if err := s.PutAccounts("contoso", batch); err != nil {
			t.Fatal(err)
		}
	}
	gone := make(map[string]bool)
	agree := func() {
		t.Helper()
		for range 2 {
			for i := range all {
				got, found := s.Account("contoso", all[i].UPN)
				if found == gone[all[i].UPN] {
					t.Fatalf("%s is there: %v", all[i].UPN, found)
				}
				if found && got != all[i] {
					t.Fatalf("%s became %+v; expected %+v", all[i].UPN, got, all[i])
				}
			}
			if got := s.count("contoso"); got != len(all)-len(gone) {
				t.Fatalf("%d accounts; expected %d", got, len(all)-len(gone))
			}
			s = reopen(t, s, dir)
			s.db.NoSync = true
		}
	}
	put(all...)
	var batch []Account
	for i := range all {
		if i%3 == 1 {
			batch = append(batch, Account{UPN: strings.ToUpper(all[i].UPN), Deleted: true})
			gone[all[i].UPN] = true
		}
	}
	put(batch...)
	agree()
	if got := s.Check("contoso", all[1].UPN, "right"); got != wire.Result_RESULT_UNKNOWN_USER {
		t.Errorf("a deleted account: %v", got)
	}
	put(batch...) // again does no harm, nor does deleting nobody
	put(Account{UPN: "nobody@contoso.test", Deleted: true})
	agree()

	for i := range all {
		if i%6 == 1 {
			put(all[i])
			delete(gone, all[i].UPN)
		}
	}
	agree()
	for i := range all {
		if gone[all[i].UPN] {
			put(all[i])
		}
	}
	clear(gone)
	agree()

	// Within a batch the last word counts.
	put(Account{UPN: all[0].UPN, Deleted: true}, all[0], all[1], Account{UPN: all[1].UPN, Deleted: true})
	gone[all[1].UPN] = true
	agree()
}

func TestPutAccountsIsAllOrNothing(t *testing.T) {
	s := open(t, t.TempDir())
	for _, tc := range []struct {
		name, tenant, upn, want string
	}{
		{"no name", "contoso", "", "upn of the 3. account: 0 bytes"},
		{"a long name", "contoso", strings.Repeat("x", MaxUPN+1), "upn of the 3. account: 321 bytes"},
		{"no tenant", "", "user", "tenant: none given"},
	} {
		batch := append(many(2), Account{UPN: tc.upn})
		if err := s.PutAccounts(tc.tenant, batch); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v; expected %q", tc.name, err, tc.want)
		}
	}
	if n := s.count("contoso"); n != 0 {
		t.Errorf("%d accounts of refused batches stayed", n)
	}
}

// The store is read while it is filled, as at the start of a run.
func TestReadWhileFilled(t *testing.T) {
	s := open(t, t.TempDir())
	s.db.NoSync = true
	all := many(5000)
	var wg sync.WaitGroup
	for part := range 5 {
		wg.Go(func() {
			if err := s.PutAccounts("contoso", all[part*1000:(part+1)*1000]); err != nil {
				t.Error(err)
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for i := 0; i < len(all); {
				if got, found := s.Account("contoso", all[i].UPN); found {
					if got != all[i] {
						t.Errorf("account %+v; expected %+v", got, all[i])
					}
					i++
				} else {
					runtime.Gosched()
				}
			}
		})
	}
	wg.Wait()
}

// An account must stay small in memory: a million of them should fit.
func TestMemoryOfAnAccount(t *testing.T) {
	const most = 150 // bytes
	for _, n := range []int{8_000, 10_000, 50_000, 60_000} {
		list := many(n)
		as := &accounts{index: make(map[string]uint32)}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range list {
			as.put(strings.Clone(list[i].UPN), list[i].pack())
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		each := (float64(after.HeapAlloc) - float64(before.HeapAlloc)) / float64(n)
		t.Logf("%d accounts: %.0f bytes each", n, each)
		if each > most {
			t.Errorf("%d accounts take %.0f bytes each; expected at most %d", n, each, most)
		}
		runtime.KeepAlive(as)
		runtime.KeepAlive(list)
	}
}

// No password is in the file, in any spelling that a hash is made of.
func TestPasswordIsNotInTheFile(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	const password = "p#7CORRECTHORSEBATTERY"
	h := synchash.New(password)
	if err := s.PutAccounts("contoso", []Account{{UPN: "ann@contoso.test", Hash: h, HasHash: true}}); err != nil {
		t.Fatal(err)
	}
	for _, tried := range []string{password, "wrong one"} {
		s.Check("contoso", "ann@contoso.test", tried)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(file, h.Sum[:]) {
		t.Error("the hash is not in the file either: this test sees nothing")
	}
	nt := synchash.NTHash(password)
	for what, secret := range map[string][]byte{
		"the password": []byte(password), "the NT hash": nt[:], "the NT hash in hexadecimal": fmt.Appendf(nil, "%x", nt),
	} {
		if bytes.Contains(file, secret) {
			t.Errorf("%s is in the file", what)
		}
	}
}

// count is the number of accounts in a tenant's hash store.
func (s *Store) count(tenant string) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if as := s.accounts[tenant]; as != nil {
		return len(as.index)
	}
	return 0
}

func TestSynced(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, step := range []struct {
		name  string
		batch []Account
		want  bool
	}{
		{"nothing", nil, false},
		{"one account", []Account{{UPN: "ann@contoso.test"}}, true},
		{"none any more", []Account{{UPN: "ann@contoso.test", Deleted: true}}, true},
	} {
		if err := s.PutAccounts("contoso", step.batch); err != nil {
			t.Fatal(err)
		}
		for range 2 { // once more after a restart
			if got := s.Synced("contoso"); got != step.want {
				t.Errorf("%s: synced %v; expected %v", step.name, got, step.want)
			}
			s = reopen(t, s, dir)
		}
	}
	if s.Synced("fabrikam") || s.count("contoso") != 0 {
		t.Error("another tenant is synced, or an account is left")
	}
}
