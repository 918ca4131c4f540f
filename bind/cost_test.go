package bind

import (
	"crypto/tls"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"ptabench/bind/bindtest"
	"ptabench/wire"
)

// BenchmarkBind compares ways to bind over LDAPS against a scripted directory
// in the same process, 32 sign-ins at once. The directory's share of the cost
// is the same in each; the package comment says what came of it.
func BenchmarkBind(b *testing.B) {
	const (
		atOnce   = 32
		password = "p#7ABCDEFGHIJKLMNOPQRSTUVWX"
		user     = "user000001@contoso.test"
	)
	server := bindtest.Script(b, func(bind bindtest.Bind) ([]byte, bool) { return bind.Reply(0, ""), true })
	cfg := config(b, server)
	cfg.Min, cfg.Max = atOnce, atOnce

	// run gives each sign-in to do, which calls done for it, atOnce at a time.
	run := func(b *testing.B, do func(done func())) {
		free := make(chan struct{}, atOnce)
		b.ReportAllocs()
		before := cpuTime()
		b.ResetTimer()
		for b.Loop() {
			free <- struct{}{}
			do(func() { <-free })
		}
		for range atOnce {
			free <- struct{}{}
		}
		b.StopTimer()
		b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
	}

	b.Run("pool", func(b *testing.B) {
		p := open(b, cfg)
		run(b, func(done func()) {
			now := time.Now()
			p.Do(&SignIn{
				User: user, Password: []byte(password), Taken: now, Deadline: now.Add(patience),
				Answer: func(_ *SignIn, r wire.Result) {
					if r != accepted {
						b.Error(r)
					}
					done()
				},
			})
		})
	})

	// A goroutine per connection that takes sign-ins off a channel.
	b.Run("workers", func(b *testing.B) {
		var wg sync.WaitGroup
		work := make(chan func())
		for range atOnce {
			nc, err := dialFirst(b, cfg)
			if err != nil {
				b.Fatal(err)
			}
			wg.Go(func() {
				defer nc.Close()
				out, in := make([]byte, 0, 256), make([]byte, 1024)
				for done := range work {
					out = appendBindRequest(out[:0], 1, user, []byte(password), "")
					_ = nc.SetReadDeadline(time.Now().Add(patience))
					if err := roundTrip(nc, out, in); err != nil {
						b.Error(err)
					}
					done()
				}
			})
		}
		run(b, func(done func()) { work <- done })
		close(work)
		wg.Wait()
	})

	// A goroutine per sign-in that takes a connection off a free list.
	b.Run("goroutines", func(b *testing.B) {
		free := make(chan *tls.Conn, atOnce)
		for range atOnce {
			nc, err := dialFirst(b, cfg)
			if err != nil {
				b.Fatal(err)
			}
			defer nc.Close()
			free <- nc
		}
		run(b, func(done func()) {
			go func() { // run waits for done
				defer done()
				nc := <-free
				defer func() { free <- nc }()
				out := appendBindRequest(make([]byte, 0, 256), 1, user, []byte(password), "")
				_ = nc.SetReadDeadline(time.Now().Add(patience))
				if err := roundTrip(nc, out, make([]byte, 1024)); err != nil {
					b.Error(err)
				}
			}()
		})
	})

	// The general client, by workers. Its requests need a server that reads them all.
	b.Run("go-ldap", func(b *testing.B) {
		var wg sync.WaitGroup
		work := make(chan func())
		for range atOnce {
			nc, err := dialFirst(b, cfg)
			if err != nil {
				b.Fatal(err)
			}
			c := ldap.NewConn(widened{nc}, true)
			c.Start()
			c.SetTimeout(patience)
			wg.Go(func() {
				defer c.Close()
				for done := range work {
					if err := c.Bind(user, password); err != nil {
						b.Error(err)
					}
					done()
				}
			})
		}
		run(b, func(done func()) { work <- done })
		close(work)
		wg.Wait()
	})
}

// dialFirst connects to the first server of cfg.
func dialFirst(b *testing.B, cfg Config) (*tls.Conn, error) {
	b.Helper()
	return newServer(&Pool{cfg: cfg}, 0).dialTLS(b.Context())
}

func roundTrip(nc *tls.Conn, out, in []byte) error {
	if _, err := nc.Write(out); err != nil {
		return err
	}
	n, err := nc.Read(in)
	if err != nil {
		return err
	}
	_, err = parseReply(in[:n])
	return err
}

// widened writes message IDs in four bytes, which is all that the scripted
// directory reads.
type widened struct{ *tls.Conn }

func (w widened) Write(b []byte) (int, error) {
	n := int(b[3]) // 30 len 02 n id…
	if n == 4 || b[2] != tagInteger {
		return w.Conn.Write(b)
	}
	wide := append([]byte{b[0], b[1] + byte(4-n), tagInteger, 4}, make([]byte, 4-n)...)
	wide = append(wide, b[4:]...)
	if _, err := w.Conn.Write(wide); err != nil {
		return 0, err
	}
	return len(b), nil
}

// BenchmarkLookup is what a refusal without a diagnostic costs more: a search
// by the general client.
func BenchmarkLookup(b *testing.B) {
	d := bindtest.NewDirectory(b, map[string]bindtest.User{
		annsName: {Password: annSecret, Attributes: map[string]string{"userAccountControl": "514", "pwdLastSet": "1"}},
	})
	p := open(b, config(b, d.Server))
	b.ReportAllocs()
	before := cpuTime()
	b.ResetTimer()
	for b.Loop() {
		if r := <-ask(p, annsName, wrongSecret); r != wire.Result_RESULT_DISABLED {
			b.Fatal(r)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
}
