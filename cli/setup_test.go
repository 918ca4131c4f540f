package cli

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ptabench/observe"
	"ptabench/ports"
	"ptabench/setup/cloud/cloudtest"
	"ptabench/setup/preflight"
)

// cloudWithout is the file of a cloud of whose ports some refuse.
func cloudWithout(t *testing.T, file string, closed ...string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var ready observe.Ready
	if err := json.Unmarshal(text, &ready); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	for _, port := range closed {
		ready.Ports[port] = l.Addr().String()
	}
	if text, err = json.Marshal(ready); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "cloud.json")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestSetupCheckWithTheWrongCA says first what is most likely wrong.
func TestSetupCheckWithTheWrongCA(t *testing.T) {
	c := cloudtest.New(t)
	var out, stderr bytes.Buffer
	code := Main(t.Context(), []string{"setup", "--check", "--cloud", c.Address, "--cloud-ca", otherCA(t), "--tenant", cloudtest.Tenant, "--timeout", "3s"},
		strings.NewReader(""), &out, &stderr)
	flat := strings.Join(strings.Fields(out.String()), " ")
	if code != exitFail || !strings.Contains(flat, "could not be asked for its real ports, so the documented ones count: --cloud-ca: not for the cloud at") ||
		!strings.Contains(flat, "vouch for: the wrong CA file was given, or a firewall") {
		t.Errorf("exit %d: %s%s", code, out.String(), stderr.String())
	}
}

func TestSetupCheck(t *testing.T) {
	c := cloudtest.New(t, ports.Responses()...)
	for _, test := range []struct {
		name   string
		closed []string
		code   int
		want   string
	}{
		{"all open", nil, exitPass, "Ready: every port is reachable"},
		{"fast path", []string{"9350"}, exitPass, "one more"},
		{"registration", []string{"9090"}, exitFail, "a new connector cannot register"},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := cloudWithout(t, c.File, test.closed...)
			var out, stderr bytes.Buffer
			args := []string{"setup", "--check", "--cloud", file, "--tenant", cloudtest.Tenant, "--timeout", "30s"}
			if code := Main(t.Context(), args, strings.NewReader(""), &out, &stderr); code != test.code || stderr.Len() > 0 {
				t.Errorf("exit %d, expected %d: %s", code, test.code, stderr.String())
			}
			if !strings.Contains(out.String(), test.want) {
				t.Errorf("no %q in\n%s", test.want, out.String())
			}
			out.Reset()
			if code := Main(t.Context(), append(args, "--json"), strings.NewReader(""), &out, &stderr); code != test.code {
				t.Errorf("with --json exit %d, expected %d", code, test.code)
			}
			var report preflight.Report
			if err := json.Unmarshal(out.Bytes(), &report); err != nil || report.OK != (test.code == exitPass) || len(report.Checks) != 29 {
				t.Errorf("%v: %s", err, out.String())
			}
		})
	}
}

func TestSetupUsage(t *testing.T) {
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{"setup", "--yes"}, []string{"--cloud:", "--administrator:", "--method:"}},
		{[]string{"setup", "--json"}, []string{"--check"}},
		{[]string{"setup", "--check"}, []string{"--cloud"}},
		{[]string{"setup", "--yes", "--browser", "--device-code"}, []string{"expected one of them"}},
		{[]string{"setup", "--timeout", "0s"}, []string{"--timeout"}},
		{[]string{"setup", "--directory-password-file", "/dev/null/none"}, []string{"--directory-password-file"}},
		{[]string{"connector", "install", "--yes"}, []string{"--tenant", "--directory", "--bind-dn", "--base-dn", "--directory-ca", "--cloud", "--token-file"}},
		{[]string{"connector", "uninstall", "--dir", "/nowhere"}, []string{"no connector installed"}},
		{[]string{"connector", "uninstall", "--name", "a/b"}, []string{"--name"}},
		{[]string{"connector", "token"}, []string{"--from", "--out"}},
		{[]string{"connector", "register"}, []string{"--cloud", "--state", "PTABENCH_REGISTRATION_TOKEN"}},
	} {
		var out, stderr bytes.Buffer
		if code := Main(t.Context(), test.args, strings.NewReader(""), &out, &stderr); code != exitUsage {
			t.Errorf("%v: exit %d, expected %d", test.args, code, exitUsage)
		}
		for _, want := range test.want {
			if !strings.Contains(stderr.String(), want) {
				t.Errorf("%v: no %q in %s", test.args, want, stderr.String())
			}
		}
	}
}

