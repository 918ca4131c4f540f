package gate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"ptabench/observe"
)

func TestStallHoldsBothDirections(t *testing.T) {
	g := New()
	p := openPort(t, g, "9352")
	a, serverA := p.dial(peerA)
	b, serverB := p.dial(peerB)

	// One read is blocked in the kernel when the stall begins.
	read := blockedRead(serverA)
	expectEffect(t, put(t, g, "f", observe.GateStall, []string{"9352"}, peerA), 1, false)
	wrote := make(chan error, 1)
	go func() {
		_, err := io.WriteString(serverA, "down")
		wrote <- err
	}()
	send(t, a, "up")
	expectSilence(t, a)
	select {
	case got := <-read:
		t.Fatalf("the simulator read %s during the stall", got)
	case err := <-wrote:
		t.Fatalf("the simulator wrote during the stall: %v", err)
	default:
	}
	// The other connector is not meant.
	send(t, b, "fine")
	expect(t, serverB, "fine")
	send(t, serverB, "fine")
	expect(t, b, "fine")
	// A new connection is established and then silent.
	late, serverLate := p.dial(peerA)
	go func() { _, _ = io.WriteString(serverLate, "late") }()
	expectSilence(t, late)

	expectEffect(t, remove(t, g, "f"), 2, false)
	expect(t, a, "down")
	expect(t, late, "late")
	if got := <-read; got != `"up", <nil>` {
		t.Errorf("the simulator read %s after the stall", got)
	}
	if err := <-wrote; err != nil {
		t.Errorf("the simulator's write ended with %v", err)
	}
	send(t, a, "more")
	expect(t, serverA, "more")
}

// A large write that is under way when the stall begins stops, and goes on
// where it stopped.
func TestStallInterruptsAWrite(t *testing.T) {
	g := New()
	p := openPort(t, g, "9352")
	client, server := p.dial(peerA)
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	wrote := make(chan error, 1)
	go func() {
		_, err := server.Write(want)
		wrote <- err
	}()
	got := make([]byte, 1<<16, len(want))
	if _, err := io.ReadFull(client, got); err != nil {
		t.Fatal(err)
	}
	put(t, g, "f", observe.GateStall, []string{"9352"})
	// What is in the kernel's buffers still arrives; then nothing does.
	buf := make([]byte, 1<<16)
	for {
		_ = client.SetReadDeadline(time.Now().Add(silence))
		n, err := client.Read(buf)
		got = append(got, buf[:n]...)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(got) == len(want) {
		t.Fatal("everything was written during the stall")
	}
	_ = client.SetReadDeadline(time.Now().Add(patience))
	remove(t, g, "f")
	rest := make([]byte, len(want)-len(got))
	if _, err := io.ReadFull(client, rest); err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; err != nil {
		t.Errorf("the write ended with %v", err)
	}
	if !bytes.Equal(append(got, rest...), want) {
		t.Error("the bytes changed on the way")
	}
}

func TestDeadlinesHoldDuringAStall(t *testing.T) {
	g := New()
	p := openPort(t, g, "9352")
	client, server := p.dial(peerA)

	// A read blocked in the kernel gets its bytes only after the stall began,
	// and may not wait for its end.
	read := blockedRead(server)
	put(t, g, "f", observe.GateStall, []string{"9352"})
	send(t, client, "kept")
	eventually(t, "the bytes are held", func() bool { return waits(server) })
	_ = server.SetReadDeadline(time.Now().Add(silence))
	if got, want := <-read, fmt.Sprintf(`"", %v`, os.ErrDeadlineExceeded); got != want {
		t.Fatalf("the read ended with %s; expected %s", got, want)
	}
	_ = server.SetWriteDeadline(time.Now().Add(silence))
	if n, err := server.Write([]byte("never")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the write wrote %d, %v; expected its deadline", n, err)
	}
	var timeout net.Error
	if _, err := server.Write(nil); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("a deadline is %v; expected a net.Error", err)
	}

	_ = server.SetDeadline(time.Time{})
	remove(t, g, "f")
	expect(t, server, "kept")
	send(t, server, "after")
	expect(t, client, "after")
}

