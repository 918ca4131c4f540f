// Package bind asks a directory whether passwords are right: by simple binds
// over a pool of LDAPS connections, and, after a refusal that says no more
// than that, by reading the reason with a service account.
//
// A bind changes who its connection belongs to, and directories handle one
// connection's binds one after another, so a connection has one bind at a time.
// There is no goroutine per sign-in and no hand-over between goroutines: who
// brings a sign-in writes it to an idle connection itself, and the goroutine
// that reads this connection answers it and then writes the next one. So each
// idle connection is being read, and one that the directory closed leaves the
// pool at once; that is what decided for it. By BenchmarkBind the CPU time of a
// bind, the directory's share included, is no different from a goroutine per
// sign-in within the noise, a worker per connection may take a little less, and
// the general LDAP client takes about twice as much.
package bind

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"ptabench/wire"
)

// A SignIn is a question to the directory. Whoever asks owns it again, and its
// ID and Attempt are theirs, once Answer was called; the password is wiped
// before that.
type SignIn struct {
	ID       uint64
	Attempt  uint32
	User     string // user principal name
	Password []byte
	Taken    time.Time
	Deadline time.Time   // no bind is written from then on
	Gone     func() bool // reports that nobody waits for the answer any more; nil means never

	// Answer is called once, from a goroutine of this package, or from that
	// which called Do. It must not block.
	Answer func(*SignIn, wire.Result)

	// Directory is how long the directory had the question, over all attempts
	// and the look-up of the reason.
	Directory time.Duration

	asked   time.Time
	retried bool
}

// answer gives the sign-in back.
func (s *SignIn) answer(r wire.Result) {
	clear(s.Password)
	s.Password = nil
	s.Answer(s, r)
}

// hopeless reports that the sign-in is not worth a bind.
func (s *SignIn) hopeless(now time.Time) bool {
	return !now.Before(s.Deadline) || s.Gone != nil && s.Gone()
}

// Config says which directory to ask and how.
type Config struct {
	Address string      // host:port, LDAPS
	TLS     *tls.Config // verifies the directory; ServerName must be set
	// Dial makes the TCP connections.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	Min int // connections kept open
	Max int // connections at most
	// BindTimeout is how long a sign-in may take from being taken, the wait
	// for a free connection included.
	BindTimeout time.Duration
	DialTimeout time.Duration

	// Account and Password are what look-ups of reasons bind as.
	Account  string // DN
	Password string
	BaseDN   string // where users are found
	// MaxPasswordAge makes older passwords expired, 0 none. Only for
	// directories that do not compute this themselves.
	MaxPasswordAge time.Duration
	Waiting        int // sign-ins that may wait for a connection, and for a look-up

	Log *slog.Logger
}

// Counters count what was done to the directory.
type Counters struct {
	Binds   atomic.Uint64 // bind requests written for users
	Replies atomic.Uint64 // and the answers to them
	Lookups atomic.Uint64 // reasons searched for
	Redials atomic.Uint64 // dials made in place of a lost connection or after a dial that did not succeed
}

// maxDials bounds the connections being opened at once: a handshake costs the
// directory far more than a bind.
const maxDials = 4

// tick is how late the end of a deadline may be noticed.
const tick = 10 * time.Millisecond

var (
	errTimeout  = errors.New("the directory did not answer in time")
	errClosing  = errors.New("the pool is closed")
	errUnasked  = errors.New("the directory answered what it was not asked")
	errFarewell = errors.New("the directory announced that it disconnects")
)
