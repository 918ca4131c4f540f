package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"ptabench/bench/proc"
	"ptabench/observe"
	"ptabench/scenarios"
	"ptabench/whole"
)

// Names of roles that live on premises, as in ready lines and results.
const (
	roleADFS     = "adfs"
	roleBalancer = "balancer"
	roleHashSync = "hashsync"
)

// farm is the state directory that all federation servers share.
const farm = "adfs-farm"

// syncPassword is where the directory and the agent learn the password of the
// sync account.
const syncPassword = "PTABENCH_SYNC_PASSWORD"

// metadataPath is where a federation server describes itself.
const metadataPath = "/FederationMetadata/2007-06/FederationMetadata.xml"

// startWithin bounds the start of all roles. A domain controller is made when
// there is none in the cache yet, and takes its time to come up.
func (c *commands) startWithin() time.Duration {
	if c.scenario.Directory.Kind == scenarios.Samba {
		return 10 * startWithin
	}
	return startWithin
}

// A whereabouts is what connectors and federation servers must know to ask the
// directory.
type whereabouts struct {
	urls          []string
	ca            string // file; empty for the system's
	account, base string
	dialect       string // empty where the connector finds out
}

// whereabouts are those of the directory servers that were started or, without
// any, of the external one.
func (c *commands) whereabouts(servers []observe.Ready) (w whereabouts, err error) {
	if len(servers) == 0 {
		e := c.scenario.Directory.External
		return whereabouts{urls: []string{e.URL}, ca: e.CA, account: e.Account, base: e.Base}, nil
	}
	first := servers[0]
	w = whereabouts{ca: filepath.Join(c.state(first.Name), "ca.pem"), account: first.Info["service_dn"], base: first.Info["base_dn"]}
	if c.scenario.Directory.Kind != scenarios.Embedded {
		w.dialect = first.Info["dialect"]
	}
	for _, s := range servers {
		w.urls = append(w.urls, "ldaps://"+s.Ports["ldaps"])
	}
	if len(servers) > 1 {
		w.ca = c.state("directories.pem")
		err = writeAuthorities(w.ca, servers...)
	}
	return w, err
}

// writeAuthorities writes those by whom the certificates of processes are
// verified into one file.
func writeAuthorities(file string, of ...observe.Ready) error {
	var all []byte
	for _, s := range of {
		all = append(all, strings.TrimSpace(s.CAPEM)+"\n"...)
	}
	return whole.Bytes(file, 0o644, all)
}

// flags tell a connector or a federation server. What there is only of several
// servers, or of other kinds of them, is left out of the usual case: other
// implementations of a connector may not know it.
func (c *commands) directoryFlags(w whereabouts) (flags []string) {
	for _, url := range w.urls {
		flags = append(flags, "--directory", url)
	}
	if w.ca != "" {
		flags = append(flags, "--directory-ca", w.ca)
	}
	flags = append(flags, "--bind-dn", w.account, "--base-dn", w.base)
	if len(w.urls) > 1 {
		flags = append(flags, "--directory-order", string(c.scenario.Directory.Order))
	}
	if w.dialect != "" {
		flags = append(flags, "--directory-dialect", w.dialect)
	}
	return flags
}

// balancer is what stands before the federation servers. It keeps its address,
// which the cloud knows, and is told of them once they listen.
func (c *commands) balancer(servers func() []observe.Ready) proc.Spec {
	flags := []string{"--name", roleBalancer, "--check", "https"}
	return proc.Spec{
		Name: roleBalancer, Role: roleBalancer, LogFile: c.log(roleBalancer),
		Command: c.command(roleBalancer, flags...),
		Again: func(last observe.Ready) []string {
			again := append(slices.Clone(flags), "--listen", last.Ports["https"], "--observe", last.Ports["observe"])
			for _, s := range servers() {
				again = append(again, "--backend", s.Name+"="+s.Ports["https"])
			}
			return c.command(roleBalancer, again...)
		},
		Env: []string{"PTABENCH_OBSERVE_TOKEN=" + c.secrets.observe, c.processors(0)},
	}
}

