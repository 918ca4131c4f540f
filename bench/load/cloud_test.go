package load

import (
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"ptabench/population"
	"ptabench/results"
	"ptabench/scenarios"
)

// A fakeCloud answers sign-ins truly, and stalls when told.
type fakeCloud struct {
	*httptest.Server
	people *population.Population
	answer func(http.ResponseWriter, *http.Request) // instead of the truth, when not nil

	mu       sync.Mutex
	moving   sync.Cond
	stalled  bool
	accepted int // connections
	open     map[net.Conn]bool
	openPeak int
}

func newFakeCloud(t testing.TB, answer func(http.ResponseWriter, *http.Request)) *fakeCloud {
	c := &fakeCloud{people: people(t), answer: answer, open: map[net.Conn]bool{}}
	c.moving.L = &c.mu
	c.Server = httptest.NewUnstartedServer(c)
	c.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that go away on purpose
	c.Config.ConnState = c.connState
	c.StartTLS()
	t.Cleanup(func() {
		c.stall(false)
		c.Close()
	})
	return c
}

func (c *fakeCloud) connState(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.accepted++
		c.open[conn] = true
		c.openPeak = max(c.openPeak, len(c.open))
	case http.StateClosed:
		delete(c.open, conn)
	}
}

func (c *fakeCloud) connections() (accepted, peak int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.accepted, c.openPeak
}

func (c *fakeCloud) stall(on bool) {
	c.mu.Lock()
	c.stalled = on
	c.mu.Unlock()
	c.moving.Broadcast()
}

func (c *fakeCloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	for c.stalled {
		c.moving.Wait()
	}
	c.mu.Unlock()
	if r.Method == http.MethodGet {
		fmt.Fprintln(w, "open")
		return
	}
	if c.answer != nil {
		c.answer(w, r)
		return
	}
	c.truth(w, r)
}

func (c *fakeCloud) truth(w http.ResponseWriter, r *http.Request) {
	user := r.PostFormValue("username")
	h := w.Header()
	h["Client-Request-Id"] = r.Header["Client-Request-Id"]
	h.Set("X-Ptabench-Method", "pass-through")
	h.Set("X-Ptabench-Connector", "connector-1")
	h.Set("X-Ptabench-Attempts", "1")
	h.Set("X-Ptabench-Times", "queue=1,connector=20,directory=15")
	code := 0
	switch i, ok := c.people.Index(user); {
	case !ok:
		code = 50034
	case c.people.State(i) != population.Active:
		code = map[population.State]int{
			population.Disabled: 50057, population.Locked: 50053, population.PasswordExpired: 50144,
			population.MustChange: 50144, population.AccountExpired: 50057,
		}[c.people.State(i)]
	case r.PostFormValue("password") != c.people.Password(i):
		code = 50126
	}
	if code != 0 {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, errorAnswer("invalid_grant", code))
		return
	}
	fmt.Fprint(w, tokenAnswer(user))
}

// config makes a load of 250/s on the fake cloud, with a pool of 12.
func (c *fakeCloud) config(sink func(results.Sample)) Config {
	roots := x509.NewCertPool()
	roots.AddCert(c.Certificate())
	return Config{
		URL: c.URL + "/contoso/oauth2/v2.0/token", OpenURL: c.URL + "/", Roots: roots,
		Population: c.people, Mix: everyone, Changed: changedUsers, Connectors: []string{"connector-1", "connector-2"}, Seed: 5,
		Arrivals: scenarios.Poisson, Rate: 250, Warmup: 200 * time.Millisecond, Duration: 800 * time.Millisecond,
		Timeout: 10 * time.Second, Pool: 12, Sink: sink,
	}
}

// A list keeps samples. The generator calls the sink one at a time.
type list []results.Sample

func (l *list) add(s results.Sample) { *l = append(*l, s) }

func (l list) outcomes() (n [results.OutcomeUnknown + 1]int) {
	for _, s := range l {
		n[s.Outcome]++
	}
	return n
}

// generator plans and connects a load, and fails the test where it cannot.
func generator(t testing.TB, cfg Config) *Generator {
	t.Helper()
	t.Logf("seed %d", cfg.Seed)
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	return g
}

// checkBooks holds for every load: each planned sign-in is there once, and the
// counters agree with the samples.
func checkBooks(t *testing.T, g *Generator, got list) {
	t.Helper()
	p := g.Progress()
	n := got.outcomes()
	if int(p.Planned) != len(got) || p.Planned != p.Sent+p.Unsent || p.Sent != p.Accepted+p.Refused+p.Failed+p.Unknown || p.InFlight != 0 {
		t.Errorf("the books do not balance: %+v, %d samples", p, len(got))
	}
	if int(p.Unsent) != n[results.OutcomeUnsent] || int(p.Accepted) != n[results.OutcomeAccepted] || int(p.Unknown) != n[results.OutcomeUnknown] {
		t.Errorf("progress %+v, samples %v", p, n)
	}
	seen := make([]bool, len(got))
	for _, s := range got {
		switch {
		case int(s.Seq) >= len(seen) || seen[s.Seq]:
			t.Fatalf("sign-in %d is there twice, or was not planned", s.Seq)
		case s.Due != int64(g.schedule.Due(int(s.Seq))-g.cfg.Warmup):
			t.Fatalf("sign-in %d due at %v, planned for %v", s.Seq, s.Due, g.schedule.Due(int(s.Seq)))
		case s.Outcome == results.OutcomeUnsent:
			if s.Sent != 0 || s.Done != 0 {
				t.Fatalf("sign-in %d is unsent, and sent at %d, done at %d", s.Seq, s.Sent, s.Done)
			}
		case s.Sent < s.Due || s.Done < s.Sent:
			t.Fatalf("sign-in %d: due %d, sent %d, done %d", s.Seq, s.Due, s.Sent, s.Done)
		}
		seen[s.Seq] = true
	}
}
