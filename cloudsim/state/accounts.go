package state

import (
	"fmt"
	"strings"

	"go.etcd.io/bbolt"

	"ptabench/synchash"
	"ptabench/wire"
)

// MaxUPN bounds a user principal name, in bytes: 64 of the account, an @, and
// 255 of the domain.
const MaxUPN = 320

// An Account is what hash sync carries of a user.
type Account struct {
	UPN      string // in any letter case
	Hash     synchash.Hash
	HasHash  bool // false for a user who must change the password: its hash is not carried
	Disabled bool
	// Deleted takes the account out of the store: to PutAccounts only.
	Deleted bool
	// Part leaves the rest of the account as it is: to PutAccounts only.
	Part Part
}

// A Part is what is carried of an account at once: passwords travel more often
// than the rest.
type Part uint8

// The parts.
const (
	Whole    Part = iota
	Password      // the hash, or that there is none
	Standing      // whether the account is disabled
)

// A packed account is its value in the file and in memory: flags, salt, hash.
type packed [1 + synchash.SaltSize + synchash.HashSize]byte

const (
	flagHasHash = 1 << iota
	flagDisabled
)

func (a *Account) pack() packed {
	var p packed
	if a.HasHash {
		p[0] |= flagHasHash
		copy(p[1:], a.Hash.Salt[:])
		copy(p[1+synchash.SaltSize:], a.Hash.Sum[:])
	}
	if a.Disabled {
		p[0] |= flagDisabled
	}
	return p
}

// over is what becomes of an account that had another value: the parts that the
// new one does not carry stay as they were.
func (p packed) over(old packed, part Part) packed {
	switch part {
	case Password:
		p[0] = p[0]&flagHasHash | old[0]&flagDisabled
	case Standing:
		old[0] = p[0]&flagDisabled | old[0]&flagHasHash
		return old
	}
	return p
}

func (p *packed) unpack(upn string) Account {
	return Account{
		UPN:      upn,
		Hash:     synchash.Hash{Salt: [synchash.SaltSize]byte(p[1:]), Sum: [synchash.HashSize]byte(p[1+synchash.SaltSize:])},
		HasHash:  p[0]&flagHasHash != 0,
		Disabled: p[0]&flagDisabled != 0,
	}
}

// accounts is the accounts of one tenant: 110 to 140 bytes each for names of
// 23 characters. A map straight to the packed account would take up to 180,
// for the slots that it leaves empty.
type accounts struct {
	index  map[string]uint32 // of the lower-case UPN
	chunks []*[chunkSize]packed
	free   []uint32 // places of deleted accounts
}

const chunkSize = 256

func (as *accounts) get(upn string) (packed, bool) {
	i, found := as.index[upn]
	if !found {
		return packed{}, false
	}
	return as.chunks[i/chunkSize][i%chunkSize], true
}

func (as *accounts) put(upn string, p packed) {
	i, found := as.index[upn]
	if !found {
		i = as.place()
		as.index[upn] = i
	}
	as.chunks[i/chunkSize][i%chunkSize] = p
}

// place is one for a new account: that of a deleted one, if there is any.
func (as *accounts) place() uint32 {
	if last := len(as.free) - 1; last >= 0 {
		i := as.free[last]
		as.free = as.free[:last]
		return i
	}
	i := uint32(len(as.index)) // none is free, so all places until here are taken
	if int(i/chunkSize) == len(as.chunks) {
		as.chunks = append(as.chunks, new([chunkSize]packed))
	}
	return i
}

// remove leaves nothing of an account, if there is one.
func (as *accounts) remove(upn string) {
	i, found := as.index[upn]
	if !found {
		return
	}
	delete(as.index, upn)
	as.chunks[i/chunkSize][i%chunkSize] = packed{}
	as.free = append(as.free, i)
}

