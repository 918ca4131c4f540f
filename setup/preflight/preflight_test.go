package preflight_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ptabench/ports"
	"ptabench/setup/cloud/cloudtest"
	"ptabench/setup/preflight"
	"ptabench/setup/reach"
)

// world is a cloud whose ports can be made to go wrong one by one.
type world struct {
	t  *testing.T
	ca *cloudtest.Authority
	at map[string]string
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, ca: cloudtest.NewAuthority(t), at: make(map[string]string)}
	now := time.Now()
	good := w.tls(w.ca.Issue(t, now.Add(-time.Hour), now.Add(time.Hour), "127.0.0.1"))
	for _, p := range ports.Cloud() {
		w.at[p] = good
	}
	for _, p := range ports.Responses()[1:] { // one is as good as all, and handshakes cost
		delete(w.at, p)
	}
	w.at[ports.Revocation] = w.http(w.ca.ListHandler(t, now.Add(time.Hour)))
	return w
}

func (w *world) http(h http.Handler) string {
	s := httptest.NewServer(h)
	w.t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// tls serves handshakes.
func (w *world) tls(c tls.Certificate) string {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{Certificates: []tls.Certificate{c}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	w.t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// raw takes connections and does something with each.
func (w *world) raw(do func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			do(c)
		}
	}()
	w.t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

func (w *world) refusing() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// hanging takes connections and says nothing.
func (w *world) hanging() string {
	var held []net.Conn
	w.t.Cleanup(func() { // after that of raw, when no more are taken
		for _, c := range held {
			c.Close()
		}
	})
	return w.raw(func(c net.Conn) { held = append(held, c) })
}

func (w *world) run(timeout time.Duration) *preflight.Report {
	return preflight.Run(w.t.Context(), preflight.Config{Endpoints: w.at, Roots: w.ca.Pool(), Timeout: timeout})
}

// long is more than a busy machine takes for a handshake.
const long = 30 * time.Second

func TestOutcomes(t *testing.T) {
	now := time.Now()
	for _, test := range []struct {
		name   string
		breaks func(w *world) string // what port 9090 is
		want   reach.Outcome
		detail string
	}{
		{"refused", (*world).refusing, reach.Refused, "refused"},
		{"hangs", (*world).hanging, reach.NoAnswer, "no answer within 1s"},
		{"closes", func(w *world) string { return w.raw(func(c net.Conn) { c.Close() }) }, reach.Closed, "closed before anything was said"},
		{"speaks something else", func(w *world) string { return w.http(http.NotFoundHandler()) }, reach.NotTLS, "does not speak TLS"},
		{"expired", func(w *world) string {
			return w.tls(w.ca.Issue(w.t, now.Add(-2*time.Hour), now.Add(-time.Hour), "127.0.0.1"))
		}, reach.Expired, "expired on"},
		{"not yet valid", func(w *world) string {
			return w.tls(w.ca.Issue(w.t, now.Add(time.Hour), now.Add(2*time.Hour), "127.0.0.1"))
		}, reach.NotYet, "this host's clock says"},
		{"for another", func(w *world) string {
			return w.tls(w.ca.Issue(w.t, now.Add(-time.Hour), now.Add(time.Hour), "cloud.test"))
		}, reach.WrongName, "for cloud.test, not for 127.0.0.1"},
		{"by another", func(w *world) string {
			return w.tls(cloudtest.NewAuthority(w.t).Issue(w.t, now.Add(-time.Hour), now.Add(time.Hour), "127.0.0.1"))
		}, reach.UnknownCA, "does not vouch for"},
		{"nowhere", func(*world) string { return "" }, reach.Failed, "does not say where"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.at[ports.Registration] = test.breaks(w)
			timeout := long
			if test.want == reach.NoAnswer {
				timeout = time.Second
			}
			r := w.run(timeout)
			for _, c := range r.Checks {
				switch {
				case c.Port != ports.Registration:
					if !c.OK() && timeout == long && w.at[c.Port] != "" {
						t.Errorf("port %s: %s: %s", c.Port, c.Outcome, c.Detail)
					}
				case c.Outcome != test.want || !strings.Contains(c.Detail, test.detail):
					t.Errorf("port %s: %q, %q; want %q, with %q", c.Port, c.Outcome, c.Detail, test.want, test.detail)
				}
			}
			if r.OK {
				t.Error("ok without port 9090")
			}
		})
	}
}

func TestListOfPort80(t *testing.T) {
	now := time.Now()
	for _, test := range []struct {
		name    string
		serves  func(w *world) http.Handler
		port    string
		want    reach.Outcome
		healthy bool
	}{
		{"none", func(*world) http.Handler { return http.NotFoundHandler() }, ports.Revocation, reach.Failed, false},
		{"no list", func(*world) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("sign in to the guest network")) })
		}, ports.Revocation, reach.Failed, false},
		{"run out", func(w *world) http.Handler { return w.ca.ListHandler(w.t, now.Add(-time.Hour)) }, ports.Revocation, reach.Expired, false},
		{"of another", func(w *world) http.Handler {
			return cloudtest.NewAuthority(w.t).ListHandler(w.t, now.Add(time.Hour))
		}, ports.Revocation, reach.Failed, false},
		{"names the cloud", func(w *world) http.Handler { return w.ca.ListHandler(w.t, now.Add(time.Hour), 2) }, ports.SignIn, reach.Revoked, false},
		{"names somebody", func(w *world) http.Handler { return w.ca.ListHandler(w.t, now.Add(time.Hour), 7) }, ports.Revocation, reach.Reachable, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.at[ports.Revocation] = w.http(test.serves(w))
			r := w.run(long)
			for _, c := range r.Checks {
				if c.Port == test.port && c.Outcome != test.want {
					t.Errorf("port %s: %q, %q; want %q", c.Port, c.Outcome, c.Detail, test.want)
				}
			}
			if r.OK != test.healthy {
				t.Errorf("ok: %v, want %v", r.OK, test.healthy)
			}
		})
	}
}

