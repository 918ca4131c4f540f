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
	balancer   *proc.Process   // nil without federation
	adfs       []*proc.Process // by number
	hashSync   *proc.Process   // nil without such an agent
	accounts   load.Accounts   // what becomes of users; nil for nothing
	connectors []*proc.Process // by number
	// directories are by number; none when it is somebody's own.
	directories []*proc.Process
	tokens      tokens // by which connectors register
	newcomers   newcomers
	// lastReading is the last that was read of a connector; nil when nothing is.
	lastReading func(connector string) *reading
}

var _ fault.System = (*system)(nil)

func newSystem(r *run) *system {
	s := &system{
		roles: r.roles,
		commands: commands{program: r.Program, scenario: r.Scenario, dir: r.Dir,
			clients: clientFlags(r.Clients, r.ClientSecretFiles),
			secrets: newSecrets(r.Scenario), meeting: &meeting{kind: r.Scenario.Network}},
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2}},
	}
	s.commands.watch, s.commands.token = s.clientAt, s.tokens.of
	s.newcomers.started = r.journal.Process
	return s
}

// close takes down what the system stood on. Its processes have ended.
func (s *system) close() error {
	if s == nil {
		return nil
	}
	bound, cancel := context.WithTimeout(context.Background(), 2*stopGrace)
	defer cancel()
	s.StopNewcomer(bound)
	s.http.CloseIdleConnections()
	return errors.Join(s.commands.updates.remove(s.commands.state("")), s.commands.meeting.close())
}

// start brings the system up: its network; the balancer of the federation
// servers, whose address the cloud is told; the cloud, which the others need to
// know; the directories, which push their hashes; the federation servers and
// the agent that ask them; then the connectors, all at once.
func (s *system) start(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, s.commands.startWithin())
	defer cancel()
	count := s.commands.scenario.Connectors.Count
	hosts := count
	if s.commands.scenario.ExpectsNewcomers() {
		hosts = s.newcomerNumber()
	}
	if err := s.commands.meeting.build(hosts); err != nil {
		return err
	}
	if s.commands.updates, err = newUpdates(s.commands.scenario, s.commands.state("updates")); err != nil {
		return err
	}
	if err := s.startBalancer(ctx); err != nil {
		return err
	}
	if s.cloud, err = s.roles.Start(ctx, s.commands.cloud(s.balancerReady())); err != nil {
		return err
	}
	if err := s.startDirectories(ctx); err != nil {
		return err
	}
	if err := s.startFederation(ctx); err != nil {
		return err
	}
	if err := s.startHashSync(ctx); err != nil {
		return err
	}
	return s.startConnectors(ctx, count)
}

// startConnectors starts the connectors, all at once.
func (s *system) startConnectors(ctx context.Context, count int) error {
	directory, err := s.whereabouts()
	if err != nil {
		return err
	}
	s.connectors = make([]*proc.Process, count)
	group, ctx := errgroup.WithContext(ctx)
	for n := 1; n <= count; n++ {
		group.Go(func() error {
			if err := s.newToken(ctx, connectorName(n)); err != nil {
				return err
			}
			p, err := s.roles.Start(ctx, s.commands.connector(n, directory, s.tokens.of(connectorName(n))))
			s.connectors[n-1] = p
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return s.stage()
}

// client calls a role's observe listener, where it is at present.
func (s *system) client(p *proc.Process) *observe.Client { return s.clientAt(p.Ready()) }

func (s *system) clientAt(ready observe.Ready) *observe.Client {
	return &observe.Client{Address: ready.Ports["observe"], Token: s.commands.secrets.observe, HTTP: s.http}
}

// processes are those of the run by name, in the order of their start.
func (s *system) processes() (all []*proc.Process) {
	for _, p := range slices.Concat([]*proc.Process{s.balancer, s.cloud}, s.directories, s.adfs, []*proc.Process{s.hashSync}, s.connectors) {
		if p != nil {
			all = append(all, p)
		}
	}
	return all
}

// Processes implements fault.System.
func (s *system) Processes(target string) ([]fault.Process, error) {
	var found []fault.Process
	for _, p := range s.processes() {
		if scenarios.WithinTarget(p.Name(), target) {
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
	if connector == scenarios.Newcomer && s.commands.scenario.ExpectsNewcomers() {
		n = s.newcomerNumber() - 1
	}
	if n < 0 {
		return "", fmt.Errorf("connector %q: none of this run", connector)
	}
	source := s.commands.meeting.source(n + 1)
	if source == "" {
		return "", errors.New("connectors cannot be told apart by address on this system")
	}
	return source, nil
}

// Role implements fault.System.
func (s *system) Role(name string) (fault.Role, error) {
	for _, p := range s.processes() {
		if p.Name() == name && p.Role() != roleConnector {
			return fault.NewRole(s.client(p), p.Ready().Ports), nil
		}
	}
	return fault.Role{}, fmt.Errorf("role %q: none of this run", name)
}

// ChangedUsers implements fault.System.
func (s *system) ChangedUsers(age scenarios.Duration) int {
	return s.commands.scenario.Population.ChangedUsers(age)
}

// connectorNames are in the order of the Server numbers of samples.
func (s *system) connectorNames() (names []string) {
	for _, p := range s.connectors {
		names = append(names, p.Name())
	}
	return names
}

// generator plans the load on this system.
func (s *system) generator(sc *scenarios.Scenario, users *population.Population, sink func(results.Sample)) (*load.Generator, error) {
	cfg, base, err := loadOn(s.cloud.Ready(), sc, users)
	if err != nil {
		return nil, err
	}
	if cfg.Verify, err = s.verifier(base+"/discovery/v2.0/keys", cfg.Roots); err != nil {
		return nil, err
	}
	if err := s.federate(&cfg); err != nil {
		return nil, err
	}
	cfg.Connectors, cfg.Sink = s.connectorNames(), sink
	cfg.Accounts = s.accounts
	return load.New(cfg)
}

// changedUsers is how many users may still type the password that they changed
// last: those whose former one the oldest state of the hash store would know,
// or, where the store does not go stale, those of a day.
func changedUsers(sc *scenarios.Scenario) int {
	var oldest scenarios.Duration
	for _, f := range sc.Schedule() {
		if f.Kind == scenarios.StaleHashes {
			oldest = max(oldest, f.Age)
		}
	}
	if oldest == 0 {
		oldest = scenarios.Duration(24 * time.Hour)
	}
	return sc.Population.ChangedUsers(oldest)
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
