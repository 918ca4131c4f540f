package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ptabench/results"
)

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came: %s", what)
		}
	}
}

// opened makes the connections of a load on a fake cloud, opened.
func opened(t *testing.T, cloud *fakeCloud, pool int) *Generator {
	t.Helper()
	cfg := cloud.config(func(results.Sample) {})
	cfg.Pool = pool
	g := generator(t, cfg)
	t.Cleanup(g.tenants.all[0].conns.close)
	return g
}

// try makes a sign-in and reports the class of its error, 0 when it was
// answered.
func try(ctx context.Context, g *Generator, seq uint32, timeout time.Duration) (class uint8, status int) {
	req := g.tenants.all[0].post.request(seq, g.mix.people.UPN(int(seq)), g.mix.people.Password(int(seq)))
	c, err := g.tenants.all[0].conns.signIn(ctx, time.Now().Add(timeout), &req)
	if err != nil {
		return classify(err), 0
	}
	defer g.tenants.all[0].conns.release(c)
	return 0, c.status
}

// checkPool holds when nobody signs in.
func checkPool(t *testing.T, p *connections) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.places != len(p.idle) || p.places != len(p.all) || p.places > p.size || p.waiting.Len() != 0 || len(p.slots) != 0 {
		t.Errorf("%d places of %d, %d connections, %d idle, %d waiting, %d handshakes under way",
			p.places, p.size, len(p.all), len(p.idle), p.waiting.Len(), len(p.slots))
	}
}

func (p *connections) queued() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting.Len()
}

// Sign-ins that find no connection free wait in the order they came.
func TestSignInsWaitTheirTurn(t *testing.T) {
	var mu sync.Mutex
	var served []string
	cloud := newFakeCloud(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		served = append(served, r.PostFormValue("username"))
	})
	g := opened(t, cloud, 1)
	cloud.stall(true)
	var all sync.WaitGroup
	var want []string
	for seq := range 20 {
		all.Go(func() {
			if class, _ := try(t.Context(), g, uint32(seq), time.Minute); class != 0 {
				t.Errorf("sign-in %d: class %d", seq, class)
			}
		})
		want = append(want, g.mix.people.UPN(seq))
		eventually(t, "the sign-in's turn to wait", func() bool {
			return g.tenants.all[0].conns.queued() == seq && (seq > 0 || len(idle(g.tenants.all[0].conns)) == 0)
		})
	}
	cloud.stall(false)
	all.Wait()
	if !slices.Equal(served, want) {
		t.Errorf("served %v, want the order of arrival", served)
	}
	if n, _ := cloud.connections(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	checkPool(t, g.tenants.all[0].conns)
}

func idle(p *connections) []*connection {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.idle)
}

// Connections that the server closed while they were idle are replaced, and the
// sign-ins that would have used them succeed.
func TestIdleConnectionsThatWereClosed(t *testing.T) {
	cloud := newFakeCloud(t, nil)
	g := opened(t, cloud, 5)
	cloud.CloseClientConnections()
	for _, c := range idle(g.tenants.all[0].conns) {
		eventually(t, "the end of a connection", func() bool { return !quiet(c.conn.NetConn()) })
		c.used = c.used.Add(-time.Minute) // long ago
	}
	for seq := range 7 {
		if class, _ := try(t.Context(), g, uint32(seq), time.Minute); class != 0 {
			t.Errorf("sign-in %d: class %d", seq, class)
		}
	}
	if n := g.Progress().Handshakes; n != 6 { // one after the other need only one
		t.Errorf("%d handshakes, want 5 and another", n)
	}
	checkPool(t, g.tenants.all[0].conns)
}

