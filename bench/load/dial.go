package load

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"sync/atomic"
	"time"
)

// maxHandshakes is how many TLS handshakes are under way at once, so that a
// stall of the target never turns into a storm of them.
const maxHandshakes = 16

// A dialer connects to the target: TLS over TCP.
type dialer struct {
	address    string
	config     *tls.Config
	net        net.Dialer
	slots      chan struct{} // one for each handshake under way
	handshakes atomic.Uint64
}

// newDialer makes a dialer for the host of an https address. Connections that
// are kept resume the sessions of those before them; others are each a full
// handshake, as a new user's is.
func newDialer(target *url.URL, config *tls.Config, kept bool) *dialer {
	port := target.Port()
	if port == "" {
		port = "443"
	}
	d := &dialer{
		address: net.JoinHostPort(target.Hostname(), port),
		config:  config.Clone(),
		slots:   make(chan struct{}, maxHandshakes),
	}
	d.config.NextProtos = []string{"http/1.1"}
	if d.config.ServerName == "" {
		d.config.ServerName = target.Hostname()
	}
	if kept {
		d.config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	} else {
		d.config.SessionTicketsDisabled = true
	}
	return d
}

// dial connects and shakes hands, when it is its turn.
func (d *dialer) dial(ctx context.Context, deadline time.Time) (*tls.Conn, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	raw, err := d.net.DialContext(ctx, "tcp", d.address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, d.config)
	d.handshakes.Add(1)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close() // of no use to anybody
		return nil, err
	}
	return conn, nil
}
