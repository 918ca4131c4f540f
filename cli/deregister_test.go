package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What keeps a connector from deregistering is said at once, by flag.
func TestConnectorDeregisterRefuses(t *testing.T) {
	damaged := filepath.Join(t.TempDir(), "cloud.json")
	if err := os.WriteFile(damaged, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		args []string
		want []string
	}{
		{"nothing", nil, []string{"--cloud: expected a file", "--state: expected a directory"}},
		{"a damaged cloud file", []string{"--cloud", damaged, "--state", t.TempDir()}, []string{"expected the ready line of a cloud"}},
		{"no time", []string{"--connect-timeout", "0s"}, []string{"--connect-timeout 0s: expected more than 0s"}},
		{"an argument", []string{"connector-1"}, []string{"connector-1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := Main(t.Context(), append([]string{"connector", "deregister"}, tc.args...), strings.NewReader(""), &out, &errs)
			if code == exitPass || out.Len() > 0 {
				t.Errorf("exit code %d, output %q", code, &out)
			}
			for _, want := range tc.want {
				if !strings.Contains(errs.String(), want) {
					t.Errorf("errors %q; expected %q", &errs, want)
				}
			}
		})
	}
}
