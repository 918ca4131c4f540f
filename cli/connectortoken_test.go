package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ptabench/setup/cloud/cloudtest"
	"ptabench/setup/install"
)

func TestToken(t *testing.T) {
	c := cloudtest.New(t)
	t.Setenv("PTABENCH_ADMINISTRATOR_PASSWORD", cloudtest.Password)
	text, err := os.ReadFile(cloudWithout(t, c.File, "443", "8080"))
	if err != nil {
		t.Fatal(err)
	}
	down := &install.Connector{Dir: t.TempDir(), Tenant: cloudtest.Tenant}
	if err := down.WriteFurther(text); err != nil {
		t.Fatal(err)
	}
	from, file := down.FurtherFile(), filepath.Join(t.TempDir(), "token")
	run := func(args ...string) string {
		var out, stderr bytes.Buffer
		Main(t.Context(), append([]string{"connector", "token", "--administrator", cloudtest.Administrator, "--out", file}, args...),
			strings.NewReader(""), &out, &stderr)
		return out.String() + stderr.String()
	}
	if said := run("--from", from); !strings.Contains(said, "https://127.0.0.1:") {
		t.Errorf("a cloud that is down: %s: expected its address", said)
	}
	for _, args := range [][]string{{"--from", from, "--cloud", c.File}, {"--cloud", c.File}} {
		if said := run(args...); !strings.Contains(said, "✓ wrote") {
			t.Errorf("%v: %s", args, said)
		}
		if said := run(args...); !strings.Contains(said, "not overwritten") {
			t.Errorf("%v, again: %s", args, said)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	if said := run("--cloud", c.Address, "--cloud-ca", otherCA(t)); !strings.Contains(said, "--cloud-ca") || strings.Contains(said, "✓") {
		t.Errorf("with another's authority: %s", said)
	}
}

// otherCA is a file with an authority that nothing is by.
func otherCA(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, cloudtest.NewAuthority(t).PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestInstallTriesTheDirectory: no connector is laid out for a directory that it
// could not ask.
func TestInstallTriesTheDirectory(t *testing.T) {
	c := cloudtest.New(t)
	t.Setenv("PTABENCH_REGISTRATION_TOKEN", "one-time")
	t.Setenv("PTABENCH_DIRECTORY_PASSWORD", "hush")
	dir := filepath.Join(t.TempDir(), "connector")
	var out, stderr bytes.Buffer
	code := Main(t.Context(), []string{"connector", "install", "--yes", "--no-systemd", "--cloud", c.File, "--tenant", cloudtest.Tenant, "--dir", dir,
		"--directory", "ldaps://" + c.Address, "--directory-ca", otherCA(t), "--bind-dn", "cn=a", "--base-dn", "dc=a"}, strings.NewReader(""), &out, &stderr)
	if code == exitPass || !strings.Contains(stderr.String(), "does not vouch") || strings.Contains(out.String(), "✓") {
		t.Errorf("exit %d: %s%s", code, out.String(), stderr.String())
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s: %v: expected nothing there", dir, err)
	}
}

// TestUninstallOfOneThatDoesNotRun says nothing of stopping it.
func TestUninstallOfOneThatDoesNotRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "connector")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, install.Config), []byte(`{"name":"dc1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, stderr bytes.Buffer
	code := Main(t.Context(), []string{"connector", "uninstall", "--dir", dir, "--unit-dir", t.TempDir()}, strings.NewReader(""), &out, &stderr)
	if code != exitPass || strings.Contains(out.String(), "stopped") || !strings.Contains(out.String(), "✓ removed "+dir) {
		t.Errorf("exit %d: %s%s", code, out.String(), stderr.String())
	}
}
