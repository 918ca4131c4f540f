package balancer

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ptabench/observe"
)

const waits = 30 * time.Second

// A server is a backend of a test. It says its name to each request, and its
// probe answers as it is told.
type server struct {
	*httptest.Server
	name    string
	address string
	sick    atomic.Bool // the probe answers 503
	frozen  atomic.Pointer[chan struct{}]
}

func serve(t *testing.T, name string) *server {
	t.Helper()
	s := &server{name: name}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if until := s.frozen.Load(); until != nil {
			<-*until
		}
		if r.URL.Path == DefaultCheckPath && s.sick.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, name)
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.address = s.Listener.Addr().String()
	t.Cleanup(func() {
		s.thaw()
		s.Close()
	})
	return s
}

// freeze has it take connections and answer nothing.
func (s *server) freeze() {
	until := make(chan struct{})
	s.frozen.Store(&until)
}

func (s *server) thaw() {
	if until := s.frozen.Swap(nil); until != nil {
		close(*until)
	}
}

// running is a balancer of a test.
type running struct {
	t       *testing.T
	ready   observe.Ready
	observe *observe.Client
}

func start(t *testing.T, change func(*Config), servers ...*server) *running {
	t.Helper()
	cfg := Config{
		Name: "balancer", Listen: "127.0.0.1:0", Observe: "127.0.0.1:0", Check: CheckHTTPS, CheckPath: DefaultCheckPath,
		Interval: 10 * time.Millisecond, CheckTimeout: 5 * time.Second, ConnectTimeout: 5 * time.Second, ObserveToken: "token",
	}
	for _, s := range servers {
		cfg.Backends = append(cfg.Backends, s.name+"="+s.address)
	}
	if change != nil {
		change(&cfg)
	}
	ctx, stop := context.WithCancel(context.Background())
	said, ended := make(chan observe.Ready, 1), make(chan error, 1)
	go func() { ended <- Run(ctx, slog.New(slog.DiscardHandler), cfg, func(r observe.Ready) { said <- r }) }()
	r := &running{t: t}
	select {
	case r.ready = <-said:
	case err := <-ended:
		stop()
		t.Fatalf("it ended: %v", err)
	case <-time.After(waits):
		stop()
		t.Fatal("it is not ready")
	}
	r.observe = &observe.Client{Address: r.ready.Ports["observe"], Token: "token"}
	t.Cleanup(func() {
		stop()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("it ended: %v", err)
			}
		case <-time.After(waits):
			t.Error("it does not end")
		}
	})
	for _, s := range servers {
		r.eventually(s.name+" is in", func() bool { return r.backend(s.name).Healthy })
	}
	return r
}

func (r *running) eventually(what string, so func() bool) {
	r.t.Helper()
	for by := time.Now().Add(waits); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(by) {
			r.t.Fatalf("still not: %s; %+v", what, r.counters())
		}
	}
}

func (r *running) counters() (c observe.BalancerCounters) {
	r.t.Helper()
	if err := r.observe.Get(context.Background(), "/counters", &c); err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r *running) backend(name string) observe.BackendCounters {
	r.t.Helper()
	for _, k := range r.counters().Backends {
		if k.Name == name {
			return k
		}
	}
	return observe.BackendCounters{}
}

// A client has one connection through the balancer.
type client struct {
	t    *testing.T
	http *http.Client
	at   string
}

func (r *running) client(s *server) *client {
	transport := s.Client().Transport.(*http.Transport).Clone()
	transport.MaxConnsPerHost = 1
	r.t.Cleanup(transport.CloseIdleConnections)
	return &client{r.t, &http.Client{Transport: transport, Timeout: waits}, "https://" + r.ready.Ports["https"]}
}