// metadata is where the cloud reads what the federation servers say of
// themselves: at the balancer, whose address outlives each of them.
func metadata(balancer observe.Ready) string {
	return "https://" + balancer.Ports["https"] + metadataPath
}

// farmCA is the authority of the federation servers' certificates.
func (c *commands) farmCA() string { return filepath.Join(c.state(farm), "ca.pem") }

// adfs is one federation server. All share the farm, where their keys are.
func (c *commands) adfs(name string, balancer, cloud observe.Ready, w whereabouts) proc.Spec {
	flags := slices.Concat([]string{
		"--name", name,
		"--state", c.state(name),
		"--farm", c.state(farm),
		"--public", balancer.Ports["https"],
	}, c.directoryFlags(w))
	for _, t := range c.scenario.Tenants {
		if t.Method == scenarios.Federated {
			flags = append(flags, "--relying-party", "https://"+cloud.Ports["443"]+"/"+t.Name+"/v2.0")
		}
	}
	return proc.Spec{
		Name: name, Role: roleADFS, LogFile: c.log(name), Command: c.command(roleADFS, flags...),
		Again: func(last observe.Ready) []string {
			return c.command(roleADFS, append(slices.Clone(flags), "--listen", last.Ports["https"], "--observe", last.Ports["observe"])...)
		},
		Env: []string{
			"PTABENCH_OBSERVE_TOKEN=" + c.secrets.observe,
			directoryPassword + "=" + c.secrets.directory,
			c.processors(0),
		},
	}
}

// startBalancer starts what the cloud must know of at its start.
func (s *system) startBalancer(ctx context.Context) (err error) {
	if !s.commands.scenario.Federates() {
		return nil
	}
	s.balancer, err = s.roles.Start(ctx, s.commands.balancer(func() []observe.Ready { return readies(s.adfs) }))
	return err
}

// startDirectories starts the directory servers, all at once: each is filled
// with the same accounts by itself.
func (s *system) startDirectories(ctx context.Context) error {
	names := s.commands.scenario.DirectoryNames()
	s.directories = make([]*proc.Process, len(names))
	group, ctx := errgroup.WithContext(ctx)
	for i, name := range names {
		group.Go(func() (err error) {
			s.directories[i], err = s.roles.Start(ctx, s.commands.directory(i, name, s.cloud.Ready()))
			return err
		})
	}
	return group.Wait()
}

