package gate

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

const ms = time.Millisecond

var bothDelayed = force{out: shape{delay: 100 * ms}, in: shape{delay: 100 * ms}}

// bubble runs a test over a pipe with a gate before its near end, in a world
// whose time passes at once, and in which every goroutine has to end.
func bubble(t *testing.T, f func(t *testing.T, g *Gates, near *conn, far net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := New()
		nc, far := net.Pipe()
		near := behindGate(g, nc)
		f(t, g, near, far)
		_ = near.Close()
		_ = far.Close()
		g.pumps.Wait()
		expectEmpty(t, g)
	})
}

// An arrival is what was read, and when.
type arrival struct {
	text  string
	after time.Duration
}

// arrivals reads until the connection ends.
func arrivals(c net.Conn) <-chan []arrival {
	began, all := time.Now(), make(chan []arrival, 1)
	go func() {
		var list []arrival
		buf := make([]byte, 64)
		for {
			n, err := c.Read(buf)
			if err != nil {
				all <- append(list, arrival{err.Error(), time.Since(began)})
				return
			}
			list = append(list, arrival{string(buf[:n]), time.Since(began)})
		}
	}()
	return all
}

func expectArrivals(t *testing.T, got, want []arrival) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("arrival %d is missing; expected %v", i, want[i])
		case i >= len(want):
			t.Errorf("arrival %d: %v; expected none", i, got[i])
		case got[i] != want[i]:
			t.Errorf("arrival %d: %v; expected %v", i, got[i], want[i])
		}
	}
}

// Each write is delayed by itself, so three within the delay take no longer
// than one; and the end comes after them.
func TestDelayIsAPipeline(t *testing.T) {
	want := []arrival{{"one", 100 * ms}, {"two", 110 * ms}, {"three", 120 * ms}, {"EOF", 130 * ms}}
	for _, way := range []string{"out", "in"} {
		t.Run(way, func(t *testing.T) {
			bubble(t, func(t *testing.T, g *Gates, near *conn, far net.Conn) {
				from, to := net.Conn(near), far
				if way == "out" {
					from, to = far, near
				}
				got := arrivals(to) // its first read is in the kernel by then
				synctest.Wait()
				near.apply(bothDelayed)
				for _, text := range []string{"one", "two", "three"} {
					if _, err := io.WriteString(from, text); err != nil {
						t.Error(err)
					}
					time.Sleep(10 * ms)
				}
				_ = from.Close()
				expectArrivals(t, <-got, want)
			})
		})
	}
}

// What is held when a gate is cleared goes at once and in order, and what
// comes later follows it.
func TestClearingLetsGo(t *testing.T) {
	for _, way := range []string{"out", "in"} {
		t.Run(way, func(t *testing.T) {
			bubble(t, func(t *testing.T, g *Gates, near *conn, far net.Conn) {
				from, to := net.Conn(near), far
				if way == "out" {
					from, to = far, near
				}
				near.apply(force{out: shape{delay: time.Hour}, in: shape{delay: time.Hour}})
				got := arrivals(to)
				for _, text := range []string{"one", "two"} {
					_, _ = io.WriteString(from, text)
				}
				time.Sleep(50 * ms)
				near.apply(force{})
				synctest.Wait()
				if state := near.state.Load(); state != 0 {
					t.Errorf("state %b after the gate was cleared; expected the direct way", state)
				}
				_, _ = io.WriteString(from, "three")
				_ = from.Close()
				expectArrivals(t, <-got, []arrival{{"onetwo", 50 * ms}, {"three", 50 * ms}, {"EOF", 50 * ms}})
			})
		})
	}
}

// A gate that comes and goes while a read is in the kernel interrupts nothing
// that anybody notices.
func TestGateOfAMoment(t *testing.T) {
	bubble(t, func(t *testing.T, g *Gates, near *conn, far net.Conn) {
		got := arrivals(near)
		for range 3 {
			synctest.Wait()
			near.apply(bothDelayed)
			near.apply(force{})
		}
		_, _ = io.WriteString(far, "fine")
		_ = far.Close()
		expectArrivals(t, <-got, []arrival{{"fine", 0}, {"EOF", 0}})
	})
}

