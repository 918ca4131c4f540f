package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ptabench/connector"
)

func TestCrowdMistakes(t *testing.T) {
	dir := t.TempDir()
	tokens := filepath.Join(dir, "tokens")
	if err := os.WriteFile(tokens, []byte("secret-1\n\n secret-2 \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		c    crowd
		want []string
	}{
		{"nothing", crowd{}, []string{"--tenants", "--count 0", "--state"}},
		{"too many", crowd{tenants: []string{"a", "b"}, count: 5001, Config: connector.Config{State: dir}}, []string{"--count 5001: expected 1 or more, and up to 10000"}},
		{"too few tokens", crowd{tenants: []string{"a"}, count: 3, tokens: tokens, Config: connector.Config{State: dir}}, []string{"2 tokens: expected one for each of 3 connectors"}},
		{"no such file", crowd{tenants: []string{"a"}, count: 1, tokens: filepath.Join(dir, "none"), Config: connector.Config{State: dir}}, []string{"--tokens", "none"}},
		{"what all have in common", crowd{tenants: []string{"a"}, count: 1, tokens: tokens, Config: connector.Config{State: dir}}, []string{"--cloud", "--directory"}},
	} {
		_, err := tc.c.members()
		if err == nil {
			t.Errorf("%s: no error", tc.name)
			continue
		}
		for _, want := range tc.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v; expected %q", tc.name, err, want)
			}
		}
		if strings.Contains(err.Error(), "secret-") {
			t.Errorf("%s: a token is in the error: %v", tc.name, err)
		}
	}
}
