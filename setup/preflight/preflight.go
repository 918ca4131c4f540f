// Package preflight tries every port of the specification from this host, and
// says what will not work where one is not to be had. It changes nothing and
// needs no certificate.
package preflight

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"ptabench/ports"
	"ptabench/setup/reach"
)

// MaxSkew is how far the clocks of connector and cloud may be apart.
const MaxSkew = 10 * time.Minute

// atOnce bounds the connections that are open at a time.
const atOnce = 16

// Config says what to try.
type Config struct {
	Endpoints map[string]string // documented port number to host:port
	Roots     *x509.CertPool    // of the cloud's certificates
	Timeout   time.Duration     // of each attempt
	Now       func() time.Time  // time.Now but in tests
}

// A Check is what became of one port.
type Check struct {
	Port    string        `json:"port"`
	Address string        `json:"address,omitempty"` // empty when the cloud has none
	Outcome reach.Outcome `json:"outcome"`
	Detail  string        `json:"detail,omitempty"` // why, in plain words
	TookNS  int64         `json:"took_ns"`
}

// OK reports whether the port is to be had.
func (c *Check) OK() bool { return c.Outcome == reach.Reachable }

// A Report is what became of all ports.
type Report struct {
	Checks []Check `json:"checks"` // in the order of the specification
	// SkewNS is by how much this host's clock is ahead of the cloud's; null
	// when no port said what the cloud's says.
	SkewNS *int64 `json:"clock_skew_ns"`
	// Effects are what will not work, or works by another way.
	Effects []Effect `json:"effects"`
	// Note is why the ports are not those that the cloud itself says.
	Note string `json:"note,omitempty"`
	// OK is false when something that a connector needs is not to be had.
	OK bool `json:"ok"`
}

// Run tries all ports in parallel, each for Timeout at most, and within twice
// that the list on port 80, whose signature is checked too.
func Run(ctx context.Context, cfg Config) *Report {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	all := order()
	report := &Report{Checks: make([]Check, len(all))}
	var (
		work   sync.WaitGroup
		slots  = make(chan struct{}, atOnce)
		mu     sync.Mutex
		shown  = make(map[string][]*x509.Certificate) // by port: chains that hold
		listed *x509.RevocationList
	)
	for i, port := range all {
		check := &report.Checks[i]
		check.Port, check.Address = port, cfg.Endpoints[port]
		if check.Address == "" {
			check.Outcome, check.Detail = reach.Failed, "the cloud does not say where this port is"
			continue
		}
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots }()
			began := time.Now()
			a := attempt{cfg: &cfg, port: port, address: check.Address}
			err := reach.Explain(a.run(ctx), cfg.Timeout, cfg.Now())
			check.TookNS = int64(time.Since(began))
			if check.Outcome = reach.OutcomeOf(err); err != nil {
				check.Detail = err.Error()
			}
			mu.Lock()
			defer mu.Unlock()
			if a.chain != nil {
				shown[port] = a.chain
			}
			if a.list != nil {
				listed = a.list
			}
			if a.date != nil && (report.SkewNS == nil || port == ports.Revocation) { // 443 stands in for 80
				report.SkewNS = a.date
			}
		})
	}
	work.Wait()
	report.lookUp(cfg.now(), listed, shown)
	report.conclude()
	return report
}

func (c *Config) now() time.Time { return c.Now() }

// order is every port once, those with one job first, as the documents list
// them.
func order() []string {
	all := []string{ports.Revocation, ports.SignIn, ports.Bootstrap, ports.Registration, ports.Renewal}
	all = append(all, ports.Signalling()...)
	all = append(all, ports.Fast)
	return append(all, ports.Responses()...)
}

// lookUp looks for the certificates that were shown in the revocation list.
func (r *Report) lookUp(now time.Time, list *x509.RevocationList, shown map[string][]*x509.Certificate) {
	if list == nil {
		return
	}
	issuerShown := false
	for i := range r.Checks {
		check := &r.Checks[i]
		chain := shown[check.Port]
		if len(chain) < 2 || list.CheckSignatureFrom(chain[1]) != nil {
			continue
		}
		issuerShown = true
		for _, entry := range list.RevokedCertificateEntries {
			if entry.SerialNumber.Cmp(chain[0].SerialNumber) == 0 {
				check.Outcome, check.Detail = reach.Revoked, "its certificate was revoked on "+entry.RevocationTime.UTC().Format(time.DateOnly)
			}
		}
	}
	for i := range r.Checks {
		check := &r.Checks[i]
		switch {
		case check.Port != ports.Revocation || !check.OK():
		case len(shown) > 0 && !issuerShown:
			check.Outcome, check.Detail = reach.Failed, "the revocation list is not by whoever issued the cloud's certificates"
		case now.After(list.NextUpdate.Add(MaxSkew)):
			check.Outcome, check.Detail = reach.Expired, "the revocation list ran out on "+list.NextUpdate.UTC().Format(time.RFC3339)
		}
	}
}

// An attempt is to connect to one port, and what came of it besides.
type attempt struct {
	cfg           *Config
	port, address string

	chain []*x509.Certificate // that the cloud showed and that holds
	list  *x509.RevocationList
	date  *int64 // by how much this host's clock is ahead
}

func (a *attempt) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
	defer cancel()
	if a.port == ports.Revocation {
		return a.fetchList(ctx)
	}
	return a.handshake(ctx)
}

// handshake connects as a connector does. A port that demands a connector's
// certificate says so after the handshake, so it counts as reachable.
func (a *attempt) handshake(ctx context.Context) error {
	host, _, err := net.SplitHostPort(a.address)
	if err != nil {
		return err
	}
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", a.address)
	if err != nil {
		return err
	}
	defer raw.Close()
	protocols := []string{"h2", "http/1.1"}
	if a.port == ports.SignIn {
		protocols = protocols[1:] // for readDate
	}
	conn := tls.Client(raw, &tls.Config{RootCAs: a.cfg.Roots, ServerName: host, MinVersion: tls.VersionTLS13,
		NextProtos: protocols, Time: a.cfg.Now})
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	if verified := conn.ConnectionState().VerifiedChains; len(verified) > 0 {
		a.chain = verified[0]
	}
	if a.port == ports.SignIn {
		a.readDate(ctx, conn)
	}
	return nil
}

// readDate asks what the cloud's clock says. That it does not is no matter: the
// port is reachable.
func (a *attempt) readDate(ctx context.Context, conn *tls.Conn) {
	if until, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(until) // else the handshake's context would not bound it
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodHead, "https://"+a.address+"/", nil)
	if err != nil {
		return
	}
	q.Close = true
	asked := a.cfg.Now()
	if q.Write(conn) != nil {
		return
	}
	answer, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, 16<<10)), q)
	if err != nil {
		return
	}
	answer.Body.Close()
	if date, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		ahead := int64(skew(asked, a.cfg.Now(), date))
		a.date = &ahead
	}
}