// startFederation starts the federation servers and has the balancer know them.
func (s *system) startFederation(ctx context.Context) error {
	names := s.commands.scenario.ADFSNames()
	if len(names) == 0 {
		return nil
	}
	w, err := s.whereabouts()
	if err != nil {
		return err
	}
	all := make([]*proc.Process, len(names))
	group, starting := errgroup.WithContext(ctx)
	for i, name := range names {
		group.Go(func() (err error) {
			all[i], err = s.roles.Start(starting, s.commands.adfs(name, s.balancer.Ready(), s.cloud.Ready(), w))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	s.adfs = all
	return s.introduce(ctx)
}

// introduce tells the balancer of the federation servers, and waits until it
// has seen that they serve.
func (s *system) introduce(ctx context.Context) error {
	balancer := s.client(s.balancer)
	for _, p := range s.adfs {
		backend := observe.Backend{Address: p.Ready().Ports["https"]}
		if err := balancer.Put(ctx, "/backends/"+p.Name(), backend, nil); err != nil {
			return fmt.Errorf("telling the balancer of %s: %w", p.Name(), err)
		}
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var counted observe.BalancerCounters
		if err := balancer.Get(ctx, "/counters", &counted); err != nil {
			return fmt.Errorf("asking the balancer whether federation servers serve: %w", err)
		}
		serve := 0
		for _, b := range counted.Backends {
			if b.Healthy {
				serve++
			}
		}
		if serve == len(s.adfs) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the balancer to see %d federation servers serve: %w", len(s.adfs), context.Cause(ctx))
		}
	}
}

// hashSync is the agent that reads what changed in the first directory server
// and pushes it to the cloud.
func (c *commands) hashSync(directory, cloud observe.Ready) proc.Spec {
	s := c.scenario.HashSync
	flags := []string{
		"--name", roleHashSync,
		"--state", c.state(roleHashSync),
		"--interval", s.Interval.String(),
		"--standing-interval", s.StandingInterval.String(),
		"--batch", strconv.Itoa(s.Batch),
		"--hash-sync-url", "https://" + cloud.Ports["hashsync"],
		"--hash-sync-ca", filepath.Join(c.state(roleCloud), "ca.pem"),
	}
	for _, t := range c.syncedTenants() {
		flags = append(flags, "--hash-sync-tenant", t)
	}
	switch c.scenario.Directory.Kind {
	case scenarios.Samba:
		flags = append(flags, "--source", "samba", "--samba", directory.Info["sam_ldb"])
	default:
		flags = append(flags, "--source", "embedded",
			"--directory", "ldaps://"+directory.Ports["ldaps"],
			"--directory-ca", filepath.Join(c.state(directory.Name), "ca.pem"),
			"--bind-dn", directory.Info["sync_dn"],
			"--base-dn", directory.Info["base_dn"])
	}
	return proc.Spec{
		Name: roleHashSync, Role: roleHashSync, LogFile: c.log(roleHashSync), Command: c.command(roleHashSync, flags...),
		Again: func(last observe.Ready) []string {
			return c.command(roleHashSync, append(slices.Clone(flags), "--observe", last.Ports["observe"])...)
		},
		ReadyWithin: c.startWithin(),
		Env: []string{
			"PTABENCH_OBSERVE_TOKEN=" + c.secrets.observe,
			"PTABENCH_HASHSYNC_TOKEN=" + c.secrets.hashSync,
			syncPassword + "=" + c.secrets.sync,
			c.processors(0),
		},
	}
}

// syncedTenants are those whose hashes are synced, each with its domains where
// there are several.
func (c *commands) syncedTenants() (all []string) {
	for _, t := range c.scenario.Loaded() {
		switch {
		case !t.NeedsHashes():
		case len(c.scenario.Loaded()) == 1:
			all = append(all, t.Name)
		default:
			all = append(all, t.Name+"="+strings.Join(t.Domains, "+"))
		}
	}
	return all
}

// startHashSync starts the agent, which is ready when everything is synced.
func (s *system) startHashSync(ctx context.Context) (err error) {
	if !s.commands.scenario.HashSync.On() {
		return nil
	}
	s.hashSync, err = s.roles.Start(ctx, s.commands.hashSync(s.directories[0].Ready(), s.cloud.Ready()))
	return err
}

// balancerReady is where the balancer listens; nil when there is none.
func (s *system) balancerReady() *observe.Ready {
	if s.balancer == nil {
		return nil
	}
	ready := s.balancer.Ready()
	return &ready
}

// endOrder is in which roles are ended: who asks before who answers. The cloud
// comes before the directories, so that what it has in hand is answered.
var endOrder = []string{roleApp, roleConnector, roleHashSync, roleBalancer, roleADFS, roleCloud, roleDirectory}

// whereabouts are those of the directory servers, once they have started.
func (s *system) whereabouts() (whereabouts, error) {
	return s.commands.whereabouts(readies(s.directories))
}

// federationServers are in the order of the Server numbers of samples that were
// decided by federation.
func (s *system) federationServers() (names []string) {
	for _, p := range s.adfs {
		names = append(names, p.Name())
	}
	return names
}

func readies(all []*proc.Process) (lines []observe.Ready) {
	for _, p := range all {
		lines = append(lines, p.Ready())
	}
	return lines
}
