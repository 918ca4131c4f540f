package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// maxHandshakes is how many TLS handshakes are under way at once, so that a
// stall of the target never turns into a storm of them.
const maxHandshakes = 16

// openTimeout bounds the opening of all connections, and each handshake.
const openTimeout = 30 * time.Second

// connections are the client side of all sign-ins: HTTP/1.1 over TLS.
type connections struct {
	transport  *http.Transport
	config     *tls.Config
	dialer     net.Dialer
	slots      chan struct{} // one for each handshake under way
	handshakes atomic.Uint64
}

// newConnections makes a pool of at most size connections that are kept for
// ever or, with size 0, a new connection for each request.
func newConnections(config *tls.Config, size int) *connections {
	c := &connections{config: config.Clone(), slots: make(chan struct{}, maxHandshakes)}
	c.config.NextProtos = []string{"http/1.1"}
	c.transport = &http.Transport{
		DialTLSContext:     c.dial,
		DisableCompression: true,
		Protocols:          new(http.Protocols),
	}
	c.transport.Protocols.SetHTTP1(true)
	if size == 0 {
		c.transport.DisableKeepAlives = true
		c.config.SessionTicketsDisabled = true // each a full handshake, as a new user's is
	} else {
		c.transport.MaxConnsPerHost = size
		c.transport.MaxIdleConnsPerHost = size
		c.config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	}
	return c
}

// dial connects and shakes hands, when it is its turn.
func (c *connections) dial(ctx context.Context, network, address string) (net.Conn, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	raw, err := c.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	config := c.config
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			raw.Close()
			return nil, err
		}
		config = config.Clone()
		config.ServerName = host
	}
	conn := tls.Client(raw, config)
	c.handshakes.Add(1)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, err
	}
	return conn, nil
}

// open fills the pool with n connections, each of which has served one GET of
// url. The answers are held unread until all are there, because a connection
// whose answer was read would serve the next GET as well.
func (c *connections) open(ctx context.Context, url string, n int) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	answers := make([]*http.Response, n)
	defer func() {
		for _, a := range answers {
			if a != nil {
				a.Body.Close()
			}
		}
	}()
	var each errgroup.Group
	for i := range n {
		each.Go(func() error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			answers[i], err = c.transport.RoundTrip(req)
			if err != nil {
				cancel()
				return err
			}
			if answers[i].Body == http.NoBody {
				cancel()
				return errors.New("the answer is empty, expected some text")
			}
			return nil
		})
	}
	if err := each.Wait(); err != nil {
		return fmt.Errorf("opening %d connections with GET %s: %w", n, url, err)
	}
	buf := make([]byte, 0, 4<<10)
	for _, a := range answers {
		if _, err := readAnswer(buf, a.Body); err != nil {
			return fmt.Errorf("opening %d connections with GET %s: reading the answer: %w", n, url, err)
		}
	}
	return nil
}