// Old connections are kept, even past the timeout of the sign-in they served.
func TestIdleConnectionsAreKept(t *testing.T) {
	cloud := newFakeCloud(t, nil)
	g := opened(t, cloud, 1)
	for seq := range 3 {
		const timeout = time.Second
		if class, _ := try(t.Context(), g, uint32(seq), timeout); class != 0 {
			t.Fatalf("sign-in %d: class %d", seq, class)
		}
		c := idle(g.tenants.all[0].conns)[0]
		if err := c.conn.SetDeadline(time.Now().Add(-timeout)); err != nil { // as if it were over
			t.Fatal(err)
		}
		c.used = c.used.Add(-time.Hour)
	}
	if n := g.Progress().Handshakes; n != 1 {
		t.Errorf("%d handshakes, want 1", n)
	}
}

// A sign-in of which nothing was sent is sent again, once; one that may have
// arrived is not.
func TestOnlyWhatWasNotSentIsSentAgain(t *testing.T) {
	broken := func(c *connection) {
		// What the client sees when the server's reset has come in.
		if err := c.conn.NetConn().(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		broken     int // connections, the next to be used
		closes     bool
		class      uint8
		arrived    int32
		handshakes uint64
	}{
		"no connection is broken":   {0, false, 0, 1, 3},
		"one is broken":             {1, false, 0, 1, 3},
		"two are broken":            {2, false, results.ErrorReset, 0, 3},
		"the server does not reply": {0, true, results.ErrorEOF, 1, 3},
		"after one that is broken":  {1, true, results.ErrorEOF, 1, 3},
	} {
		t.Run(name, func(t *testing.T) {
			var arrived atomic.Int32
			cloud := newFakeCloud(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // so that closing is not a reset
				arrived.Add(1)
				if c.closes {
					conn, _, err := http.NewResponseController(w).Hijack()
					if err != nil {
						panic(err)
					}
					conn.Close()
				}
			})
			g := opened(t, cloud, 3)
			free := idle(g.tenants.all[0].conns)
			for _, conn := range free[len(free)-c.broken:] {
				broken(conn)
			}
			class, _ := try(t.Context(), g, 1, time.Minute)
			if class != c.class || arrived.Load() != c.arrived || g.Progress().Handshakes != c.handshakes {
				t.Errorf("class %d, arrived %d times, %d handshakes; want %d, %d, %d",
					class, arrived.Load(), g.Progress().Handshakes, c.class, c.arrived, c.handshakes)
			}
			checkPool(t, g.tenants.all[0].conns)
		})
	}
}

// Whatever net/http makes of an answer is read, and its connection used again.
func TestAnswersOfNetHTTP(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter)
		body   string
		closes bool
	}{
		"short":   {func(w http.ResponseWriter) { fmt.Fprint(w, "x") }, "x", false},
		"empty":   {func(http.ResponseWriter) {}, "", false},
		"long":    {func(w http.ResponseWriter) { fmt.Fprint(w, strings.Repeat("x", maxAnswer)) }, strings.Repeat("x", maxAnswer), false},
		"nothing": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }, "", false},
		"in pieces": {func(w http.ResponseWriter) {
			for range 3 {
				fmt.Fprint(w, "some")
				w.(http.Flusher).Flush()
			}
		}, "somesomesome", false},
		"hints first": {func(w http.ResponseWriter) {
			w.Header().Set("Link", "</x>")
			w.WriteHeader(http.StatusEarlyHints)
			fmt.Fprint(w, "x")
		}, "x", false},
		"trailers": {func(w http.ResponseWriter) {
			w.Header().Set("Trailer", "Sum")
			fmt.Fprint(w, "x")
			w.Header().Set("Sum", "1")
		}, "x", false},
		"the last": {func(w http.ResponseWriter) {
			w.Header().Set("Connection", "close")
			fmt.Fprint(w, "x")
		}, "x", true},
	} {
		t.Run(name, func(t *testing.T) {
			cloud := newFakeCloud(t, func(w http.ResponseWriter, _ *http.Request) { c.answer(w) })
			g := opened(t, cloud, 1)
			for seq := range uint32(3) {
				req := g.tenants.all[0].post.request(seq, "a", "b")
				conn, err := g.tenants.all[0].conns.signIn(t.Context(), time.Now().Add(time.Minute), &req)
				if err != nil {
					t.Fatal(err)
				}
				if string(conn.body) != c.body {
					t.Errorf("%d bytes %.40q, want %d, %.40q", len(conn.body), conn.body, len(c.body), c.body)
				}
				g.tenants.all[0].conns.release(conn)
			}
			want := uint64(1)
			if c.closes {
				want += 2 // the first was there
			}
			if n := g.Progress().Handshakes; n != want {
				t.Errorf("%d handshakes, want %d", n, want)
			}
			checkPool(t, g.tenants.all[0].conns)
		})
	}
}

