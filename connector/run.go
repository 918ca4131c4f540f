package connector

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ptabench/backoff"
	"ptabench/bind"
	"ptabench/connector/revocation"
	"ptabench/observe"
)

// settledSession is how long a session must have lasted for the next attempt
// to be made almost at once, and the waits between attempts to begin from the
// shortest again. It keeps a cloud that takes connectors and drops them from
// being dialled without a pause.
const settledSession = time.Second

// A connector is one that runs.
type connector struct {
	cfg         *checked
	log         *slog.Logger
	dialer      *net.Dialer
	began       time.Time
	where       whereabouts
	lost        chan struct{} // the cloud is not where it was said to be
	doubt       chan struct{} // the cloud may know this connector no more
	cloud       atomic.Pointer[endpoints]
	certificate atomic.Pointer[tls.Certificate] // the newest
	renewed     chan struct{}                   // there is a newer one
	skew        atomic.Int64                    // what the cloud's clock says beyond ours, in ns
	revocation  *revocation.Checker
	pool        *bind.Pool
	counters    *counters
	inFlight    atomic.Int64 // sign-ins taken and not answered, of all sessions
	enrolled    bool         // by the token that this process was given
	standing    standing
	lostPorts   []string // request ports that the last session was lost with
	ready       func()   // calls the caller's ready, the first time
	succession  succession
}

// Run is a connector's life: it registers when it must, attaches to the cloud
// and attaches again whenever it lost it, until ctx ends. Then it drains, and
// returns nil. ready is called once, when both streams to the cloud stand.
//
// It returns an error for mistakes in cfg, for a version that the cloud does not
// let start, for a registration that was refused, for a directory that refuses
// the service account at the start, and for a certificate that expired, was
// revoked or belongs to a connector that was removed; nothing else ends it.
func Run(ctx context.Context, log *slog.Logger, cfg Config, ready func(observe.Ready)) (err error) {
	ok, err := cfg.check()
	if err != nil {
		return err
	}
	a := &connector{cfg: ok, log: log.With("connector", cfg.Name, "tenant", cfg.Tenant), dialer: newDialer(cfg.Source), counters: newCounters(),
		began: time.Now(), lost: make(chan struct{}, 1), doubt: make(chan struct{}, 1), renewed: make(chan struct{}, 1)}
	a.cloud.Store(ok.cloud)
	ctx, stop := a.continueFrom(ctx)
	defer stop()
	defer func() { err = a.leave(ctx, err) }()

	if a.revocation, err = a.checkRevocation(); err != nil {
		return err
	}
	defer a.revocation.Close()
	ln, err := a.listenObserve(ctx)
	if err != nil {
		return fmt.Errorf("--observe: %w", err)
	}
	var certificate *tls.Certificate
	if err = a.locate(ctx); err == nil {
		certificate, err = a.identify(ctx)
	}
	if err != nil {
		_ = ln.Close()
		if ctx.Err() != nil {
			return nil // told to stop before it began
		}
		return err
	}
	a.certificate.Store(certificate)
	least, most := ok.pool()
	a.pool = bind.Open(bind.Config{
		Servers:        ok.servers,
		Order:          ok.order,
		ServerTimeout:  cfg.ServerTimeout,
		TLS:            &tls.Config{RootCAs: ok.directoryCA, MinVersion: tls.VersionTLS12},
		Dial:           a.dialer.DialContext,
		Min:            least,
		Max:            most,
		BindTimeout:    cfg.BindTimeout,
		DialTimeout:    cfg.ConnectTimeout,
		Account:        cfg.BindDN,
		Password:       cfg.BindPassword,
		BaseDN:         cfg.BaseDN,
		Dialect:        ok.dialect,
		Names:          ok.names,
		NameAttribute:  ok.attribute,
		MaxPasswordAge: cfg.MaxPasswordAge,
		Waiting:        2 * cfg.Concurrency, // two sessions at once, when one succeeds the other
		Log:            a.log,
	})
	defer a.pool.Close()
	stopObserving := a.serveObserve(ln)
	defer stopObserving()

	var said atomic.Bool
	a.ready = func() {
		if said.CompareAndSwap(false, true) {
			a.cameUp()
			ready(observe.Ready{
				Role: "connector", Name: cfg.Name, Version: cfg.Version,
				Ports: map[string]string{"observe": ln.Addr().String()},
				Info:  a.succession.info(cfg.Handoff),
			})
		}
	}
	// Refused look-ups would answer every refusal as a wrong password, so a
	// password that is wrong is better found now than by a user.
	if err := a.pool.CheckAccount(ctx); err != nil {
		return fmt.Errorf("PTABENCH_DIRECTORY_PASSWORD for --bind-dn %s: %w", cfg.BindDN, err)
	}
	select {
	case <-a.pool.Settled():
	case <-ctx.Done():
		return nil
	}
	err = a.live(ctx)
	if errors.Is(err, errGone) && cfg.RegistrationToken != "" && !a.enrolled && a.counters.sessions.Load() == 0 {
		// That it is so was found at the start, so the token is for this.
		a.log.Warn("registering again", "error", err)
		if certificate, err = a.enrol(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		a.certificate.Store(certificate)
		err = a.live(ctx)
	}
	return err
}

// live is what a connector does by one registration, until ctx ends or the
// registration does.
func (a *connector) live(ctx context.Context) error {
	life, end := context.WithCancelCause(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer end(nil)
	work.Go(func() { a.stayInformed(life) })
	work.Go(func() { a.keepUpdated(life, end) })
	if !a.onTrial() { // the version that it is a child of does
		work.Go(func() { a.keepRenewed(life) })
	}
	work.Go(func() { a.reportStatus(life, end) })
	err := a.stayAttached(life)
	if cause := context.Cause(life); err == nil && errors.Is(cause, errGone) {
		return cause
	}
	return err
}

// serveObserve serves counters and metrics until the returned function is
// called.
func (a *connector) serveObserve(ln net.Listener) (stop func()) {
	_, handler := observe.Handler(a.cfg.ObserveToken, func() any { return a.snapshot() }, nil, a.metrics())
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelWarn)}
	done := make(chan struct{})
	go func() { // until Close, for which stop waits
		defer close(done)
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			a.log.Error("serving counters and metrics", "error", err)
		}
	}()
	return func() {
		_ = server.Close()
		<-done
	}
}

