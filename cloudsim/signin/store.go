package signin

import (
	"container/list"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"
)

// A store holds what is known by a secret text, until it expires, and no more
// than its bound. It keeps the hash of the secret alone.
type store[T any] struct {
	mu    sync.Mutex
	bound int
	held  map[[sha256.Size]byte]*list.Element
	order *list.List // of entry, in order of making; lifetimes differ little
}

type entry[T any] struct {
	key     [sha256.Size]byte
	value   T
	expires time.Time
}

func newStore[T any](bound int) *store[T] {
	return &store[T]{bound: bound, held: make(map[[sha256.Size]byte]*list.Element), order: list.New()}
}

// add keeps a value under a new secret, unless the store is full of values that
// are still good.
func (s *store[T]) add(value T, now, expires time.Time) (secret string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prune(now)
	if s.order.Len() >= s.bound {
		return "", false
	}
	return s.insert(value, expires), true
}

// addOver does so too, and gives up the oldest value when the store is full.
func (s *store[T]) addOver(value T, now, expires time.Time) (secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prune(now)
	if s.order.Len() >= s.bound {
		s.remove(s.order.Front())
	}
	return s.insert(value, expires)
}

func (s *store[T]) insert(value T, expires time.Time) string {
	secret := rand.Text() + rand.Text() // 256 bits and more
	e := &entry[T]{sha256.Sum256([]byte(secret)), value, expires}
	s.held[e.key] = s.order.PushBack(e)
	return secret
}

// prune removes from the oldest on what has expired.
func (s *store[T]) prune(now time.Time) {
	for at := s.order.Front(); at != nil && !now.Before(at.Value.(*entry[T]).expires); at = s.order.Front() {
		s.remove(at)
	}
}

func (s *store[T]) remove(at *list.Element) {
	delete(s.held, at.Value.(*entry[T]).key)
	s.order.Remove(at)
}

// get finds what is not expired.
func (s *store[T]) get(secret string, now time.Time) (value T, found bool) {
	s.change(secret, now, func(v *T) bool { value, found = *v, true; return true })
	return value, found
}

// change lets f change a value under the store's lock, and removes it when f
// says false.
func (s *store[T]) change(secret string, now time.Time, f func(v *T) (keep bool)) (found bool) {
	if len(secret) > 256 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.held[sha256.Sum256([]byte(secret))]
	if at == nil || !now.Before(at.Value.(*entry[T]).expires) {
		return false
	}
	if !f(&at.Value.(*entry[T]).value) {
		s.remove(at)
	}
	return true
}

// drop removes a value, if it is there.
func (s *store[T]) drop(secret string) {
	s.change(secret, time.Time{}, func(*T) bool { return false })
}

// dropAll removes every value that f picks.
func (s *store[T]) dropAll(f func(v *T) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := s.order.Front(); at != nil; {
		next := at.Next()
		if f(&at.Value.(*entry[T]).value) {
			s.remove(at)
		}
		at = next
	}
}
