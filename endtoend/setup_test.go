package endtoend

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestNewUsersPath is that of the README: the wizard by flags, by the address of
// the cloud alone; a second connector from what it printed, with a token; and
// both gone again.
func TestNewUsersPath(t *testing.T) {
	s := newStage(t, []string{"contoso"})
	file := func(name, text string) string {
		path := filepath.Join(s.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	password := file("password", strings.TrimPrefix(stageDirectory, "PTABENCH_DIRECTORY_PASSWORD="))
	administrator := []string{"--administrator", "admin@contoso.test", "--administrator-password-file", filepath.Join(s.dir, "cloud", "administrator.password")}
	first, second, third := filepath.Join(s.dir, "first"), filepath.Join(s.dir, "second"), filepath.Join(s.dir, "third")
	uninstall := func(dir string) ended {
		return ptabench(t, "connector", "uninstall", "--dir", dir, "--unit-dir", s.dir)
	}
	t.Cleanup(func() { // whatever becomes of the test; the test itself removes both
		for _, dir := range []string{first, second, third} {
			if _, err := os.Stat(dir); err == nil {
				_ = exec.Command(program, "connector", "uninstall", "--force", "--dir", dir, "--unit-dir", s.dir).Run()
			}
		}
	})
	must := func(e ended, says string) {
		t.Helper()
		if e.code != 0 || !strings.Contains(e.stdout, says) {
			t.Fatalf("exit %d, expected 0 and %q", e.code, says)
		}
	}

	setup := append([]string{"setup", "--yes", "--cloud", s.cloud.Ports["443"], "--cloud-ca", file("ca.pem", s.cloud.CAPEM),
		"--method", "pass-through", "--hash-sync-backup=false", "--name", "first", "--no-systemd"}, administrator...)
	here := append(setup[:len(setup):len(setup)], "--host-name", "first", "--dir", first)
	onDirectory := []string{"--directory", "ldaps://" + s.directory.Ports["ldaps"], "--directory-ca", file("directory.pem", s.directory.CAPEM),
		"--directory-password-file", password}
	must(ptabench(t, append(here[:len(here):len(here)], onDirectory...)...), "attached to the cloud")
	must(ptabench(t, here...), "Connector first of this host stays as it is")
	elsewhere := append(append(setup[:len(setup):len(setup)], "--host-name", "elsewhere", "--dir", third), onDirectory...)
	if e := ptabench(t, elsewhere...); e.code != 3 || !strings.Contains(e.stderr, "on host first") {
		t.Errorf("a name in use: exit %d", e.code)
	}
	from := filepath.Join(first, "further-connector.json")
	token := filepath.Join(s.dir, "token")
	must(ptabench(t, append([]string{"connector", "token", "--from", from, "--out", token}, administrator...)...), "good for one registration")
	install := []string{"connector", "install", "--yes", "--from", from, "--token-file", token, "--directory-password-file", password,
		"--dir", second, "--name", "second", "--no-systemd", "--host-name"}
	if e := ptabench(t, append(install, "first")...); e.code != 3 || !strings.Contains(e.stderr, "--host-name") {
		t.Errorf("a second connector of the same host: exit %d", e.code)
	}
	if _, err := os.Stat(second); !os.IsNotExist(err) {
		t.Errorf("%s: %v: expected nothing of it to stay", second, err)
	}
	must(ptabench(t, append(install, "second")...), "attached to the cloud")
	if n := s.serving(); n != 2 {
		t.Errorf("%d connectors serve, expected 2", n)
	}
	must(uninstall(second), "deregistered second")
	must(ptabench(t, append(elsewhere, "--replace")...), "replaces connector first of host first")
	must(uninstall(first), "the cloud counts first no more")
	must(uninstall(third), "deregistered first")
	for _, dir := range []string{first, second, third} {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s: %v: expected it to be gone", dir, err)
		}
	}
	if n := s.serving(); n != 0 {
		t.Errorf("%d connectors serve, expected none", n)
	}
}
