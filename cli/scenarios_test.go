package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"ptabench/scenarios"
)

// execute runs one command and returns what it wrote and its exit code.
func execute(t *testing.T, cmd *cobra.Command, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader(""))
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	err := cmd.ExecuteContext(t.Context())
	if err != nil {
		code = exitUsage
		var exit *exitError
		if errors.As(err, &exit) {
			code, err = exit.code, exit.err
		}
	}
	if err != nil {
		errs.WriteString(err.Error() + "\n")
	}
	return out.String(), errs.String(), code
}

func TestScenariosCommand(t *testing.T) {
	list, _, code := execute(t, scenariosCommand(), "list")
	lines := strings.Split(strings.TrimSpace(list), "\n")
	if code != exitPass || len(lines) != len(scenarios.List()) || !strings.HasPrefix(lines[0], "quickstart ") {
		t.Errorf("exit %d:\n%s", code, list)
	}
	for i, s := range scenarios.List() {
		if at := strings.Index(lines[i], s.Summary); at != strings.Index(lines[0], scenarios.List()[0].Summary) {
			t.Errorf("line %q is not aligned with the first", lines[i])
		}
	}
	if bare, _, code := execute(t, scenariosCommand()); bare != list || code != exitPass {
		t.Errorf("without a word: exit %d:\n%s", code, bare)
	}

	for _, s := range scenarios.List() {
		shipped, err := os.ReadFile(filepath.Join("..", "scenarios", s.Name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if shown, _, code := execute(t, scenariosCommand(), "show", s.Name); shown != string(shipped) || code != exitPass {
			t.Errorf("show %s: exit %d:\n%s", s.Name, code, shown)
		}
	}

	schema, _, code := execute(t, scenariosCommand(), "schema")
	if code != exitPass || !json.Valid([]byte(schema)) || !strings.Contains(schema, "https://json-schema.org/draft/2020-12/schema") {
		t.Errorf("schema: exit %d:\n%.500s", code, schema)
	}
}

func TestScenariosCommandRefuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"show", "quikstart"}, "scenario quikstart: expected another word; did you mean quickstart?"},
		{[]string{"show"}, "accepts 1 arg(s), received 0"},
		{[]string{"list", "all"}, `unknown command "all"`},
		{[]string{"lst"}, `unknown command "lst"`},
	} {
		stdout, stderr, code := execute(t, scenariosCommand(), c.args...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: exit %d, %q, %q, want %q", c.args, code, stdout, stderr, c.want)
		}
	}
}

func TestScenarioNamesComplete(t *testing.T) {
	names, directive := completeScenario(nil, nil, "")
	if len(names) != len(scenarios.List()) || !strings.HasPrefix(names[0], "quickstart\t") || directive != cobra.ShellCompDirectiveNoFileComp {
		t.Errorf("%v, %v", names, directive)
	}
	if names, _ := completeScenario(nil, []string{"quickstart"}, ""); names != nil {
		t.Errorf("after a name: %v", names)
	}
}

func TestValidateCommand(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	quickstart, err := scenarios.Shipped("quickstart")
	if err != nil {
		t.Fatal(err)
	}
	right := write("right.yaml", string(quickstart))
	wrong := write("wrong.yaml", strings.Replace(string(quickstart), "rate: 1000/s", "rate: 1000", 1))
	before, _, _ := strings.Cut(string(quickstart), "rate: 1000/s")
	line := strings.Count(before, "\n") + 1
	worse := write("worse.yaml", "format: 1\nname: [\n")
	missing := filepath.Join(dir, "missing.yaml")

	stdout, stderr, code := execute(t, validateCommand(), right)
	if code != exitPass || stdout != right+": ok: quickstart, 1000/s for 26s, 3 faults, 9 objectives\n" || stderr != "" {
		t.Errorf("exit %d, %q, %q", code, stdout, stderr)
	}
	stdout, stderr, code = execute(t, validateCommand(), wrong, missing, right, worse)
	if code != exitUsage || !strings.HasPrefix(stdout, right+": ok") {
		t.Errorf("exit %d, %q", code, stdout)
	}
	for _, want := range []string{
		fmt.Sprintf("%s:%d:9: load.rate: 1000: expected a rate from 0.1/s to 100000/s\n%5d |   rate: 1000\n      |         ^\n", wrong, line, line),
		"missing.yaml: no such file or directory\n",
		worse + ":2:7: ",
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("%q is not in:\n%s", want, stderr)
		}
	}
	suite := write("suite.yaml", "format: 1\nname: ours\nruns:\n- scenario: right.yaml\n- scenario: crash-one\n")
	badSuite := write("bad-suite.yaml", "format: 1\nname: ours\nruns:\n- scenario: right.yaml\n  set: [load.rate=fast]\n- scenario: crash-two\n")
	stdout, stderr, code = execute(t, validateCommand(), suite, badSuite)
	if code != exitUsage || stdout != suite+": ok: suite ours, 2 runs\n" ||
		!strings.Contains(stderr, badSuite+":6:13: runs[1].scenario: crash-two") || !strings.Contains(stderr, "load.rate: fast") {
		t.Errorf("suites: exit %d, %q, %q", code, stdout, stderr)
	}
	if _, stderr, code := execute(t, validateCommand()); code != exitUsage || !strings.Contains(stderr, "requires at least 1 arg") {
		t.Errorf("without a file: exit %d, %s", code, stderr)
	}
}
