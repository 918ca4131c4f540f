// Package directory is the test directory: an LDAP server over a population,
// which answers simple binds and tells the connectors' service account the
// state of an account in Active Directory's attributes.
//
// It is built on glauth's server library. What that library does not do well
// enough for a server under load and under attack stands in front of it; see
// session.
package directory

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"

	"ptabench/gate"
	"ptabench/observe"
	"ptabench/population"
)

// Config says what to serve, and where.
type Config struct {
	Name       string
	Population population.Spec
	UsersFile  string        // of the users, in place of those that Population makes; empty for none
	Delay      time.Duration // added to the answer of every user bind
	BindLog    string        // file to log user binds to; empty for none
	State      string        // directory that keeps the authority over restarts
	Cache      string        // directory of what servers of others were provisioned with before; empty for none
	LDAP       string        // host:port to listen on, port 0 for any
	LDAPS      string
	Observe    string
	// KeepPorts has port 0 of these be the port that it was last time, if that is
	// free.
	KeepPorts bool
	// ServicePassword is that of the connectors' service account. When it is
	// empty the directory makes one and keeps it in the state directory.
	ServicePassword string
	// SyncPassword is that of the sync account; there is none when it is empty.
	SyncPassword string
	ObserveToken string
	HashSync     HashSync
}

// Validate reports every mistake at once. It changes nothing.
func (c Config) Validate() error {
	var errs []error
	if c.Name == "" {
		errs = append(errs, errors.New("name: expected one"))
	}
	if err := c.validateUsers(); err != nil {
		errs = append(errs, err)
	}
	if c.Delay < 0 || c.Delay > maxDelay {
		errs = append(errs, fmt.Errorf("delay %v: expected 0s to %v", c.Delay, maxDelay))
	}
	if c.State == "" {
		errs = append(errs, errors.New("state: expected a directory"))
	}
	for _, address := range []struct{ flag, value string }{{"ldap", c.LDAP}, {"ldaps", c.LDAPS}, {"observe", c.Observe}} {
		if err := validAddress(address.value); err != nil {
			errs = append(errs, fmt.Errorf("%s %q: %w", address.flag, address.value, err))
		}
	}
	if err := c.HashSync.validate(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func validAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return errors.New("expected host:port")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("port %q: expected 0 to 65535", port)
	} else if n == 0 && port != "0" {
		return fmt.Errorf("port %q: expected 0 to 65535", port)
	}
	return nil
}

// drainBound is how long sessions may take to answer what they are at when the
// directory ends.
const drainBound = 2 * time.Second

// Run serves until the context ends, then answers what it is at and closes all
// connections. It calls ready when it serves and has pushed the hashes.
func Run(ctx context.Context, log *slog.Logger, cfg Config, ready func(observe.Ready)) (err error) {
	if err := cfg.Validate(); err != nil {
		return err
	}
	users, err := cfg.users()
	if err != nil {
		return err
	}
	now := time.Now()
	listenHost, _, _ := net.SplitHostPort(cfg.LDAPS) // valid, as checked above
	id, err := loadIdentity(cfg.State, certifiable(listenHost), now)
	if err != nil {
		return err
	}
	if cfg.ServicePassword == "" {
		if cfg.ServicePassword, err = servicePassword(cfg.State); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changes, err := openEvents(cfg.State, cfg.nameOf(users), users, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, changes.log.close()) }()
	store, err := openHashStore(ctx, log, cfg, changes)
	if err != nil {
		return err
	}
	binds, err := openBindLog(cfg.BindLog, users)
	if err != nil {
		return err
	}
	gates := gate.New()
	listeners, ports, err := listen(log, cfg, gates)
	if err != nil {
		return errors.Join(err, binds.close())
	}
	if err := cfg.keepPorts(ports); err != nil {
		closeAll(listeners)
		return errors.Join(err, binds.close())
	}

	counts := newCounts(users.Len())
	tree, sessions := newTree(users, now), newSessions(counts)
	tree.changes, tree.syncs = changes, cfg.SyncPassword != ""
	faults := newFaults(cfg.Delay, sessions)
	accounts := newAccounts(ctx, tree, cfg.ServicePassword, counts, faults)
	accounts.binds = binds
	accounts.syncer = accounts.hash(cfg.SyncPassword)
	var serving sync.WaitGroup
	if binds != nil {
		serving.Go(func() { binds.run(ctx) })
	}
	for name, config := range map[string]*tls.Config{
		"ldap":  nil,
		"ldaps": {Certificates: []tls.Certificate{id.cert}, MinVersion: tls.VersionTLS12},
	} {
		l := &listener{
			Listener: listeners[name], config: config, accounts: accounts, sessions: sessions,
			log: log.With("listener", name), ended: make(chan struct{}),
		}
		serving.Go(func() { l.serve(ctx) })
	}
	watch := &http.Server{
		Handler:           observeHandler(cfg.ObserveToken, users, counts, broken{gates, faults, store}, changes),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	serving.Go(func() { _ = watch.Serve(listeners["observe"]) }) // ends by Shutdown below

	if err = store.start(ctx); err == nil {
		info := map[string]string{"base_dn": tree.base, "service_dn": tree.dn(serviceNode), "domain": users.Domain(), "kind": "embedded", "dialect": "attributes"}
		cfg.tellUsers(info)
		if tree.syncs {
			info["sync_dn"] = tree.dn(syncNode)
		}
		ready(observe.Ready{Role: "directory", Name: cfg.Name, Ports: ports, CAPEM: string(id.caPEM), Info: info}) // first: in a terminal it is words, and what the log says follows
		log.Info("serving", "users", users.Len(), "base_dn", tree.base, "ldap", ports["ldap"], "ldaps", ports["ldaps"])
		<-ctx.Done()
	} else if ctx.Err() != nil {
		err = nil // asked to end before it was ready
	}
	cancel()
	gates.Close() // what a gate holds back could not end
	if cut := sessions.stop(drainBound); cut > 0 {
		log.Warn("cut off sessions that did not end", "sessions", cut)
	}
	shutdown, done := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer done()
	if watch.Shutdown(shutdown) != nil {
		_ = watch.Close()
	}
	serving.Wait()
	return errors.Join(err, binds.close())
}

// certifiable is the host to put into the certificate besides the loopback
// names, unless it is one of those or stands for every address.
func certifiable(host string) []string {
	switch host {
	case "", "0.0.0.0", "::", "localhost", "127.0.0.1", "::1":
		return nil
	}
	return []string{host}
}

// listen opens all listeners or none. Those of LDAP have gates before them.
func listen(log *slog.Logger, cfg Config, gates *gate.Gates) (map[string]net.Listener, map[string]string, error) {
	listeners, ports := make(map[string]net.Listener), make(map[string]string)
	last := cfg.lastPorts()
	for name, address := range cfg.addresses() {
		open := net.Listen
		if name != "observe" {
			open = func(network, address string) (net.Listener, error) { return gates.Listen(network, address, name) }
		}
		var l net.Listener
		err := error(syscall.EADDRINUSE)
		if last[name] != "" {
			if l, err = open("tcp", last[name]); errors.Is(err, syscall.EADDRINUSE) {
				log.Warn("the last port is in use: connectors that know only that one need the new address", "port", name, "last", last[name])
			}
		}
		if errors.Is(err, syscall.EADDRINUSE) {
			l, err = open("tcp", address)
		}
		if err != nil {
			closeAll(listeners)
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		listeners[name], ports[name] = l, l.Addr().String()
	}
	return listeners, ports, nil
}

func closeAll(listeners map[string]net.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}
