package install

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stub stands for the program: as a connector it says that it serves, and ends
// on SIGTERM.
const stub = `#!/bin/sh
case "$2" in
--config) echo '{"role":"connector"}'; exec sleep 300 ;;
register) test -n "$PTABENCH_REGISTRATION_TOKEN" && touch "$(dirname "$4")/state/identity.pem" ;;
esac
`

func newConnector(t *testing.T) *Connector {
	t.Helper()
	c := &Connector{
		Name: "dc1", Tenant: "contoso", Dir: filepath.Join(t.TempDir(), "c 1"),
		Host:      Host{Program: filepath.Join(t.TempDir(), "ptabench"), UnitDir: t.TempDir()},
		CloudFile: []byte(`{"ports":{}}`), Directory: "ldaps://dc1.contoso.test", DirectoryCA: []byte("pem"),
		BindDN: "cn=a,dc=contoso,dc=test", BaseDN: "dc=contoso,dc=test", DirectoryPassword: "secret",
	}
	if err := os.WriteFile(c.Host.Program, []byte(stub), 0o755); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLayout(t *testing.T) {
	c := newConnector(t)
	if err := c.Lay(); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{".": 0o700, stateDir: 0o700, passwordFile: 0o600, cloudFile: 0o600, directoryCA: 0o600, Config: 0o600, program: 0o700} {
		info, err := os.Stat(c.path(name))
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != mode {
			t.Errorf("%s: mode %v, expected %v", name, info.Mode().Perm(), mode)
		}
	}
	text, err := os.ReadFile(c.ConfigFile())
	var settings map[string]string
	if err != nil || json.Unmarshal(text, &settings) != nil || settings["bind-dn"] != c.BindDN || settings["state"] != stateDir {
		t.Errorf("settings %s, %v", text, err)
	}
	if strings.Contains(string(text), "secret") {
		t.Error("the settings hold the password")
	}
	if err := c.Lay(); err == nil || !strings.Contains(err.Error(), "--host-name") {
		t.Errorf("a second one in its place: %v", err)
	}
	if _, err := os.Stat(c.path(Config)); err != nil {
		t.Errorf("the refused one took the first one along: %v", err)
	}
	got, err := At(c.Dir, c.Host)
	if err != nil || got.Name != c.Name || got.Tenant != c.Tenant {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestNothingStaysOfAFailure(t *testing.T) {
	c := newConnector(t)
	c.Host.Program += "-that-is-not-there"
	if err := c.Lay(); err == nil {
		t.Fatal("no error")
	}
	if _, err := os.Stat(c.Dir); !os.IsNotExist(err) {
		t.Errorf("%s: %v: expected it to be gone", c.Dir, err)
	}
}

func TestBackground(t *testing.T) {
	c := newConnector(t)
	if err := c.Lay(); err != nil {
		t.Fatal(err)
	}
	if err := c.Register(t.Context(), "token"); err != nil || !c.Registered() {
		t.Fatalf("registering: %v", err)
	}
	p, err := c.StartBackground()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := p.Attached(ctx); err != nil {
		p.Stop()
		t.Fatal(err)
	}
	// A process that is not the installation's is left alone, whatever the
	// file says.
	other := exec.Command("sleep", "300")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	own, err := os.ReadFile(c.path(pidFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.path(pidFile), []byte(strconv.Itoa(other.Process.Pid)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.StopBackground(ctx); err != nil {
		t.Errorf("with another's number: %v", err)
	}
	if err := other.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("another's process: %v", err)
	}
	if err := os.WriteFile(c.path(pidFile), own, 0o600); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Process.Signal(os.Interrupt) // the stub is a sleep by now, whose arguments are its own
	select {
	case <-p.Ended():
	case <-ctx.Done():
		t.Fatal("it has not ended")
	}
	if err := c.Remove(); err != nil {
		t.Fatal(err)
	}
	if err := c.Remove(); err == nil {
		t.Error("removed what is not there")
	}
}

func TestUnit(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Connector)
		has    []string
		not    []string
	}{
		{"made-up user", func(c *Connector) { c.Dir = "/var/lib/ptabench-connector-dc1" },
			[]string{"DynamicUser=yes", "StateDirectory=ptabench-connector-dc1", "ProtectSystem=strict", "NoNewPrivileges=yes", "Restart=on-failure", "LimitCORE=0"}, []string{"User=root"}},
		{"own user", func(c *Connector) { c.Host.User = "ptabench" }, []string{"User=ptabench", "ReadWritePaths="}, []string{"DynamicUser"}},
		{"odd directory", func(c *Connector) { c.Host.User, c.Dir = "ptabench", "/srv/50% $x" }, []string{`"/srv/50%% $$x/bin/ptabench"`}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newConnector(t)
			test.change(c)
			text, err := c.Unit()
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range test.has {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
			for _, no := range test.not {
				if strings.Contains(text, no) {
					t.Errorf("%q in\n%s", no, text)
				}
			}
		})
	}
}

// TestSystemdVerifiesUnit has systemd itself read the unit. PTABENCH_REQUIRE_SYSTEMD
// makes that a must.
// A line break in what comes from elsewhere begins no line of the unit.
func TestUnitOfSomebodyElse(t *testing.T) {
	for _, change := range []func(*Connector){
		func(c *Connector) { c.Tenant = "contoso\nExecStartPre=/bin/true" },
		func(c *Connector) { c.Host.User = "root\nExecStartPre=/bin/true" },
	} {
		c := newConnector(t)
		change(c)
		if text, err := c.Unit(); err == nil || !strings.Contains(err.Error(), "control characters") {
			t.Errorf("%v:\n%s", err, text)
		}
	}
}

// TestEnvironment: a connector inherits no secret of whoever installs it.
func TestEnvironment(t *testing.T) {
	for _, name := range []string{"PTABENCH_ADMINISTRATOR_PASSWORD", "PTABENCH_DIRECTORY_PASSWORD", "PTABENCH_REGISTRATION_TOKEN", "PTABENCH_TEST_PASSWORD"} {
		t.Setenv(name, "a secret")
	}
	t.Setenv("PTABENCH_INSTALL_TEST", "no secret")
	text := strings.Join(environ(), "\n")
	if strings.Contains(text, "a secret") || !strings.Contains(text, "PTABENCH_INSTALL_TEST=no secret") {
		t.Errorf("the environment of a connector:\n%s", text)
	}
}

func TestSystemdVerifiesUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("PTABENCH_REQUIRE_SYSTEMD") != "" {
			t.Fatal("systemd-analyze: not found, and PTABENCH_REQUIRE_SYSTEMD is set; Debian has it in the package systemd")
		}
		t.Skip("systemd-analyze: not found; Debian has it in the package systemd; PTABENCH_REQUIRE_SYSTEMD makes it a must")
	}
	c := newConnector(t)
	c.Host.User = "daemon"
	if err := c.Lay(); err != nil {
		t.Fatal(err)
	}
	text, err := c.Unit()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.UnitFile(), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command(analyze, "verify", "--recursive-errors=no", c.UnitFile()).CombinedOutput(); err != nil || strings.Contains(string(said), filepath.Base(c.UnitFile())) {
		t.Errorf("%v: %s\n%s", err, said, text)
	}
	// The exposure that systemd works out from 0 to 10; a unit without any
	// hardening has 9.6.
	if said, err := exec.Command(analyze, "security", "--offline=yes", "--threshold=20", c.UnitFile()).CombinedOutput(); err != nil {
		t.Errorf("more exposed than 2.0: %v: %s", err, said)
	}
}

func TestFurther(t *testing.T) {
	c := newConnector(t)
	if err := c.Lay(); err != nil {
		t.Fatal(err)
	}
	if err := c.WriteFurther(c.CloudFile); err != nil {
		t.Fatal(err)
	}
	f, err := ReadFurther(c.FurtherFile())
	if err != nil || f.Tenant != c.Tenant || f.Directory != c.Directory || f.DirectoryCA != "pem" {
		t.Errorf("%+v, %v", f, err)
	}
	text, err := os.ReadFile(c.FurtherFile())
	if err != nil || strings.Contains(string(text), "secret") {
		t.Errorf("%s, %v: expected no secret", text, err)
	}
	for _, bad := range []string{"", "{}", `{"format":2}`, "not JSON"} {
		file := filepath.Join(t.TempDir(), "f.json")
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadFurther(file); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestLastWords(t *testing.T) {
	for text, want := range map[string]string{
		"":              "",
		"plain words\n": "plain words",
		`time=1 level=WARN msg=registering port=9090 error="a \"b\" c"` + "\ntime=2 level=INFO msg=x\n":                             `a "b" c`,
		"noise\nptabench: connector register: --name: expected one\n--state: expected one\n":                                        "connector register: --name: expected one; --state: expected one",
		`{"level":"INFO","msg":"a"}` + "\n" + `{"level":"ERROR","msg":"ended","error":"why"}` + "\n" + `{"level":"INFO","msg":"b"}`: "why",
	} {
		if got := lastWords([]byte(text)); got != want {
			t.Errorf("%q: %q, expected %q", text, got, want)
		}
	}
}
