package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"ptabench/bench/proc"
	"ptabench/observe"
	"ptabench/results"
	"ptabench/scenarios"
)

// Names of roles, as in ready lines and results.
const (
	roleCloud     = "cloudsim"
	roleDirectory = "directory"
	roleConnector = "connector"
)

// The books of the cloud and of the directory, among the logs.
const (
	signInLogFile = "sign-ins.csv"
	bindLogFile   = "binds.csv"
)

// connectorName is the name of the n-th connector, counted from 1.
func connectorName(n int) string { return "connector-" + strconv.Itoa(n) }

// secrets are made for one run and known to its processes only.
type secrets struct {
	observe, hashSync, directory string
}

func newSecrets() secrets { return secrets{rand.Text(), rand.Text(), rand.Text()} }

// commands makes the command lines of a run's roles. Whatever stands there can
// be seen by everybody on the host; secrets go by the environment.
type commands struct {
	program  []string // starts this program's own roles
	scenario *scenarios.Scenario
	dir      string // the run's
	secrets  secrets
	meeting  *meeting
	updates  *updates // nil for a run without any
	// watch reaches the observe listener that a ready line names.
	watch func(observe.Ready) *observe.Client
	// token is by which a connector is to register when it must; nil for always
	// the same.
	token func(connector string) string
}

func (c *commands) state(name string) string { return filepath.Join(c.dir, "state", name) }
func (c *commands) log(name string) string   { return filepath.Join(c.dir, results.LogsDir, name+".log") }

// processors is how many processors a role may use at once, as the environment
// of a Go program says it. Unless it is told, that is its share of the machine,
// twice over because not all are busy at once: the roles share what there is,
// and threads that look for work on a processor that is not theirs take it from
// the load.
func (c *commands) processors(told int) string {
	if told == 0 {
		told = max(1, 2*runtime.NumCPU()/(3+c.scenario.Connectors.Count)) // harness, cloud, directory
	}
	return "GOMAXPROCS=" + strconv.Itoa(told)
}

// command puts a role and its flags behind the program.
func (c *commands) command(role string, flags ...string) []string {
	return slices.Concat(c.program, []string{role}, flags)
}

func (c *commands) cloud() proc.Spec {
	s := c.scenario.Cloud
	flags := []string{
		"--name", roleCloud,
		"--state", c.state(roleCloud),
		"--sign-in-log", filepath.Join(c.dir, results.LogsDir, signInLogFile),
		"--dispatch", string(s.Dispatch),
		"--handoff", s.Handoff.String(),
		"--attempts", strconv.Itoa(s.Attempts),
		"--deadline", s.Deadline.String(),
		"--attempt-timeout", s.AttemptTimeout.String(),
		"--heartbeat", s.Heartbeat.String(),
		"--heartbeat-misses", strconv.Itoa(s.HeartbeatMisses),
		"--queue", strconv.Itoa(s.Queue),
		"--breaker-threshold", strconv.Itoa(s.BreakerThreshold),
		"--breaker-probe", s.BreakerProbe.String(),
		"--seal-rollover", s.SealRollover.String(),
		"--seal-rollover-count", strconv.Itoa(s.SealRolloverCount),
		"--certificate-lifetime", s.CertificateLifetime.String(),
		"--crl-validity", s.RevocationListValidity.String(),
		"--bootstrap-interval", s.BootstrapInterval.String(),
		"--status-interval", s.StatusInterval.String(),
		"--renew-poll", s.RenewalPoll.String(),
		"--inactive-after", s.InactiveAfter.String(),
		"--clock", strconv.Itoa(s.Clock),
		"--connector-limit", strconv.Itoa(s.ConnectorLimit),
		"--several-per-host=" + strconv.FormatBool(bool(s.SeveralPerHost) || c.meeting.source(1) == ""),
	}
	flags = append(flags, c.updates.cloudFlags(s.UpdateEvery)...)
	for _, t := range c.scenario.Tenants {
		flags = append(flags, "--tenant", fmt.Sprintf("name=%s,domain=%s,method=%s,fallback=%s",
			t.Name, strings.Join(t.Domains, "+"), t.Method, t.Fallback))
	}
	if c.scenario.ExpectsNewcomers() {
		apart := newcomerIn(c.scenario)
		flags = append(flags, "--tenant", "name="+apart+",domain="+apart+".invalid,method=pass-through,fallback=off")
	}
	return proc.Spec{
		Name: roleCloud, Role: roleCloud, LogFile: c.log(roleCloud),
		Command: c.command(roleCloud, slices.Concat(flags, c.meeting.cloudFlags())...),
		// Users and connectors know the cloud by its addresses. Its state
		// directory keeps whom it trusts and what was synced to it.
		Again: func(last observe.Ready) []string {
			where := flags
			for _, port := range slices.Sorted(maps.Keys(last.Ports)) {
				where = append(where[:len(where):len(where)], "--port", port+"="+last.Ports[port])
			}
			return c.command(roleCloud, where...)
		},
		Env: []string{
			"PTABENCH_OBSERVE_TOKEN=" + c.secrets.observe,
			"PTABENCH_HASHSYNC_TOKEN=" + c.secrets.hashSync,
			c.processors(runtime.NumCPU()), // every sign-in goes through it, twice
		},
	}
}