func TestConnectorSettings(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) string {
		name := filepath.Join(dir, "connector.json")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for _, test := range []struct {
		text string
		args []string
		want []string // in the error
	}{
		{`{"nmae":"x","state":"s"}`, nil, []string{`"nmae"`}},
		{`{"concurrency":"many"}`, nil, []string{"concurrency", "many"}},
		{`not JSON`, nil, []string{"--config"}},
		// The rest is right, and what is left to say is that there is nothing there.
		{`{"state":"s","cloud":"cloud.json","name":"file's"}`, nil, []string{filepath.Join(dir, "cloud.json"), "file's"}},
		{`{"state":"s","cloud":"cloud.json","name":"file's"}`, []string{"--name", "flag's"}, []string{"flag's"}},
	} {
		var out, stderr bytes.Buffer
		args := append([]string{"connector", "--config", write(test.text)}, test.args...)
		if code := Main(t.Context(), args, strings.NewReader(""), &out, &stderr); code != exitUsage {
			t.Errorf("%s: exit %d, expected %d", test.text, code, exitUsage)
		}
		for _, want := range test.want {
			if !strings.Contains(stderr.String(), want) {
				t.Errorf("%s: no %q in %s", test.text, want, stderr.String())
			}
		}
	}
}

func TestSecretsThatOthersCouldRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("hush\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := secret("PTABENCH_NONE", "password-file", file); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("%v: expected an error about its mode", err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := secret("PTABENCH_NONE", "password-file", file); got != "hush" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	t.Setenv("PTABENCH_NONE", "environment's")
	if got, err := secret("PTABENCH_NONE", "password-file", file); got != "environment's" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// What a role logs before it serves is held back by its level, but warnings.
func TestLogLevel(t *testing.T) {
	var text bytes.Buffer
	level := new(slog.LevelVar)
	level.Set(slog.LevelWarn)
	log := logTo(&text, level)
	log.Info("on the way")
	log.Warn("a port is in use")
	level.Set(slog.LevelInfo)
	log.Info("serving")
	if got := text.String(); strings.Contains(got, "on the way") || !strings.Contains(got, "a port is in use") || !strings.Contains(got, "serving") {
		t.Errorf("log %s", got)
	}
}

func TestReadyInWords(t *testing.T) {
	t.Setenv("PTABENCH_OBSERVE_TOKEN", "")
	for _, test := range []struct {
		ready observe.Ready
		want  []string
	}{
		{observe.Ready{Role: "cloudsim", Ports: map[string]string{"443": "127.0.0.1:1", "observe": "127.0.0.1:4"}, Info: map[string]string{"administrator_password_file": "s/administrator.password"}},
			[]string{"https://127.0.0.1:1/", "admin@contoso.test", "s/administrator.password", "http://127.0.0.1:4/admin/", "token in s/observe.token", "setup --cloud s/cloud.json"}},
		{observe.Ready{Role: "directory", Ports: map[string]string{"ldaps": "127.0.0.1:2"}, Info: map[string]string{"domain": "contoso.test", "service_dn": "cn=a"}},
			[]string{"ldaps://127.0.0.1:2", "cn=a", "directory password user000001", "--directory-ca s/ca.pem"}},
		{observe.Ready{Role: "connector", Name: "c1"}, []string{"c1", "connectors --cloud there/cloud.json"}},
		{observe.Ready{Role: "adfs", Ports: map[string]string{"https": "127.0.0.1:3"}}, []string{"127.0.0.1:3"}},
	} {
		got := readyWords(test.ready, "ptabench", "s", "there/cloud.json", []string{"admin@contoso.test"})
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in\n%s", test.ready.Role, want, got)
			}
		}
		for line := range strings.Lines(got) {
			if len(line) > 81 {
				t.Errorf("%s: more than 80 columns: %s", test.ready.Role, line)
			}
		}
	}
}
