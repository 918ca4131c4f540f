package balancer

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"ptabench/observe"
)

// Checks in a row that take a backend out, and that put it back. Two, because
// one may be lost on a busy machine.
const (
	fall = 2
	rise = 2
)

// A backend is one server. All but what is set at first is guarded by the
// balancer's mutex.
type backend struct {
	name, address string
	ctx           context.Context // ends when it is removed
	remove        context.CancelFunc

	healthy bool
	checked bool // ever
	row     int  // checks in a row that say otherwise than healthy
	conns   map[*relay]struct{}
	counts  observe.BackendCounters
}

// put has connections go to a backend as well. Another address under the same
// name takes the place of the one before.
func (b *balancer) put(name, address string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.backends[name]
	switch {
	case b.ctx.Err() != nil:
		return errors.New("the balancer is stopping")
	case old != nil && old.address == address:
		return nil
	case old == nil && len(b.backends) >= maxBackends:
		return fmt.Errorf("backend %s: there are %d, the most there may be", name, maxBackends)
	case old != nil:
		b.drop(old)
	}
	k := &backend{name: name, address: address, conns: make(map[*relay]struct{})}
	k.ctx, k.remove = context.WithCancel(b.ctx)
	b.backends[name] = k
	b.checks.Go(func() { b.watch(k) })
	return nil
}

// delete removes a backend, and cuts what is connected to it.
func (b *balancer) delete(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.backends[name]
	if k != nil {
		b.drop(k)
	}
	return k != nil
}

func (b *balancer) removeAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range b.backends {
		b.drop(k)
	}
}

// drop removes k; the balancer is locked.
func (b *balancer) drop(k *backend) {
	delete(b.backends, k.name)
	k.remove()
	k.cut()
}

// cut ends all connections; the balancer is locked.
func (k *backend) cut() {
	for r := range k.conns {
		r.cut()
	}
	k.counts.Cut += uint64(len(k.conns))
	clear(k.conns)
}

// choose is the backend for a connection, of those not tried yet: a healthy one
// before all others, one whose last check succeeded before one whose did not,
// then the one with the fewest connections. Nil for none.
func (b *balancer) choose(tried []*backend) *backend {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn++
	names := slices.Sorted(maps.Keys(b.backends))
	var best *backend
	for i := range names {
		k := b.backends[names[(uint64(i)+b.turn)%uint64(len(names))]]
		switch {
		case slices.Contains(tried, k):
		case best == nil, k.trust() > best.trust(), k.trust() == best.trust() && len(k.conns) < len(best.conns):
			best = k
		}
	}
	return best
}

// trust is how much speaks for giving k connections; the balancer is locked.
func (k *backend) trust() int {
	switch {
	case !k.healthy:
		return 0
	case k.row > 0: // the last check did not succeed, and the next one decides
		return 1
	}
	return 2
}

// unreachable takes a backend out that could not be dialled. It comes back by
// the health check.
func (b *balancer) unreachable(k *backend, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k.counts.DialErrors++
	if k.healthy {
		b.fell(k, err)
	}
}

// fell takes k out; the balancer is locked. What is connected to it stays when
// there is no better place: the check may be wrong.
func (b *balancer) fell(k *backend, err error) {
	k.healthy, k.row = false, 0
	k.counts.Fallen++
	b.log.Warn("a backend is out", "backend", k.name, "address", k.address, "error", err)
	for _, other := range b.backends {
		if other.healthy {
			k.cut()
			return
		}
	}
}

// watch checks k until it is removed.
func (b *balancer) watch(k *backend) {
	check := b.checker(k)
	tick := time.NewTicker(b.cfg.Interval)
	defer tick.Stop()
	for {
		err := check()
		if k.ctx.Err() != nil {
			return
		}
		b.found(k, err)
		select {
		case <-tick.C:
		case <-k.ctx.Done():
			return
		}
	}
}

// found takes the result of a check.
func (b *balancer) found(k *backend, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		k.counts.CheckErrors++
	}
	if (err == nil) == k.healthy {
		k.row, k.checked = 0, true
		return
	}
	k.row++
	switch {
	case err != nil && k.row >= fall:
		b.fell(k, err)
	case err == nil && (k.row >= rise || !k.checked):
		k.healthy, k.row = true, 0
		b.log.Info("a backend is in", "backend", k.name, "address", k.address)
		for _, other := range b.backends { // now there is a better place
			if !other.healthy {
				other.cut()
			}
		}
	}
	k.checked = true
}

// checker is how k is checked.
func (b *balancer) checker(k *backend) func() error {
	dialer := &net.Dialer{Timeout: b.cfg.CheckTimeout}
	if b.cfg.Check == CheckTCP {
		return func() error {
			c, err := dialer.DialContext(k.ctx, "tcp", k.address)
			if err != nil {
				return err
			}
			return c.Close()
		}
	}
	client := &http.Client{
		Timeout: b.cfg.CheckTimeout,
		Transport: &http.Transport{
			DialContext: dialer.DialContext,
			// Whether it lives is asked, and nothing is told: who it is, its clients
			// verify, whose connections are carried as they come.
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(1)},
			DisableKeepAlives: true, // a new connection is what clients will need
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func() error {
		r, err := http.NewRequestWithContext(k.ctx, http.MethodGet, "https://"+k.address+b.cfg.CheckPath, nil)
		if err != nil {
			return err
		}
		answer, err := client.Do(r)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answered %s", b.cfg.CheckPath, answer.Status)
		}
		return nil
	}
}

// list is the counters of all backends, by name; the balancer is locked.
func (b *balancer) list() []observe.BackendCounters {
	all := make([]observe.BackendCounters, 0, len(b.backends))
	for _, k := range b.backends {
		c := k.counts
		c.Name, c.Address, c.Healthy, c.Open = k.name, k.address, k.healthy, len(k.conns)
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b observe.BackendCounters) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