// ask says which server answered.
func (c *client) ask() (string, error) {
	resp, err := c.http.Get(c.at)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

// TestSpread: connections go where there are the fewest.
func TestSpread(t *testing.T) {
	a, b := serve(t, "a"), serve(t, "b")
	r := start(t, nil, a, b)
	for range 10 {
		if _, err := r.client(a).ask(); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := r.backend("a"), r.backend("b"); a.Open != 5 || b.Open != 5 {
		t.Errorf("a has %d connections, b %d; expected 5 each", a.Open, b.Open)
	}
}

// TestFails: each way in which a server fails, and its return. On a busy machine
// a check of the other one may come too late as well, which must not matter in
// the end.
func TestFails(t *testing.T) {
	for name, test := range map[string]struct {
		timeout       time.Duration
		breaks, mends func(*server)
	}{
		"it is sick":  {DefaultCheckTimeout, func(s *server) { s.sick.Store(true) }, func(s *server) { s.sick.Store(false) }},
		"it is stuck": {300 * time.Millisecond, (*server).freeze, (*server).thaw},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := serve(t, "a"), serve(t, "b")
			r := start(t, func(c *Config) { c.CheckTimeout = test.timeout }, a, b)
			clients := map[string]*client{}
			r.eventually("both have a client", func() bool {
				c := r.client(a)
				if at, err := c.ask(); err == nil {
					clients[at] = c
				}
				return len(clients) == 2
			})
			test.breaks(a)
			r.eventually("a is out", func() bool { return !r.backend("a").Healthy })
			r.eventually("its connections are cut", func() bool { k := r.backend("a"); return k.Cut > 0 && k.Open == 0 })
			for who, c := range clients {
				r.eventually("b serves the client of "+who, func() bool { at, err := c.ask(); return err == nil && at == "b" })
			}
			test.mends(a)
			r.eventually("a is in", func() bool { return r.backend("a").Healthy })
			r.eventually("a serves", func() bool { at, err := r.client(a).ask(); return err == nil && at == "a" })
			if n := r.backend("a").Fallen; n == 0 {
				t.Error("that a fell is not counted")
			}
		})
	}
}

// TestGone: a server that nobody listens for any more costs nobody an answer.
func TestGone(t *testing.T) {
	a, b := serve(t, "a"), serve(t, "b")
	r := start(t, func(c *Config) { c.Interval = time.Hour }, a, b) // only clients can find out
	a.Close()
	for range 4 {
		if at, err := r.client(b).ask(); err != nil || at != "b" {
			t.Errorf("%q, %v", at, err)
		}
	}
	if k := r.backend("a"); k.Healthy || k.DialErrors == 0 || k.Fallen != 1 {
		t.Errorf("a: %+v", k)
	}
}

// TestNoneHealthy: any server is better than none.
func TestNoneHealthy(t *testing.T) {
	a := serve(t, "a")
	r := start(t, nil, a)
	kept := r.client(a)
	if _, err := kept.ask(); err != nil {
		t.Fatal(err)
	}
	a.sick.Store(true)
	r.eventually("a is out", func() bool { return !r.backend("a").Healthy })
	if at, err := r.client(a).ask(); err != nil || at != "a" {
		t.Errorf("%q, %v", at, err)
	}
	if k := r.backend("a"); k.Cut != 0 || k.Open != 2 {
		t.Errorf("a: %+v", k)
	}
	a.Close()
	if at, err := r.client(a).ask(); err == nil {
		t.Errorf("%q answered", at)
	}
	if n := r.counters().Refused; n == 0 {
		t.Error("nobody was refused")
	}
}