// Sign-ins time out wherever they are, and what they leave is as good as new.
func TestTimeouts(t *testing.T) {
	cloud := newFakeCloud(t, nil)
	g := opened(t, cloud, 2)
	cloud.stall(true)
	var all sync.WaitGroup
	for seq := range 10 {
		all.Go(func() {
			if class, _ := try(t.Context(), g, uint32(seq), 300*time.Millisecond); class != results.ErrorTimeout {
				t.Errorf("sign-in %d: class %d, want a timeout", seq, class)
			}
		})
	}
	all.Wait()
	checkPool(t, g.tenants.all[0].conns)
	cloud.stall(false)
	for seq := range uint32(5) {
		if class, _ := try(t.Context(), g, seq, time.Minute); class != 0 {
			t.Errorf("sign-in %d afterwards: class %d", seq, class)
		}
	}
	checkPool(t, g.tenants.all[0].conns)
}

// When the run ends, so do sign-ins that are busy, waiting and shaking hands.
func TestAbortEndsSignIns(t *testing.T) {
	cloud := newFakeCloud(t, nil)
	g := opened(t, cloud, 2)
	cloud.stall(true)
	ctx, abort := context.WithCancel(t.Context())
	defer g.tenants.all[0].conns.abortAfter(ctx)()
	var all sync.WaitGroup
	for seq := range 8 {
		all.Go(func() {
			if class, _ := try(ctx, g, uint32(seq), time.Hour); class != results.ErrorCanceled {
				t.Errorf("sign-in %d: class %d, want canceled", seq, class)
			}
		})
	}
	eventually(t, "a queue", func() bool { return g.tenants.all[0].conns.queued() == 6 })
	abort()
	all.Wait()
	if class, _ := try(ctx, g, 9, time.Hour); class != results.ErrorCanceled {
		t.Errorf("a sign-in afterwards: class %d, want canceled", class)
	}
	checkPool(t, g.tenants.all[0].conns)
}

// However many need a connection, 16 handshakes are under way, and no more.
func TestHandshakesAreFew(t *testing.T) {
	const signIns = 50
	cloud := newFakeCloud(t, nil)
	for _, pool := range []int{0, 40} {
		t.Run(fmt.Sprint("pool ", pool), func(t *testing.T) {
			target := newMute(t)
			g := generator(t, cloud.config(func(results.Sample) {}))
			defer g.tenants.all[0].conns.close()
			g.tenants.all[0].conns.close()
			g.tenants.all[0].conns = newConnections(newDialer(&url.URL{Scheme: "https", Host: target.listener.Addr().String()}, &tls.Config{}, pool > 0), pool)
			var all sync.WaitGroup
			for seq := range signIns {
				all.Go(func() {
					if class, _ := try(t.Context(), g, uint32(seq), time.Minute); class == 0 {
						t.Errorf("sign-in %d was answered", seq)
					}
				})
			}
			for left := signIns; left > 0; {
				eventually(t, "handshakes", func() bool { return target.active() >= min(left, maxHandshakes) })
				left -= target.hangUp()
			}
			all.Wait()
			if n := g.tenants.all[0].conns.handshakes.Load(); n != signIns || target.peak != maxHandshakes {
				t.Errorf("%d handshakes, %d at once; want %d, %d at once", n, target.peak, signIns, maxHandshakes)
			}
			checkPool(t, g.tenants.all[0].conns)
		})
	}
}

