package load

import (
	"context"
	"crypto/tls"
	"time"
)

// idleUnchecked is how long a connection may lie idle and still be used
// unseen. Asking the kernel whether the server closed it costs a system call.
const idleUnchecked = 100 * time.Millisecond

// keptBuffer is the largest buffer, in bytes, that waits for the next response.
const keptBuffer = 16 << 10

// A connection makes one exchange at a time. Whoever took it from the
// connections owns it, with the response, until it is released.
type connection struct {
	conn    *tls.Conn
	request []byte // as sent; reused
	response
	err  error     // of the last exchange: the connection is of no more use
	used time.Time // when it was last released; zero when never
}

// exchange sends the request and reads the response, until the deadline or the
// context's end, which sets a deadline long past. Sent says whether the server
// may have got the request.
func (c *connection) exchange(ctx context.Context, deadline time.Time) (sent bool, err error) {
	err = c.conn.SetDeadline(deadline)
	if ctx.Err() == nil && err == nil { // in this order: the past one must win
		// One TLS record where it fits one, and TLS gives the server a whole
		// record or nothing of it.
		var n int
		if n, err = c.conn.Write(c.request); err == nil {
			err = c.response.read(c.conn)
		}
		sent = n > 0
	}
	if c.err = err; ctx.Err() != nil && (err != nil || !sent) {
		c.err = ctx.Err()
	}
	return sent, c.err
}

// stale reports whether the server closed the connection, or sent something
// unasked, while it lay idle.
func (c *connection) stale() bool {
	return !c.used.IsZero() && time.Since(c.used) > idleUnchecked && !quiet(c.conn.NetConn())
}

// close says goodbye only when the last exchange went well: what is in flight
// otherwise, nobody waits for.
func (c *connection) close() {
	if c.err != nil {
		_ = c.conn.NetConn().Close()
		return
	}
	_ = c.conn.Close() // the server has answered
}
