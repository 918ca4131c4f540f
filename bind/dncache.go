package bind

import (
	"sync"
	"time"
)

// maxNames bounds the distinguished names that are remembered, and with
// maxDN what they take.
const (
	maxNames = 1 << 16
	maxDN    = 1 << 10 // bytes
)

// nameLifetime is how long a name is remembered. A name can be given to
// somebody else, whose password would then be good for who had it before.
const nameLifetime = time.Minute

// A nameCache remembers what users bind as where that had to be looked up. It
// holds up to maxNames in two generations: when the newer is full the older is
// forgotten, and with it whoever has not signed in since it was the newer.
type nameCache struct {
	mu    sync.Mutex
	newer map[string]remembered
	older map[string]remembered
	half  int // entries of a generation; maxNames/2 when 0
}

type remembered struct {
	dn    string
	until time.Time
}

func (n *nameCache) get(user string, now time.Time) (dn string, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r, ok := n.newer[user]
	if !ok {
		if r, ok = n.older[user]; ok {
			n.keep(user, r)
		}
	}
	if !ok || !now.Before(r.until) {
		return "", false
	}
	return r.dn, true
}

func (n *nameCache) put(user, dn string, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.keep(user, remembered{dn, now.Add(nameLifetime)})
}

// keep puts a name among the newer ones; the caller holds the lock.
func (n *nameCache) keep(user string, r remembered) {
	half := n.half
	if half == 0 {
		half = maxNames / 2
	}
	if len(n.newer) >= half {
		n.older, n.newer = n.newer, nil
	}
	if n.newer == nil {
		n.newer = map[string]remembered{}
	}
	n.newer[user] = r
}

// forget drops what turned out to be nobody's name any more.
func (n *nameCache) forget(user string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.newer, user)
	delete(n.older, user)
}
