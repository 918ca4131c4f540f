package connector

import (
	"errors"
	"sync"

	"ptabench/wire"
)

// batchMax bounds the answers in one message.
const batchMax = 512

var errAcked = errors.New("the cloud acknowledged answers that were not sent")

// An answer is what becomes a wire.Answer.
type answer struct {
	id          uint64
	attempt     uint32
	result      wire.Result
	connectorNS uint64
	directoryNS uint64
	again       bool // it was sent before, on a stream that ended
}

// An outbox holds the answers of one session: those to be sent, and those sent
// on the present response stream that the cloud has not acknowledged yet.
//
// Both are bounded by limit. At the bound, add refuses, which ends the session:
// the cloud gives sign-ins and takes no answers. Of the sent ones the oldest
// are forgotten, for they have most likely arrived; if not, the cloud's own
// time limit finds that out.
type outbox struct {
	limit int
	wake  chan struct{} // of the writer

	mu      sync.Mutex
	pending []answer
	sent    []answer
	total   uint64 // sent on the present stream
}

func newOutbox(limit int) *outbox {
	return &outbox{limit: limit, wake: make(chan struct{}, 1)}
}

// add queues an answer and reports whether there was room.
func (o *outbox) add(a answer) bool {
	o.mu.Lock()
	if len(o.pending) >= o.limit {
		o.mu.Unlock()
		return false
	}
	o.pending = append(o.pending, a)
	first := len(o.pending) == 1
	o.mu.Unlock()
	if first { // else the writer is awake and takes this one too
		select {
		case o.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// take moves answers to those that were sent and returns their message, nil
// when there are none, and how many of them were sent before.
func (o *outbox) take() (batch *wire.AnswerBatch, again int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := min(len(o.pending), batchMax)
	if n == 0 {
		return nil, 0
	}
	slab := make([]wire.Answer, n)
	batch = &wire.AnswerBatch{Answers: make([]*wire.Answer, n)}
	for i, a := range o.pending[:n] {
		m := &slab[i]
		m.Id, m.Attempt, m.Result = a.id, a.attempt, a.result
		m.ConnectorNs, m.DirectoryNs = a.connectorNS, a.directoryNS
		batch.Answers[i] = m
		if a.again {
			again++
		}
	}
	o.sent = append(o.sent, o.pending[:n]...)
	o.total += uint64(n)
	o.pending = o.pending[:copy(o.pending, o.pending[n:])]
	if over := len(o.sent) - o.limit; over > 0 {
		o.sent = o.sent[over:]
	}
	return batch, again
}

// acknowledge forgets answers: the cloud has read the first received ones of
// the present stream.
func (o *outbox) acknowledge(received uint64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if received > o.total {
		return errAcked
	}
	known := o.total - uint64(len(o.sent)) // acknowledged or forgotten
	if received > known {
		o.sent = o.sent[received-known:]
	}
	return nil
}

// restart puts what the last stream did not get through in front of what is to
// be sent on the next one.
func (o *outbox) restart() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.sent {
		o.sent[i].again = true
	}
	o.pending = append(append(make([]answer, 0, len(o.sent)+len(o.pending)), o.sent...), o.pending...)
	o.sent, o.total = nil, 0
}

// nothing reports that there is nothing to send.
func (o *outbox) nothing() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.pending) == 0
}

// empty reports that every answer was acknowledged.
func (o *outbox) empty() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.pending) == 0 && len(o.sent) == 0
}