// Past what may be held a writer waits, until its deadline if it has one.
func TestWhatIsHeldIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T, g *Gates, near *conn, far net.Conn) {
		near.apply(force{in: shape{delay: time.Second}})
		_ = near.SetWriteDeadline(time.Now().Add(100 * ms))
		n, err := near.Write(make([]byte, 2*maxHeld))
		if n != maxHeld || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("wrote %d, %v; expected %d and the deadline", n, err, maxHeld)
		}
		_ = near.SetWriteDeadline(time.Time{})
		read := make(chan int64, 1)
		go func() {
			n, _ := io.Copy(io.Discard, far)
			read <- n
		}()
		began := time.Now()
		if _, err := near.Write([]byte("x")); err != nil || time.Since(began) != 900*ms {
			t.Errorf("a write beyond: %v after %v; expected room after 900ms", err, time.Since(began))
		}
		_ = near.Close()
		if n := <-read; n != maxHeld+1 {
			t.Errorf("%d bytes arrived; expected %d", n, maxHeld+1)
		}
	})
	bubble(t, func(t *testing.T, g *Gates, near *conn, far net.Conn) {
		near.apply(force{out: shape{delay: time.Second}})
		go func() { _, _ = near.Read(make([]byte, 1)) }() // reading ahead begins with the first read
		_ = far.SetWriteDeadline(time.Now().Add(500 * ms))
		if n, err := far.Write(make([]byte, 2*maxHeld)); n != maxHeld || err == nil {
			t.Errorf("the peer wrote %d, %v; expected %d and its deadline", n, err, maxHeld)
		}
	})
}

func TestBandwidth(t *testing.T) {
	bubble(t, func(t *testing.T, g *Gates, near *conn, far net.Conn) {
		near.apply(force{in: shape{bitsPerS: 8e6}}) // 1 MB/s
		began := time.Now()
		go func() {
			_, _ = near.Write(make([]byte, 3_000_000))
			_ = near.Close()
		}()
		n, err := io.Copy(io.Discard, far)
		if n != 3_000_000 || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
		if took := time.Since(began); took < 2990*ms || took > 3*time.Second {
			t.Errorf("3 MB took %v at 1 MB/s", took)
		}
	})
}

func TestDeadlinesOfDegradedReads(t *testing.T) {
	bubble(t, func(t *testing.T, g *Gates, near *conn, far net.Conn) {
		near.apply(bothDelayed)
		go func() { _, _ = io.WriteString(far, "late") }()
		buf := make([]byte, 8)
		_ = near.SetReadDeadline(time.Now().Add(40 * ms))
		if n, err := near.Read(buf); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read %d, %v; expected the deadline", n, err)
		}
		read := make(chan error, 1)
		_ = near.SetReadDeadline(time.Time{})
		go func() {
			_, err := near.Read(buf)
			read <- err
		}()
		synctest.Wait()
		_ = near.SetReadDeadline(longAgo) // as net/http ends its background read
		if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the read ended with %v; expected the deadline", err)
		}
		_ = near.SetReadDeadline(time.Now().Add(time.Second))
		began := time.Now()
		if n, err := near.Read(buf); string(buf[:n]) != "late" || err != nil || time.Since(began) != 60*ms {
			t.Errorf("read %q, %v after %v; expected it 100ms after it was sent", buf[:n], err, time.Since(began))
		}
	})
}

// A stall wins over a degradation, in its own direction only.
func TestStallOverDegradation(t *testing.T) {
	bubble(t, func(t *testing.T, g *Gates, near *conn, far net.Conn) {
		f := bothDelayed
		f.stallIn = true
		near.apply(f)
		down, up := arrivals(far), arrivals(near)
		go func() { _, _ = io.WriteString(near, "down") }()
		_, _ = io.WriteString(far, "up")
		time.Sleep(time.Second)
		near.apply(bothDelayed)
		time.Sleep(time.Second)
		_ = far.Close()
		expectArrivals(t, <-up, []arrival{{"up", 100 * ms}, {"EOF", 2100 * ms}})
		expectArrivals(t, <-down, []arrival{{"down", 1100 * ms}, {"io: read/write on closed pipe", 2 * time.Second}})
	})
}

// A reset drops what is held, and so does the end of all gates when the peer
// does not take it.
func TestHeldBytesThatAreDropped(t *testing.T) {
	bubble(t, func(t *testing.T, g *Gates, near *conn, far net.Conn) {
		near.apply(bothDelayed)
		got := arrivals(far)
		_, _ = io.WriteString(near, "gone")
		time.Sleep(10 * ms)
		g.mu.Lock()
		near.reset()
		g.mu.Unlock()
		expectArrivals(t, <-got, []arrival{{"EOF", 10 * ms}}) // of a pipe, which knows no reset
	})
	for _, closed := range []bool{false, true} {
		bubble(t, func(t *testing.T, g *Gates, near *conn, far net.Conn) {
			near.apply(bothDelayed)
			_, _ = io.WriteString(near, "not taken")
			if closed {
				_ = near.Close()
			}
			time.Sleep(time.Second)
			began := time.Now()
			g.Close()
			if took := time.Since(began); took != flushTime {
				t.Errorf("closed %v: Close took %v; expected %v", closed, took, flushTime)
			}
		})
	}
	bubble(t, func(t *testing.T, g *Gates, near *conn, far net.Conn) {
		near.apply(bothDelayed)
		_, _ = io.WriteString(near, "not taken")
		_ = near.Close()
		began := time.Now()
		g.pumps.Wait()
		if took := time.Since(began); took != lingerLimit {
			t.Errorf("a closed connection lingered for %v; expected %v", took, lingerLimit)
		}
	})
}

