package bind

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"ptabench/wire"
)

// lookupWorkers is how many searches are made at once, each over a connection
// of its own that stays bound as the service account.
const lookupWorkers = 4

// warnEvery bounds how often look-ups that do not succeed are logged.
const warnEvery = 10 * time.Second

// lookups search with the service account: for what users bind as, and for why
// the server refused their binds. A refusal is definite whatever becomes of its
// look-up, so one that does not succeed in time leaves the answer as it was. A
// name that cannot be looked up leaves the sign-in without one.
type lookups struct {
	server *server
	queue  chan *SignIn
	wg     sync.WaitGroup

	mu     sync.Mutex
	warned time.Time
	closed bool
}

func startLookups(ctx context.Context, s *server) *lookups {
	l := &lookups{server: s, queue: make(chan *SignIn, max(s.cfg.Waiting, 1))}
	for range lookupWorkers {
		l.wg.Go(func() { l.work(ctx) })
	}
	return l
}

// add queues a sign-in that was refused, or has no name to bind as.
func (l *lookups) add(s *SignIn) {
	otherwise := wire.Result_RESULT_OVERLOADED
	l.mu.Lock()
	if l.closed {
		otherwise = wire.Result_RESULT_DIRECTORY_UNREACHABLE
	} else {
		select {
		case l.queue <- s:
			l.mu.Unlock()
			return
		default:
		}
	}
	l.mu.Unlock()
	l.leave(s, otherwise)
}

// leave answers a sign-in that is not looked up: a refusal as it is.
func (l *lookups) leave(s *SignIn, otherwise wire.Result) {
	l.server.answer(s, cmp.Or(s.refused, otherwise))
}

// close waits for the workers, whose context has ended, and answers what they
// left.
func (l *lookups) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.wg.Wait()
	for {
		select {
		case s := <-l.queue:
			l.leave(s, wire.Result_RESULT_DIRECTORY_UNREACHABLE)
		default:
			return
		}
	}
}

func (l *lookups) work(ctx context.Context) {
	var c *client
	defer func() {
		if c != nil {
			c.close()
		}
	}()
	for {
		var s *SignIn
		select {
		case s = <-l.queue:
		case <-ctx.Done():
			return
		}
		if s.refused == 0 {
			l.name(ctx, &c, s)
		} else {
			l.explain(ctx, &c, s)
		}
	}
}

// name finds out what a sign-in binds as, and lets it go on.
func (l *lookups) name(ctx context.Context, c **client, s *SignIn) {
	p, began := l.server, time.Now()
	if s.hopeless(began) {
		p.late(s, began)
		return
	}
	if !p.inService() {
		p.unreachable(s)
		return
	}
	var dn string
	found, err := l.find(ctx, c, s, s.until, nil, func(e *entry) { dn = string(e.dn) })
	now := time.Now()
	s.Directory += now.Sub(began)
	switch {
	case timedOut(err):
		p.silent(began, now)
		p.late(s, now)
	case errors.Is(err, errSeveral):
		l.warn("a user name is nobody's", err)
		p.answer(s, wire.Result_RESULT_UNKNOWN_USER)
	case err != nil:
		l.warn("what a user binds as stays unknown", err)
		p.unreachable(s)
	case !found || dn == "" || len(dn) > maxDN: // a bind without a name would be anonymous
		p.answer(s, wire.Result_RESULT_UNKNOWN_USER)
	default:
		p.pool.names.put(s.User, dn, now)
		s.name = dn
		p.ask(s, now)
	}
}

// explain finds out why a sign-in was refused. One that was refused under a
// name that is not the user's any more is asked again, once.
func (l *lookups) explain(ctx context.Context, c **client, s *SignIn) {
	p, began := l.server, time.Now()
	result, dn := s.refused, ""
	found, err := l.find(ctx, c, s, s.Deadline, p.manner.Load().wanted, func(e *entry) {
		dn = string(e.dn)
		switch p.manner.Load().dialect {
		case Attributes:
			if r := readAccount(e).reason(began, p.cfg.MaxPasswordAge); result == wire.Result_RESULT_WRONG_PASSWORD {
				result = r
			}
		case PPolicy:
			result = policyReason(e, result, began)
		}
	})
	now := time.Now()
	s.Directory += now.Sub(began)
	switch {
	case err != nil:
		p.counters.failedLookups.Add(1)
		l.warn("the reason of a refusal stays unknown; answered as a wrong password", err)
	case !found:
		result = wire.Result_RESULT_UNKNOWN_USER
		p.pool.names.forget(s.User)
	case s.remembered && dn != s.name && dn != "" && len(dn) <= maxDN:
		p.pool.names.put(s.User, dn, now)
		s.name, s.remembered, s.refused = dn, false, 0
		p.ask(s, now)
		return
	}
	p.answer(s, result)
}

