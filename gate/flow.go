package gate

import (
	"math/rand/v2"
	"time"
)

// Bounds of what is held. They are of one connection and direction.
const (
	// maxHeld is how many bytes are held at most, like the buffers of a socket:
	// past it a writer waits, and what a peer sends waits in the kernel. A
	// delay of 100 ms so passes 10 MB/s at most.
	maxHeld = 1 << 20
	// segment is how many bytes are delayed, and lost, together: what TCP puts
	// into one packet of 1,500 bytes.
	segment = 1448
	// burst is how much an idle connection may send at once before its
	// bandwidth counts.
	burst = 2 * segment
)

// usualRetransmit is the shortest retransmission timeout of Linux.
const usualRetransmit = 200 * time.Millisecond

// A shape is what all gates together do to one direction of a connection. The
// zero shape does nothing.
type shape struct {
	delay, jitter time.Duration
	bitsPerS      float64 // 0 for no limit
	loss          float64
	retransmit    time.Duration
	seed          uint64
}

// add puts another gate in the way: delays and jitters add, the smaller
// bandwidth is what passes, a segment is lost by either.
func (s *shape) add(o shape) {
	s.delay += o.delay
	s.jitter += o.jitter
	if s.bitsPerS == 0 || o.bitsPerS > 0 && o.bitsPerS < s.bitsPerS {
		s.bitsPerS = o.bitsPerS
	}
	s.loss = 1 - (1-s.loss)*(1-o.loss)
	s.retransmit = max(s.retransmit, o.retransmit)
	s.seed ^= o.seed
}

// A piece is what leaves together: a segment, or the end of the stream.
type piece struct {
	bytes []byte
	due   time.Time
	end   end
	err   error // with endsReading
}

// An end is what comes after the last byte.
type end uint8

const (
	endless     end = iota
	endsReading     // a read ends with err, from then on
	halfCloses      // this side writes no more
	closes          // this side closed the connection
)

// A flow is one direction of a connection while bytes of it are held: in what
// order they go on and when. It never reorders. It does no I/O, has no clock
// and no lock.
type flow struct {
	shape
	random *rand.Rand
	pieces []piece
	bytes  int       // of the pieces
	last   time.Time // when the last piece is due
	spent  time.Time // when the bytes so far will have used their bandwidth up
	pumped bool      // a goroutine moves bytes between the flow and the kernel
}

// reshape changes what is done to bytes from now on. What a former shape holds
// back is held no longer than if it came now: of two gates the slower one may be
// cleared first, and without any all that is held goes at once.
func (f *flow) reshape(now time.Time, to shape, stream uint64) {
	if to == f.shape {
		return
	}
	f.shape = to
	f.random, f.spent, f.last = nil, time.Time{}, time.Time{}
	if f.shaped() {
		f.random = rand.New(rand.NewPCG(to.seed, stream))
	}
	var last time.Time
	for i := range f.pieces {
		p := &f.pieces[i]
		if due := f.leave(now, len(p.bytes)); due.Before(p.due) {
			p.due = due
		}
		last = p.due
	}
	f.last = last
}

// shaped reports whether a gate slows the flow at present.
func (f *flow) shaped() bool { return f.shape != shape{} }

// busy reports whether bytes may not go past the flow.
func (f *flow) busy() bool { return f.shaped() || f.pumped || len(f.pieces) > 0 }

// room is how many bytes more may be held.
func (f *flow) room() int { return max(maxHeld-f.bytes, 0) }

// push takes a copy of bytes in.
func (f *flow) push(now time.Time, p []byte) {
	if len(p) == 0 {
		return
	}
	f.bytes += len(p)
	for rest := append(make([]byte, 0, len(p)), p...); len(rest) > 0; {
		n := min(segment, len(rest))
		f.pieces = append(f.pieces, piece{bytes: rest[:n:n], due: f.leave(now, n)})
		rest = rest[n:]
	}
}

// pushEnd takes an end in, which is on its way as long as a byte is.
func (f *flow) pushEnd(now time.Time, e end, err error) {
	f.pieces = append(f.pieces, piece{end: e, err: err, due: f.leave(now, 0)})
}

// leave is when n bytes that came now are through, never before those that
// came earlier. Each is delayed by itself, so the delay does not limit how
// many are on their way. The bandwidth is a token bucket, kept as the time at
// which its tokens are spent.
func (f *flow) leave(now time.Time, n int) time.Time {
	if !f.shaped() {
		return f.last
	}
	at := now
	if f.bitsPerS > 0 {
		if full := now.Add(-f.takes(burst)); f.spent.Before(full) {
			f.spent = full
		}
		f.spent = f.spent.Add(f.takes(n))
		if f.spent.After(now) {
			at = f.spent
		}
	}
	delay := f.delay
	if f.jitter > 0 {
		delay += time.Duration((2*f.random.Float64() - 1) * float64(f.jitter))
	}
	at = at.Add(max(delay, 0))
	if f.loss > 0 && n > 0 && f.random.Float64() < f.loss {
		at = at.Add(f.retransmit)
	}
	if at.Before(f.last) {
		at = f.last
	}
	f.last = at
	return at
}

// takes is how long n bytes occupy the bandwidth.
func (f *flow) takes(n int) time.Duration {
	return time.Duration(float64(8*n) / f.bitsPerS * float64(time.Second))
}

// next is the first piece, and how long it is still held.
func (f *flow) next(now time.Time) (first *piece, held time.Duration) {
	if len(f.pieces) == 0 {
		return nil, 0
	}
	return &f.pieces[0], f.pieces[0].due.Sub(now)
}

// copyDue copies the bytes that are due, up to an end, and leaves them there.
func (f *flow) copyDue(now time.Time, to []byte) (n int) {
	for i := range f.pieces {
		p := &f.pieces[i]
		if p.end != endless || p.due.After(now) || n == len(to) {
			break
		}
		n += copy(to[n:], p.bytes)
	}
	return n
}

// discard forgets the first n bytes.
func (f *flow) discard(n int) {
	f.bytes -= n
	for n > 0 {
		p := &f.pieces[0]
		m := min(n, len(p.bytes))
		p.bytes = p.bytes[m:]
		if n -= m; len(p.bytes) == 0 {
			f.pop()
		}
	}
}

// pop forgets the first piece.
func (f *flow) pop() {
	f.pieces[0] = piece{}
	if f.pieces = f.pieces[1:]; len(f.pieces) == 0 {
		f.pieces = nil
	}
}

// drop forgets all that is held.
func (f *flow) drop() { f.pieces, f.bytes = nil, 0 }
