package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ptabench/setup"
	"ptabench/setup/ask"
	"ptabench/setup/cloud"
	"ptabench/setup/install"
	"ptabench/setup/survey"
)

const installLong = `Install a further connector on this host.

It copies this program and what the connector must know into a directory of its
own (0700), registers the connector, writes a systemd unit that may do little
more than dial out, and starts it. Where systemd does not run the connector goes
on in the background.

--from is the file that 'ptabench setup' made on the first connector's host; it
holds no secret. Flags count before it. An administrator signs in as for
'ptabench setup', or made a token by 'ptabench connector token' elsewhere, which
registers one connector: --token-file.

Secrets come by the environment or by files (0600), and are asked for in a
terminal otherwise:
  PTABENCH_DIRECTORY_PASSWORD      of the directory's account
  PTABENCH_REGISTRATION_TOKEN      as --token-file
  PTABENCH_ADMINISTRATOR_PASSWORD  of --administrator`

// installFlags are those of 'connector install'.
type installFlags struct {
	from, cloud, cloudCA, tenant                 string
	directory, directoryCA, bindDN, baseDN       string
	passwordFile, tokenFile                      string
	name, hostName, dir, user, unitDir           string
	unitOnly, noStart, foreground, yes, noSystem bool
	replace                                      bool
	timeout                                      time.Duration
	signIn                                       signInFlags
}

