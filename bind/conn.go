package bind

import (
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A conn is one connection of the pool. It has at most one bind outstanding.
type conn struct {
	pool     *server
	nc       *tls.Conn
	raw      net.Conn // under nc: closing it blocks on nobody
	controls string   // of each bind

	// Guarded by the pool's lock.
	current *SignIn // what the directory is being asked, nil when idle
	id      int32   // message ID of that
	pooled  bool    // it was written to a connection that had been idle

	writing   sync.Mutex // held while a bind is coded and written
	out       []byte     // wiped after each bind
	condemned bool
	wrote     bool // the current bind was written whole

	// asking is the message ID of the bind that was coded last. A reply counts
	// only from then on, so that a directory that answers before it was asked
	// cannot take a sign-in, and its password, from under whoever codes it.
	asking atomic.Int32

	cause atomic.Pointer[error] // why the pool closed it, nil when the peer did
}

// assign makes s what c is asked; the caller holds the pool's lock, and calls
// write once it has let it go.
func (c *conn) assign(s *SignIn, now time.Time, pooled bool) {
	c.current = s
	c.pooled = pooled
	c.id = c.id%(1<<31-1) + 1
	s.asked = now
	if c.pool.patience > 0 {
		s.until = c.pool.leave(s, now)
	}
}

// write asks the directory. When that does not succeed the reader, who owns
// the end of a connection, is made to notice.
func (c *conn) write(s *SignIn) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.condemned { // the reader has s already
		return
	}
	c.wrote = false
	if s.name == "" { // nothing may come to that: the bind would be anonymous, and succeed
		_ = c.raw.Close()
		return
	}
	c.out = appendBindRequest(c.out[:0], c.id, s.name, s.Password, c.controls)
	c.asking.Store(c.id)
	_, err := c.nc.Write(c.out)
	clear(c.out)
	if err != nil {
		_ = c.raw.Close()
		return
	}
	c.wrote = true
	c.pool.counters.binds.Add(1)
}

// condemn lets nobody write to c any more, once whoever is writing has ended,
// and reports whether the last bind was written.
func (c *conn) condemn() (wrote bool) {
	_ = c.raw.Close()
	c.writing.Lock()
	defer c.writing.Unlock()
	c.condemned = true
	return c.wrote
}

// abandon closes c from outside its reader, for the reason given.
func (c *conn) abandon(cause error) {
	c.cause.CompareAndSwap(nil, &cause)
	_ = c.raw.Close()
}

// read reads replies until the connection ends, and takes it out of the pool.
func (c *conn) read() {
	err := c.replies()
	if cause := c.cause.Load(); cause != nil {
		err = *cause
	}
	c.pool.lost(c, err)
}

func (c *conn) replies() error {
	buf := make([]byte, 1<<10)
	have := 0
	for {
		n, err := c.nc.Read(buf[have:])
		if err != nil {
			return fmt.Errorf("reading from the directory: %w", err)
		}
		have += n
		used := 0
		for {
			size, err := frame(buf[used:have])
			if err != nil {
				return err
			}
			if size == 0 || size > have-used {
				if size > len(buf) {
					buf = append(buf, make([]byte, size-len(buf))...)
				}
				break
			}
			r, err := parseReply(buf[used : used+size])
			if err != nil {
				return err
			}
			if err := c.pool.replied(c, r); err != nil {
				return err
			}
			used += size
		}
		have = copy(buf, buf[used:have])
	}
}
