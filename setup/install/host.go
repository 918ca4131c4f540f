package install

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// varLib is where systemd keeps the state of a service under a user of its own.
const varLib = "/var/lib"

// A Host is what of this host an installation depends on.
type Host struct {
	Program string // the executable to copy
	Systemd bool   // it runs, and this user may tell it what to do
	UnitDir string // where units go
	// User runs the service; empty for one that systemd makes up, for which the
	// directory must be one below /var/lib.
	User string
}

// ThisHost finds out.
func ThisHost() (Host, error) {
	program, err := os.Executable()
	if err != nil {
		return Host{}, fmt.Errorf("finding this program: %w", err)
	}
	return Host{Program: program, UnitDir: "/etc/systemd/system", Systemd: systemdRuns()}, nil
}

// systemdRuns is sd_booted(3), for root: others have no unit of the system.
func systemdRuns() bool {
	info, err := os.Lstat("/run/systemd/system")
	if err != nil || !info.IsDir() || os.Geteuid() != 0 {
		return false
	}
	_, err = exec.LookPath("systemctl")
	return err == nil
}

// DefaultDir is where a connector goes unless told otherwise.
func DefaultDir(name string) string {
	base := UnitName(name)
	if os.Geteuid() == 0 {
		return filepath.Join(varLib, base)
	}
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) {
		home, err := os.UserHomeDir()
		if err != nil {
			home = "/"
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, base)
}

// Elsewhere is the flag that names the connector's directory, after a space, for
// a command to print; empty when it is the usual one.
func (c *Connector) Elsewhere() string {
	if c.Dir == DefaultDir(c.Name) {
		return ""
	}
	return " --dir " + c.Dir
}

// DefaultName is a connector's name on this host: the host's, without its
// domain.
func DefaultName() string {
	name, err := os.Hostname()
	name, _, _ = strings.Cut(name, ".")
	if err != nil || CheckName(name) != nil {
		return "connector-1"
	}
	return strings.ToLower(name)
}

// UnitName is the name of a connector's unit, without its ending, and of its
// directory.
func UnitName(connector string) string { return "ptabench-connector-" + connector }

func (h Host) check(dir string) error {
	if h.Systemd && h.User == "" && filepath.Dir(dir) != varLib {
		return fmt.Errorf("--dir %s: expected a directory right below %s, or --user for the service to run as", dir, varLib)
	}
	return nil
}
