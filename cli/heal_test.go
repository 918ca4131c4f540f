package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ptabench/bench/fault"
)

// TestHeal looks at exit codes and at what is said; what heal does is tested
// where it is done.
func TestHeal(t *testing.T) {
	alive, newer, over, suite := t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
	first, second := filepath.Join(suite, "01-first"), filepath.Join(suite, "02-second")
	some := t.TempDir()
	bad, healthy := filepath.Join(some, "01-bad"), filepath.Join(some, "02-healthy")
	for _, dir := range []string{first, second, healthy, bad, filepath.Join(suite, "03-not-begun")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	journal, err := fault.Create(alive) // by this process, which is alive
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	for dir, text := range map[string]string{
		newer: `{"format":99,"kind":"run"}` + "\n",
		over:  "", // cut off before anything was started
		first: "", second: "", healthy: "",
		bad: `{"format":99,"kind":"run"}` + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, fault.JournalName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cases := []struct {
		name string
		args []string
		code int
		want string // of the error, else of what is said
	}{
		{"nothing given", nil, exitUsage, "accepts 1 arg"},
		{"not a run directory", []string{t.TempDir()}, exitUsage, "is not a run directory"},
		{"newer", []string{newer}, exitUsage, "format 99 is newer"},
		{"alive", []string{alive}, exitUsage, "the run is still going on"},
		{"over", []string{over}, exitPass, "nothing was left to undo"},
		{"suite", []string{suite}, exitPass, first + ":\nnothing was left to undo\n" + second + ":\nnothing was left to undo\n"},
		{"one of two", []string{some}, exitUsage, "format 99 is newer"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cmd := healCommand()
			var out bytes.Buffer
			cmd.SetArgs(append([]string{}, c.args...))
			cmd.SetOut(&out)
			cmd.SetErr(&out)
			cmd.SilenceUsage, cmd.SilenceErrors = true, true
			err := cmd.ExecuteContext(t.Context())
			code, said := exitPass, out.String()
			if err != nil {
				code, said = exitUsage, err.Error()
				var exit *exitError
				if errors.As(err, &exit) {
					code = exit.code
				}
			}
			if code != c.code || !strings.Contains(said, c.want) {
				t.Errorf("exit %d, said %q; want %d, %q", code, said, c.code, c.want)
			}
		})
	}
}
