package sampleapp

import (
	"container/list"
	"crypto/rand"
	"sync"
	"time"
)

// A store holds values by a secret text until they expire. At its bound the
// oldest gives way.
type store[T any] struct {
	mu    sync.Mutex
	bound int
	held  map[string]*list.Element
	order *list.List // of kept[T], by time of making; all live as long
}

type kept[T any] struct {
	key     string
	value   T
	expires time.Time
}

func newStore[T any](bound int) *store[T] {
	return &store[T]{bound: bound, held: make(map[string]*list.Element), order: list.New()}
}

func (s *store[T]) add(value T, while time.Duration) (key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for at := s.order.Front(); at != nil && (s.order.Len() >= s.bound || now.After(at.Value.(kept[T]).expires)); at = s.order.Front() {
		s.remove(at)
	}
	key = rand.Text() + rand.Text()
	s.held[key] = s.order.PushBack(kept[T]{key, value, now.Add(while)})
	return key
}

func (s *store[T]) get(key string) (value T, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(key)
}

// take finds a value and forgets it.
func (s *store[T]) take(key string) (value T, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, found = s.find(key)
	if at := s.held[key]; at != nil {
		s.remove(at)
	}
	return value, found
}

func (s *store[T]) find(key string) (value T, found bool) {
	at := s.held[key]
	if at == nil || time.Now().After(at.Value.(kept[T]).expires) {
		return value, false
	}
	return at.Value.(kept[T]).value, true
}

func (s *store[T]) remove(at *list.Element) {
	delete(s.held, at.Value.(kept[T]).key)
	s.order.Remove(at)
}
