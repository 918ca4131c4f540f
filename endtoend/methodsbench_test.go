package endtoend

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"ptabench/observe"
	"ptabench/population"
)

// BenchmarkMethods is the highest rate at which the scenario methods has a
// method's p99 below 200 ms, as its search finds it, and what a sign-in costs
// each process at a rate far below. Pass-through has a benchmark of its own: it
// is as fast as its directory.
func BenchmarkMethods(b *testing.B) {
	for _, m := range []struct{ method, rate, from string }{
		{"hash-sync", "1000/s", "1000/s"},
		{"federation", "100/s", "100/s"},
	} {
		b.Run("method="+m.method, func(b *testing.B) {
			for b.Loop() {
				r, _ := measured(b, "methods", "--set", "tenants[0].method="+m.method, "--set", "faults=[]",
					"--set", "load.rate="+m.rate, "--set", "load.duration=5s",
					"--set", "capacity.from="+m.from, "--set", "capacity.trial=4s", "--set", "capacity.precision=10%", "--set", "capacity.within=1m")
				if r.Capacity == nil || r.Capacity.Held == 0 {
					b.Fatalf("no rate held: %+v", r.Capacity)
				}
				b.ReportMetric(0, "ns/op") // a run takes as long as its scenario says
				b.ReportMetric(r.Capacity.Held, "held/s")
				b.ReportMetric(r.Capacity.Broken, "broken/s")
				for _, p := range r.Processes {
					b.ReportMetric(float64(p.CPUPerSignIn)/1e3, "µs-"+p.Name)
				}
			}
		})
	}
}

// In BenchmarkPassThroughAgainstPlainClient.
const (
	plainConnections = 32
	askedAtOnce      = 2 * plainConnections // so that the directory never waits for the next
	compared         = 500                  // users
	rounds           = 12                   // pairs
	round            = 4 * time.Second
	slowestAnswer    = 30 * time.Second // of a domain controller that 64 wait for
)

// BenchmarkPassThroughAgainstPlainClient is the rate of sign-ins by pass-through
// against the rate of binds that a plain LDAP client gets from the very same
// directory process: the general library, and as many connections as the two
// connectors have between them. Rounds of either alternate, in turn in either
// order. Both sides are closed loops, all have the right password.
func BenchmarkPassThroughAgainstPlainClient(b *testing.B) {
	for _, kind := range []string{"slapd", "samba"} { // as their programs are called
		b.Run("directory="+kind, func(b *testing.B) {
			needDirectories(b, kind)
			s := newPlainStage(b, kind)
			s.plain(b, round)
			s.passThrough(b, round) // both have looked up and connected what they will
			for b.Loop() {
				var plain, through, ratios []float64
				for pair := range rounds {
					var p, t float64
					if pair%2 == 0 {
						p, t = s.plain(b, round), s.passThrough(b, round)
					} else {
						t, p = s.passThrough(b, round), s.plain(b, round)
					}
					b.Logf("pair %d: %.0f binds/s, %.0f sign-ins/s, ratio %.3f", pair+1, p, t, t/p)
					plain, through, ratios = append(plain, p), append(through, t), append(ratios, t/p)
				}
				b.ReportMetric(0, "ns/op") // a pair takes as long as its rounds
				b.ReportMetric(median(plain), "plain-binds/s")
				b.ReportMetric(median(through), "sign-ins/s")
				b.ReportMetric(median(ratios), "ratio")
				b.ReportMetric(ratios[0], "ratio-least")
				b.ReportMetric(ratios[rounds-1], "ratio-most")
			}
		})
	}
}

// plainStage is a directory that is asked in two ways: by a plain client, and by
// a cloud with two connectors.
type plainStage struct {
	users      *population.Population
	name       func(user int) string // that a plain client binds by
	plainly    []*ldap.Conn
	cloud      string // host:port of its sign-in port
	authority  *tls.Config
	requests   [][]byte // of users
	nextToBind atomic.Uint32
	nextToAsk  atomic.Uint32
}