// TestBackends puts and removes backends while it runs.
func TestBackends(t *testing.T) {
	ctx := context.Background()
	a, b := serve(t, "a"), serve(t, "b")
	r := start(t, nil, a)
	c := r.client(a)
	if at, err := c.ask(); err != nil || at != "a" {
		t.Fatalf("%q, %v", at, err)
	}
	var all []observe.BackendCounters
	if err := r.observe.Put(ctx, "/backends/b", observe.Backend{Address: b.address}, &all); err != nil || len(all) != 2 {
		t.Fatalf("%v, %v", all, err)
	}
	r.eventually("b is in", func() bool { return r.backend("b").Healthy })
	if err := r.observe.Delete(ctx, "/backends/a", nil); err != nil {
		t.Fatal(err)
	}
	if at, err := c.ask(); err != nil || at != "b" {
		t.Errorf("%q, %v", at, err)
	}
	if err := r.observe.Put(ctx, "/backends/b", observe.Backend{Address: a.address}, nil); err != nil { // b has moved
		t.Fatal(err)
	}
	r.eventually("a answers as b", func() bool { at, err := c.ask(); return err == nil && at == "a" })
	if err := r.observe.Delete(ctx, "/backends/a", nil); err == nil {
		t.Error("what is not there could be removed")
	}
	for name, address := range map[string]string{"c": "nowhere", "d": "127.0.0.1:0", "e": ":443", "f g": a.address} {
		if err := r.observe.Put(ctx, "/backends/"+strings.ReplaceAll(name, " ", "%20"), observe.Backend{Address: address}, nil); err == nil {
			t.Errorf("%s at %s was taken", name, address)
		}
	}
}

// TestBound: there are so many backends and no more.
func TestBound(t *testing.T) {
	a := serve(t, "a")
	r := start(t, func(c *Config) { c.Check, c.Interval = CheckTCP, time.Hour })
	put := func(i int) error {
		return r.observe.Put(context.Background(), fmt.Sprintf("/backends/x%d", i), observe.Backend{Address: a.address}, nil)
	}
	for i := range maxBackends {
		if err := put(i); err != nil {
			t.Fatal(err)
		}
	}
	if put(maxBackends) == nil {
		t.Errorf("more than %d were taken", maxBackends)
	}
	if err := put(0); err != nil {
		t.Errorf("one that is there: %v", err)
	}
}

// TestHalfClosed: a client that has said all gets its answer, and an end at
// either side ends the other.
func TestHalfClosed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				all, _ := io.ReadAll(c) // to the end of what the client says
				fmt.Fprintf(c, "%d bytes", len(all))
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	r := start(t, func(c *Config) { c.Check, c.Backends = CheckTCP, []string{"echo=" + l.Addr().String()} })
	r.eventually("it is in", func() bool { return r.backend("echo").Healthy })
	c, err := net.Dial("tcp", r.ready.Ports["https"])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if text, err := bufio.NewReader(c).ReadString('s'); err != nil || text != "1048576 bytes" {
		t.Errorf("%q, %v", text, err)
	}
	r.eventually("nothing is open", func() bool { return r.counters().Open == 0 })
}

// TestGates: the port breaks as it is told.
func TestGates(t *testing.T) {
	a := serve(t, "a")
	r := start(t, nil, a)
	ctx := context.Background()
	if err := r.observe.Put(ctx, "/gates/g", observe.Gate{Mode: observe.GateRefuse, Ports: []string{"https"}}, nil); err != nil {
		t.Fatal(err)
	}
	if at, err := r.client(a).ask(); err == nil {
		t.Errorf("%q answered", at)
	}
	if err := r.observe.Delete(ctx, "/gates/g", nil); err != nil {
		t.Fatal(err)
	}
	if at, err := r.client(a).ask(); err != nil || at != "a" {
		t.Errorf("%q, %v", at, err)
	}
}

// TestMistakes: each is said, with its flag, all at once.
func TestMistakes(t *testing.T) {
	err := Config{Name: "a b", Listen: "x", Observe: "127.0.0.1:99999", Backends: []string{"a=b:1", "a=b:2", "c", "=d:1", "e=:1"},
		Check: "http", CheckPath: "probe", KeepPorts: true}.Validate()
	if err == nil {
		t.Fatal("it is taken")
	}
	for _, want := range []string{"--name", "--listen", "--observe", `--backend "a=b:2": a is given twice`, `--backend "c"`, `--backend "=d:1"`, `--backend "e=:1"`,
		"--check ", "--check-path", "--check-interval", "--check-timeout", "--connect-timeout", "--state"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing of %s in %v", want, err)
		}
	}
}
