package bench

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"ptabench/bench/load"
	"ptabench/bench/proc"
	"ptabench/observe"
	"ptabench/population"
	"ptabench/results"
	"ptabench/scenarios"
)

// roleNoop is the target of the ceiling, as in its ready line.
const roleNoop = "noop"

// measureCeiling finds what the load generator reaches on this machine against
// a target that does nothing. That target is a process of its own, which is
// gone before anything of the run is started.
func (r *run) measureCeiling(ctx context.Context) (_ results.Ceiling, err error) {
	switch {
	case r.Ceiling != nil:
		return *r.Ceiling, nil
	case r.SkipCeiling:
		return results.Ceiling{}, nil
	}
	r.progress.phase(r, "measuring the load generator")
	roles := proc.NewSupervisor(proc.Options{Started: r.journal.Process})
	defer func() {
		bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*stopGrace)
		defer cancel()
		err = errors.Join(err, roles.Close(bound, stopGrace))
	}()
	within, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	target, err := roles.Start(within, proc.Spec{
		Name: roleNoop, Role: roleNoop, LogFile: filepath.Join(r.Dir, results.LogsDir, roleNoop+".log"),
		Command: append(append([]string{}, r.Program...), roleNoop, "--name", roleNoop),
		Env:     []string{"GOMAXPROCS=" + strconv.Itoa(runtime.NumCPU())}, // as the cloud
	})
	if err != nil {
		return results.Ceiling{}, err
	}
	cfg, _, err := loadOn(target.Ready(), r.Scenario, r.users)
	if err != nil {
		return results.Ceiling{}, err
	}
	return load.Ceiling(ctx, cfg)
}

// loadOn is the load of a scenario on who said this ready line, without what
// becomes of it, and the base of the addresses there.
func loadOn(ready observe.Ready, s *scenarios.Scenario, users *population.Population) (cfg load.Config, base string, err error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(ready.CAPEM)) {
		return load.Config{}, "", fmt.Errorf("the ready line of %s: ca_pem: expected a certificate", ready.Name)
	}
	mix := make(map[scenarios.Intent]float64)
	for intent, share := range s.Load.Mix {
		mix[intent] = float64(share)
	}
	pool := s.Load.Pool
	if s.Load.Connections == scenarios.PerSignIn {
		pool = 0
	}
	cloud := "https://" + ready.Ports["443"]
	base = cloud + "/" + s.Tenants[0].Name
	return load.Config{
		Tenants: loadedTenants(s, cloud), TenantOf: tenantsOf(s, users),
		URL: base + "/oauth2/v2.0/token", OpenURL: base + "/v2.0/.well-known/openid-configuration", Roots: roots, Scope: s.Load.Scope,
		Population: users, Mix: mix, Changed: changedUsers(s), PasswordFirst: s.Directory.Kind != scenarios.Embedded, Seed: s.Seed,
		Arrivals: s.Load.Arrivals, Rate: float64(s.Load.Rate), Warmup: time.Duration(s.Load.Warmup),
		Duration: time.Duration(s.Load.Duration), Timeout: time.Duration(s.Load.Timeout), Pool: pool,
	}, base, nil
}

// noteCeiling keeps the ceiling among the events.
func (r *run) noteCeiling() {
	if r.ceiling.PerS > 0 {
		r.watch.harness(results.Event{Kind: "ceiling", Count: int64(r.ceiling.PerS),
			Cause: fmt.Sprintf("sign-ins per second against a target that does nothing, service p99 %s", results.Duration(r.ceiling.P99))})
	}
}
