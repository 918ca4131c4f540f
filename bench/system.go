package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"ptabench/bench/fault"
	"ptabench/bench/load"
	"ptabench/bench/proc"
	"ptabench/observe"
	"ptabench/population"
	"ptabench/results"
	"ptabench/scenarios"
)

// callWithin bounds a call to a role's observe listener.
const callWithin = 5 * time.Second

// system is the processes under test: what faults are injected into and
// counters are read from.
type system struct {
	roles      *proc.Supervisor
	commands   commands
	http       *http.Client // to observe listeners
	cloud      *proc.Process
	directory  *proc.Process
	connectors []*proc.Process // by number
}

var _ fault.System = (*system)(nil)

func newSystem(r *run) *system {
	return &system{
		roles: r.roles,
		commands: commands{program: r.Program, scenario: r.Scenario, dir: r.Dir,
			secrets: newSecrets()},
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2}},
	}
}

// start brings the system up: the cloud, which the others need to know; then
// the directory, which pushes its hashes; then the connectors, all at once.
func (s *system) start(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	if s.cloud, err = s.roles.Start(ctx, s.commands.cloud()); err != nil {
		return err
	}
	if s.directory, err = s.roles.Start(ctx, s.commands.directory(s.cloud.Ready())); err != nil {
		return err
	}
	count := s.commands.scenario.Connectors.Count
	s.connectors = make([]*proc.Process, count)
	group, ctx := errgroup.WithContext(ctx)
	for n := 1; n <= count; n++ {
		group.Go(func() error {
			var token struct{ Token string }
			path := "/tenants/" + s.commands.scenario.Tenants[0].Name + "/registration-tokens"
			if err := s.client(s.cloud).Post(ctx, path, nil, &token); err != nil {
				return fmt.Errorf("registration token for %s: %w", connectorName(n), err)
			}
			p, err := s.roles.Start(ctx, s.commands.connector(n, s.directory.Ready(), token.Token))
			s.connectors[n-1] = p
			return err
		})
	}
	return group.Wait()
}

// client calls a role's observe listener, where it is at present.
func (s *system) client(p *proc.Process) *observe.Client {
	return &observe.Client{Address: p.Ready().Ports["observe"], Token: s.commands.secrets.observe, HTTP: s.http}
}

// Processes implements fault.System.
func (s *system) Processes(target string) ([]fault.Process, error) {
	switch target {
	case roleCloud:
		return []fault.Process{s.cloud}, nil
	case roleDirectory:
		return []fault.Process{s.directory}, nil
	}
	var found []fault.Process
	for _, p := range s.connectors {
		if target == "connectors" || target == p.Name() {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("target %q: no process of this run", target)
	}
	return found, nil
}

// Source implements fault.System.
func (s *system) Source(connector string) (string, error) {
	n := slices.IndexFunc(s.connectors, func(p *proc.Process) bool { return p.Name() == connector })
	if n < 0 {
		return "", fmt.Errorf("connector %q: none of this run", connector)
	}
	if !perConnectorSources {
		return "", errors.New("connectors cannot be told apart by address on this system")
	}
	return connectorSource(n + 1), nil
}

// Gates implements fault.System.
func (s *system) Gates() fault.Gates { return fault.RemoteGates{Client: s.client(s.cloud)} }

// Delays implements fault.System.
func (s *system) Delays() fault.Delays { return fault.RemoteDelays{Client: s.client(s.directory)} }

// connectorNames are in the order of the Server numbers of samples.
func (s *system) connectorNames() (names []string) {
	for _, p := range s.connectors {
		names = append(names, p.Name())
	}
	return names
}

// generator plans the load on this system.
func (s *system) generator(sc *scenarios.Scenario, users *population.Population, sink func(results.Sample)) (*load.Generator, error) {
	ready := s.cloud.Ready()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(ready.CAPEM)) {
		return nil, errors.New("cloudsim's ready line: ca_pem: expected a certificate")
	}
	base := "https://" + ready.Ports["443"] + "/" + sc.Tenants[0].Name
	verify, err := s.verifier(base+"/discovery/v2.0/keys", roots)
	if err != nil {
		return nil, err
	}
	mix := make(map[scenarios.Intent]float64)
	for intent, share := range sc.Load.Mix {
		mix[intent] = float64(share)
	}
	pool := sc.Load.Pool
	if sc.Load.Connections == scenarios.PerSignIn {
		pool = 0
	}
	return load.New(load.Config{
		URL: base + "/oauth2/v2.0/token", OpenURL: base + "/v2.0/.well-known/openid-configuration", Roots: roots, Scope: sc.Load.Scope,
		Population: users, Mix: mix, Connectors: s.connectorNames(), Seed: sc.Seed,
		Arrivals: sc.Load.Arrivals, Rate: float64(sc.Load.Rate), Warmup: time.Duration(sc.Load.Warmup),
		Duration: time.Duration(sc.Load.Duration), Timeout: time.Duration(sc.Load.Timeout),
		Pool: pool, Sink: sink, Verify: verify,
	})
}

// verifier fetches the published keys and returns what checks tokens with
// them.
func (s *system) verifier(url string, roots *x509.CertPool) (func([]byte) error, error) {
	client := &http.Client{Timeout: callWithin, Transport: &http.Transport{TLSClientConfig: tlsTrusting(roots)}}
	defer client.CloseIdleConnections()
	resp, err := client.Get(url)
	if err != nil {
		return nil, fmt.Errorf("published keys: %w", err)
	}
	defer resp.Body.Close()
	keys, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("published keys: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("published keys: %s: %s", url, resp.Status)
	}
	if !json.Valid(keys) {
		return nil, fmt.Errorf("published keys: %s: expected JSON", url)
	}
	return load.NewVerifier(keys)
}

func tlsTrusting(roots *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}