func newPlainStage(b *testing.B, kind string) *plainStage {
	b.Helper()
	dir, err := os.MkdirTemp("", "pta-") // short: samba puts sockets there
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	st := &stage{TB: b, dir: dir}
	at := func(name ...string) string { return filepath.Join(append([]string{st.dir}, name...)...) }
	// As 'ptabench run' has each: threads that look for work on another's
	// processor take it from the directory, and so do those that watch.
	env := []string{stageObserve, stageDirectory, fmt.Sprintf("GOMAXPROCS=%d", max(1, 2*runtime.NumCPU()/5))}
	st.directory = launch(b, env, "directory", "--kind", kind, "--state", at("directory"), "--users", fmt.Sprint(compared)).await(b)
	st.cloud = launch(b, []string{stageObserve}, "cloudsim", "--state", at("cloud"), "--several-per-host", "--tenant", "name=contoso,domain=contoso.test,fallback=off",
		"--deadline", slowestAnswer.String(), "--attempt-timeout", slowestAnswer.String()).await(b)
	st.observe = &observe.Client{Address: st.cloud.Ports["observe"], Token: strings.TrimPrefix(stageObserve, "PTABENCH_OBSERVE_TOKEN="), HTTP: http.DefaultClient}
	connectors := make([]*actor, 2)
	for i := range connectors {
		name := fmt.Sprintf("connector-%d", i+1)
		connectors[i] = launch(b, append(env, "PTABENCH_REGISTRATION_TOKEN="+st.token("contoso")), st.connector("--name", name, "--state", at(name),
			"--pool", fmt.Sprint(plainConnections/len(connectors)), "--bind-timeout", slowestAnswer.String())...)
	}
	st.allServe(connectors, len(connectors))
	users, err := population.New(population.Spec{Users: compared, Seed: 1, Domain: "contoso.test"})
	if err != nil {
		b.Fatal(err)
	}
	s := &plainStage{users: users, name: users.UPN, cloud: st.cloud.Ports["443"], authority: trusting(b, at("cloud", "ca.pem"))}
	if kind == "slapd" { // knows users by their distinguished names only
		s.name = func(user int) string {
			local, _, _ := strings.Cut(users.UPN(user), "@")
			return "cn=" + local + ",ou=users," + st.directory.Info["base_dn"]
		}
	}
	for range plainConnections {
		c, err := ldap.DialURL("ldaps://"+st.directory.Ports["ldaps"], ldap.DialWithTLSConfig(trusting(b, at("directory", "ca.pem"))))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = c.Close() })
		s.plainly = append(s.plainly, c)
	}
	for user := range compared {
		form := url.Values{"grant_type": {"password"}, "client_id": {"d3590ed6-52b3-4102-aeff-aad2292ab01c"},
			"scope":    {"https://graph.microsoft.com/.default"}, // as a run asks
			"username": {users.UPN(user)}, "password": {users.Password(user)}}.Encode()
		s.requests = append(s.requests, fmt.Appendf(nil, "POST /contoso/oauth2/v2.0/token HTTP/1.1\r\nHost: %s\r\n"+
			"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", s.cloud, len(form), form))
	}
	return s
}

func trusting(b *testing.B, file string) *tls.Config {
	b.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		b.Fatalf("%s: no certificate", file)
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

// plain is the rate of binds over a while.
func (s *plainStage) plain(b *testing.B, length time.Duration) float64 {
	b.Helper()
	return inTurn(b, len(s.plainly), length, func(worker int) error {
		user := int(s.nextToBind.Add(1)) % compared
		return s.plainly[worker].Bind(s.name(user), s.users.Password(user))
	})
}

// passThrough is the rate of sign-ins over a while. Its client is as lean as
// there is: it shares the processors with what it measures.
func (s *plainStage) passThrough(b *testing.B, length time.Duration) float64 {
	b.Helper()
	conns, answers := make([]*tls.Conn, askedAtOnce), make([]*bufio.Reader, askedAtOnce)
	for i := range conns {
		c, err := tls.Dial("tcp", s.cloud, s.authority)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		conns[i], answers[i] = c, bufio.NewReaderSize(c, 8<<10)
	}
	return inTurn(b, askedAtOnce, length, func(worker int) error {
		if _, err := conns[worker].Write(s.requests[int(s.nextToAsk.Add(1))%compared]); err != nil {
			return err
		}
		r, err := http.ReadResponse(answers[worker], nil)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(r.Body)
		if err == nil && r.StatusCode != http.StatusOK {
			err = fmt.Errorf("status %d: %s", r.StatusCode, text)
		}
		return err
	})
}

// inTurn has workers do something over and over for a while, and returns how
// often a second they did. It fails when one of them fails.
func inTurn(b *testing.B, workers int, length time.Duration, do func(worker int) error) float64 {
	b.Helper()
	var done atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for worker := range workers {
		all.Go(func() {
			for time.Since(began) < length {
				if err := do(worker); err != nil {
					b.Error(err)
					return
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return float64(done.Load()) / time.Since(began).Seconds()
}
