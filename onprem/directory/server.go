package directory

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ptabench/observe"
	"ptabench/population"
	"ptabench/whole"
)

// A Server is a directory that others wrote, which serves the population in
// place of this one.
type Server interface {
	Kind() string
	// Validate reports every mistake in what this server is to do.
	Validate(Config) error
	// Start returns when it can be bound to. The context ends the start, not the
	// server.
	Start(context.Context, Setup) (Serving, error)
}

// Serving is a server that was started. Whoever started it must stop it.
type Serving interface {
	Served() Served
	PIDs() []int // of its processes, its own among them
	Counters(context.Context) (observe.DirectoryCounters, error)
	// Change makes an account so, whatever it was: doing it again does no harm. An
	// error that is not ErrRefused leaves open whether it was done.
	Change(context.Context, Change) error
	Ended() <-chan struct{}
	Stop() error // and says why it ended, when it did so by itself
}

// A Change is what an account is to be.
type Change struct {
	User     int
	State    population.State
	Password string // empty: stays as it is
}

// ErrRefused says that a server did not do what it was asked.
var ErrRefused = errors.New("refused")

// errUnsure says that a change was all right to ask for.
var errUnsure = errors.New("nobody said that the account was changed")

// changeBound is how long a server may take for a change.
const changeBound = 10 * time.Second

// Setup is what a server serves, and by what.
type Setup struct {
	Log             *slog.Logger
	Users           *population.Population
	Key             string // of Users: equal ones are of the same users in the same states
	Changes         string // names the changes of accounts since: no other ones may be in what it serves
	Cache           string // directory of what was provisioned before; empty for none
	State           string // directory for the server's own files, made when it is missing
	LDAP, LDAPS     string // host:port wanted, port 0 for any
	ServiceName     string // account name of the connectors' service account
	ServicePassword string
	CAFile          string
	// Certify writes a certificate for the hosts, and its key, for the server to
	// show.
	Certify func(hosts ...string) (certFile, keyFile string, err error)
}

// Served is what clients of a server need to know.
type Served struct {
	LDAP, LDAPS     string // host:port
	Base, ServiceDN string
	Dialect         string            // how it says why it refuses a bind
	Anew            bool              // its accounts were made at this start, without any change
	Info            map[string]string // what else there is to tell
}

// The files that a server shows itself by, made anew at each start.
const (
	serverCertificate = "server.pem"
	serverKey         = "server.key" // mode 0600
)

