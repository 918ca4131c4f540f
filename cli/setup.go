package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ptabench/setup"
	"ptabench/setup/ask"
	"ptabench/setup/cloud"
	"ptabench/setup/install"
	"ptabench/setup/preflight"
)

// reachTimeout is how long an attempt to reach a port may take, unless told
// otherwise.
const reachTimeout = 5 * time.Second

const setupLong = `Set up pass-through authentication on this host, step by step.

The wizard connects to the cloud, where an administrator signs in by a browser
or by a code; it connects to the directory, tries an account there and finds its
domain; it asks how users are to sign in; and, once that is confirmed, it
installs, registers and starts the first connector on this host, sets the
tenant's sign-in method, and prints the command that installs further
connectors. Nothing is changed before that, and Ctrl-C leaves nothing half done.

Every answer is a flag as well. With --yes nothing is asked: what is missing is
said all at once. Where the terminal can show no form, questions come line by
line (--accessible forces that).

--check tries every port of the specification and nothing else: which can be
reached from here, and what will not work otherwise. It needs --cloud, and
--tenant to learn the ports from the cloud; it exits with 1 when something
that a connector needs cannot be reached.

Where systemd runs and root sets up, the connector is a service; elsewhere it
goes on in the background, or with --foreground as long as this command.

Secrets come by the environment or by files (0600):
  PTABENCH_DIRECTORY_PASSWORD      of the directory's account --bind-dn
  PTABENCH_TEST_PASSWORD           of --test-user
  PTABENCH_ADMINISTRATOR_PASSWORD  of --administrator; then this program signs
                                   in by itself`

func setupCommand() *cobra.Command {
	var (
		a                                   setup.Answers
		cfg                                 setup.Config
		from                                signInFlags
		passwordFile, testFile              string
		backup, yes, accessible, check, asJ bool
		noSystemd                           bool
	)
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Set up pass-through authentication on this host, step by step",
		Long:  setupLong,
		Example: `  ptabench setup
  ptabench setup --check --cloud cloud.contoso.test --cloud-ca ca.pem --tenant contoso
  ptabench setup --yes --cloud cloud/cloud.json --administrator admin@contoso.test --device-code \
    --directory ldaps://dc1.contoso.test --directory-ca directory/ca.pem \
    --directory-password-file directory/service.password --method pass-through`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			if cfg.Timeout <= 0 || cfg.Timeout > time.Minute {
				return fmt.Errorf("setup: --timeout %v: expected more than 0s, up to 1m", cfg.Timeout)
			}
			if check {
				return checkPorts(ctx, cmd.OutOrStdout(), a.Cloud, a.CloudCA, a.Tenant, from.administrator, cfg.Timeout, asJ)
			}
			if asJ {
				return errors.New("setup: --json: expected --check with it")
			}
			if cmd.Flags().Changed("hash-sync-backup") {
				a.HashSyncBackup = ask.No
				if backup {
					a.HashSyncBackup = ask.Yes
				}
			}
			err := errors.Join(
				from.into(&a),
				secretInto(&a.DirectoryPassword, "PTABENCH_DIRECTORY_PASSWORD", "directory-password-file", passwordFile),
				secretInto(&a.TestPassword, "PTABENCH_TEST_PASSWORD", "test-password-file", testFile),
			)
			if err != nil {
				return fmt.Errorf("setup: %w", err)
			}
			if cfg.Host, err = install.ThisHost(); err != nil {
				return fmt.Errorf("setup: %w", err)
			}
			if noSystemd {
				cfg.Host.Systemd = false
			}
			cfg.Answers, cfg.Out, cfg.Call = a, cmd.OutOrStdout(), os.Args[0]
			cfg.Open = from.opener()
			if !yes {
				asker, done := newAsker(cmd.InOrStdin(), cmd.OutOrStdout(), accessible)
				defer done()
				cfg.Asker = asker
			}
			if err := setup.Run(ctx, cfg); err != nil {
				code := exitUsage
				if errors.Is(err, ask.ErrAborted) || ctx.Err() != nil {
					code = exitAborted
				}
				return &exitError{code: code, err: fmt.Errorf("setup: %w", err)}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&check, "check", false, "try the ports of the cloud and its certificates, and nothing else")
	f.BoolVar(&asJ, "json", false, "with --check: print JSON")
	f.StringVar(&a.Cloud, "cloud", "", "the cloud: host, host:port (of port 443), or the file with its ready line (cloud.json)")
	f.StringVar(&a.CloudCA, "cloud-ca", "", "file with the certificate, in PEM, that signs the cloud's; a cloud file holds it")
	from.add(f)
	f.StringVar(&a.Tenant, "tenant", "", "tenant to configure; by default the first word of the administrator's domain")
	f.StringVar(&a.Directory, "directory", "", "directory, ldaps://host:port")
	f.StringVar(&a.DirectoryCA, "directory-ca", "", "file with the certificate, in PEM, that signs the directory's")
	f.StringVar(&a.BindDN, "bind-dn", "", "account that looks up why a sign-in was refused; the test directory says its own")
	f.StringVar(&passwordFile, "directory-password-file", "", "file (0600) with its password")
	f.StringVar(&a.BaseDN, "base-dn", "", "where in the directory the users are; by default where it says")
	f.StringVar(&a.TestUser, "test-user", "", "user whose sign-in to the directory to try, such as user000001@contoso.test")
	f.StringVar(&testFile, "test-password-file", "", "file (0600) with the password of --test-user")
	f.StringVar(&a.Method, "method", "", "how users sign in: pass-through, hash-sync, federation, none (do not configure)")
	f.BoolVar(&backup, "hash-sync-backup", true, "hash synchronization answers when pass-through or federation cannot")
	f.StringVar(&a.FederationMetadata, "federation-metadata", "", "https address of the federation server's metadata")
	f.StringVar(&a.Name, "name", install.DefaultName(), "name of this host's connector, unique within the tenant")
	f.StringVar(&a.HostName, "host-name", "", "what the cloud is told that this host is called; by default what the system says")
	f.BoolVar(&a.Replace, "replace", false, "take the name of a connector that is active, which is revoked")
	f.StringVar(&a.Dir, "dir", "", "directory of the connector; by default /var/lib/ptabench-connector-NAME, below the home directory for others than root")
	f.BoolVar(&cfg.Foreground, "foreground", false, "run the connector as long as this command")
	f.BoolVar(&cfg.NoStart, "no-start", false, "do not start the connector")
	f.BoolVar(&noSystemd, "no-systemd", false, "start it in the background also where systemd runs")
	f.BoolVar(&yes, "yes", false, "ask nothing and confirm everything")
	f.BoolVar(&yes, "non-interactive", false, "the same as --yes")
	f.BoolVar(&accessible, "accessible", false, "ask line by line")
	f.BoolVar(&cfg.IgnorePreflight, "ignore-preflight", false, "go on although ports cannot be reached")
	f.DurationVar(&cfg.Timeout, "timeout", reachTimeout, "how long each attempt to reach something may take")
	return cmd
}

