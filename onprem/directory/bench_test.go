package directory

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	client "github.com/go-ldap/ldap/v3"

	"ptabench/population"
)

func benchConfig(b *testing.B) Config {
	cfg := testConfig(b)
	cfg.Population = population.Spec{Seed: 1, Users: 10_000, Domain: "contoso.test"}
	return cfg
}

// BenchmarkBind is the cost of one accepted bind: of the decision alone, then
// over 32 connections with client and server together on this machine.
func BenchmarkBind(b *testing.B) {
	b.Run("decision", func(b *testing.B) {
		cfg := benchConfig(b)
		users, err := population.New(cfg.Population)
		if err != nil {
			b.Fatal(err)
		}
		c := newCounts(users.Len())
		a := newAccounts(context.Background(), newTree(users, time.Now()), testPassword, c, newFaults(0, newSessions(c)))
		s := &session{}
		upn, dn, password := users.UPN(4711), a.tree.dn(4711), users.Password(4711)
		for name, who := range map[string]string{"upn": upn, "dn": dn} {
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, code := a.decide(s, who, password); code != 0 {
						b.Fatal(code)
					}
				}
			})
		}
	})
	for _, port := range []string{"ldap", "ldaps"} {
		b.Run(port+" 32 connections go-ldap", func(b *testing.B) {
			r := start(b, benchConfig(b))
			over32(b, func(n int) func(i int) error {
				address := port + "://" + r.ready.Ports[port]
				conn, err := client.DialURL(address, client.DialWithTLSConfig(r.trust()))
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { conn.Close() })
				upn, password := r.users.UPN(n), r.users.Password(n)
				return func(int) error { return conn.Bind(upn, password) }
			})
		})
		for _, log := range []string{"", ", bind log"} {
			b.Run(port+" 32 connections pre-encoded"+log, func(b *testing.B) {
				cfg := benchConfig(b)
				if log != "" {
					cfg.BindLog = filepath.Join(b.TempDir(), "binds.csv")
				}
				r := start(b, cfg)
				over32(b, func(n int) func(i int) error {
					conn := r.raw(port)
					request, answer := bindMessage(7, r.users.UPN(n), r.users.Password(n), nil), make([]byte, 14)
					return func(int) error { return roundTrip(conn, request, answer) }
				})
			})
		}
	}
}

// over32 shares b.N calls out among 32 callers.
func over32(b *testing.B, open func(n int) func(i int) error) {
	const callers = 32
	calls := make([]func(int) error, callers)
	for n := range calls {
		calls[n] = open(n)
	}
	b.ResetTimer()
	var work sync.WaitGroup
	for n, call := range calls {
		work.Go(func() {
			for i := n; i < b.N; i += callers {
				if err := call(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "binds/s")
}

func roundTrip(conn net.Conn, request, answer []byte) error {
	if _, err := conn.Write(request); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, answer)
	return err
}

// BenchmarkSearch is the cost of looking up why a user was refused.
func BenchmarkSearch(b *testing.B) {
	users, err := population.New(population.Spec{Seed: 1, Users: 10_000, Domain: "contoso.test"})
	if err != nil {
		b.Fatal(err)
	}
	t := newTree(users, time.Now())
	filter := appendString(appendString(nil, tagOctets, "userPrincipalName"), tagOctets, users.UPN(4711))
	whole := searchMessage(appendElement(nil, 0xa3, filter))
	b.ReportAllocs()
	for b.Loop() {
		m, err := parseMessage(whole, 2)
		if err != nil {
			b.Fatal(err)
		}
		r, err := parseSearch(m.body)
		if err != nil {
			b.Fatal(err)
		}
		if len(t.search(m.id, r, service)) < 100 {
			b.Fatal("not found")
		}
	}
}

// BenchmarkStart is a start and end with 10,000 users and no push.
func BenchmarkStart(b *testing.B) {
	cfg := benchConfig(b)
	for b.Loop() {
		start(b, cfg).stop()
	}
}
