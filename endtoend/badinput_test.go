package endtoend

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBadInput gives the commands what they must refuse: each with exit 3 and
// an error that says where and what, and without starting or overwriting
// anything.
func TestBadInput(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const least = `
format: 1
name: least
tenants: [{name: contoso, domains: [contoso.test]}]
load: {rate: 100/s, duration: 10s, mix: {right: 100%}}
`
	scenario := file("least.yaml", least)
	many := file("many.yaml", strings.ReplaceAll(least, "100/s", "-100/s")+`
cluod: {}
faults:
  - crash(connector-7) at 1s for 1s
  - freeze(connector-1) at 8s for 5s
  - block(connector-1, ports=99999, mode=stall) at 1s for 1s
`)
	exists := filepath.Dir(file("exists/kept", "kept"))
	newer := filepath.Dir(file("newer/result.json", `{"format": 99}`))
	damaged := filepath.Dir(file("damaged/samples", "ptabench-samples 1\n{"))
	unreadable := filepath.Join(dir, "directory.yaml")
	if err := os.Mkdir(unreadable, 0o755); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	for _, test := range []struct {
		name string
		args []string
		want []string // in standard error
	}{
		{"no such scenario", []string{"run", "quikstart", "--out", out}, []string{"quikstart", "quickstart"}},
		{"unreadable file", []string{"run", unreadable, "--out", out}, []string{"directory.yaml"}},
		{"malformed", []string{"run", file("bad.yaml", "format: [1"), "--out", out}, []string{"bad.yaml:1:"}},
		{"everything at once", []string{"run", many, "--out", out}, []string{
			"many.yaml:5:", "rate", "cluod", "cloud", "connector-7", "freeze", "99999"}},
		{"validate", []string{"validate", many}, []string{"many.yaml:5:", "connector-7"}},
		{"unknown field in --set", []string{"run", scenario, "--set", "cloud.hnadoff=off", "--out", out},
			[]string{"--set", "hnadoff", "handoff"}},
		{"bad value in --set", []string{"run", scenario, "--set", "load.rate=fast", "--out", out}, []string{"--set", "fast"}},
		{"run directory exists", []string{"run", scenario, "--out", exists}, []string{"exists already"}},
		{"unknown flag", []string{"run", scenario, "--sed", "1"}, []string{"--sed"}},
		{"unknown command", []string{"rnu"}, []string{"rnu"}},
		{"report of nothing", []string{"report", filepath.Join(dir, "none")}, []string{"none"}},
		{"report of a newer version", []string{"report", newer}, []string{"format 99"}},
		{"report of damaged samples", []string{"report", damaged}, []string{"samples"}},
		{"heal of nothing", []string{"heal", exists}, []string{"journal"}},
		{"role without what it needs", []string{"cloudsim", "--state", filepath.Join(dir, "c")}, []string{"tenant"}},
		{"role with bad values", []string{"cloudsim", "--state", filepath.Join(dir, "c"), "--tenant", "name=a,domain=a.test",
			"--attempts", "0", "--dispatch", "best", "--port", "7=1"}, []string{"attempts", "dispatch", "port"}},
		{"connector without its cloud", []string{"connector", "--name", "c"}, []string{"cloud", "directory"}},
		{"directory with bad values", []string{"directory", "--users", "-1", "--domain", ""}, []string{"users", "domain"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := ptabench(t, test.args...)
			if e.code != 3 {
				t.Errorf("exit %d; want 3", e.code)
			}
			for _, want := range test.want {
				if !strings.Contains(e.stderr, want) {
					t.Errorf("standard error does not name %q", want)
				}
			}
			if _, err := os.Stat(out); err == nil {
				t.Error("a run directory was made")
			}
		})
	}
	if kept, err := os.ReadFile(filepath.Join(exists, "kept")); err != nil || string(kept) != "kept" {
		t.Errorf("what stood in the existing directory: %q, %v", kept, err)
	}
}

// TestHelpTeaches holds that every command says what it is for.
func TestHelpTeaches(t *testing.T) {
	e := ptabench(t, "--help")
	for _, want := range []string{"run", "report", "scenarios", "validate", "heal", "version", "completion",
		"directory", "cloudsim", "connector"} {
		if !strings.Contains(e.stdout, want) {
			t.Errorf("--help does not name %s", want)
		}
		if e := ptabench(t, want, "--help"); e.code != 0 || len(e.stdout) < 200 && want != "version" {
			t.Errorf("%s --help: exit %d, %d characters", want, e.code, len(e.stdout))
		}
	}
	if e := ptabench(t, "completion", "bash"); e.code != 0 || !strings.Contains(e.stdout, "ptabench") {
		t.Errorf("completion bash: exit %d", e.code)
	}
}

// TestDryRun prints the scenario as resolved, which is a scenario again.
func TestDryRun(t *testing.T) {
	first := ptabench(t, "run", "quickstart", "--dry-run", "--seed", "7", "--set", "load.rate=50/s")
	path := filepath.Join(t.TempDir(), "resolved.yaml")
	if err := os.WriteFile(path, []byte(first.stdout), 0o644); err != nil {
		t.Fatal(err)
	}
	again := ptabench(t, "run", path, "--dry-run")
	if first.code != 0 || again.code != 0 || first.stdout != again.stdout || !strings.Contains(first.stdout, "seed: 7") {
		t.Errorf("exit %d and %d; what is resolved resolves to something else", first.code, again.code)
	}
}
