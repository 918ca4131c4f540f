package bind

import "time"

// A fifo is sign-ins that wait for a connection, first come first served. Its
// bound is the pool's to keep.
type fifo struct {
	ring []*SignIn // a power of two long
	head int
	n    int
}

func (f *fifo) len() int { return f.n }

func (f *fifo) at(i int) *SignIn { return f.ring[(f.head+i)&(len(f.ring)-1)] }

func (f *fifo) room() {
	if f.n < len(f.ring) {
		return
	}
	ring := make([]*SignIn, max(64, 2*len(f.ring)))
	for i := range f.n {
		ring[i] = f.at(i)
	}
	f.ring, f.head = ring, 0
}

func (f *fifo) push(s *SignIn) {
	f.room()
	f.ring[(f.head+f.n)&(len(f.ring)-1)] = s
	f.n++
}

// pushFront is for a sign-in that had its turn and needs another.
func (f *fifo) pushFront(s *SignIn) {
	f.room()
	f.head = (f.head - 1) & (len(f.ring) - 1)
	f.ring[f.head] = s
	f.n++
}

// pop returns nil when there is none.
func (f *fifo) pop() *SignIn {
	if f.n == 0 {
		return nil
	}
	s := f.ring[f.head]
	f.ring[f.head] = nil
	f.head = (f.head + 1) & (len(f.ring) - 1)
	f.n--
	return s
}

// drain takes all out.
func (f *fifo) drain() []*SignIn {
	var all []*SignIn
	for s := f.pop(); s != nil; s = f.pop() {
		all = append(all, s)
	}
	return all
}

// hopeless takes out those that are not worth a bind any more.
func (f *fifo) hopeless(now time.Time) []*SignIn {
	var out []*SignIn
	for range f.n { // once around
		s := f.pop()
		if s.hopeless(now) {
			out = append(out, s)
		} else {
			f.push(s)
		}
	}
	return out
}
