package conformance

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// BenchmarkPlainClient is the bind rate that a plain LDAP client gets from each
// kind: the general library, connections that stay open, and another user each
// time. What a connector or the whole system reaches is to be held against it.
func BenchmarkPlainClient(b *testing.B) {
	const users = 500
	var list [][]string
	for i := range users {
		list = append(list, []string{fmt.Sprintf("user%06d%s", i+1, atDomain), fmt.Sprintf("%s %d", secret, i)})
	}
	for _, kind := range kinds {
		b.Run(kind.name, func(b *testing.B) {
			s := serve(b, kind.server, usersFile(b, list))
			for _, connections := range []int{1, 8, 32} {
				b.Run(fmt.Sprintf("connections=%d", connections), func(b *testing.B) { bindAll(b, s, list, connections) })
			}
		})
	}
}

func bindAll(b *testing.B, s *served, users [][]string, connections int) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(s.ready.CAPEM))
	name := func(upn string) string { return upn }
	if s.ready.Info["kind"] == "slapd" { // knows users by their distinguished names only
		name = func(upn string) string {
			return "cn=" + upn[:len(upn)-len(atDomain)] + ",ou=users," + s.ready.Info["base_dn"]
		}
	}
	all := make([]*ldap.Conn, connections)
	for i := range all {
		c, err := ldap.DialURL("ldaps://"+s.ready.Ports["ldaps"], ldap.DialWithTLSConfig(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}))
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		all[i] = c
	}
	var next atomic.Int64
	var binding sync.WaitGroup
	b.ResetTimer()
	for _, c := range all {
		binding.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				user := users[int(i)%len(users)]
				if err := c.Bind(name(user[0]), user[1]); err != nil {
					b.Errorf("%s: %v", user[0], err)
					return
				}
			}
		})
	}
	binding.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "binds/s")
}
