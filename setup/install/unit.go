package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"unicode"
)

// unit runs a connector that may do nothing but dial out, read its directory
// and keep what is there. It dumps no core: passwords pass through its memory.
// The program lies among its state, so that it can update itself.
var unit = template.Must(template.New("unit").Funcs(template.FuncMap{"quote": quote, "escape": escape}).Parse(`# Made by 'ptabench connector install'; 'ptabench connector uninstall' removes it.
[Unit]
Description=ptabench connector {{escape .Name}} of tenant {{escape .Tenant}}
Wants=network-online.target
After=network-online.target time-sync.target
StartLimitIntervalSec=10min
StartLimitBurst=20

[Service]
Type=exec
ExecStart={{quote .Program}} connector --config {{quote .Config}}
Restart=on-failure
RestartSec=5s
TimeoutStopSec=30s
{{- if .User}}
User={{.User}}
ReadWritePaths={{quote .Dir}}
{{- else}}
DynamicUser=yes
StateDirectory={{.StateDirectory}}
StateDirectoryMode=0700
{{- end}}
UMask=0077
LimitCORE=0
LimitNOFILE=65536
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome={{if .Home}}read-only{{else}}yes{{end}}
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
`))

// Unit is the text of the connector's systemd unit.
func (c *Connector) Unit() (string, error) {
	for flag, value := range map[string]string{"tenant": c.Tenant, "user": c.Host.User, "dir": c.Dir} {
		if strings.ContainsFunc(value, unicode.IsControl) { // it would begin a line of its own
			return "", fmt.Errorf("--%s %q: expected no line breaks or other control characters", flag, value)
		}
	}
	var text strings.Builder
	err := unit.Execute(&text, struct {
		Name, Tenant, Program, Config, Dir, User, StateDirectory string
		Home                                                     bool
	}{c.Name, c.Tenant, c.path(program), c.ConfigFile(), c.Dir, c.Host.User, filepath.Base(c.Dir), strings.HasPrefix(c.Dir, "/home/") || strings.HasPrefix(c.Dir, "/root/")})
	return text.String(), err
}

// escape keeps systemd from reading a percent sign as a specifier
// (systemd.unit(5)).
func escape(text string) string { return strings.ReplaceAll(text, "%", "%%") }

// quote makes one word of a command line of systemd (systemd.service(5)).
func quote(word string) string {
	word = strings.ReplaceAll(escape(word), "$", "$$")
	if !strings.ContainsAny(word, " \t\"'\\;") {
		return word
	}
	return strconv.Quote(word)
}

// UnitFile is where the unit goes.
func (c *Connector) UnitFile() string {
	return filepath.Join(c.Host.UnitDir, c.UnitName())
}

// UnitName is the unit's name.
func (c *Connector) UnitName() string { return UnitName(c.Name) + ".service" }

// WriteUnit writes the unit, and gives the files to the user that runs it; one
// that systemd makes up it gives them to itself.
func (c *Connector) WriteUnit() error {
	text, err := c.Unit()
	if err != nil {
		return err
	}
	if c.Host.User != "" && os.Geteuid() == 0 {
		if err := chown(c.Dir, c.Host.User); err != nil {
			return fmt.Errorf("--user: %w", err)
		}
	}
	if err := os.WriteFile(c.UnitFile(), []byte(text), 0o644); err != nil {
		return fmt.Errorf("writing the unit: %w", err)
	}
	return nil
}

func chown(dir, name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, gid)
	})
}

// StartUnit starts the unit, now and whenever the host starts.
func (c *Connector) StartUnit(ctx context.Context) error {
	if err := systemctl(ctx, "daemon-reload"); err != nil {
		return err
	}
	return systemctl(ctx, "enable", "--now", c.UnitName())
}

// RemoveUnit stops the unit and removes it. It is no error that there is none.
func (c *Connector) RemoveUnit(ctx context.Context) error {
	if _, err := os.Stat(c.UnitFile()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if c.Host.Systemd {
		if err := systemctl(ctx, "disable", "--now", c.UnitName()); err != nil {
			return err
		}
	}
	if err := os.Remove(c.UnitFile()); err != nil {
		return err
	}
	if c.Host.Systemd {
		return systemctl(ctx, "daemon-reload")
	}
	return nil
}

func systemctl(ctx context.Context, args ...string) error {
	text, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, lastWords(text))
	}
	return nil
}