// RunServer serves the population by a server of others until the context ends
// or the server does. It calls ready when the server serves and the hashes are
// pushed.
func RunServer(ctx context.Context, log *slog.Logger, cfg Config, server Server, ready func(observe.Ready)) (err error) {
	if err := cfg.ValidateFor(server); err != nil {
		return err
	}
	users, err := cfg.users()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	now := time.Now()
	if _, err := loadIdentity(cfg.State, nil, now); err != nil {
		return err
	}
	if cfg.ServicePassword == "" {
		if cfg.ServicePassword, err = servicePassword(cfg.State); err != nil {
			return err
		}
	}
	key := keyOf(users)
	changes, err := openEvents(cfg.State, server.Kind()+" "+key, users, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, changes.log.close()) }()
	store, err := openHashStore(ctx, log, cfg, changes)
	if err != nil {
		return err
	}
	last := cfg.lastPorts()
	own, err := filepath.Abs(cfg.State) // servers run elsewhere
	if err != nil {
		return err
	}
	began := time.Now()
	serving, err := server.Start(ctx, Setup{
		Log: log.With("server", server.Kind()), Users: users, Key: key, Changes: changes.id(), Cache: cfg.Cache, State: filepath.Join(own, server.Kind()),
		LDAP: free(last["ldap"], cfg.LDAP), LDAPS: free(last["ldaps"], cfg.LDAPS),
		ServiceName: serviceName, ServicePassword: cfg.ServicePassword, CAFile: filepath.Join(own, authorityFile),
		Certify: func(hosts ...string) (string, string, error) { return certify(own, hosts, now) },
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil // asked to end before it was ready
		}
		return fmt.Errorf("%s: %w", server.Kind(), err)
	}
	defer func() {
		if ended := serving.Stop(); ended != nil {
			err = errors.Join(err, fmt.Errorf("%s ended: %w", server.Kind(), ended))
		}
	}()
	served := serving.Served()
	changes.served = func(c Change) error {
		bound, done := context.WithTimeout(ctx, changeBound)
		defer done()
		err := serving.Change(bound, c)
		if err != nil && !errors.Is(err, ErrRefused) {
			return fmt.Errorf("%w: %w", errUnsure, err)
		}
		return err
	}
	if served.Anew {
		if err := changes.serveAll(); err != nil {
			return fmt.Errorf("%s: what happened to users before: %w", server.Kind(), err)
		}
	}
	took := time.Since(began)

	watch, err := net.Listen("tcp", free(last["observe"], cfg.Observe))
	if err != nil {
		return fmt.Errorf("observe: %w", err)
	}
	ports := map[string]string{"ldap": served.LDAP, "ldaps": served.LDAPS, "observe": watch.Addr().String()}
	web := &http.Server{
		Handler:           serverHandler(cfg.ObserveToken, server.Kind(), serving, store, changes),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	watched := make(chan struct{})
	go func() { defer close(watched); _ = web.Serve(watch) }() // ends by Shutdown below
	defer func() {
		shutdown, done := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer done()
		if web.Shutdown(shutdown) != nil {
			_ = web.Close()
		}
		<-watched
	}()
	if err := cfg.keepPorts(ports); err != nil {
		return err
	}
	if err := store.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	ca, err := os.ReadFile(filepath.Join(cfg.State, authorityFile))
	if err != nil {
		return err
	}
	info := map[string]string{
		"base_dn": served.Base, "service_dn": served.ServiceDN, "domain": users.Domain(),
		"kind": server.Kind(), "dialect": served.Dialect, "pids": pidList(serving.PIDs()),
	}
	maps.Copy(info, served.Info)
	cfg.tellUsers(info)
	ready(observe.Ready{Role: "directory", Name: cfg.Name, Ports: ports, CAPEM: string(ca), Info: info})
	log.Info("serving", "kind", server.Kind(), "users", users.Len(), "base_dn", served.Base, "ldaps", served.LDAPS,
		"started_in_ns", took.Nanoseconds())
	select {
	case <-ctx.Done():
	case <-serving.Ended():
	}
	cancel() // no change is made of what is going down
	return nil
}

// ValidateFor reports every mistake at once, those that only this server sees
// among them.
func (c Config) ValidateFor(server Server) error {
	errs := []error{c.Validate(), server.Validate(c)}
	if c.Delay != 0 {
		errs = append(errs, fmt.Errorf("delay %v: expected none: the binds of %s are its own", c.Delay, server.Kind()))
	}
	if c.BindLog != "" {
		errs = append(errs, fmt.Errorf("bind-log %q: expected none: the binds of %s are its own", c.BindLog, server.Kind()))
	}
	if c.SyncPassword != "" {
		errs = append(errs, fmt.Errorf("sync account: expected none: %s has no such account", server.Kind()))
	}
	return errors.Join(errs...)
}

// free is the first address where somebody could listen now, the last when there
// is none: the last port when that was kept and is free.
func free(addresses ...string) string {
	for _, address := range addresses {
		if address == "" {
			continue
		}
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	return addresses[len(addresses)-1]
}

// certify writes what the server shows itself by. Its key has to be a file,
// because the server is another program; it lasts until the next start.
func certify(state string, hosts []string, now time.Time) (certFile, keyFile string, err error) {
	id, err := loadIdentity(state, hosts, now)
	if err != nil {
		return "", "", err
	}
	certFile, keyFile = filepath.Join(state, serverCertificate), filepath.Join(state, serverKey)
	chain, private, err := encode(id.cert)
	if err == nil {
		err = errors.Join(whole.Bytes(certFile, 0o644, chain), whole.Bytes(keyFile, 0o600, private))
	}
	if err != nil {
		return "", "", fmt.Errorf("writing the server's certificate: %w", err)
	}
	return certFile, keyFile, nil
}

func encode(cert tls.Certificate) (chain, key []byte, err error) {
	for _, der := range cert.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	return chain, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

func pidList(pids []int) string {
	var text []string
	for _, pid := range slices.Sorted(slices.Values(pids)) {
		text = append(text, strconv.Itoa(pid))
	}
	return strings.Join(text, ",")
}
