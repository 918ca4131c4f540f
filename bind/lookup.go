package bind

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"ptabench/wire"
)

// lookupWorkers is how many reasons are looked up at once, each over a
// connection of its own that stays bound as the service account.
const lookupWorkers = 4

// warnEvery bounds how often look-ups that do not succeed are logged.
const warnEvery = 10 * time.Second

// lookups finds out why the directory refused binds. A refusal is definite
// whatever becomes of its look-up, so one that does not succeed in time leaves
// the answer at wrong password.
type lookups struct {
	cfg      Config
	counters *Counters
	queue    chan *SignIn
	wg       sync.WaitGroup

	mu     sync.Mutex
	warned time.Time
}

func startLookups(ctx context.Context, cfg Config, counters *Counters) *lookups {
	l := &lookups{cfg: cfg, counters: counters, queue: make(chan *SignIn, max(cfg.Waiting, 1))}
	for range lookupWorkers {
		l.wg.Go(func() { l.work(ctx) })
	}
	return l
}

// add queues a refused sign-in.
func (l *lookups) add(s *SignIn) {
	select {
	case l.queue <- s:
	default:
		s.answer(wire.Result_RESULT_WRONG_PASSWORD)
	}
}

// close waits for the workers, whose context has ended, and answers what they
// left. Nobody may add after that.
func (l *lookups) close() {
	l.wg.Wait()
	for {
		select {
		case s := <-l.queue:
			s.answer(wire.Result_RESULT_WRONG_PASSWORD)
		default:
			return
		}
	}
}

func (l *lookups) work(ctx context.Context) {
	var c *ldap.Conn
	defer func() {
		if c != nil {
			_ = c.Close()
		}
	}()
	for {
		var s *SignIn
		select {
		case s = <-l.queue:
		case <-ctx.Done():
			return
		}
		began := time.Now()
		result, err := l.find(ctx, &c, s)
		if err != nil {
			l.warn(err)
		}
		s.Directory += time.Since(began)
		s.answer(result)
	}
}

// find looks one reason up over *c, which it opens when there is none, and
// opens again when it turns out to be dead.
func (l *lookups) find(ctx context.Context, c **ldap.Conn, s *SignIn) (wire.Result, error) {
	for again := *c != nil; ; again = false { // only a kept connection can have died unnoticed
		left := time.Until(s.Deadline)
		if left <= 0 {
			return wire.Result_RESULT_WRONG_PASSWORD, errTimeout
		}
		result, err := l.search(ctx, c, s.User, left)
		if err == nil {
			return result, nil
		}
		if *c != nil {
			_ = (*c).Close()
			*c = nil
		}
		if !again || !ldap.IsErrorWithCode(err, ldap.ErrorNetwork) {
			return wire.Result_RESULT_WRONG_PASSWORD, fmt.Errorf("looking up why a bind was refused: %w", err)
		}
	}
}

var wanted = []string{
	"userAccountControl", "msDS-User-Account-Control-Computed", "lockoutTime", "pwdLastSet", "accountExpires",
}

func (l *lookups) search(ctx context.Context, c **ldap.Conn, user string, left time.Duration) (wire.Result, error) {
	if *c == nil {
		var err error
		if *c, err = l.open(ctx, left); err != nil {
			return 0, err
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = (*c).Close() })
	defer stop()
	(*c).SetTimeout(left)
	l.counters.Lookups.Add(1)
	found, err := (*c).Search(&ldap.SearchRequest{
		BaseDN:     l.cfg.BaseDN,
		Scope:      ldap.ScopeWholeSubtree,
		SizeLimit:  2,
		Filter:     "(userPrincipalName=" + ldap.EscapeFilter(user) + ")",
		Attributes: wanted,
	})
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject):
		return wire.Result_RESULT_UNKNOWN_USER, nil
	case err != nil:
		return 0, err
	case len(found.Entries) == 0:
		return wire.Result_RESULT_UNKNOWN_USER, nil
	case len(found.Entries) > 1:
		return 0, errors.New("several entries have the user principal name")
	}
	return readAccount(found.Entries[0]).reason(time.Now(), l.cfg.MaxPasswordAge), nil
}

// open connects and binds as the service account.
func (l *lookups) open(ctx context.Context, timeout time.Duration) (*ldap.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	nc, err := dialTLS(ctx, l.cfg)
	if err != nil {
		return nil, err
	}
	c := ldap.NewConn(nc, true)
	c.SetTimeout(timeout)
	c.Start()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	if err := c.Bind(l.cfg.Account, l.cfg.Password); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("binding as the service account: %w", err)
	}
	return c, nil
}

// ErrAccount says that the directory refuses the service account.
var ErrAccount = errors.New("the directory refuses the service account")

// CheckAccount binds as the service account, and returns ErrAccount if the
// directory says that it may not. A directory that cannot be asked just now
// says nothing about that: look-ups find out, and say so in the log.
func (p *Pool) CheckAccount(ctx context.Context) error {
	c, err := p.lookups.open(ctx, p.cfg.DialTimeout)
	if err == nil {
		return c.Close()
	}
	if ldap.IsErrorAnyOf(err, ldap.LDAPResultInvalidCredentials, ldap.LDAPResultInappropriateAuthentication,
		ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax, ldap.LDAPResultInsufficientAccessRights) {
		return fmt.Errorf("%w: %w", ErrAccount, err)
	}
	if ctx.Err() == nil {
		p.cfg.Log.Warn("the service account could not be checked", "error", err)
	}
	return nil
}

func (l *lookups) warn(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.warned) >= warnEvery {
		l.warned = now
		l.cfg.Log.Warn("the reason of a refusal stays unknown; answered as a wrong password", "error", err)
	}
}

// readAccount takes what it can read; what is not there explains nothing.
func readAccount(e *ldap.Entry) account {
	a := account{password: -1}
	for i, into := range []*int64{&a.control, nil, &a.lockout, &a.password, &a.expires} {
		text := e.GetEqualFoldAttributeValue(wanted[i])
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			continue
		}
		if into == nil { // the computed half of the control bits
			a.control |= n & math.MaxUint32
			continue
		}
		*into = n
	}
	return a
}