func (c *commands) directory(cloud observe.Ready) proc.Spec {
	p := c.scenario.Population
	tenant := c.scenario.Tenants[0]
	var states []string
	for _, s := range slices.Sorted(maps.Keys(p.States)) {
		states = append(states, fmt.Sprintf("%s=%s", s, p.States[s]))
	}
	flags := []string{
		"--name", roleDirectory,
		"--state", c.state(roleDirectory),
		"--users", strconv.Itoa(p.Users),
		"--seed", strconv.FormatUint(c.scenario.Seed, 10),
		"--domain", tenant.Domains[0],
		"--states", strings.Join(states, ","),
		"--delay", c.scenario.Directory.Delay.String(),
		"--bind-log", filepath.Join(c.dir, results.LogsDir, bindLogFile), // appended to when started again
	}
	sync := []string{
		"--hash-sync-url", "https://" + cloud.Ports["hashsync"],
		"--hash-sync-ca", filepath.Join(c.state(roleCloud), "ca.pem"),
		"--hash-sync-tenant", tenant.Name,
	}
	if tenant.Method == scenarios.HashSync || tenant.Fallback != scenarios.FallbackOff {
		flags = append(flags, sync...)
	}
	first := slices.Concat(flags, c.meeting.directoryFlags())
	return proc.Spec{
		Name: roleDirectory, Role: roleDirectory, LogFile: c.log(roleDirectory),
		Command: c.command(roleDirectory, first...),
		Env: []string{
			"PTABENCH_OBSERVE_TOKEN=" + c.secrets.observe,
			"PTABENCH_DIRECTORY_PASSWORD=" + c.secrets.directory,
			"PTABENCH_HASHSYNC_TOKEN=" + c.secrets.hashSync,
			c.processors(0),
		},
		// Connectors know the directory by its address; the hashes are synced,
		// and stay as they are: faults of the hash store outlive it.
		Again: func(last observe.Ready) []string {
			return c.command(roleDirectory, slices.Concat(flags, []string{
				"--ldap", last.Ports["ldap"], "--ldaps", last.Ports["ldaps"], "--observe", last.Ports["observe"],
				"--hash-sync-at-start=false",
			})...)
		},
		Started: c.slowDirectories,
	}
}

// slowDirectories has a directory that has just started treat some connectors
// as if theirs were a slower one. It is no fault: it is so from the start, and
// again when the directory was started again.
func (c *commands) slowDirectories(ctx context.Context, directory observe.Ready) error {
	client := c.watch(directory)
	for n := 1; n <= c.scenario.Connectors.Count; n++ {
		delay := c.scenario.Connector(n).DirectoryDelay
		if delay == 0 {
			continue
		}
		source := c.meeting.source(n)
		if source == "" {
			return fmt.Errorf("connectors.overrides: %s: directory_delay: connectors cannot be told apart by address on this system", connectorName(n))
		}
		slow := observe.BindFault{ID: "delay-" + connectorName(n), Mode: observe.BindSlow,
			Sources: []string{source}, DelayNS: int64(delay)}
		if err := client.Put(ctx, "/faults/"+slow.ID, slow, nil); err != nil {
			return fmt.Errorf("the directory's delay for %s: %w", connectorName(n), err)
		}
	}
	return nil
}

func (c *commands) connector(n int, directory observe.Ready, registrationToken string) proc.Spec {
	s, name := c.scenario.Connectors, connectorName(n)
	flags := []string{
		"--name", name,
		"--tenant", c.scenario.Tenants[0].Name,
		"--cloud", filepath.Join(c.state(roleCloud), "cloud.json"),
		"--state", c.state(name),
		"--directory", "ldaps://" + directory.Ports["ldaps"],
		"--directory-ca", filepath.Join(c.state(roleDirectory), "ca.pem"),
		"--bind-dn", directory.Info["service_dn"],
		"--base-dn", directory.Info["base_dn"],
		"--concurrency", strconv.Itoa(c.scenario.Connector(n).Concurrency),
		"--pool", strconv.Itoa(s.Pool),
		"--bind-timeout", s.BindTimeout.String(),
		"--connect-timeout", s.ConnectTimeout.String(),
		"--renew-before", s.RenewBefore.String(),
		"--revocation", string(s.Revocation),
	}
	given := c.scenario.Connector(n)
	if given.ResponsePort != 0 {
		flags = append(flags, "--response-port", strconv.Itoa(given.ResponsePort))
	}
	if given.SignallingPort != 0 {
		flags = append(flags, "--signalling-port", strconv.Itoa(given.SignallingPort))
	}
	flags = append(flags, c.meeting.connectorFlags(n)...)
	command := c.command(roleConnector, flags...)
	if len(s.Command) > 0 {
		command = slices.Concat(s.Command, flags)
	}
	return proc.Spec{
		Name: name, Role: roleConnector, LogFile: c.log(name), Command: command, Within: c.meeting.host(n),
		Env: []string{
			"PTABENCH_OBSERVE_TOKEN=" + c.secrets.observe,
			"PTABENCH_DIRECTORY_PASSWORD=" + c.secrets.directory,
			"PTABENCH_REGISTRATION_TOKEN=" + registrationToken,
			c.processors(s.Processors),
		},
		EnvAgain: func() []string {
			if c.token == nil {
				return nil
			}
			return []string{"PTABENCH_REGISTRATION_TOKEN=" + c.token(name)}
		},
	}
}

// selfProgram is the running program, by which its own roles are started.
func selfProgram() ([]string, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding the program to start roles with: %w", err)
	}
	return []string{path}, nil
}