// The error that ended a write behind is that of the next one.
func TestPeerGoneWhileBytesAreHeld(t *testing.T) {
	bubble(t, func(t *testing.T, g *Gates, near *conn, far net.Conn) {
		near.apply(bothDelayed)
		if _, err := io.WriteString(near, "x"); err != nil {
			t.Errorf("the first write: %v", err)
		}
		_ = far.Close()
		time.Sleep(time.Second)
		if _, err := io.WriteString(near, "y"); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the next write: %v; expected what became of the first", err)
		}
	})
}

// Several gates on one connection work together; each may have one direction.
func TestForceOfSeveralGates(t *testing.T) {
	g := New()
	p := openPort(t, g, "9352")
	for _, n := range []string{
		`{"id":"a","mode":"degrade","direction":"out","delay_ns":10,"bits_per_s":1000}`,
		`{"id":"b","mode":"degrade","delay_ns":5,"bits_per_s":2000,"loss_ratio":0.5}`,
		`{"id":"c","mode":"stall","direction":"in"}`,
		`{"id":"d","mode":"degrade","delay_ns":7,"sources":["` + peerB + `"]}`,
	} {
		putJSON(t, g, n)
	}
	_, server := p.dial(peerA)
	got := g.force("9352", server.(*conn).source)
	want := force{stallIn: true,
		out: shape{delay: 15, bitsPerS: 1000, loss: 0.5, retransmit: usualRetransmit},
		in:  shape{delay: 5, bitsPerS: 2000, loss: 0.5, retransmit: usualRetransmit}}
	if got != want {
		t.Errorf("force %+v; expected %+v", got, want)
	}
	for _, e := range g.Effects() {
		if want := map[string]uint64{"a": 1, "b": 1, "c": 1, "d": 0}[e.ID]; e.Injections != want {
			t.Errorf("gate %s: %d injections; expected %d", e.ID, e.Injections, want)
		}
	}
	g.Close()
}

// A stall of one direction leaves the other alone, over real TCP.
func TestStallOfOneDirection(t *testing.T) {
	g := New()
	p := openPort(t, g, "9352")
	client, server := p.dial(peerA)
	putJSON(t, g, `{"id":"in","mode":"stall","direction":"in"}`)
	send(t, client, "up")
	expect(t, server, "up")
	wrote := make(chan error, 1)
	go func() {
		_, err := io.WriteString(server, "down")
		wrote <- err
	}()
	expectSilence(t, client)
	remove(t, g, "in")
	expect(t, client, "down")
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	putJSON(t, g, `{"id":"out","mode":"stall","direction":"out"}`)
	send(t, server, "down")
	expect(t, client, "down")
	send(t, client, "up")
	expectSilence(t, server)
	remove(t, g, "out")
	expect(t, server, "up")
}

// Real TCP: a round trip takes both delays, many at once take no longer, and
// after the gate is cleared the way is direct again.
func TestDegradedTCP(t *testing.T) {
	g := New()
	p := openPort(t, g, "9352")
	client, server := p.dial(peerA)
	putJSON(t, g, `{"id":"f","mode":"degrade","delay_ns":30000000,"jitter_ns":5000000,"seed":7}`)
	go func() { _, _ = io.Copy(server, onlyReader{server}) }()
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<15)
	began := time.Now()
	go func() { _, _ = client.Write(want) }()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(client, got[:1]); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 50*ms {
		t.Errorf("the first byte was back after %v; expected 50ms at least", took)
	}
	if _, err := io.ReadFull(client, got[1:]); err != nil || !bytes.Equal(got, want) {
		t.Errorf("read: %v, equal %v", err, bytes.Equal(got, want))
	}
	remove(t, g, "f")
	c := server.(*conn)
	send(t, client, "direct")
	expect(t, client, "direct")
	eventually(t, "the way is direct again", func() bool { return c.state.Load() == 0 })
	g.pumps.Wait()
}

// onlyReader hides every other method, so that io.Copy only reads.
type onlyReader struct{ r io.Reader }

func (o onlyReader) Read(p []byte) (int, error) { return o.r.Read(p) }