// stayAttached has one session after the other.
func (a *connector) stayAttached(ctx context.Context) error {
	var wait backoff.Backoff
	for a.succession.turn(ctx) {
		if err := checkExpiry(a.certificate.Load(), a.now()); err != nil {
			return err
		}
		a.refresh()
		s, err := a.attach(ctx, a.succession.predecessor())
		if err == nil {
			began := time.Now()
			a.counters.sessions.Add(1)
			a.log.Info("attached", "port", s.port, "session", s.id)
			s, err = a.follow(ctx, s)
			a.lostPorts = s.lost
			if errors.Is(err, errAside) {
				continue
			}
			if errors.Is(err, errDrained) || ctx.Err() != nil {
				a.log.Info("detached", "session", s.id, "error", err)
				return nil
			}
			if over := a.over(s, err); over != nil {
				return over
			}
			a.log.Warn("session lost", "port", s.port, "session", s.id, "error", err)
			if s.attached.Load() && time.Since(began) >= settledSession {
				wait.Reset()
				backoff.Spread(ctx) // the cloud may have lost everybody
				continue
			}
		} else if ctx.Err() == nil {
			a.log.Warn("attaching", "error", clockHint(err))
			a.astray()
			a.doubtful()
		}
		wait.Longest = a.reconnectMax()
		wait.Wait(ctx)
	}
	return nil
}

// attach tries the request ports: those for signalling first, because a session
// that has one outlives the loss of the fast path, which joins it. Ports that
// the last session was lost with come last. The new session succeeds
// another one, or replaces all when succeeds is empty.
func (a *connector) attach(ctx context.Context, succeeds string) (*session, error) {
	var all []error
	ports := a.cloud.Load().ports(slices.Concat(a.portsOf(signalling), a.portsOf(fast)))
	for _, port := range lastly(ports, a.lostPorts) {
		s, err := a.listen(ctx, port, succeeds)
		if err == nil {
			return s, nil
		}
		all = append(all, fmt.Errorf("port %s: %w", port, err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(all...)
}

// refresh reads again where the cloud listens, which changes when it is
// started again. A file that cannot be read just now changes nothing.
func (a *connector) refresh() {
	cloud, err := readEndpoints(a.cfg.Cloud)
	if err != nil {
		a.log.Warn("reading again where the cloud listens", "error", err)
		return
	}
	changed, err := a.where.setFile(cloud, a.cfg.Tenant)
	if err != nil {
		a.log.Warn("the bootstrap document kept is not this cloud's", "error", err)
	}
	a.cloud.Store(a.where.endpoints())
	if changed {
		a.astray()
	}
}