// TestClock has a cloud whose clock is out of the bound.
func TestClock(t *testing.T) {
	for _, test := range []struct {
		ahead time.Duration
		ok    bool
		want  string
	}{
		{0, true, "the clocks agree"},
		{9 * time.Minute, true, "apart (limit 10m0s)"},
		{20 * time.Minute, false, "ahead of the cloud's"},
		{-20 * time.Minute, false, "behind the cloud's"},
	} {
		w := newWorld(t)
		r := preflight.Run(t.Context(), preflight.Config{Endpoints: w.at, Roots: w.ca.Pool(), Timeout: long,
			Now: func() time.Time { return time.Now().Add(test.ahead) }})
		var out bytes.Buffer
		if err := r.WriteText(&out); err != nil {
			t.Fatal(err)
		}
		if flat := strings.Join(strings.Fields(out.String()), " "); r.OK != test.ok || !strings.Contains(flat, test.want) {
			t.Errorf("%v ahead: ok %v, want %v with %q:\n%s", test.ahead, r.OK, test.ok, test.want, out.String())
		}
	}
}

// TestClockWithoutPort80 reads the cloud's clock from 443.
func TestClockWithoutPort80(t *testing.T) {
	w := newWorld(t)
	w.at[ports.Revocation] = w.refusing()
	r := preflight.Run(t.Context(), preflight.Config{Endpoints: w.at, Roots: w.ca.Pool(), Timeout: long,
		Now: func() time.Time { return time.Now().Add(9 * time.Minute) }})
	if r.SkewNS == nil || time.Duration(*r.SkewNS) < 8*time.Minute {
		t.Errorf("skew %v: expected that of 443, 9 minutes", r.SkewNS)
	}
}

func TestTableIsNarrowAndShort(t *testing.T) {
	w := newWorld(t)
	nobody := w.refusing()
	for _, p := range ports.Responses() {
		w.at[p] = nobody
	}
	var out bytes.Buffer
	if err := w.run(long).WriteText(&out); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if !strings.Contains(out.String(), "10100-10120") || strings.Count(out.String(), "\n") > 24 {
		t.Errorf("expected the response range in one line, and 24 lines at most:\n%s", out.String())
	}
}
