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
	observe, hashSync, directory, sync string
}

// newSecrets makes them. That of somebody's own directory is not ours to make.
func newSecrets(s *scenarios.Scenario) secrets {
	made := secrets{rand.Text(), rand.Text(), rand.Text(), rand.Text()}
	if s.Directory.Kind == scenarios.Outside {
		made.directory = os.Getenv(directoryPassword)
	}
	return made
}

// commands makes the command lines of a run's roles. Whatever stands there can
// be seen by everybody on the host; secrets go by the environment.
type commands struct {
	program  []string // starts this program's own roles
	scenario *scenarios.Scenario
	dir      string // the run's
	secrets  secrets
	meeting  *meeting
	updates  *updates // nil for a run without any
	clients  []string // flags of the cloud that register programs of one's own
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
		roles := 3 + c.scenario.Connectors.Count + len(c.scenario.ADFSNames()) // harness, cloud, directory
		told = max(1, 2*runtime.NumCPU()/roles)
	}
	return "GOMAXPROCS=" + strconv.Itoa(told)
}

// command puts a role and its flags behind the program.
func (c *commands) command(role string, flags ...string) []string {
	return slices.Concat(c.program, []string{role}, flags)
}

// cloud is told where the federation servers describe themselves, which listen
// only later; nil when no tenant federates.
func (c *commands) cloud(balancer *observe.Ready) proc.Spec {
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
		"--lockout", s.Lockout,
		"--several-per-host=" + strconv.FormatBool(bool(s.SeveralPerHost) || c.meeting.source(1) == ""),
	}
	flags = append(flags, c.updates.cloudFlags(s.UpdateEvery)...)
	flags = append(flags, c.clients...)
	for _, t := range c.scenario.Tenants {
		tenant := fmt.Sprintf("name=%s,domain=%s,method=%s,fallback=%s", t.Name, strings.Join(t.Domains, "+"), t.Method, t.Fallback)
		if t.Method == scenarios.Federated {
			tenant += ",metadata=" + metadata(*balancer)
		}
		flags = append(flags, "--tenant", tenant)
	}
	if balancer != nil {
		flags = append(flags, "--trust", c.farmCA())
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

// directory is the i-th directory server, from 0. The first one pushes the
// hashes, unless an agent reads them.
func (c *commands) directory(i int, name string, cloud observe.Ready) proc.Spec {
	p, kind := c.scenario.Population, c.scenario.Directory.Kind
	var states []string
	for _, s := range slices.Sorted(maps.Keys(p.States)) {
		states = append(states, fmt.Sprintf("%s=%s", s, p.States[s]))
	}
	flags := []string{
		"--name", name,
		"--state", c.state(name),
		"--users", strconv.Itoa(p.Users),
		"--seed", strconv.FormatUint(c.scenario.Seed, 10),
		"--domain", c.scenario.Tenants[0].Domains[0],
		"--states", strings.Join(states, ","),
	}
	if kind == scenarios.Embedded {
		flags = append(flags,
			"--delay", c.scenario.Directory.Delay.String(),
			"--bind-log", c.bindLog(name), // appended to when started again
		)
	} else {
		flags = append(flags, "--kind", string(kind))
	}
	if spread := c.scenario.PopulationSpread(); len(spread.Others) > 0 {
		flags = append(flags, "--other-domains", strings.Join(spread.Others, ","), "--zipf", strconv.FormatFloat(spread.Exponent, 'g', -1, 64))
	}
	if synced := c.syncedTenants(); len(synced) > 0 && i == 0 && !c.scenario.HashSync.On() {
		flags = append(flags,
			"--hash-sync-url", "https://"+cloud.Ports["hashsync"],
			"--hash-sync-ca", filepath.Join(c.state(roleCloud), "ca.pem"),
			"--hash-sync-tenant", strings.Join(synced, ","),
		)
	}
	first := slices.Concat(flags, c.meeting.directoryFlags(i))
	spec := proc.Spec{
		Name: name, Role: roleDirectory, LogFile: c.log(name), ReadyWithin: c.startWithin(),
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
	}
	if kind == scenarios.Embedded {
		spec.Started = c.slowDirectories
		if c.scenario.HashSync.On() {
			spec.Env = append(spec.Env, syncPassword+"="+c.secrets.sync)
		}
	}
	return spec
}

// bindLog is the book of a directory server's user binds: binds.csv of the only
// one, binds-1.csv and so on of several.
func (c *commands) bindLog(name string) string {
	number := strings.TrimPrefix(name, roleDirectory)
	base, extension, _ := strings.Cut(bindLogFile, ".")
	return filepath.Join(c.dir, results.LogsDir, base+number+"."+extension)
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

func (c *commands) connector(n int, directory whereabouts, registrationToken string) proc.Spec {
	s, name := c.scenario.Connectors, connectorName(n)
	flags := slices.Concat([]string{
		"--name", name,
		"--tenant", c.scenario.TenantOf(n).Name,
		"--cloud", filepath.Join(c.state(roleCloud), "cloud.json"),
		"--state", c.state(name),
	}, c.directoryFlags(directory), []string{
		"--concurrency", strconv.Itoa(c.scenario.Connector(n).Concurrency),
		"--pool", strconv.Itoa(s.Pool),
		"--bind-timeout", s.BindTimeout.String(),
		"--connect-timeout", s.ConnectTimeout.String(),
		"--renew-before", s.RenewBefore.String(),
		"--revocation", string(s.Revocation),
	})
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
