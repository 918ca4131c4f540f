// Package install puts a connector onto this host: a directory of its own with
// a copy of the program, what it must know and what it must keep; its
// registration; and, where systemd runs, a hardened unit. It knows a connector
// as a command line, like everybody who starts one.
package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The files of an installation, within its directory.
const (
	Config       = "connector.json" // flags of 'ptabench connector'; also what tells an installation from other directories
	program      = "bin/ptabench"
	cloudFile    = "cloud.json"
	directoryCA  = "directory-ca.pem"
	passwordFile = "directory.password" // mode 0600
	stateDir     = "state"              // mode 0700: key and certificate
	logFile      = "connector.log"
	pidFile      = "connector.pid"
	// Further is what installs further connectors; it holds no secret.
	Further = "further-connector.json"
)

// A Connector is one that is, or is to be, installed on this host.
type Connector struct {
	Name, Tenant string
	HostName     string // that the cloud is told; empty for the system's
	Dir          string // absolute
	Host         Host

	CloudFile         []byte // as the connector reads it
	CloudAt           string // a cloud file to read where it is, instead of CloudFile
	Directory         string // ldaps://host:port
	DirectoryCA       []byte
	BindDN, BaseDN    string
	DirectoryPassword string // of BindDN, a secret
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$`)

// CheckName refuses what no connector may be called.
func CheckName(name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("%q: expected 1 to 64 letters, digits, dots, dashes and underscores", name)
	}
	return nil
}

// Validate reports every mistake at once. It changes nothing.
func (c *Connector) Validate() error {
	var mistakes []error
	if err := CheckName(c.Name); err != nil {
		mistakes = append(mistakes, fmt.Errorf("--name %w", err))
	}
	if !filepath.IsAbs(c.Dir) || strings.ContainsAny(c.Dir, "\x00\n\r") {
		mistakes = append(mistakes, fmt.Errorf("--dir %q: expected a path from /", c.Dir))
	} else if err := c.Free(); err != nil {
		mistakes = append(mistakes, err)
	}
	if err := c.Host.check(c.Dir); err != nil {
		mistakes = append(mistakes, err)
	}
	return errors.Join(mistakes...)
}

// Free refuses a directory that is in use already.
func (c *Connector) Free() error {
	entries, err := os.ReadDir(c.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("--dir: %w", err)
	case len(entries) == 0:
		return nil
	}
	if _, err := os.Stat(filepath.Join(c.Dir, Config)); err == nil {
		return fmt.Errorf("--dir %s: connector %s is installed there: expected another --name, with a --host-name of its own if it is to be a second one on this host, or 'ptabench connector uninstall --name %s' first",
			c.Dir, c.Name, c.Name)
	}
	return fmt.Errorf("--dir %s: expected an empty directory, or none", c.Dir)
}

func (c *Connector) path(name string) string { return filepath.Join(c.Dir, name) }

// ConfigFile is where the connector's settings are.
func (c *Connector) ConfigFile() string { return c.path(Config) }

// FurtherFile is what further connectors are installed from.
func (c *Connector) FurtherFile() string { return c.path(Further) }

// LogFile is where a connector in the background logs.
func (c *Connector) LogFile() string { return c.path(logFile) }

// Lay makes the directory with all of its files. On an error nothing of it
// stays.
func (c *Connector) Lay() (err error) {
	if err := c.Validate(); err != nil {
		return err
	}
	_, statErr := os.Stat(c.Dir)
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fmt.Errorf("--dir: %w", err)
	}
	defer func() {
		if err != nil {
			c.clear(statErr == nil)
		}
	}()
	settings, err := c.settings()
	if err != nil {
		return err
	}
	for _, dir := range []string{stateDir, filepath.Dir(program)} {
		if err := os.Mkdir(c.path(dir), 0o700); err != nil {
			return err
		}
	}
	files := []struct {
		name string
		text []byte
	}{
		{cloudFile, c.CloudFile}, {directoryCA, c.DirectoryCA}, {passwordFile, []byte(c.DirectoryPassword + "\n")}, {Config, settings},
	}
	for _, f := range files {
		if f.text == nil {
			continue
		}
		if err := os.WriteFile(c.path(f.name), f.text, 0o600); err != nil {
			return err
		}
	}
	return copyProgram(c.Host.Program, c.path(program))
}

// clear takes away what Lay made; the directory itself stays when it was there
// before.
func (c *Connector) clear(keep bool) {
	if !keep {
		_ = os.RemoveAll(c.Dir)
		return
	}
	entries, _ := os.ReadDir(c.Dir)
	for _, e := range entries {
		_ = os.RemoveAll(c.path(e.Name()))
	}
}

// settings are flags of 'ptabench connector'; its paths count from the file
// that holds them.
func (c *Connector) settings() ([]byte, error) {
	cloud := cloudFile
	if c.CloudAt != "" {
		cloud = c.CloudAt
	}
	flags := map[string]string{
		"name": c.Name, "tenant": c.Tenant, "cloud": cloud, "state": stateDir,
		"directory": c.Directory, "directory-ca": directoryCA, "directory-password-file": passwordFile,
		"bind-dn": c.BindDN, "base-dn": c.BaseDN,
	}
	if c.HostName != "" {
		flags["host-name"] = c.HostName
	}
	text, err := json.MarshalIndent(flags, "", "  ")
	return append(text, '\n'), err
}

func copyProgram(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copying this program: %w", err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return fmt.Errorf("copying this program: %w", err)
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("copying this program: %w", err)
	}
	return nil
}

// registration bounds how long a registration may take, retries included.
const registration = 30 * time.Second

// Register turns a token into the connector's certificate. The token goes by
// the environment and is written nowhere.
func (c *Connector) Register(ctx context.Context, token string) error {
	bounded, cancel := context.WithTimeout(ctx, registration)
	defer cancel()
	if text, err := c.run(bounded, []string{"PTABENCH_REGISTRATION_TOKEN=" + token}, "register"); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("registering: %w", because(bounded, err, text))
	}
	return nil
}

// Registered reports whether it has a certificate.
func (c *Connector) Registered() bool {
	_, err := os.Stat(c.path(filepath.Join(stateDir, "identity.pem")))
	return err == nil
}

// Deregister ends the registration and deletes key and certificate.
func (c *Connector) Deregister(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, registration)
	defer cancel()
	if text, err := c.run(bounded, nil, "deregister"); err != nil {
		return fmt.Errorf("deregistering: %w", because(bounded, err, text))
	}
	return nil
}

// run is a sub-command of 'ptabench connector' with the installation's
// settings. It returns the end of what it said.
func (c *Connector) run(ctx context.Context, environment []string, sub string) (string, error) {
	cmd := exec.CommandContext(ctx, c.path(program), "connector", sub, "--config", c.ConfigFile())
	cmd.Env = append(environ(), environment...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	var said tail
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	return said.last(), err
}

// environ is this process's environment without the secrets in it: what a
// connector needs of them it is given, or has in a file.
func environ() []string {
	return slices.DeleteFunc(os.Environ(), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return slices.Contains([]string{"PTABENCH_ADMINISTRATOR_PASSWORD", "PTABENCH_TEST_PASSWORD", "PTABENCH_DIRECTORY_PASSWORD",
			"PTABENCH_REGISTRATION_TOKEN"}, name)
	})
}

// because is why a command ended, in its own words where it has any.
func because(ctx context.Context, err error, said string) error {
	if ctx.Err() != nil {
		if said != "" {
			return fmt.Errorf("not done within %v: %s", registration, said)
		}
		return fmt.Errorf("not done within %v", registration)
	}
	if said != "" {
		return errors.New(rpcWords.ReplaceAllString(said, ""))
	}
	return err
}

// rpcWords are the words of the transport in an error of the cloud.
var rpcWords = regexp.MustCompile(`rpc error: code = \w+ desc = `)

// Remove deletes the installation's directory.
func (c *Connector) Remove() error {
	if _, err := os.Stat(c.ConfigFile()); err != nil {
		return fmt.Errorf("--dir %s: expected an installed connector: %w", c.Dir, err)
	}
	// A directory of state that systemd keeps under another name is a link.
	real, err := filepath.EvalSymlinks(c.Dir)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(real); err != nil || real == c.Dir {
		return err
	}
	return os.Remove(c.Dir)
}

// At reads what is installed in a directory.
func At(dir string, host Host) (*Connector, error) {
	text, err := os.ReadFile(filepath.Join(dir, Config))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--dir %s: there is no connector installed", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("--dir: %w", err)
	}
	var flags map[string]string
	if err := json.Unmarshal(text, &flags); err != nil || CheckName(flags["name"]) != nil {
		return nil, fmt.Errorf("--dir %s: %s is not that of an installed connector", dir, Config)
	}
	return &Connector{Name: flags["name"], Tenant: flags["tenant"], HostName: flags["host-name"], Dir: dir, Host: host}, nil
}
