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

// TestDocumentsExamples reads the parts of scenarios that documents show, each
// with what makes it a whole one.
func TestDocumentsExamples(t *testing.T) {
	rest := []struct{ field, text string }{
		{"tenants", "tenants: [{name: contoso, domains: [contoso.test]}]"},
		{"load", "load: {rate: 400/s, duration: 40s, mix: {right: 100%}}"},
		{"faults", "faults: [freeze(connector-1) at 5s for 6s as silent-1]"},
	}
	for file, want := range map[string]int{"../docs/methods.md": 4, "../docs/directories.md": 1} {
		blocks := examples(t, file)
		if len(blocks) != want {
			t.Errorf("%s: %d examples; want %d", file, len(blocks), want)
		}
		for _, block := range blocks {
			text := "format: 1\nname: mine\n" + block
			for _, r := range rest {
				if !strings.Contains("\n"+block, "\n"+r.field+":") {
					text += r.text + "\n"
				}
			}
			if _, err := Parse("mine.yaml", []byte(text), nil); err != nil {
				t.Errorf("%s: %v\n%s", file, err, text)
			}
		}
	}
}