// errSeveral is of a name that is not one user's.
var errSeveral = errors.New("several entries have the user principal name")

// find searches for the user over *c, which it opens when there is none, and
// opens again when it turns out to be dead. It reports whether there is one.
func (l *lookups) find(ctx context.Context, c **client, s *SignIn, deadline time.Time, wanted []string, each func(*entry)) (bool, error) {
	p := l.server
	if s.refused == 0 {
		p.counters.resolved.Add(1)
	} else {
		p.counters.lookups.Add(1)
	}
	if len(wanted) == 0 {
		wanted = nothing
	}
	for again := *c != nil; ; again = false { // only a kept connection can have died unnoticed
		if !time.Now().Before(deadline) {
			return false, errTimeout
		}
		n := 0
		err := l.search(ctx, c, query{
			base: p.cfg.BaseDN, scope: scopeSubtree, limit: 2, attribute: p.cfg.NameAttribute, value: s.User, wanted: wanted,
			entry: func(e *entry) {
				if n++; n == 1 {
					each(e)
				}
			},
		}, deadline)
		if err == nil {
			if n > 1 {
				err = errSeveral
			}
			return n == 1, err
		}
		if *c != nil {
			(*c).close()
			*c = nil
		}
		var refused *refusedError
		if !again || timedOut(err) || errors.As(err, &refused) {
			return false, err
		}
	}
}

// nothing asks for the name of an entry only (RFC 4511, section 4.5.1.8).
var nothing = []string{"1.1"}

func (l *lookups) search(ctx context.Context, c **client, q query, deadline time.Time) error {
	if *c == nil {
		var err error
		if *c, err = l.open(ctx, deadline); err != nil {
			return err
		}
	}
	defer (*c).closeWith(ctx)()
	code, err := (*c).search(q, deadline)
	if err == nil && code != codeSuccess && code != codeNoSuchObject && code != codeSizeLimit {
		err = &refusedError{"searching", code}
	}
	return err
}

// open connects and binds as the service account.
func (l *lookups) open(ctx context.Context, deadline time.Time) (*client, error) {
	p := l.server
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	nc, err := p.dialTLS(ctx)
	if err != nil {
		return nil, err
	}
	c := newClient(nc)
	defer c.closeWith(ctx)()
	r, err := c.bind(p.cfg.Account, p.cfg.Password, deadline)
	if err == nil && r.code != codeSuccess {
		err = &refusedError{"binding as the service account", r.code}
	}
	if err != nil {
		c.close()
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		return nil, err
	}
	return c, nil
}

// A refusedError is a result code other than success.
type refusedError struct {
	doing string
	code  int32
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("%s: the directory answers with result code %d", e.doing, e.code)
}

// timedOut reports whether err is of a directory that did not answer.
func timedOut(err error) bool {
	var n net.Error
	return err != nil && (errors.Is(err, errTimeout) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &n) && n.Timeout())
}

// ErrAccount says that the directory refuses the service account.
var ErrAccount = errors.New("the directory refuses the service account")

// CheckAccount binds as the service account, at each server, and returns
// ErrAccount if one says that it may not. A server that cannot be asked just
// now says nothing about that: look-ups find out, and say so in the log.
func (p *Pool) CheckAccount(ctx context.Context) error {
	errs := make([]error, len(p.servers))
	var wg sync.WaitGroup
	for i, s := range p.servers {
		wg.Go(func() { errs[i] = s.checkAccount(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (p *server) checkAccount(ctx context.Context) error {
	c, err := p.lookups.open(ctx, time.Now().Add(p.cfg.DialTimeout))
	if err == nil {
		c.close()
		return nil
	}
	var refused *refusedError
	if errors.As(err, &refused) && refuses(refused.code) {
		return fmt.Errorf("%w at %s: %w", ErrAccount, p.Address, err)
	}
	if ctx.Err() == nil {
		p.log.Warn("the service account could not be checked", "error", err)
	}
	return nil
}

func (l *lookups) warn(what string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.warned) >= warnEvery {
		l.warned = now
		l.server.log.Warn(what, "error", err)
	}
}
