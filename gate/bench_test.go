package gate

import (
	"io"
	"net"
	"testing"
)

// free is a connection whose reads and writes cost nothing, so that what is
// measured is the gate's own.
type free struct{ net.Conn }

func (free) Read(p []byte) (int, error)  { return len(p), nil }
func (free) Write(p []byte) (int, error) { return len(p), nil }

func BenchmarkOpenGate(b *testing.B) {
	for _, tc := range []struct {
		name string
		conn net.Conn
	}{{"none", free{}}, {"open", &conn{Conn: free{}}}} {
		p := make([]byte, 128)
		b.Run("conn="+tc.name+"/read", func(b *testing.B) {
			for b.Loop() {
				_, _ = tc.conn.Read(p)
			}
		})
		b.Run("conn="+tc.name+"/write", func(b *testing.B) {
			for b.Loop() {
				_, _ = tc.conn.Write(p)
			}
		})
	}
}

// A round trip of 128 bytes over loopback TCP, without and with an open gate
// at one end.
func BenchmarkRoundTrip(b *testing.B) {
	plain, err := listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	gated, err := New().Listen("tcp", "127.0.0.1:0", "443")
	if err != nil {
		b.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		l    net.Listener
	}{{"none", plain}, {"open", gated}} {
		b.Run("gate="+tc.name, func(b *testing.B) {
			client, err := net.Dial("tcp", tc.l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			server, err := tc.l.Accept()
			if err != nil {
				b.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				p := make([]byte, 128)
				for {
					if _, err := io.ReadFull(server, p); err != nil {
						return
					}
					if _, err := server.Write(p); err != nil {
						return
					}
				}
			}()
			p := make([]byte, 128)
			for b.Loop() {
				if _, err := client.Write(p); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(client, p); err != nil {
					b.Fatal(err)
				}
			}
			_ = client.Close()
			<-done
			_ = server.Close()
		})
		_ = tc.l.Close()
	}
}
