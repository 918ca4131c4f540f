package scenarios

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadme reads what the README shows as a user would who copies it: first a
// scenario of one's own, then a suite that has it.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, part := range strings.Split(string(readme), "```yaml\n")[1:] {
		block, _, closed := strings.Cut(part, "```")
		if !closed {
			t.Fatalf("a block that is not closed:\n%s", part)
		}
		blocks = append(blocks, block)
	}
	if len(blocks) != 2 {
		t.Fatalf("%d examples; want a scenario and a suite", len(blocks))
	}
	s, err := Parse("mine.yaml", []byte(blocks[0]), nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, s.Name+".yaml"), []byte(blocks[0]), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ParseSuite(filepath.Join(dir, "ours.yaml"), []byte(blocks[1])); err != nil {
		t.Error(err)
	}
}
