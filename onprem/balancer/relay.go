package balancer

import (
	"io"
	"net"
	"sync"
)

// A relay is a client's connection and the one made for it.
type relay struct {
	client, server net.Conn
}

// cut ends both at once: what is under way is lost. Nothing waits for a server
// that takes nothing.
func (r *relay) cut() {
	if tcp, ok := r.server.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails only where it is closed already
	}
	_ = r.server.Close()
	_ = r.client.Close()
}

// relay carries a client's connection to a backend, the next one where it
// cannot be reached, and returns when it has ended.
func (b *balancer) relay(client net.Conn) {
	defer func() {
		_ = client.Close()
		b.mu.Lock()
		b.open--
		b.mu.Unlock()
	}()
	r, k := b.connect(client)
	if r == nil {
		b.mu.Lock()
		b.refused++
		b.mu.Unlock()
		return
	}
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(r.server, r.client) // whichever way it ended, it has ended
		// The client has said all it wants to; what it is answered may come yet.
		if half, ok := r.server.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	})
	_, _ = io.Copy(r.client, r.server)
	_ = r.client.Close()
	_ = r.server.Close()
	both.Wait()
	b.mu.Lock()
	delete(k.conns, r)
	b.mu.Unlock()
}

// connect finds a backend that takes a connection; nil for none.
func (b *balancer) connect(client net.Conn) (*relay, *backend) {
	dialer := net.Dialer{Timeout: b.cfg.ConnectTimeout}
	for tried := []*backend(nil); ; {
		k := b.choose(tried)
		if k == nil {
			return nil, nil
		}
		tried = append(tried, k)
		server, err := dialer.DialContext(k.ctx, "tcp", k.address)
		if err != nil {
			if k.ctx.Err() == nil {
				b.unreachable(k, err)
			}
			continue
		}
		r := &relay{client: client, server: server}
		b.mu.Lock()
		gone := k.ctx.Err() != nil
		if !gone {
			k.conns[r] = struct{}{}
			k.counts.Connections++
		}
		b.mu.Unlock()
		if gone { // removed while it was dialled
			_ = server.Close()
			continue
		}
		return r, k
	}
}
