package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ptabench/bench/expect"
	"ptabench/observe"
	"ptabench/scenarios"
)

var _ expect.System = (*system)(nil)

// lookWithin bounds what one process may take to be looked at.
const lookWithin = time.Second

// Look implements expect.System. What cannot be asked, because it is broken on
// purpose or has ended, counts as it was when the watch read it last.
func (s *system) Look(ctx context.Context) expect.Look {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	l := expect.Look{Listed: make(map[string]observe.InventoryConnector), Connectors: make([]expect.Connector, len(s.connectors))}
	var all sync.WaitGroup
	all.Go(func() { l.Err = s.lookAtCloud(ctx, &l) })
	for i, p := range s.connectors {
		all.Go(func() {
			c := &l.Connectors[i]
			c.Name, c.Runs = p.Name(), p.State() == nil
			start := p.Identity()
			if c.Runs && s.client(p).Get(ctx, "/counters", &c.Counted) == nil && p.Identity() == start {
				c.Start, c.Fresh = start, true
				return
			}
			if s.lastReading == nil {
				return
			}
			if last := s.lastReading(c.Name); last != nil {
				c.Start, c.Counted = last.start, last.connector
			}
		})
	}
	all.Wait()
	return l
}

func (s *system) lookAtCloud(ctx context.Context, l *expect.Look) error {
	tenant := s.commands.scenario.Tenants[0].Name
	var counters observe.CloudCounters
	var list observe.Inventory
	err := errors.Join(s.client(s.cloud).Get(ctx, "/counters", &counters),
		s.client(s.cloud).Get(ctx, "/tenants/"+tenant+"/connectors", &list))
	if err != nil {
		return err
	}
	for _, t := range counters.Tenants {
		if t.Name == tenant {
			l.Cloud = t
		}
	}
	for _, c := range list.Connectors {
		l.Listed[c.Name] = c
	}
	return nil
}

// LogFile implements expect.System.
func (s *system) LogFile(process string) string { return s.commands.log(process) }

// dialFrom connects as a client at the host of a connector does.
func (s *system) dialFrom(ctx context.Context, host, address string) (conn net.Conn, err error) {
	n := s.newcomerNumber()
	if host != scenarios.Newcomer {
		n = connectorNumber(host)
	}
	if n < 1 || n > s.newcomerNumber() {
		return nil, fmt.Errorf("host %s: none of this run", host)
	}
	dialer := net.Dialer{KeepAlive: -1}
	if source := s.commands.meeting.source(n); source != "" {
		ip, err := netip.ParseAddr(source)
		if err != nil {
			return nil, err
		}
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 0))
	}
	dialer.SetMultipathTCP(false)
	dial := func() error {
		conn, err = dialer.DialContext(ctx, "tcp", address)
		return err
	}
	if within := s.commands.meeting.host(n); within != nil {
		err = within(dial) // the socket stays in the network that it was made in
	} else {
		err = dial()
	}
	return conn, err
}

// heard counts the bytes that come in.
type heard struct {
	net.Conn
	bytes atomic.Int64
}

func (h *heard) Read(b []byte) (int, error) {
	n, err := h.Conn.Read(b)
	h.bytes.Add(int64(n))
	return n, err
}

// Reach implements expect.Prober.
func (s *system) Reach(ctx context.Context, host, port string) (string, error) {
	role, err := s.Role(s.listensOn(port))
	if err != nil {
		return "", err
	}
	address, ok := role.Ports[port]
	if !ok {
		return "", fmt.Errorf("port %s: nobody listens on it", port)
	}
	word, err := reach(ctx, func() (net.Conn, error) { return s.dialFrom(ctx, host, address) })
	if err != nil {
		return "", fmt.Errorf("port %s from %s: %w", port, host, err)
	}
	return word, nil
}

// reach says what there is to be found where dial connects to. A port answers
// when anything comes back to the beginning of a TLS connection; the one of
// revocation lists says that it speaks HTTP.
func reach(ctx context.Context, dial func() (net.Conn, error)) (string, error) {
	conn, err := dial()
	if err == nil {
		h := &heard{Conn: conn}
		defer conn.Close()
		stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
		defer stop()
		// Only whether anything answers is of interest, so nobody is verified.
		err = tls.Client(h, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"}).HandshakeContext(ctx)
		if err == nil || h.bytes.Load() > 0 {
			return scenarios.ReachAnswers, nil
		}
	}
	var timeout net.Error
	switch {
	case ctx.Err() != nil, errors.As(err, &timeout) && timeout.Timeout():
		return scenarios.ReachSilent, nil
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF):
		return scenarios.ReachRefused, nil
	}
	return "", err
}

// listensOn is whose port connectors dial; of several directory servers the
// first one's.
func (s *system) listensOn(port string) string {
	if port == "ldaps" && len(s.directories) > 0 {
		return s.directories[0].Name()
	}
	return roleCloud
}

// SignIn implements expect.Prober. The user is of a domain that no tenant has,
// so that nobody's books know the sign-in: what counts is that the cloud says
// so.
func (s *system) SignIn(ctx context.Context, host string) (string, error) {
	u, err := s.userAt(host)
	if err != nil {
		return "", err
	}
	text, err := u.post(ctx, "token", url.Values{"grant_type": {"password"}, "client_id": {"d3590ed6-52b3-4102-aeff-aad2292ab01c"},
		"scope": {"openid"}, "username": {"somebody@nowhere.invalid"}, "password": {"none"}})
	return answeredIf(err == nil && bytes.Contains(text, []byte("AADSTS"))), nil
}

// AdminSignIn implements expect.Prober: it goes as far as an administrator's
// device code, for which nobody signs in.
func (s *system) AdminSignIn(ctx context.Context, host string) (string, error) {
	u, err := s.userAt(host)
	if err != nil {
		return "", err
	}
	return u.adminSignIn(ctx), nil
}

func (u *user) adminSignIn(ctx context.Context) string {
	const setup = "ptabench-setup"
	text, err := u.post(ctx, "devicecode", url.Values{"client_id": {setup}, "scope": {"openid"}})
	var device struct {
		Code string `json:"device_code"`
	}
	if err != nil || json.Unmarshal(text, &device) != nil || device.Code == "" {
		return scenarios.SignInFails
	}
	text, err = u.post(ctx, "token", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {setup},
		"device_code": {device.Code}})
	return answeredIf(err == nil && bytes.Contains(text, []byte("authorization_pending")))
}

func answeredIf(answered bool) string {
	if answered {
		return scenarios.SignInAnswered
	}
	return scenarios.SignInFails
}

// A user is somebody who signs in to the tenant under load, by the endpoints
// below base.
type user struct {
	base string
	http *http.Client
}

// userAt is a user at the host of a connector.
func (s *system) userAt(host string) (*user, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(s.cloud.Ready().CAPEM)) {
		return nil, errors.New("the cloud's ready line holds no certificate")
	}
	return &user{
		base: "https://" + s.cloud.Ready().Ports["443"] + "/" + s.commands.scenario.Tenants[0].Name + "/oauth2/v2.0/",
		http: &http.Client{Transport: &http.Transport{
			DialContext:       func(ctx context.Context, _, address string) (net.Conn, error) { return s.dialFrom(ctx, host, address) },
			TLSClientConfig:   tlsTrusting(roots),
			DisableKeepAlives: true,
		}},
	}, nil
}

// post sends a form and returns what is answered, whatever the status is. An
// error is what such a probe is to find out.
func (u *user) post(ctx context.Context, endpoint string, form url.Values) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, u.base+endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := u.http.Do(q)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return io.ReadAll(io.LimitReader(answer.Body, 1<<20))
}
