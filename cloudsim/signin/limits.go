package signin

import (
	"container/list"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits bounds what is kept, for how long, and what one client may do.
type Limits struct {
	Codes, Refresh, Sessions, Devices int // how many there may be

	CodeTime, DeviceTime, SessionTime, RefreshTime time.Duration
	StayTime                                       time.Duration // of a session whose user stays signed in
	PollInterval                                   time.Duration // of a device
	FormTime                                       time.Duration // a page may stay open

	Failures int           // wrong passwords in a row until an account is locked
	Lock     time.Duration // the first time; twice as long on each repeat
	LockMost time.Duration

	Watched int        // accounts and clients that are kept an eye on
	Posts   rate.Limit // forms that one client may send a second
	Burst   int        // of these at once
}

var usualLimits = Limits{
	Codes: 10_000, Refresh: 10_000, Sessions: 10_000, Devices: 1000,
	CodeTime: time.Minute, DeviceTime: 15 * time.Minute, SessionTime: 8 * time.Hour, RefreshTime: 24 * time.Hour, StayTime: 90 * 24 * time.Hour,
	PollInterval: 5 * time.Second, FormTime: time.Hour,
	Failures: 10, Lock: time.Minute, LockMost: time.Hour,
	Watched: 10_000, Posts: 10, Burst: 100,
}

func (l Limits) orUsual() Limits {
	usual := usualLimits
	set(&usual.Codes, l.Codes)
	set(&usual.Refresh, l.Refresh)
	set(&usual.Sessions, l.Sessions)
	set(&usual.Devices, l.Devices)
	set(&usual.CodeTime, l.CodeTime)
	set(&usual.DeviceTime, l.DeviceTime)
	set(&usual.SessionTime, l.SessionTime)
	set(&usual.RefreshTime, l.RefreshTime)
	set(&usual.StayTime, l.StayTime)
	set(&usual.PollInterval, l.PollInterval)
	set(&usual.FormTime, l.FormTime)
	set(&usual.Failures, l.Failures)
	set(&usual.Lock, l.Lock)
	set(&usual.LockMost, l.LockMost)
	set(&usual.Watched, l.Watched)
	set(&usual.Posts, l.Posts)
	set(&usual.Burst, l.Burst)
	return usual
}

func set[T comparable](to *T, value T) {
	var none T
	if value != none {
		*to = value
	}
}

// watched is a bounded map that forgets whom it has not heard of for longest.
type watched[T any] struct {
	mu    sync.Mutex
	bound int
	held  map[string]*list.Element
	order *list.List // of named, from the one unheard of for longest
}

type named[T any] struct {
	name  string
	value T
}

func newWatched[T any](bound int) watched[T] {
	return watched[T]{bound: bound, held: make(map[string]*list.Element), order: list.New()}
}

// of returns what is kept of a name, and whether it was there; mu is held.
func (w *watched[T]) of(name string, fresh func() T) *T {
	if at := w.held[name]; at != nil {
		w.order.MoveToBack(at)
		return &at.Value.(*named[T]).value
	}
	if w.order.Len() >= w.bound {
		w.forget(w.order.Front().Value.(*named[T]).name)
	}
	n := &named[T]{name, fresh()}
	w.held[name] = w.order.PushBack(n)
	return &n.value
}

func (w *watched[T]) forget(name string) {
	if at := w.held[name]; at != nil {
		delete(w.held, name)
		w.order.Remove(at)
	}
}

// lockout counts failures in a row. After so many it locks a name for a while,
// and for twice as long each time it happens again without a success between.
type lockout struct {
	limits Limits
	kept   watched[failing]
}

type failing struct {
	failures int
	locks    int
	until    time.Time
}

func newLockout(l Limits, names int) *lockout { return &lockout{l, newWatched[failing](names)} }

// enter counts an attempt as a failure beforehand, so that many at once are not
// all let in, and reports whether there may be one.
func (l *lockout) enter(name string, now time.Time) bool {
	l.kept.mu.Lock()
	defer l.kept.mu.Unlock()
	f := l.kept.of(strings.ToLower(name), func() failing { return failing{} })
	if now.Before(f.until) {
		return false
	}
	if f.failures++; f.failures >= l.limits.Failures {
		f.until = now.Add(min(l.limits.Lock<<min(f.locks, 20), l.limits.LockMost))
		f.failures, f.locks = 0, f.locks+1
	}
	return true
}

// succeed forgets the failures of a name.
func (l *lockout) succeed(name string) {
	l.kept.mu.Lock()
	defer l.kept.mu.Unlock()
	l.kept.forget(strings.ToLower(name))
}

// undecided takes back an attempt that nobody decided: it was no failure of
// whoever tried.
func (l *lockout) undecided(name string) {
	l.kept.mu.Lock()
	defer l.kept.mu.Unlock()
	at := l.kept.held[strings.ToLower(name)]
	if at == nil {
		return
	}
	if f := &at.Value.(*named[failing]).value; f.failures > 0 {
		f.failures--
	} else if f.locks > 0 { // it was the last one
		f.failures, f.locks, f.until = l.limits.Failures-1, f.locks-1, time.Time{}
	}
}

// pace is how fast one client, which is an address, may send forms.
type pace struct {
	limits Limits
	kept   watched[*rate.Limiter]
}

func newPace(l Limits) *pace { return &pace{l, newWatched[*rate.Limiter](l.Watched)} }

func (p *pace) allows(client string, now time.Time) bool {
	p.kept.mu.Lock()
	defer p.kept.mu.Unlock()
	return (*p.kept.of(client, func() *rate.Limiter { return rate.NewLimiter(p.limits.Posts, p.limits.Burst) })).AllowN(now, 1)
}

// clientOf is the address that a request came from. A forwarded address is not
// believed: anybody can write one. Of IPv6 it is the network of 64 bits, within
// which addresses are had for nothing.
func clientOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
		return ip.Mask(net.CIDRMask(64, 128)).String()
	}
	return host
}