// A deadline set while an operation waits counts, as on any connection:
// net/http ends its background reads so.
func TestDeadlineSetDuringAWait(t *testing.T) {
	g := New()
	p := openPort(t, g, "9352")
	_, server := p.dial(peerA)
	put(t, g, "f", observe.GateStall, []string{"9352"})
	ended := make(chan error, 2)
	go func() {
		_, err := server.Read(make([]byte, 1))
		ended <- err
	}()
	go func() {
		_, err := server.Write([]byte("x"))
		ended <- err
	}()
	eventually(t, "one waits", func() bool { return waits(server) })
	_ = server.SetDeadline(longAgo)
	for range 2 {
		if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("ended with %v; expected the deadline", err)
		}
	}
}

func TestCloseDuringAStall(t *testing.T) {
	g := New()
	p := openPort(t, g, "9352")
	client, server := p.dial(peerA)
	ended := make(chan error, 2)
	read := blockedRead(server)
	put(t, g, "f", observe.GateStall, []string{"9352"})
	go func() {
		_, err := server.Write([]byte("x"))
		ended <- err
	}()
	go func() { ended <- server.(*conn).CloseWrite() }()
	if err := server.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	if got, want := <-read, fmt.Sprintf(`"", %v`, net.ErrClosed); got != want {
		t.Errorf("the read ended with %s; expected %s", got, want)
	}
	for range 2 {
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("ended with %v; expected closed", err)
		}
	}
	if err := server.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closing again: %v", err)
	}
	if err := server.SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("setting a deadline after closing: %v", err)
	}
	// Nothing of that reaches the peer before the stall ends.
	expectSilence(t, client)
	remove(t, g, "f")
	if n, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the peer read %d, %v after the stall; expected an end of file", n, err)
	}
	expectEmpty(t, g)
}

// A peer's own end is held like its bytes.
func TestPeerCloseDuringAStall(t *testing.T) {
	g := New()
	p := openPort(t, g, "9352")
	client, server := p.dial(peerA)
	read := blockedRead(server)
	put(t, g, "f", observe.GateStall, []string{"9352"})
	_ = client.Close()
	eventually(t, "the end is held", func() bool { return waits(server) })
	_ = server.SetReadDeadline(longAgo)
	if got, want := <-read, fmt.Sprintf(`"", %v`, os.ErrDeadlineExceeded); got != want {
		t.Fatalf("the read ended with %s; expected %s", got, want)
	}
	_ = server.SetReadDeadline(time.Time{})
	remove(t, g, "f")
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("read %v after the stall; expected an end of file", err)
	}
}

// Gates come and go while connections are busy; nothing is lost, doubled or
// reordered by a stall or a degradation.
func TestGatesUnderTraffic(t *testing.T) {
	g := New()
	p := openPort(t, g, "9352")
	const size = 1 << 20
	sent := make([]byte, size)
	for i := range sent {
		sent[i] = byte(i * 7)
	}
	var wg sync.WaitGroup
	for range 4 {
		client, server := p.dial(peerA)
		for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
			wg.Go(func() {
				for rest := sent; len(rest) > 0; {
					n := min(len(rest), 1000)
					if _, err := way[0].Write(rest[:n]); err != nil {
						t.Errorf("writing: %v", err)
						return
					}
					rest = rest[n:]
				}
			})
			wg.Go(func() {
				got := make([]byte, size)
				if _, err := io.ReadFull(way[1], got); err != nil || !bytes.Equal(got, sent) {
					t.Errorf("read: %v, equal %v", err, bytes.Equal(got, sent))
				}
			})
		}
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	gates := []string{
		`{"id":"f","mode":"stall"}`,
		`{"id":"f","mode":"degrade","delay_ns":1000000,"jitter_ns":1000000}`,
		`{"id":"f","mode":"stall","direction":"in"}`,
		`{"id":"f","mode":"degrade","direction":"out","loss_ratio":0.2,"retransmit_ns":2000000}`,
		`{"id":"g","mode":"degrade","bits_per_s":1e9}`,
	}
	for i := 0; ; i++ {
		putJSON(t, g, gates[i%len(gates)]) // one replaces the other under its ID
		if i%2 == 1 {
			remove(t, g, "f")
		}
		if i%7 == 6 {
			g.Delete("g")
		}
		select {
		case <-done:
			t.Logf("%d gates", i)
			g.Close()
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
}
