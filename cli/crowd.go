package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"ptabench/connector"
	"ptabench/observe"
)

// Bounds of a crowd. starting is how many of its connectors come up at a time:
// what they do then is work for processors, here and in the cloud, and all at
// once they would wait for each other until they run into their time limits.
const (
	maxCrowd = 10_000
	starting = 8
)

// A crowd is many connectors within one process, each with an identity, a state
// directory and a host name of its own.
type crowd struct {
	connector.Config // what they have in common; State is the directory of all
	tenants          []string
	count            int    // of each tenant
	tokens           string // file
}

func crowdCommand() *cobra.Command {
	// One of them that became another program would take all along.
	c := crowd{Config: connector.Config{Version: version, Observe: "127.0.0.1:0", NoUpdate: true}}
	cmd := &cobra.Command{
		Use:   "crowd --tenants NAME,... --count N --tokens FILE --cloud FILE --state DIR --directory URL --directory-ca FILE --bind-dn DN --base-dn DN",
		Short: "Many connectors in one process, for what many connectors do to a cloud",
		Long: `Many connectors in one process, for what many connectors do to a cloud.

Each has its own identity (DIR/TENANT/NAME-N), registration, streams and host
name, and is to the cloud as if it were alone; they share a process, so what one
costs in memory is no figure of this, and none of them is updated. The ready line
comes when all are attached.`,
		Example: `  ptabench connector crowd --tenants contoso,fabrikam --count 20 --tokens tokens.txt \
    --cloud /tmp/cloud/cloud.json --state /tmp/crowd --directory ldaps://127.0.0.1:PORT \
    --directory-ca /tmp/directory/ca.pem --base-dn dc=contoso,dc=test \
    --bind-dn cn=ptabench-connector,ou=services,dc=contoso,dc=test`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.BindPassword = os.Getenv("PTABENCH_DIRECTORY_PASSWORD")
			all, err := c.members()
			if err != nil {
				return fmt.Errorf("connector crowd: %w", err)
			}
			return serve(cmd, func(ctx context.Context, log *slog.Logger, ready func(observe.Ready)) error {
				return runCrowd(ctx, log, all, lean(log, ready))
			})
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&c.tenants, "tenants", nil, "tenants whose sign-ins they answer")
	flags.IntVar(&c.count, "count", 1, "connectors of each tenant")
	flags.StringVar(&c.tokens, "tokens", "", "file with a registration token a line, for those without an identity: first all of the first tenant, then of the next")
	flags.StringVar(&c.Name, "name", "connector", "what their names, and those of their hosts, begin with")
	flags.StringVar(&c.Cloud, "cloud", "", "file with the ready line of the cloud")
	flags.StringVar(&c.State, "state", "", "directory for their state directories")
	flags.StringSliceVar(&c.Directory, "directory", nil, "directory to ask, ldaps://host:port; once for each of its servers")
	flags.StringVar(&c.DirectoryCA, "directory-ca", "", "file with the certificate, in PEM, that the directory is verified against")
	flags.StringVar(&c.BindDN, "bind-dn", "", "service account that looks up why binds were refused; its password is PTABENCH_DIRECTORY_PASSWORD")
	flags.StringVar(&c.BaseDN, "base-dn", "", "where in the directory the users are")
	flags.IntVar(&c.Concurrency, "concurrency", 20, "sign-ins each takes at once")
	flags.IntVar(&c.Pool, "pool", 1, "connections to the directory each has at most")
	flags.DurationVar(&c.BindTimeout, "bind-timeout", connector.DefaultBindTimeout, "how long the directory may take for a sign-in")
	flags.DurationVar(&c.ConnectTimeout, "connect-timeout", connector.DefaultConnectTimeout, "how long an attempt to connect may take")
	return cmd
}

// members are the configurations of all, checked.
func (c *crowd) members() ([]connector.Config, error) {
	var mistakes []error
	if len(c.tenants) == 0 {
		mistakes = append(mistakes, errors.New("--tenants: expected the name of one at least"))
	}
	if c.count < 1 || c.count > maxCrowd || c.count*len(c.tenants) > maxCrowd {
		mistakes = append(mistakes, fmt.Errorf("--count %d: expected 1 or more, and up to %d of all tenants together", c.count, maxCrowd))
	}
	if c.State == "" { // what they have in common; Validate sees theirs
		mistakes = append(mistakes, errors.New("--state: expected a directory"))
	}
	var tokens []string
	if c.tokens != "" {
		var err error
		if tokens, err = readTokens(c.tokens); err != nil {
			mistakes = append(mistakes, fmt.Errorf("--tokens: %w", err))
		} else if want := c.count * len(c.tenants); len(tokens) < want {
			mistakes = append(mistakes, fmt.Errorf("--tokens %s: %d tokens: expected one for each of %d connectors", c.tokens, len(tokens), want))
		}
	}
	if len(mistakes) > 0 {
		return nil, errors.Join(mistakes...)
	}
	var all []connector.Config
	for _, tenant := range c.tenants {
		for n := range c.count {
			one := c.Config
			one.Tenant, one.Name = tenant, c.Name+"-"+strconv.Itoa(n+1)
			one.HostName = one.Name + "." + tenant
			one.State = filepath.Join(c.State, tenant, one.Name)
			if len(tokens) > 0 {
				one.RegistrationToken = tokens[len(all)]
			}
			if err := one.Validate(); err != nil { // of one is of all
				return nil, err
			}
			all = append(all, one)
		}
	}
	return all, nil
}

// readTokens reads a line for each. An error names the line, never what is in
// it.
func readTokens(file string) (tokens []string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if token := strings.TrimSpace(lines.Text()); token != "" {
			tokens = append(tokens, token)
		}
		if len(tokens) > maxCrowd {
			return nil, fmt.Errorf("%s: expected up to %d tokens", file, maxCrowd)
		}
	}
	return tokens, lines.Err()
}

// runCrowd runs them until ctx ends, or one of them does with an error: then
// all end. ready is called when all are attached.
func runCrowd(ctx context.Context, log *slog.Logger, all []connector.Config, ready func(observe.Ready)) error {
	group, ctx := errgroup.WithContext(ctx)
	room := make(chan struct{}, starting)
	var attached sync.WaitGroup
	attached.Add(len(all))
	group.Go(func() error { // ends with the last of them, attached or not
		attached.Wait()
		if ctx.Err() == nil {
			ready(observe.Ready{Role: "connector", Name: "crowd", Info: map[string]string{"connectors": strconv.Itoa(len(all))}})
		}
		return nil
	})
	for _, cfg := range all {
		group.Go(func() error {
			isThere := sync.OnceFunc(func() { <-room; attached.Done() })
			select {
			case room <- struct{}{}:
			case <-ctx.Done():
				attached.Done()
				return nil
			}
			defer isThere()
			err := connector.Run(ctx, log, cfg, func(observe.Ready) { isThere() })
			if err != nil {
				return fmt.Errorf("%s of %s: %w", cfg.Name, cfg.Tenant, err)
			}
			return nil
		})
	}
	return group.Wait()
}
