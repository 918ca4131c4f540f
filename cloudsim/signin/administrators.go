package signin

import (
	"crypto/rand"
	"crypto/subtle"
	"strings"
	"sync"

	"golang.org/x/crypto/argon2"
)

// A Password is kept as its hash. The hash is made when it is first compared
// with, since it takes as long as it is meant to, and most simulators start for
// something else.
type Password struct{ hash func() hashed }

// MaxPassword bounds a password of an administrator, in bytes.
const MaxPassword = 1024

// Argon2id as OWASP's cheat sheet has it (2025): 19 MiB, 2 passes, 1 lane.
const (
	argonTime   = 2
	argonMemory = 19 << 10 // KiB
	argonLanes  = 1
	argonSize   = 32
)

type hashed struct{ salt, sum []byte }

// NewPassword takes a password over; the caller's copy may be cleared.
func NewPassword(text []byte) Password {
	text = append([]byte(nil), text...)
	return Password{sync.OnceValue(func() hashed {
		salt := make([]byte, 16)
		_, _ = rand.Read(salt) // never fails
		h := hashed{salt, stretch(text, salt)}
		clear(text)
		return h
	})}
}

func stretch(text, salt []byte) []byte {
	return argon2.IDKey(text, salt, argonTime, argonMemory, argonLanes, argonSize)
}

// administrators are the accounts of the cloud itself.
type administrators struct {
	tenants  map[string]string // of the user, lower case
	password Password
	// One at a time: a crowd at the door must cost no more than one hash's
	// memory and one processor.
	turn *sync.Mutex
}

func newAdministrators(list []Administrator, p Password) administrators {
	a := administrators{tenants: make(map[string]string), password: p, turn: new(sync.Mutex)}
	for _, one := range list {
		a.tenants[strings.ToLower(one.User)] = one.Tenant
	}
	return a
}

// of reports whether a user is an administrator of a tenant.
func (a *administrators) of(user, tenant string) bool {
	t, found := a.tenants[strings.ToLower(user)]
	return found && t == tenant
}

// check compares with the password.
func (a *administrators) check(password string) bool {
	if a.password.hash == nil || password == "" || len(password) > MaxPassword {
		return false
	}
	a.turn.Lock()
	defer a.turn.Unlock()
	h := a.password.hash()
	return subtle.ConstantTimeCompare(stretch([]byte(password), h.salt), h.sum) == 1
}
