package hashsync

import (
	"hash/maphash"
	"strings"
	"sync"
	"time"
)

// carried remembers what the cloud was last given of each account, so that one
// that changed in nothing that is carried does not travel. Of a password it
// knows no more than a fingerprint under a key of this process. 16 bytes an
// account, and as much again that the map leaves empty.
type carried struct {
	mu   sync.Mutex // compare and keep come from two goroutines
	seed maphash.Seed
	of   map[uint64]uint64 // fingerprint of tenant and name, to what they have
}

func newCarried() *carried {
	return &carried{seed: maphash.MakeSeed(), of: make(map[uint64]uint64)}
}

// What the cloud has of an account: 60 bits of a fingerprint and these.
const (
	hasPassword uint64 = 1 << iota // the fingerprint is of what it has, also of none
	hasStanding
	hasDisabled
	hasBits = 4
)

// A mark is what to remember once the cloud has taken a line.
type mark struct {
	key, value uint64
	at         time.Time // of the change that made the line travel; zero in a full sync
}

// standsBack reports whether the cloud is known to have another standing of an
// account than it has now.
func (m mark) standsBack(c change) bool {
	return m.value&hasStanding != 0 && m.value&hasDisabled != 0 != c.disabled
}

// compare reports whether the cloud lacks anything of an account that a pass
// carries.
func (k *carried) compare(p pass, c change) (mark, bool) {
	m := mark{key: k.key(p.tenant.Name, c.upn)}
	password := k.password(c)
	k.mu.Lock()
	old := k.of[m.key]
	k.mu.Unlock()
	m.value = old
	differs := c.deleted || p.full
	if !p.full {
		m.at = c.at
	}
	if p.passwords && (old&hasPassword == 0 || old>>hasBits != password) {
		if differs = true; old&hasPassword != 0 && c.hasHash && !p.full {
			m.at = c.password // something else may have changed since
		}
		m.value = m.value&(1<<hasBits-1) | hasPassword | password<<hasBits
	}
	if p.standings && (old&hasStanding == 0 || old&hasDisabled != 0 != c.disabled) {
		differs = true
		m.value = m.value&^hasDisabled | hasStanding
		if c.disabled {
			m.value |= hasDisabled
		}
	}
	if c.deleted {
		m.value = 0
	}
	return m, differs
}

func (k *carried) key(tenant, upn string) uint64 {
	var h maphash.Hash
	h.SetSeed(k.seed)
	_, _ = h.WriteString(tenant)
	_ = h.WriteByte(0)
	_, _ = h.WriteString(strings.ToLower(upn))
	return h.Sum64()
}

func (k *carried) password(c change) uint64 {
	if !c.hasHash {
		return 0
	}
	return maphash.Bytes(k.seed, c.nt[:]) >> hasBits
}

// keep remembers what the cloud took.
func (k *carried) keep(marks []mark) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, m := range marks {
		if m.value == 0 {
			delete(k.of, m.key)
		} else {
			k.of[m.key] = m.value
		}
	}
}
