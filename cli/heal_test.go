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
	alive, newer, over := t.TempDir(), t.TempDir(), t.TempDir()
	journal, err := fault.Create(alive) // by this process, which is alive
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	for dir, text := range map[string]string{
		newer: `{"format":99,"kind":"run"}` + "\n",
		over:  "", // cut off before anything was started
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
