package observe

import (
	"sync"
	"time"
)

// Log keeps the last events of a role and hands them to readers. The zero
// value is not ready for use; see NewLog.
type Log struct {
	mu    sync.Mutex
	ring  []Event
	next  uint64 // sequence number of the next event
	added chan struct{}
}

// NewLog keeps up to size events. A reader that falls further behind loses the
// oldest and is told how many.
func NewLog(size int) *Log {
	return &Log{ring: make([]Event, size), added: make(chan struct{})}
}

// Add stamps the event, unless it carries a time, and keeps it. It never
// blocks.
func (l *Log) Add(e Event) {
	if e.AtNS == 0 {
		e.AtNS = time.Now().UnixNano()
	}
	l.mu.Lock()
	l.ring[l.next%uint64(len(l.ring))] = e
	l.next++
	added := l.added
	l.added = make(chan struct{})
	l.mu.Unlock()
	close(added)
}

// since returns the events from sequence number from on, the number to ask for
// next, and a channel that closes when there are more.
func (l *Log) since(from uint64) (events []Event, next uint64, more <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := uint64(len(l.ring))
	if l.next > from+size {
		lost := l.next - size - from
		events = append(events, Event{
			AtNS: time.Now().UnixNano(), Kind: EventsOverflowed, Count: int64(lost),
		})
		from += lost
	}
	for ; from < l.next; from++ {
		events = append(events, l.ring[from%size])
	}
	return events, l.next, l.added
}
