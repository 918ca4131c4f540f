// Package balancer is a simple TCP balancer before the servers of a farm: each
// connection goes to the server that has the fewest, among those that answer a
// health check. It reads nothing of what it carries.
//
// A server that stops answering is taken out, and what was connected to it is
// cut, so that its clients come back and meet another one: a process that was
// stopped, and not ended, would keep them waiting. While no server answers,
// connections go to any: it may be the check that is wrong.
package balancer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"ptabench/gate"
	"ptabench/observe"
	"ptabench/onprem/places"
)

// Defaults of the settings that have one.
const (
	DefaultCheck          = CheckHTTPS
	DefaultCheckPath      = "/adfs/probe"
	DefaultInterval       = 500 * time.Millisecond
	DefaultCheckTimeout   = 750 * time.Millisecond
	DefaultConnectTimeout = time.Second
)

// Bounds of the settings and of what there may be at once.
const (
	maxBackends    = 64
	maxConnections = 16_384
	maxInterval    = time.Hour
	minInterval    = 10 * time.Millisecond
)

// The kinds of health checks.
const (
	CheckHTTPS = "https" // a page must be there
	CheckTCP   = "tcp"   // a connection must come about, as one does with a process that is stopped
)

// Config is what a balancer must be told.
type Config struct {
	Name    string
	State   string // directory that remembers where it listened; empty for none
	Listen  string // host:port to balance
	Observe string // host:port for counters, gates and backends
	// Backends are NAME=HOST:PORT each. More may be put later.
	Backends []string

	Check, CheckPath       string
	Interval, CheckTimeout time.Duration // of health checks
	ConnectTimeout         time.Duration // to a backend

	KeepPorts    bool // has port 0 be the port that it was last time, if that is free
	ObserveToken string
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$`)

// Validate reports every mistake at once, by the flags.
func (c Config) Validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !nameForm.MatchString(c.Name) {
		wrong("--name %q: expected 1 to 64 letters, digits, dots, dashes and underscores", c.Name)
	}
	for _, f := range []struct{ flag, value string }{{"--listen", c.Listen}, {"--observe", c.Observe}} {
		if err := validAddress(f.value, true); err != nil {
			wrong("%s %q: %w", f.flag, f.value, err)
		}
	}
	if c.KeepPorts && c.State == "" {
		wrong("--state: expected a directory")
	}
	seen := make(map[string]bool)
	for _, text := range c.Backends {
		name, address, _ := strings.Cut(text, "=")
		if err := validBackend(name, address); err != nil {
			wrong("--backend %.100q: %w", text, err)
		} else if seen[name] {
			wrong("--backend %.100q: %s is given twice", text, name)
		}
		seen[name] = true
	}
	if len(c.Backends) > maxBackends {
		wrong("--backend: %d of them: expected at most %d", len(c.Backends), maxBackends)
	}
	if c.Check != CheckHTTPS && c.Check != CheckTCP {
		wrong("--check %q: expected %s or %s", c.Check, CheckHTTPS, CheckTCP)
	}
	if !strings.HasPrefix(c.CheckPath, "/") || strings.ContainsAny(c.CheckPath, " \r\n") {
		wrong("--check-path %q: expected a path", c.CheckPath)
	}
	for _, f := range []struct {
		flag  string
		value time.Duration
	}{{"--check-interval", c.Interval}, {"--check-timeout", c.CheckTimeout}, {"--connect-timeout", c.ConnectTimeout}} {
		if f.value < minInterval || f.value > maxInterval {
			wrong("%s %v: expected %v to %v", f.flag, f.value, minInterval, maxInterval)
		}
	}
	return errors.Join(errs...)
}

func validBackend(name, address string) error {
	if !nameForm.MatchString(name) {
		return errors.New("expected NAME=HOST:PORT, the name of letters, digits, dots, dashes and underscores")
	}
	return validAddress(address, false)
}

func validAddress(address string, anyPort bool) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return errors.New("expected host:port")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 && !anyPort {
		return fmt.Errorf("port %q: expected 1 to 65535", port)
	}
	if host == "" && !anyPort {
		return errors.New("expected a host")
	}
	return nil
}

// balancer is one that runs.
type balancer struct {
	cfg   Config
	log   *slog.Logger
	ctx   context.Context // ends with Run
	gates *gate.Gates

	checks sync.WaitGroup // one for each backend
	relays sync.WaitGroup // two for each connection

	mu       sync.Mutex
	backends map[string]*backend
	turn     uint64 // breaks ties
	open     int
	accepted uint64
	refused  uint64
}

// Run balances until the context ends, then cuts what is connected.
func Run(ctx context.Context, log *slog.Logger, cfg Config, ready func(observe.Ready)) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b := &balancer{cfg: cfg, log: log.With("balancer", cfg.Name), ctx: ctx, gates: gate.New(), backends: make(map[string]*backend)}
	dir := ""
	if cfg.KeepPorts {
		dir = cfg.State
	}
	in, err := places.Listen(b.log, dir, "https", cfg.Listen, func(network, address string) (net.Listener, error) {
		return b.gates.Listen(network, address, "https")
	})
	if err != nil {
		return fmt.Errorf("https: %w", err)
	}
	defer in.Close()
	watching, err := places.Listen(b.log, dir, "observe", cfg.Observe, net.Listen)
	if err != nil {
		return fmt.Errorf("observe: %w", err)
	}
	ports := map[string]string{"https": in.Addr().String(), "observe": watching.Addr().String()}
	if err := places.Keep(dir, ports); err != nil {
		_ = watching.Close()
		return err
	}
	for _, text := range cfg.Backends {
		name, address, _ := strings.Cut(text, "=")
		if err := b.put(name, address); err != nil {
			_ = watching.Close()
			return err
		}
	}
	watch := &http.Server{
		Handler: b.observed(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(b.log.Handler(), slog.LevelWarn),
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = watch.Serve(watching) }) // ends by Shutdown below
	serving.Go(func() { b.accept(in) })

	ready(observe.Ready{Role: "balancer", Name: cfg.Name, Ports: ports})
	b.log.Info("serving", "https", ports["https"], "backends", len(cfg.Backends))
	<-ctx.Done()

	_ = in.Close()
	b.gates.Close() // what a gate holds back could not end
	shutdown, done := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer done()
	if watch.Shutdown(shutdown) != nil {
		_ = watch.Close()
	}
	serving.Wait()
	b.removeAll()
	b.checks.Wait()
	b.relays.Wait()
	return nil
}

// accept relays connections until the listener closes.
func (b *balancer) accept(in net.Listener) {
	for {
		c, err := in.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || b.ctx.Err() != nil {
				return
			}
			b.log.Warn("accepting", "error", err)
			select { // out of descriptors, as a rule
			case <-time.After(50 * time.Millisecond):
			case <-b.ctx.Done():
			}
			continue
		}
		b.mu.Lock()
		b.accepted++
		full := b.open >= maxConnections
		if full {
			b.refused++
		} else {
			b.open++
		}
		b.mu.Unlock()
		if full {
			_ = c.Close()
			continue
		}
		b.relays.Go(func() { b.relay(c) })
	}
}

// counters are by now, the backends by name.
func (b *balancer) counters() observe.BalancerCounters {
	b.mu.Lock()
	defer b.mu.Unlock()
	return observe.BalancerCounters{Accepted: b.accepted, Refused: b.refused, Open: b.open, Backends: b.list()}
}