// PutAccounts adds accounts to a tenant's hash store, replaces those that are
// there, and takes out those that are deleted, which need not be there: in
// order, and in one transaction, all or, on an error, none. Some thousand at a
// time is a good measure, since each transaction waits for the disk.
func (s *Store) PutAccounts(tenant string, batch []Account) error {
	if tenant == "" {
		return fmt.Errorf("putting accounts: tenant: none given")
	}
	if len(batch) == 0 {
		return nil // which fills no store
	}
	return s.putAccounts(tenant, batch, nil)
}

// putAccounts does more in the same transaction, unless more is nil.
func (s *Store) putAccounts(tenant string, batch []Account, more func(*bbolt.Tx) error) error {
	for i := range batch {
		if n := len(batch[i].UPN); n == 0 || n > MaxUPN {
			return fmt.Errorf("putting accounts: upn of the %d. account: %d bytes; expected 1 to %d", i+1, n, MaxUPN)
		}
	}
	names, values := make([]string, len(batch)), make([]packed, len(batch))
	for i := range batch {
		names[i], values[i] = strings.ToLower(batch[i].UPN), batch[i].pack()
	}
	s.accountWriter.Lock()
	defer s.accountWriter.Unlock()
	err := s.db.Update(func(tx *bbolt.Tx) error {
		if more != nil {
			if err := more(tx); err != nil {
				return err
			}
		}
		if len(batch) == 0 {
			return nil
		}
		b, err := tx.Bucket(accountBucket).CreateBucketIfNotExists([]byte(tenant))
		if err != nil {
			return err
		}
		for i, name := range names {
			if batch[i].Deleted {
				err = b.Delete([]byte(name))
			} else {
				if old := b.Get([]byte(name)); len(old) == len(packed{}) {
					values[i] = values[i].over(packed(old), batch[i].Part)
				}
				err = b.Put([]byte(name), values[i][:])
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("putting %d accounts: %w", len(batch), err)
	}
	if len(batch) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	as := s.accountsOf(tenant)
	for i, name := range names {
		if batch[i].Deleted {
			as.remove(name)
		} else {
			as.put(name, values[i])
		}
	}
	return nil
}

// Account looks up what hash sync carried of a user.
func (s *Store) Account(tenant, upn string) (Account, bool) {
	upn = strings.ToLower(upn)
	s.mu.RLock()
	defer s.mu.RUnlock()
	as := s.accounts[tenant]
	if as == nil {
		return Account{}, false
	}
	p, found := as.get(upn)
	if !found {
		return Account{}, false
	}
	return p.unpack(upn), true
}

// Synced reports whether a tenant's hash store was ever filled, also when all
// its accounts were deleted since.
func (s *Store) Synced(tenant string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.accounts[tenant] != nil
}

// Check answers a sign-in from the hash store. It knows of no lock-out and no
// expiry, since hash sync carries none. It takes about 130 µs of CPU when
// there is a hash to compare with.
func (s *Store) Check(tenant, upn, password string) wire.Result {
	a, found := s.Account(tenant, upn)
	switch {
	case !found:
		return wire.Result_RESULT_UNKNOWN_USER
	case a.Disabled:
		return wire.Result_RESULT_DISABLED
	case !a.HasHash, !a.Hash.Matches(password):
		return wire.Result_RESULT_WRONG_PASSWORD
	}
	return wire.Result_RESULT_ACCEPTED
}

// accountsOf returns a tenant's accounts to write to; mu is held.
func (s *Store) accountsOf(tenant string) *accounts {
	as := s.accounts[tenant]
	if as == nil {
		as = &accounts{index: make(map[string]uint32)}
		s.accounts[tenant] = as
	}
	return as
}

func (s *Store) loadAccounts(tx *bbolt.Tx) error {
	all := tx.Bucket(accountBucket)
	return all.ForEachBucket(func(tenant []byte) error {
		as := s.accountsOf(string(tenant))
		return all.Bucket(tenant).ForEach(func(upn, value []byte) error {
			if len(value) != len(packed{}) {
				return fmt.Errorf("account %q of %q: %d bytes; expected %d", upn, tenant, len(value), len(packed{}))
			}
			as.put(string(upn), packed(value))
			return nil
		})
	})
}