func secretInto(to *string, variable, flag, file string) (err error) {
	*to, err = secret(variable, flag, file)
	return err
}

// newAsker asks by a form where the terminal can show one.
func newAsker(in io.Reader, out io.Writer, accessible bool) (_ ask.Asker, done func()) {
	if !accessible && isTerminal(in) && isTerminal(out) && os.Getenv("TERM") != "dumb" && os.Getenv("TERM") != "" && os.Getenv("ACCESSIBLE") == "" {
		return ask.NewForm(in, out), func() {}
	}
	lines := ask.NewLines(in, out)
	return lines, lines.Close
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// checkPorts is the pre-flight by itself.
func checkPorts(ctx context.Context, out io.Writer, at, ca, tenant, administrator string, timeout time.Duration, asJSON bool) error {
	if tenant == "" {
		tenant = setup.TenantOf(administrator)
	}
	c, err := cloud.Read(at, ca, tenant, timeout)
	if err != nil {
		return fmt.Errorf("setup --check: %w", err)
	}
	switch {
	case tenant != "":
		c.Locate(ctx)
	default:
		c.Assume(errors.New("--tenant: not given, so the cloud was not asked where it listens"))
	}
	report := preflight.Run(ctx, preflight.Config{Endpoints: c.Endpoints, Roots: c.Roots(), Timeout: timeout})
	if ctx.Err() != nil {
		return &exitError{code: exitAborted, err: errors.New("setup --check: interrupted")}
	}
	if c.Guessed != nil {
		report.Note = c.Guess().Error()
	}
	if asJSON {
		encode := json.NewEncoder(out)
		encode.SetIndent("", "  ")
		err = encode.Encode(report)
	} else {
		err = report.WriteText(out)
	}
	switch {
	case err != nil:
		return err
	case !report.OK:
		return &exitError{code: exitFail} // said already
	}
	return nil
}

// signInFlags are how an administrator signs in.
type signInFlags struct {
	administrator, passwordFile string
	device, browser             bool
}

type flagSet interface {
	StringVar(p *string, name, value, usage string)
	BoolVar(p *bool, name string, value bool, usage string)
}

func (s *signInFlags) add(f flagSet) {
	f.StringVar(&s.administrator, "administrator", "", "administrator of the tenant, such as admin@contoso.test")
	f.BoolVar(&s.browser, "browser", false, "the administrator signs in by a browser on this host")
	f.BoolVar(&s.device, "device-code", false, "the administrator signs in by a code, in a browser anywhere; the default where this host has no screen")
	f.StringVar(&s.passwordFile, "administrator-password-file", "", "file (0600) with the administrator's password: this program signs in by itself")
}

func (s *signInFlags) into(a *setup.Answers) error {
	a.Administrator = s.administrator
	err := secretInto(&a.AdministratorPassword, "PTABENCH_ADMINISTRATOR_PASSWORD", "administrator-password-file", s.passwordFile)
	switch {
	case s.browser && s.device:
		err = errors.Join(err, errors.New("--browser, --device-code: expected one of them"))
	case s.browser:
		a.SignIn = setup.Browser
	case s.device:
		a.SignIn = setup.DeviceCode
	case a.AdministratorPassword != "":
		a.SignIn = setup.Password
	case hasScreen():
		a.SignIn = setup.Browser
	default:
		a.SignIn = setup.DeviceCode
	}
	return err
}

// opener opens browsers where there is one to open.
func (s *signInFlags) opener() func(context.Context, string) {
	if hasScreen() {
		return cloud.OpenBrowser
	}
	return nil
}

// hasScreen reports whether a browser can be opened for the user.
func hasScreen() bool {
	if os.Getenv("SSH_CONNECTION") != "" {
		return false
	}
	if runtime.GOOS == "darwin" {
		return true
	}
	_, err := exec.LookPath("xdg-open")
	return err == nil && (os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != "")
}
