package directory

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"runtime"
	"strings"

	"github.com/glauth/ldap"
	"golang.org/x/sync/errgroup"

	"ptabench/population"
)

// accounts decides binds. It is the backend of glauth's server: the index over
// the population that its own backends lack.
//
// Passwords are kept as SHA-256 under a key of this process, in memory only.
// They are 120 random bits each, so a slow hash would protect nothing.
type accounts struct {
	tree    *tree
	key     [16]byte
	hashes  [][sha256.Size]byte // by user
	service [sha256.Size]byte
	syncer  [sha256.Size]byte // where there is a sync account
	counts  *counts
	faults  *faults
	binds   *bindLog        // nil keeps none
	stop    context.Context // ends the wait of binds that a fault holds
}

var _ ldap.Binder = (*accounts)(nil)

func newAccounts(stop context.Context, t *tree, servicePassword string, c *counts, f *faults) *accounts {
	a := &accounts{tree: t, hashes: make([][sha256.Size]byte, t.users.Len()), counts: c, faults: f, stop: stop}
	rand.Read(a.key[:]) // never fails
	a.service = a.hash(servicePassword)

	const share = 1024 // users derived at a stretch
	var work errgroup.Group
	work.SetLimit(runtime.GOMAXPROCS(0))
	for from := 0; from < len(a.hashes); from += share {
		work.Go(func() error {
			for i := from; i < min(from+share, len(a.hashes)); i++ {
				a.hashes[i] = a.hash(t.changes.passwordOf(i))
			}
			return nil
		})
	}
	_ = work.Wait() // no part of it fails
	t.changes.password = func(i int, password string) { a.hashes[i] = a.hash(password) }
	return a
}

func (a *accounts) hash(password string) [sha256.Size]byte {
	var buffer [128]byte
	return sha256.Sum256(append(append(buffer[:0], a.key[:]...), password...))
}

// Bind answers a simple bind, which glauth's server has decoded, and notes on
// the session whom it now belongs to. The server's connections are sessions.
func (a *accounts) Bind(name, password string, conn net.Conn) (ldap.LDAPResultCode, error) {
	s := conn.(*session)
	var code ldap.LDAPResultCode
	s.who, code = a.decide(s, name, password)
	return code, nil
}

// decide checks a bind, counts it, and keeps it waiting for as long as a fault
// or the delay asks. What a fault refuses is not checked, so it is no bind in
// the counts and the log, nor to an account that counts wrong passwords.
func (a *accounts) decide(s *session, name, password string) (who, ldap.LDAPResultCode) {
	set := a.faults.now.Load()
	if set.refuses(s.source) {
		a.counts.unavailable.Add(1)
		return anonymous, ldap.LDAPResultUnavailable
	}
	if name == "" && password == "" {
		a.faults.wait(a.stop, s, set, anonymous)
		return anonymous, ldap.LDAPResultSuccess
	}
	n := a.find(name)
	if n == serviceNode || n == syncNode {
		is, want := service, a.service
		if n == syncNode {
			is, want = syncer, a.syncer
		}
		given := a.hash(password)
		ok := password != "" && subtle.ConstantTimeCompare(given[:], want[:]) == 1
		a.counts.serviceBind(ok)
		a.faults.wait(a.stop, s, set, service)
		switch {
		case !ok:
			return anonymous, ldap.LDAPResultInvalidCredentials
		case is == syncer && s.secure == nil: // what it reads is for nobody else
			return anonymous, ldap.LDAPResultConfidentialityRequired
		}
		return is, ldap.LDAPResultSuccess
	}
	o := a.check(n, password)
	a.counts.bind(n, o)
	if s.binds != nil {
		s.note, s.noted = bindNote{user: n, name: name, outcome: o}, true
	}
	a.faults.wait(a.stop, s, set, user)
	if o != success {
		return anonymous, ldap.LDAPResultInvalidCredentials
	}
	return user, ldap.LDAPResultSuccess
}

// check compares in a fixed order: whether there is such a user, its state,
// then the password, which is of no account in a state other than active.
func (a *accounts) check(n node, password string) outcome {
	if n < 0 {
		return unknown
	}
	// Until the answer is decided, nothing may happen to the account.
	changes := a.tree.changes
	changes.mu.RLock()
	defer changes.mu.RUnlock()
	if state := changes.locked(int(n)).State; state != population.Active {
		return outcomeOf(state)
	}
	if password == "" { // would be an unauthenticated bind (RFC 4513, section 5.1.2)
		return wrongPassword
	}
	given := a.hash(password)
	if subtle.ConstantTimeCompare(given[:], a.hashes[n][:]) != 1 {
		return wrongPassword
	}
	return success
}

// find returns whose name this is, a user principal name or a distinguished
// name.
func (a *accounts) find(name string) node {
	n := a.tree.account(name) // which may hold an equals sign, too
	if n != noNode || !strings.Contains(name, "=") {
		return n
	}
	n, err := a.tree.find(name)
	if err != nil {
		return noNode // no name at all, so nobody's
	}
	return n
}
