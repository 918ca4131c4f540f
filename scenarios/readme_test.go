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
	blocks := examples(t, "../README.md")
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

// TestFirewallExample reads the fault that docs/firewall.md shows, within a
// scenario that has nothing else.
func TestFirewallExample(t *testing.T) {
	blocks := examples(t, "../docs/firewall.md")
	if len(blocks) != 1 {
		t.Fatalf("%d examples; want one", len(blocks))
	}
	const around = "format: 1\nname: mine\ntenants: [{name: contoso, domains: [contoso.test]}]\nload: {rate: 100/s, duration: 15s, mix: {right: 100%}}\n"
	s, err := Parse("mine.yaml", []byte(around+blocks[0]), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Faults) != 1 || len(s.Faults[0].Expect) != 4 {
		t.Errorf("faults %v; want one with four expectations", s.Faults)
	}
}

// examples are the blocks of YAML in a document.
func examples(t *testing.T, file string) (blocks []string) {
	t.Helper()
	document, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(document), "```yaml\n")[1:] {
		block, _, closed := strings.Cut(part, "```")
		if !closed {
			t.Fatalf("%s: a block that is not closed:\n%s", file, part)
		}
		blocks = append(blocks, block)
	}
	return blocks
}
