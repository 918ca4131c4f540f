package hashsync

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"ptabench/backoff"
	"ptabench/synchash"
)

// agent carries changes from a source to the cloud, one cycle after another.
// All of it but the hashing is one goroutine at a time.
type agent struct {
	cfg    Config
	log    *slog.Logger
	from   source
	to     *cloud
	counts *counts
	carry  *carried

	cursors   map[string]cursor // by tenant, as the cloud said last
	standings time.Time         // when a pass of them began last
}

// lookEvery is how often the source is asked, between cycles, for its last
// number: staleness is a figure then too.
const lookEvery = time.Second

// run cycles until the context ends. It calls ready after the first cycle, until
// which what cannot succeed ends it.
func (a *agent) run(ctx context.Context, ready func()) error {
	var wait backoff.Backoff
	for first := true; ctx.Err() == nil; {
		began := time.Now()
		err := a.cycle(ctx)
		switch {
		case err == nil:
			wait.Reset()
			if first {
				first = false
				ready()
			}
			a.rest(ctx, began.Add(a.cfg.Interval))
		case ctx.Err() != nil:
		case first && errors.Is(err, errGiveUp):
			return err
		default:
			a.counts.failed.Add(1)
			a.log.Warn("a cycle was cut short", "error", err)
			wait.Wait(ctx)
		}
	}
	return nil
}