// A mute accepts connections, never says anything, and hangs up when told.
type mute struct {
	listener net.Listener

	mu    sync.Mutex
	conns []net.Conn
	peak  int
}

func newMute(t *testing.T) *mute {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &mute{listener: listener}
	var over sync.WaitGroup
	over.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			m.mu.Lock()
			m.conns = append(m.conns, conn)
			m.peak = max(m.peak, len(m.conns))
			m.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		listener.Close()
		over.Wait()
		m.hangUp()
	})
	return m
}

func (m *mute) active() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.conns)
}

func (m *mute) hangUp() (conns int) {
	m.mu.Lock()
	ended := m.conns
	m.conns = nil // before the clients learn of it
	m.mu.Unlock()
	for _, c := range ended {
		c.Close()
	}
	return len(ended)
}

// Many at once, whose connections end in all ways: none is lost, and none is
// used by two.
func TestConnectionsUnderStress(t *testing.T) {
	var turn atomic.Int64
	cloud := newFakeCloud(t, func(w http.ResponseWriter, r *http.Request) {
		user := r.PostFormValue("username")
		switch turn.Add(1) % 17 {
		case 0:
			panic(http.ErrAbortHandler)
		case 5:
			w.Header().Set("Connection", "close")
		case 9:
			time.Sleep(30 * time.Millisecond) // longer than some wait
		}
		fmt.Fprint(w, user)
	})
	g := opened(t, cloud, 4)
	var answered, failed atomic.Int64
	var all sync.WaitGroup
	for worker := range 24 {
		all.Go(func() {
			for n := range 40 {
				seq := worker*40 + n
				upn := g.mix.people.UPN(seq)
				req := g.tenants.all[0].post.request(uint32(seq), upn, "x")
				timeout := time.Minute
				if seq%7 == 0 {
					timeout = 10 * time.Millisecond
				}
				c, err := g.tenants.all[0].conns.signIn(t.Context(), time.Now().Add(timeout), &req)
				if err != nil {
					failed.Add(1)
					continue
				}
				if runtime.Gosched(); string(c.body) != upn {
					t.Errorf("%s got the answer to %s", upn, c.body)
				}
				answered.Add(1)
				g.tenants.all[0].conns.release(c)
			}
		})
	}
	all.Wait()
	t.Logf("%d answered, %d not, %d handshakes", answered.Load(), failed.Load(), g.Progress().Handshakes)
	if answered.Load() < 24*40/2 || failed.Load() == 0 {
		t.Errorf("%d answered, %d not", answered.Load(), failed.Load())
	}
	checkPool(t, g.tenants.all[0].conns)
}

// Opening is given up at once when the context ends, whatever the target does.
func TestOpeningIsGivenUp(t *testing.T) {
	cloud := newFakeCloud(t, nil)
	cloud.stall(true)
	g, err := New(cloud.config(func(results.Sample) {}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, abort := context.WithCancel(t.Context())
	over := make(chan error)
	go func() { over <- g.Connect(ctx) }()
	eventually(t, "connections", func() bool { n, _ := cloud.connections(); return n == g.cfg.Pool })
	abort()
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want canceled", err)
	}
	checkPool(t, g.tenants.all[0].conns)
}

func TestQuiet(t *testing.T) {
	cloud := newFakeCloud(t, nil)
	g := opened(t, cloud, 1)
	c := idle(g.tenants.all[0].conns)[0]
	if !quiet(c.conn.NetConn()) {
		t.Error("an idle connection is not quiet")
	}
	if err := c.conn.NetConn().Close(); err != nil {
		t.Fatal(err)
	}
	if quiet(c.conn.NetConn()) {
		t.Error("a closed connection is quiet")
	}
}
