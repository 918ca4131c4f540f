// Package bind asks a directory whether passwords are right: by simple binds
// over pools of LDAPS connections, one to each of its servers, and, after a
// refusal that says no more than that, by reading the reason with a service
// account. How a directory says why, and what its users bind as, is its
// dialect; package bind speaks Active Directory's, the password policy control,
// and plain attributes.
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

	name       string    // what it binds as
	until      time.Time // the end of its stay at this server
	asked      time.Time
	tried      uint32      // servers that had it, one bit each
	refused    wire.Result // the answer, should its look-up yield nothing; 0 while there is none
	remembered bool        // name is of the cache
	retried    bool        // at this server
}

// answer gives the sign-in back.
func (s *SignIn) answer(r wire.Result) {
	clear(s.Password)
	s.Password = nil
	s.Answer(s, r)
}

// over reports that nobody wants the answer any more.
func (s *SignIn) over(now time.Time) bool {
	return !now.Before(s.Deadline) || s.Gone != nil && s.Gone()
}

// hopeless reports that the sign-in is not worth a bind at this server.
func (s *SignIn) hopeless(now time.Time) bool {
	return !now.Before(s.until) || s.Gone != nil && s.Gone()
}

// Config says which directory to ask and how.
type Config struct {
	Servers []Server // of one directory, 1 to MaxServers
	Order   Order    // empty means Ordered
	// ServerTimeout is how long a sign-in stays with one of several servers
	// before the next gets it, and how long a server may be silent before it is
	// taken for hung; 0 for an equal share of BindTimeout. The last that is left
	// has until the end of BindTimeout.
	ServerTimeout time.Duration
	TLS           *tls.Config // verifies the servers, each by its name
	// Dial makes the TCP connections.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	Dialect Dialect // empty means Auto
	Names   Names
	// NameAttribute is what users are found by, empty for userPrincipalName.
	NameAttribute string

	Min int // connections kept open to each server
	Max int // connections to each at most
	// BindTimeout is how long a sign-in may take from being taken, the wait
	// for a free connection included.
	BindTimeout time.Duration
	DialTimeout time.Duration

	// Account and Password are what look-ups and probes bind as.
	Account  string // DN
	Password string
	BaseDN   string // where users are found
	// MaxPasswordAge makes older passwords expired, 0 none. Only for
	// directories that do not compute this themselves.
	MaxPasswordAge time.Duration
	Waiting        int // sign-ins that may wait for a connection, and for a look-up

	Log *slog.Logger
}

// Counts are what was done to a directory, or to one server of it.
type Counts struct {
	Binds         uint64 // bind requests written for users
	Replies       uint64 // and the answers to them
	Lookups       uint64 // reasons searched for
	FailedLookups uint64 // of those, without an answer
	NameLookups   uint64 // names searched for, that users bind as
	Redials       uint64 // dials made in place of a lost connection or after a dial that did not succeed
	Moved         uint64 // sign-ins that went on to another server
	Outages       uint64 // times out of service
	Silences      uint64 // of those, for answering nothing in time
	Probes        uint64 // binds of the service account that tried whether it is back
}

// Add adds other to c.
func (c *Counts) Add(other Counts) {
	c.Binds += other.Binds
	c.Replies += other.Replies
	c.Lookups += other.Lookups
	c.FailedLookups += other.FailedLookups
	c.NameLookups += other.NameLookups
	c.Redials += other.Redials
	c.Moved += other.Moved
	c.Outages += other.Outages
	c.Silences += other.Silences
	c.Probes += other.Probes
}

// counters are Counts while they grow.
type counters struct {
	binds, replies, lookups, failedLookups, resolved, redials, moved, outages, silences, probes atomic.Uint64
}

func (c *counters) counts() Counts {
	return Counts{
		Binds: c.binds.Load(), Replies: c.replies.Load(), Lookups: c.lookups.Load(), FailedLookups: c.failedLookups.Load(),
		NameLookups: c.resolved.Load(), Redials: c.redials.Load(), Moved: c.moved.Load(), Outages: c.outages.Load(),
		Silences: c.silences.Load(), Probes: c.probes.Load(),
	}
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
	errSilent   = errors.New("the directory answers nothing")
	errAway     = errors.New("the directory says that it is unavailable")
)