// rest waits for the next cycle, and looks for changes meanwhile.
func (a *agent) rest(ctx context.Context, until time.Time) {
	due := time.NewTimer(time.Until(until))
	defer due.Stop()
	look := time.NewTicker(a.cfg.look())
	defer look.Stop()
	for {
		select {
		case <-due.C:
			return
		case <-look.C:
			a.look(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// look notes how old the oldest change is that has not travelled. Once there is
// one it is the oldest until the next cycle.
func (a *agent) look(ctx context.Context) {
	if a.counts.waiting() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, ldapPatience)
	defer cancel()
	database, highest, err := a.from.where(ctx)
	if err != nil {
		return // the next cycle will say so
	}
	a.counts.highest.Store(highest)
	for _, at := range a.cursors {
		if at.Source != database || at.Passwords >= highest {
			continue
		}
		list, _, err := a.from.changes(ctx, at.Passwords, highest, a.cfg.Batch)
		if err == nil {
			a.counts.pending(a.oldest(list))
		}
		return
	}
}

// cycle carries what changed since the last one to every tenant.
func (a *agent) cycle(ctx context.Context) error {
	began := time.Now()
	database, highest, err := a.from.where(ctx)
	if err != nil {
		return err
	}
	a.counts.highest.Store(highest)
	for _, t := range a.cfg.Tenants {
		at, err := a.to.cursor(ctx, t.Name)
		if err != nil {
			return err
		}
		a.cursors[t.Name] = at
	}
	standings := a.cfg.StandingInterval <= a.cfg.Interval || time.Since(a.standings) >= a.cfg.StandingInterval
	for _, t := range a.cfg.Tenants {
		if err := a.tenant(ctx, t, database, highest, standings); err != nil {
			return err
		}
	}
	if standings {
		a.standings = began
		a.counts.standingsCarried()
	}
	a.counts.complete(began)
	return nil
}

// tenant carries to one of them, in one pass where passwords and standings are
// at the same place and both are due.
func (a *agent) tenant(ctx context.Context, t Tenant, database string, highest uint64, standings bool) error {
	at := a.cursors[t.Name]
	// A directory that was put back to an earlier state gives numbers again that
	// it gave before.
	anew := at.Source != database || max(at.Passwords, at.Standings) > highest
	if anew || !at.Complete {
		full := pass{tenant: t, database: database, after: at.Passwords, upTo: highest, passwords: true, standings: true, full: true}
		if anew {
			full.after = 0
		}
		a.counts.full.Add(1)
		a.log.Info("a full sync", "tenant", t.Name, "from", full.after, "to", highest)
		return a.pass(ctx, full)
	}
	if standings && at.Standings != at.Passwords {
		if err := a.pass(ctx, pass{tenant: t, database: database, after: at.Standings, upTo: highest, standings: true}); err != nil {
			return err
		}
		standings = false
	}
	return a.pass(ctx, pass{tenant: t, database: database, after: at.Passwords, upTo: highest, passwords: true, standings: standings})
}

// A pass is one walk over the changes of a range, for one tenant.
type pass struct {
	tenant               Tenant
	database             string
	after, upTo          uint64
	passwords, standings bool
	full                 bool // everything there is; ages are of no account
}

func (p pass) part() string {
	switch {
	case !p.standings:
		return "password"
	case !p.passwords:
		return "standing"
	}
	return ""
}

// A batch is what is on its way.
type batch struct {
	changes []change
	lines   []line
	marks   []mark
	through uint64
}

// pass reads, hashes and sends, each a batch ahead of the next at most: while
// the cloud is slow nothing more is read.
func (a *agent) pass(ctx context.Context, p pass) error {
	read, hashed := make(chan *batch), make(chan *batch)
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error { defer close(read); return a.read(ctx, p, read) })
	work.Go(func() error { defer close(hashed); return a.hash(ctx, p, read, hashed) })
	work.Go(func() error { return a.send(ctx, p, hashed) })
	return work.Wait()
}

func (a *agent) read(ctx context.Context, p pass, out chan<- *batch) error {
	for after := p.after; after < p.upTo; {
		list, through, err := a.from.changes(ctx, after, p.upTo, a.cfg.Batch)
		if err != nil {
			return err
		}
		a.counts.read.Add(uint64(len(list)))
		if !p.full && p.passwords {
			a.counts.pending(a.oldest(list))
		}
		select {
		case out <- &batch{changes: list, through: through}:
		case <-ctx.Done():
			return ctx.Err()
		}
		after = through
	}
	return nil
}

// hash makes lines of what has to travel. It is most of the work of a full sync,
// and takes every processor that the process may use.
func (a *agent) hash(ctx context.Context, p pass, in <-chan *batch, out chan<- *batch) error {
	for b := range in {
		var send []change
		for _, c := range b.changes {
			if !p.tenant.has(c.upn) {
				continue
			}
			m, differs := a.carry.compare(p, c)
			if !p.standings && m.standsBack(c) {
				a.counts.standsBack(c.at)
			}
			if !differs {
				a.counts.same.Add(1)
				continue
			}
			send, b.marks = append(send, c), append(b.marks, m)
		}
		b.changes, b.lines = send, make([]line, len(send))
		var work errgroup.Group
		work.SetLimit(runtime.GOMAXPROCS(0))
		const share = 64 // accounts hashed at a stretch
		for from := 0; from < len(send); from += share {
			work.Go(func() error {
				for i := from; i < min(from+share, len(send)) && ctx.Err() == nil; i++ {
					b.lines[i] = p.line(send[i])
				}
				return nil
			})
		}
		_ = work.Wait() // no part of it fails
		select {
		case out <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// line is what travels of an account in a pass. Locks and expiry do not, nor
// does a password that must be changed.
func (p pass) line(c change) line {
	l := line{UPN: c.upn, Part: p.part()}
	if c.deleted {
		return line{UPN: c.upn, Deleted: true}
	}
	if p.passwords && c.hasHash {
		l.set(synchash.FromNTHash(c.nt))
	}
	if p.standings {
		l.Disabled = c.disabled
	}
	return l
}

// send has the cloud take batch after batch, each with its place.
func (a *agent) send(ctx context.Context, p pass, in <-chan *batch) error {
	for b := range in {
		if len(b.lines) == 0 && b.through < p.upTo {
			continue // the next one moves the cursor over this range
		}
		from := a.cursors[p.tenant.Name]
		to := from
		to.Source = p.database
		if p.passwords {
			to.Passwords = b.through
		}
		if p.standings {
			to.Standings = b.through
		}
		if p.full {
			to.Complete = b.through >= p.upTo
		}
		if err := a.sendOne(ctx, p.tenant.Name, from, to, b.lines); err != nil {
			return err
		}
		a.cursors[p.tenant.Name] = to
		a.counts.took(p, b, to)
		a.carry.keep(b.marks)
	}
	return nil
}

// sendOne tries for as long as that may help. Where an answer was lost the cloud
// may have taken the batch: its cursor tells.
func (a *agent) sendOne(ctx context.Context, tenant string, from, to cursor, lines []line) error {
	if from == to && len(lines) == 0 {
		return nil
	}
	wait := backoff.Backoff{Longest: 5 * time.Second}
	for tries := 0; ; tries++ {
		err := a.to.send(ctx, tenant, from, to, lines)
		if err != nil && tries > 0 && errors.Is(err, errElsewhere) {
			if is, asked := a.to.cursor(ctx, tenant); asked == nil && is == to {
				err = nil
			}
		}
		if err == nil || ctx.Err() != nil || errors.Is(err, errGiveUp) || errors.Is(err, errElsewhere) {
			return err
		}
		a.counts.retries.Add(1)
		a.log.Warn("the cloud did not take a batch", "error", err)
		wait.Wait(ctx)
	}
}

// oldest is when the first of some changes happened that are anybody's; zero
// when there is none.
func (a *agent) oldest(list []change) (at time.Time) {
	for _, c := range list {
		if !slices.ContainsFunc(a.cfg.Tenants, func(t Tenant) bool { return t.has(c.upn) }) {
			continue
		}
		if at.IsZero() || c.at.Before(at) {
			at = c.at
		}
	}
	return at
}