func installCommand() *cobra.Command {
	var flags installFlags
	cmd := &cobra.Command{
		Use:   "install --from FILE",
		Short: "Install a further connector on this host: files, registration, systemd unit",
		Long:  installLong,
		Example: `  ptabench connector install --from further-connector.json --administrator admin@contoso.test
  ptabench connector install --from further-connector.json --token-file token --yes
  ptabench connector install --from further-connector.json --unit-only`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			err := flags.run(ctx, cmd)
			if err != nil && (ctx.Err() != nil || errors.Is(err, ask.ErrAborted)) {
				return &exitError{code: exitAborted, err: fmt.Errorf("connector install: %w", err)}
			}
			if err != nil {
				return fmt.Errorf("connector install: %w", err)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&flags.from, "from", "", "file that 'ptabench setup' made for further connectors")
	f.StringVar(&flags.tokenFile, "token-file", "", "file (0600) with a token that registers one connector")
	flags.signIn.add(f)
	f.StringVar(&flags.cloud, "cloud", "", "the cloud: host, host:port (of port 443), or the file with its ready line")
	f.StringVar(&flags.cloudCA, "cloud-ca", "", "file with the certificate, in PEM, that signs the cloud's")
	f.StringVar(&flags.tenant, "tenant", "", "tenant whose sign-ins it is to answer")
	f.StringVar(&flags.directory, "directory", "", "directory, ldaps://host:port")
	f.StringVar(&flags.directoryCA, "directory-ca", "", "file with the certificate, in PEM, that signs the directory's")
	f.StringVar(&flags.bindDN, "bind-dn", "", "account that looks up why a sign-in was refused")
	f.StringVar(&flags.baseDN, "base-dn", "", "where in the directory the users are")
	f.StringVar(&flags.passwordFile, "directory-password-file", "", "file (0600) with the password of --bind-dn")
	f.StringVar(&flags.name, "name", install.DefaultName(), "name of the connector, unique within the tenant")
	f.StringVar(&flags.hostName, "host-name", "", "what the cloud is told that this host is called; by default what the system says")
	f.BoolVar(&flags.replace, "replace", false, "take the name of a connector that is active, which is revoked; with a token that happens unasked")
	f.StringVar(&flags.dir, "dir", "", "directory of the connector; by default /var/lib/ptabench-connector-NAME, below the home directory for others than root")
	f.StringVar(&flags.user, "user", "", "user that the service runs as; by default one that systemd makes up")
	f.StringVar(&flags.unitDir, "unit-dir", "", "directory for the unit; by default /etc/systemd/system")
	f.BoolVar(&flags.unitOnly, "unit-only", false, "print the systemd unit, and do nothing else")
	f.BoolVar(&flags.noStart, "no-start", false, "do not start the connector")
	f.BoolVar(&flags.foreground, "foreground", false, "run the connector as long as this command")
	f.BoolVar(&flags.noSystem, "no-systemd", false, "start it in the background also where systemd runs")
	f.BoolVar(&flags.yes, "yes", false, "ask nothing")
	f.DurationVar(&flags.timeout, "timeout", reachTimeout, "how long each attempt to reach something may take")
	return cmd
}

// run installs, all of it or nothing.
func (f *installFlags) run(ctx context.Context, cmd *cobra.Command) (err error) {
	host, err := f.host()
	if err != nil {
		return err
	}
	dir := f.dir
	if dir == "" {
		dir = install.DefaultDir(f.name)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return fmt.Errorf("--dir: %w", err)
	}
	c := &install.Connector{Name: f.name, HostName: f.hostName, Dir: dir, Host: host}
	at, err := f.fill(c, cmd)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if f.unitOnly {
		text, err := c.Unit()
		if err == nil {
			_, err = io.WriteString(out, text)
		}
		return err
	}
	at.Locate(ctx)
	if err := reached(at); err != nil {
		return err
	}
	say := func(format string, args ...any) { fmt.Fprintln(out, ask.Wrap(fmt.Sprintf("✓ "+format, args...), 2)) }
	if err := survey.Try(ctx, survey.Config{URL: c.Directory, CAPEM: c.DirectoryCA, Timeout: f.timeout}, c.BindDN, c.DirectoryPassword, c.BaseDN); err != nil {
		return err
	}
	say("bound to the directory as %s", c.BindDN)
	token, administrator, err := f.token(ctx, cmd, at)
	if err != nil {
		return err
	}
	if administrator != nil { // a token alone may not ask for the tenant's connectors
		defer administrator.Close()
		replaces, err := setup.NameInUse(ctx, administrator, c.Name, f.replace)
		if err != nil {
			return err
		}
		if replaces != "" {
			say("replaces %s", replaces)
		}
	}
	back := setup.Undo{Say: func(line string) { fmt.Fprintln(out, ask.Wrap(line, 2)) }}
	defer func() {
		if err != nil {
			err = back.RollBack(ctx, err)
		}
	}()
	if err := c.Lay(); err != nil {
		return err
	}
	back.Add("installed in "+c.Dir, func(context.Context) error { return c.Remove() })
	say("installed in %s", c.Dir)
	if err := c.Register(ctx, token); err != nil {
		return err
	}
	back.Add("registered "+c.Name, c.Deregister)
	say("registered as %s of tenant %s", c.Name, c.Tenant)
	running, err := setup.StartConnector(ctx, c, f.foreground, f.noStart, out, back.Add)
	if err != nil {
		return err
	}
	switch {
	case f.noStart:
	case administrator != nil:
		if err := setup.Serves(ctx, administrator, c.Name, running); err != nil {
			return err
		}
		say("attached to the cloud: it serves sign-ins")
	case running != nil && !f.foreground:
		bounded, cancel := context.WithTimeout(ctx, attachTime)
		defer cancel()
		if err := running.Attached(bounded); err != nil {
			return fmt.Errorf("waiting until it is attached: %w", err)
		}
		say("attached to the cloud")
	}
	f.next(out, c, running)
	back = setup.Undo{} // it is installed, whatever becomes of it
	if running != nil && f.foreground {
		select {
		case <-ctx.Done():
			running.Stop()
		case <-running.Ended():
			return errors.New("the connector ended by itself; its last words are above")
		}
	}
	return nil
}

// attachTime is how long a connector may take to attach to the cloud.
const attachTime = 30 * time.Second

func (f *installFlags) next(out io.Writer, c *install.Connector, running *install.Process) {
	call := os.Args[0]
	if running != nil && !f.foreground || f.noStart {
		fmt.Fprintf(out, "\nTo start it again: %s connector \\\n    --config %s\n", call, setup.Word(c.ConfigFile()))
	}
	fmt.Fprintf(out, "To be rid of it:   %s connector uninstall --name %s%s\n", call, c.Name, c.Elsewhere())
}

func (f *installFlags) host() (install.Host, error) {
	host, err := install.ThisHost()
	if err != nil {
		return host, err
	}
	host.User = f.user
	if f.unitDir != "" {
		host.UnitDir = f.unitDir
	}
	if f.noSystem {
		host.Systemd = false
	}
	return host, nil
}

// fill completes what is to be installed from files and flags. It reports every
// mistake at once, after it has asked for the password where it can.
func (f *installFlags) fill(c *install.Connector, cmd *cobra.Command) (*cloud.Cloud, error) {
	var (
		mistakes []error
		given    install.FurtherConnector
		err      error
	)
	wrong := func(err error) {
		if err != nil {
			mistakes = append(mistakes, err)
		}
	}
	if f.from != "" {
		if given, err = install.ReadFurther(f.from); err != nil {
			return nil, err
		}
	}
	or := func(flag, value, otherwise string) string {
		if value == "" {
			value = otherwise
		}
		if value == "" {
			wrong(fmt.Errorf("--%s: expected it, or --from", flag))
		}
		return value
	}
	c.Tenant = or("tenant", f.tenant, given.Tenant)
	c.Directory = or("directory", f.directory, given.Directory)
	c.BindDN = or("bind-dn", f.bindDN, given.BindDN)
	c.BaseDN = or("base-dn", f.baseDN, given.BaseDN)
	c.DirectoryCA = []byte(given.DirectoryCA)
	if f.directoryCA != "" {
		c.DirectoryCA, err = os.ReadFile(f.directoryCA)
		wrong(err)
	}
	if len(c.DirectoryCA) == 0 {
		wrong(errors.New("--directory-ca: expected it, or --from"))
	}
	var at *cloud.Cloud
	if f.cloud != "" || given.Cloud == nil {
		at, err = cloud.Read(f.cloud, f.cloudCA, c.Tenant, f.timeout)
	} else {
		at, err = cloud.Parse(given.Cloud, c.Tenant, f.timeout)
	}
	wrong(err)
	if at != nil {
		c.CloudFile, err = at.ConnectorFile()
		wrong(err)
	}
	if f.unitOnly {
		wrong(install.CheckName(c.Name))
		return at, errors.Join(mistakes...)
	}
	wrong(c.Validate())
	if c.DirectoryPassword, err = secret("PTABENCH_DIRECTORY_PASSWORD", "directory-password-file", f.passwordFile); err != nil {
		wrong(err)
	} else if c.DirectoryPassword == "" && (f.yes || len(mistakes) > 0) {
		wrong(errors.New("--directory-password-file: expected the file with the password of --bind-dn, or it in PTABENCH_DIRECTORY_PASSWORD"))
	}
	if f.yes && f.tokenFile == "" && os.Getenv("PTABENCH_REGISTRATION_TOKEN") == "" && f.signIn.administrator == "" {
		wrong(errors.New("--token-file, --administrator: expected one of them"))
	}
	if len(mistakes) > 0 {
		return nil, errors.Join(mistakes...)
	}
	if c.DirectoryPassword == "" {
		asker, done := newAsker(cmd.InOrStdin(), cmd.OutOrStdout(), false)
		defer done()
		err = asker.Ask(cmd.Context(), ask.Page{Title: "Connector " + c.Name, Questions: []ask.Question{
			{Kind: ask.Secret, Title: "Password of " + c.BindDN, Answer: &c.DirectoryPassword, Check: func(s string) error {
				if s == "" {
					return errors.New("expected a password")
				}
				return nil
			}},
		}})
	}
	return at, err
}

// reached reports what no sign-in and no registration would outlive.
func reached(at *cloud.Cloud) error {
	if at.NoSuchTenant() {
		return fmt.Errorf("--tenant %s: the cloud has no such tenant", at.Tenant)
	}
	return at.Untrusted()
}

// token is what registers the connector, and who signed in for it: nil when the
// token was given.
func (f *installFlags) token(ctx context.Context, cmd *cobra.Command, at *cloud.Cloud) (string, *cloud.Administrator, error) {
	token, err := secret("PTABENCH_REGISTRATION_TOKEN", "token-file", f.tokenFile)
	if token != "" || err != nil {
		return token, nil, err
	}
	administrator, err := f.signIn.signIn(ctx, cmd.OutOrStdout(), at)
	if err != nil {
		return "", nil, err
	}
	return administrator.Token(), administrator, nil
}

// signIn signs an administrator in, outside of the wizard.
func (s *signInFlags) signIn(ctx context.Context, out io.Writer, at *cloud.Cloud) (*cloud.Administrator, error) {
	var a setup.Answers
	if err := s.into(&a); err != nil {
		return nil, err
	}
	if a.Administrator == "" {
		if a.SignIn == setup.Password {
			return nil, errors.New("--administrator: expected the account of the password")
		}
		a.Administrator = "an administrator"
	}
	return setup.SignIn(ctx, at, a, out, s.opener())
}
