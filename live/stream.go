package live

import (
	"bytes"
	"net/http"
	"sync"
	"time"
)

const (
	// maxStreams bounds the pages that are open at a time.
	maxStreams = 32
	// sendWithin is how long a browser may take for one update. One that is
	// slower misses updates, and one that takes nothing for so long is dropped:
	// its page asks again by itself.
	sendWithin = 5 * time.Second
	// quiet is after how long without an update a line is sent that says
	// nothing, so that a dead connection is noticed.
	quiet = 10 * time.Second
)

// A hub has the last update, for all who listen. There is no queue: who is slow
// goes on with the last one.
type hub struct {
	mu        sync.Mutex
	last      []byte
	number    int // of the last update, from 1
	ended     bool
	listeners map[chan struct{}]struct{} // each has room for one
}

// publish replaces the last update.
func (h *hub) publish(update []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return
	}
	h.last, h.number = update, h.number+1
	h.wake()
}

// end says that no update follows.
func (h *hub) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	h.wake()
}

// wake is called with the lock held.
func (h *hub) wake() {
	for c := range h.listeners {
		select {
		case c <- struct{}{}:
		default: // it will look anyway
		}
	}
}

// wanted reports whether anybody listens.
func (h *hub) wanted() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.listeners) > 0
}

// join adds a listener, unless there are too many. It has seen the update of
// that number.
func (h *hub) join() (woken chan struct{}, seen int, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.listeners) >= maxStreams {
		return nil, 0, false
	}
	if h.listeners == nil {
		h.listeners = make(map[chan struct{}]struct{})
	}
	woken, seen = make(chan struct{}, 1), h.number // the page is as new
	if h.ended {
		woken <- struct{}{}
		seen = 0
	}
	h.listeners[woken] = struct{}{}
	return woken, seen, true
}

func (h *hub) leave(woken chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.listeners, woken)
}

// newer returns the last update if it is not the one of that number, and
// whether it is the last of all.
func (h *hub) newer(than int) (update []byte, number int, ended bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.number != than {
		update = h.last
	}
	return update, h.number, h.ended
}

// stream sends a browser each update from now on.
func (p *Page) stream(w http.ResponseWriter, r *http.Request) {
	woken, seen, ok := p.hub.join()
	if !ok {
		http.Error(w, "503: too many pages of this run are open", http.StatusServiceUnavailable)
		return
	}
	defer p.hub.leave(woken)
	w.Header().Set("Content-Type", "text/event-stream")
	to := http.NewResponseController(w)
	send := func(text []byte) bool {
		_ = to.SetWriteDeadline(time.Now().Add(sendWithin)) // TCP has them
		_, err := w.Write(text)
		return err == nil && to.Flush() == nil
	}
	if !send([]byte("retry: 1000\n\n")) {
		return
	}
	nothing := time.NewTicker(quiet)
	defer nothing.Stop()
	for {
		select {
		case <-woken:
		case <-nothing.C:
			if !send([]byte(": still here\n\n")) {
				return
			}
		case <-r.Context().Done():
			return
		}
		update, number, ended := p.hub.newer(seen)
		if update != nil {
			if !send(event(update)) {
				return
			}
			seen = number
		}
		if ended {
			return
		}
	}
}

// event is an update as one event. Its JSON has no line feeds.
func event(update []byte) []byte {
	return bytes.Join([][]byte{[]byte("event: update\ndata: "), update, []byte("\n\n")}, nil)
}
