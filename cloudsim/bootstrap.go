package cloudsim

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"sync"
	"time"

	"ptabench/observe"
	"ptabench/ports"
	"ptabench/signed"
)

// bootstrapValidity is how long a document that was caught on its way can be
// taken for a new one.
const bootstrapValidity = 24 * time.Hour

// Defaults of the timers that connectors are told, as documented or, for the
// longest wait between attempts to attach, our own.
const (
	DefaultBootstrapInterval = 10 * time.Minute
	DefaultStatusInterval    = 10 * time.Minute
	DefaultRenewalPoll       = 6 * time.Hour
	DefaultReconnectMax      = time.Second
)

// bootstrapper makes the documents by which connectors find everything.
type bootstrapper struct {
	signer *tls.Certificate
	about  signed.Bootstrap // all but tenant and times

	mu   sync.Mutex
	last time.Time // when the last one was issued
}

// newBootstrapper is for a simulator whose ready line is given. Each start of
// it may have changed any of what the documents say, so each makes a version.
func (srv *server) newBootstrapper(r observe.Ready) (*bootstrapper, error) {
	signer, err := srv.authority.IssueSigner(signed.BootstrapSigner)
	if err != nil {
		return nil, err
	}
	version, err := srv.state.Next("bootstrap")
	if err != nil {
		return nil, err
	}
	cfg := &srv.cfg
	told := func(set, otherwise time.Duration) int64 {
		if set == 0 {
			set = otherwise
		}
		return int64(set)
	}
	b := &bootstrapper{signer: signer, about: signed.Bootstrap{
		Format: signed.BootstrapFormat, Version: version, Endpoints: make(map[string]string),
		Timers: signed.Timers{
			HeartbeatNS:         int64(cfg.Heartbeat),
			StatusIntervalNS:    told(cfg.StatusInterval, DefaultStatusInterval),
			RenewalPollNS:       told(cfg.RenewalPoll, DefaultRenewalPoll),
			BootstrapIntervalNS: told(cfg.BootstrapInterval, DefaultBootstrapInterval),
			ReconnectMaxNS:      told(cfg.ReconnectMax, DefaultReconnectMax),
			UpdateIntervalNS:    told(cfg.UpdateEvery, DefaultUpdateEvery),
		},
		MinConnectorVersion: cfg.MinConnectorVersion, MinConnectorVersionRequired: cfg.RequireMinVersion,
		UpdateKey: srv.updateKey,
	}}
	for _, port := range ports.Cloud() {
		b.about.Endpoints[port] = cfg.reachable(r.Ports[port])
	}
	return b, nil
}

// document makes one for a tenant, signed now. Its time never goes back, also
// when the clock does: connectors would take that for a replay.
func (b *bootstrapper) document(tenant string, now time.Time) ([]byte, error) {
	b.mu.Lock()
	if now.Before(b.last) {
		now = b.last
	}
	b.last = now
	b.mu.Unlock()
	d := b.about
	d.Tenant, d.IssuedAt, d.ValidUntil = tenant, now, now.Add(bootstrapValidity)
	return signed.SignBootstrap(&d, b.signer)
}

// connectorRoutes are what connectors ask for without a stream, on 443 and on
// 8080.
func (srv *server) connectorRoutes(mux *http.ServeMux) {
	for path, serve := range map[string]struct {
		method  string
		handler http.HandlerFunc
	}{
		"/{tenant}/bootstrap":         {http.MethodGet, srv.giveBootstrap},
		"/{tenant}/connectors/status": {http.MethodPost, srv.takeStatus},
		"/{tenant}/connectors/update": {http.MethodPost, srv.takeUpdate},
	} {
		mux.HandleFunc(serve.method+" "+path, serve.handler)
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			srv.denied("wrong-method", 1)
			w.Header().Set("Allow", serve.method)
			http.Error(w, "expected "+serve.method, http.StatusMethodNotAllowed)
		})
	}
}

// bootstrapMux is port 8080.
func (srv *server) bootstrapMux() http.Handler {
	mux := http.NewServeMux()
	srv.connectorRoutes(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		srv.denied("unknown-path", 1)
		http.NotFound(w, r)
	})
	return srv.withUpdates(mux)
}

func (srv *server) giveBootstrap(w http.ResponseWriter, r *http.Request) {
	t := srv.tenants[r.PathValue("tenant")]
	if t == nil {
		srv.denied("unknown-tenant", 1)
		http.Error(w, "there is no such tenant", http.StatusNotFound)
		return
	}
	document, err := srv.bootstrap.document(t.Name, time.Now())
	if err != nil {
		srv.log.Error("bootstrap document", "error", err)
		http.Error(w, "the document could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/jose")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(document)
}

// validateBootstrap reports what is wrong with what connectors are to be told.
// 0 stands for the default of a timer.
func (c *Config) validateBootstrap(bad func(field string, value any, expected string)) {
	for _, d := range []struct {
		field    string
		value    time.Duration
		min, max time.Duration
	}{
		{"bootstrap-interval", c.BootstrapInterval, 10 * time.Millisecond, 7 * 24 * time.Hour},
		{"status-interval", c.StatusInterval, 10 * time.Millisecond, 7 * 24 * time.Hour},
		{"renew-poll", c.RenewalPoll, 10 * time.Millisecond, 7 * 24 * time.Hour},
		{"reconnect-max", c.ReconnectMax, signed.MinReconnectMax, signed.MaxReconnectMax},
	} {
		if d.value != 0 && (d.value < d.min || d.value > d.max) {
			bad(d.field, d.value, fmt.Sprintf("%v to %v", d.min, d.max))
		}
	}
	if c.MinConnectorVersion == "" && c.RequireMinVersion {
		bad("require-min-version", "on", "a min-connector-version to require")
	}
	if c.MinConnectorVersion != "" && signed.CheckVersion(c.MinConnectorVersion) != nil {
		bad("min-connector-version", c.MinConnectorVersion, "a version such as 1.2.3")
	}
}
