package bind

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"
)

// A client is a connection that asks one thing after the other and waits for
// each: what the service account searches for, and whether a server answers at
// all. It is for one goroutine.
type client struct {
	nc   *tls.Conn
	id   int32
	out  []byte // wiped after each bind
	in   []byte
	have int
	used int // of in, by the message read last
}

func newClient(nc *tls.Conn) *client { return &client{nc: nc, in: make([]byte, 2<<10)} }

// close lets go of the connection without waiting for anybody.
func (c *client) close() { _ = c.nc.NetConn().Close() }

// closeWith closes the connection when ctx ends, unless stopped before.
func (c *client) closeWith(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, c.close)
}

func (c *client) send(deadline time.Time) error {
	_ = c.nc.SetDeadline(deadline) // of a connection that is closed, which writing finds out
	if _, err := c.nc.Write(c.out); err != nil {
		return fmt.Errorf("asking the directory: %w", err)
	}
	return nil
}

// message reads one whole message; it is overwritten by the next.
func (c *client) message() ([]byte, error) {
	c.have = copy(c.in, c.in[c.used:c.have])
	c.used = 0
	for {
		size, err := frame(c.in[:c.have])
		if err != nil {
			return nil, err
		}
		if size != 0 && size <= c.have {
			c.used = size
			return c.in[:size], nil
		}
		if size > len(c.in) {
			c.in = append(c.in, make([]byte, size-len(c.in))...)
		}
		n, err := c.nc.Read(c.in[c.have:])
		if err != nil {
			return nil, fmt.Errorf("reading from the directory: %w", err)
		}
		c.have += n
	}
}

// bind asks for one account, and returns the directory's reply, whatever that
// says.
func (c *client) bind(name, password string, deadline time.Time) (reply, error) {
	c.id++
	c.out = appendBindRequest(c.out[:0], c.id, name, []byte(password), "")
	err := c.send(deadline)
	clear(c.out)
	if err != nil {
		return reply{}, err
	}
	b, err := c.message()
	if err != nil {
		return reply{}, err
	}
	r, err := parseReply(b)
	switch {
	case err != nil:
		return r, err
	case r.id == 0 && r.op == tagExtendedResponse:
		return r, errFarewell
	case r.id != c.id || r.op != tagBindResponse:
		return r, errUnasked
	}
	return r, nil
}

// search calls q.entry with each entry found and returns the result code.
func (c *client) search(q query, deadline time.Time) (code int32, err error) {
	c.id++
	c.out = appendSearchRequest(c.out[:0], c.id, &q)
	if err := c.send(deadline); err != nil {
		return 0, err
	}
	for range maxFound {
		b, err := c.message()
		if err != nil {
			return 0, err
		}
		f, err := parseFound(b)
		switch {
		case err != nil:
			return 0, err
		case f.id == 0 && f.op == tagExtendedResponse:
			return 0, errFarewell
		case f.id != c.id || f.op == tagExtendedResponse:
			return 0, errUnasked
		case f.op == tagSearchDone:
			return f.code, nil
		case f.op == tagSearchEntry:
			q.entry(&f.entry)
		}
	}
	return 0, errTooMany
}
