package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ptabench/cloudsim"
	"ptabench/cloudsim/dispatch"
	"ptabench/cloudsim/lockout"
	"ptabench/cloudsim/rollout"
	"ptabench/observe"
)

func cloudsimCommand() *cobra.Command {
	cfg := cloudsim.Config{Version: version}
	var tenants, ports []string
	var clients clientFlags
	var handoff, locks string
	var severalPerHost bool
	cmd := &cobra.Command{
		Use:   "cloudsim --state DIR --tenant name=contoso,domain=contoso.test",
		Short: "Run the cloud simulator: sign-ins, connector queue, failover, hash store",
		Long: `Run the cloud simulator by itself.

It listens on loopback, on free ports unless told otherwise, and says which in
one JSON line, which it also writes to DIR/cloud.json for 'ptabench connector
--cloud'. On a terminal it says in words for people what it serves, and its log
is text. Started again by hand, it takes the ports of DIR/cloud.json where they
are free, so that connectors find it; where they are not, it warns.

Its certificates are signed by DIR/ca.pem; which of them are revoked,
http://PORT80/crl/ca.crl says. A connector is revoked, for good and at once, by
'ptabench connectors revoke NAME', which is POST
/tenants/TENANT/connectors/NAME/revoke on the observe port. There is also a page
of the connectors, http://OBSERVE/admin/, for whoever enters the observe token.

Secrets come by the environment:
  PTABENCH_OBSERVE_TOKEN   who may read counters and events, set gates and make
                           registration tokens; made and written to
                           DIR/observe.token (0600) when not set
  PTABENCH_HASHSYNC_TOKEN  who may push password hashes; nobody when not set`,
		Example: `  ptabench cloudsim --state cloud --tenant name=contoso,domain=contoso.test
  curl -X POST -H "Authorization: Bearer $(cat cloud/observe.token)" \
       http://127.0.0.1:PORT/tenants/contoso/registration-tokens`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if cfg.Queue.Handoff, err = parseSwitch("handoff", handoff); err != nil {
				return err
			}
			if cfg.Clients, err = parseClients(clients.redirects, clients.secrets); err != nil {
				return err
			}
			if cfg.Lockout, err = lockout.ParseRule(locks); err != nil {
				return fmt.Errorf("--lockout %w", err)
			}
			for _, text := range tenants {
				t, err := parseTenant(text)
				if err != nil {
					return err
				}
				cfg.Tenants = append(cfg.Tenants, t)
			}
			cfg.OnePerHost = !severalPerHost
			cfg.Ports, cfg.KeepPorts = make(map[string]string), byHand()
			for _, text := range ports {
				port, addr, ok := strings.Cut(text, "=")
				if !ok {
					return fmt.Errorf("--port %s: expected PORT=HOST:PORT", text)
				}
				cfg.Ports[port] = addr
			}
			cfg.ObserveToken = os.Getenv("PTABENCH_OBSERVE_TOKEN")
			cfg.HashSyncToken = os.Getenv("PTABENCH_HASHSYNC_TOKEN")
			if err := cfg.Validate(); err != nil {
				return fmt.Errorf("cloudsim: %w", err)
			}
			return serve(cmd, func(ctx context.Context, log *slog.Logger, ready func(observe.Ready)) error {
				return cloudsim.Run(ctx, log, cfg, ready)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.Name, "name", "cloudsim", "name of this process in logs and ready line")
	f.StringVar(&cfg.State, "state", "", "directory that keeps connectors, certificates and hashes")
	f.StringVar(&cfg.Listen, "listen", "127.0.0.1", "address to listen on")
	f.StringArrayVar(&ports, "port", nil, "where a documented port listens, such as 443=127.0.0.1:4443; repeatable")
	f.StringArrayVar(&tenants, "tenant", nil, "a tenant: name=N,domain=D[+D...][,method=pass-through|hash-sync][,fallback=automatic|none-left|manual|off], or name=N,domain=D,method=federation,metadata=https://...[,fallback=off|automatic]; repeatable")
	f.StringArrayVar(&cfg.Trust, "trust", nil, "file with certificates (PEM) of authorities that federation servers are believed by, besides those of this host; it is read when it is needed; repeatable")
	f.StringVar((*string)(&cfg.Queue.Policy), "dispatch", string(dispatch.LeastOutstanding), "which connector gets a sign-in: least-outstanding, random, round-robin, first-available")
	f.StringVar(&handoff, "handoff", "on", "whether a lost connector's sign-ins go to another one: on or off")
	f.IntVar(&cfg.Queue.Attempts, "attempts", 3, "connectors a sign-in is given to at most")
	f.DurationVar(&cfg.Queue.Deadline, "deadline", 5*time.Second, "how long a sign-in may take on the pass-through path")
	f.DurationVar(&cfg.Queue.AttemptTimeout, "attempt-timeout", time.Second, "how long one connector may take before another is tried")
	f.IntVar(&cfg.Queue.Queue, "queue", 10_000, "sign-ins a tenant's queue holds at most")
	f.IntVar(&cfg.Queue.Threshold, "breaker-threshold", 5, "path failures in a row that open a tenant's breaker; 0 for none: then only the loss of the last connector opens it")
	f.DurationVar(&cfg.Queue.Probe, "breaker-probe", 250*time.Millisecond, "interval at which an open breaker tries pass-through with a real sign-in")
	f.DurationVar(&cfg.Heartbeat, "heartbeat", 250*time.Millisecond, "interval of heartbeats on connector streams, both ways")
	f.IntVar(&cfg.HeartbeatMisses, "heartbeat-misses", 3, "silent intervals after which a connector is given up")
	f.DurationVar(&cfg.SealRollover, "seal-rollover", 10*time.Minute, "age at which a session's sealing context is replaced")
	f.IntVar(&cfg.SealRolloverCount, "seal-rollover-count", 1_000_000, "passwords after which a session's sealing context is replaced")
	f.DurationVar(&cfg.CertificateLifetime, "certificate-lifetime", 180*24*time.Hour, "lifetime of connector certificates")
	f.IntVar(&cfg.ConnectorLimit, "connector-limit", cloudsim.DefaultConnectorLimit, "connectors a tenant may have, active or not")
	f.BoolVar(&severalPerHost, "several-per-host", false, "let a tenant have several connectors that name the same host")
	f.DurationVar(&cfg.InactiveAfter, "inactive-after", 0, "time without a session or a status report after which a connector counts as inactive; 0s: once it missed two reports, by the interval at which it sends them")
	f.Float64Var(&cfg.Clock, "clock", 1, "how many times as fast documented periods of days pass, such as the 10 days until an inactive connector is dropped")
	f.DurationVar(&cfg.CRLValidity, "crl-validity", 24*time.Hour, "validity of a revocation list, which is made anew at half of it and at each revocation")
	f.DurationVar(&cfg.BootstrapInterval, "bootstrap-interval", cloudsim.DefaultBootstrapInterval, "how often connectors are to ask where the cloud listens")
	f.DurationVar(&cfg.StatusInterval, "status-interval", cloudsim.DefaultStatusInterval, "how often connectors are to report")
	f.DurationVar(&cfg.RenewalPoll, "renew-poll", cloudsim.DefaultRenewalPoll, "how often connectors are to see whether their certificate needs renewal")
	f.DurationVar(&cfg.ReconnectMax, "reconnect-max", cloudsim.DefaultReconnectMax, "longest wait of connectors between attempts to attach")
	f.StringVar(&cfg.MinConnectorVersion, "min-connector-version", "", "version that connectors should have at least; an older one says so and goes on")
	f.BoolVar(&cfg.RequireMinVersion, "require-min-version", false, "an older connector may not start")
	f.StringVar(&cfg.UpdateDir, "update-dir", "", "directory that updates of connectors are published in ('ptabench update publish'); served on 8080 and 443")
	f.StringVar(&cfg.UpdateKey, "update-key", "", "file with the public key that they are signed by ('ptabench update key')")
	f.DurationVar(&cfg.UpdateEvery, "update-every", cloudsim.DefaultUpdateEvery, "how often connectors are to look for an update")
	f.DurationVar(&cfg.UpdateLease, "update-lease", rollout.DefaultTerm, "how long a connector that updates, and is not heard of, holds up the others of its tenant")
	f.StringArrayVar(&cfg.Administrators, "administrator", nil, "an administrator, NAME@DOMAIN; repeatable; admin@ and its first domain for a tenant that has none")
	f.StringVar(&cfg.AdministratorPasswordFile, "administrator-password-file", "", "file with the administrators' password in one line; by default DIR/administrator.password (0600), made at random when absent")
	clients.register(f)
	f.StringVar(&locks, "lockout", "on", "when wrong passwords lock an account: FAILURES/DURATION, the duration growing with each failure that follows; on is 10/60s, off is never")
	f.StringVar(&cfg.SignInLog, "sign-in-log", "", "file to append a CSV line for each sign-in to")
	return cmd
}

func parseSwitch(flag, text string) (bool, error) {
	switch text {
	case "on":
		return true, nil
	case "off":
		return false, nil
	}
	return false, fmt.Errorf("--%s %s: expected on or off", flag, text)
}

// parseTenant reads name=N,domain=D+D,method=M,fallback=F,metadata=U.
func parseTenant(text string) (cloudsim.Tenant, error) {
	t := cloudsim.Tenant{Method: cloudsim.PassThrough, Fallback: cloudsim.Automatic}
	given := make(map[string]bool)
	for _, field := range strings.Split(text, ",") {
		key, value, ok := strings.Cut(field, "=")
		again := given[key]
		given[key] = true
		switch {
		case !ok:
			return t, fmt.Errorf("--tenant %s: %q: expected key=value", text, field)
		case again:
			return t, fmt.Errorf("--tenant %s: %q is given twice", text, key)
		case key == "name":
			t.Name = value
		case key == "domain":
			t.Domains = strings.Split(value, "+")
		case key == "method":
			t.Method = cloudsim.Method(value)
		case key == "fallback":
			t.Fallback = cloudsim.Fallback(value)
		case key == "metadata":
			t.Metadata = value
		default:
			return t, fmt.Errorf("--tenant %s: %q: expected name, domain, method, fallback or metadata", text, key)
		}
	}
	if t.Method == cloudsim.Federation && !given["fallback"] {
		t.Fallback = cloudsim.Off // who federates chose that passwords do not come here
	}
	return t, nil
}
