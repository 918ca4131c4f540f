package scenarios

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestShippedScenarios(t *testing.T) {
	files, err := fs.Glob(shipped, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	names := slices.Sorted(slices.Values(shippedNames))
	for i, file := range files {
		files[i] = strings.TrimSuffix(file, ".yaml")
	}
	if !slices.Equal(files, names) {
		t.Errorf("files %v, listed %v", files, names)
	}
	for _, name := range shippedNames {
		text, err := Shipped(name)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Parse(name+".yaml", text, nil)
		if err != nil {
			t.Error(err)
			continue
		}
		roundTrip(t, s)
		if s.Name != name {
			t.Errorf("%s calls itself %s", name, s.Name)
		}
		if s.Load.Duration > 35*second && !slices.Contains([]string{"throughput", "failover", "compare-presets", "soak", "ports", "certificate-expiry"}, name) {
			t.Errorf("%s lasts %s", name, s.Load.Duration)
		}
		if len(s.Objectives) == 0 {
			t.Errorf("%s has no objective", name)
		}
		for _, f := range s.Faults {
			if s.Load.Duration-f.End() < second {
				t.Errorf("%s: %s leaves no time to recover", name, f)
			}
		}
	}
}

// What the issues say about scenarios, and users type.
func TestShippedScenariosTakeTheirOverrides(t *testing.T) {
	for _, c := range []struct{ name, set string }{
		{"crash-one", "cloud.handoff=off"},
		{"crash-all", "tenants[0].fallback=off"},
		{"throughput", "load.rate=2000/s"},
	} {
		text, err := Shipped(c.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(c.name, text, []string{c.set}); err != nil {
			t.Error(err)
		}
		if !strings.Contains(string(text), "ptabench run "+c.name+" --set "+c.set) {
			t.Errorf("%s does not mention --set %s", c.name, c.set)
		}
	}
}

func TestQuickstart(t *testing.T) {
	text, err := Shipped("quickstart")
	if err != nil {
		t.Fatal(err)
	}
	s := parse(t, string(text))
	if s.Population.Users != 10_000 || s.Load.Rate != 1000 || s.Load.Arrivals != Poisson || s.Connectors.Count != 3 || len(s.Faults) != 3 {
		t.Errorf("%s", text)
	}
	if all := s.Load.Warmup + s.Load.Duration; time.Duration(all) > 30*time.Second {
		t.Errorf("lasts %s", all)
	}
}

func TestList(t *testing.T) {
	all := List()
	if len(all) != len(shippedNames) || all[0].Name != "quickstart" {
		t.Errorf("%v", all)
	}
	for _, s := range all {
		if len(s.Summary) < 20 || len(s.Summary) > 160 || strings.HasSuffix(s.Summary, ".") || strings.Contains(s.Summary, "\n") {
			t.Errorf("%s: summary %q", s.Name, s.Summary)
		}
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "mine.yaml")
	if err := os.WriteFile(mine, []byte(base), 0o600); err != nil {
		t.Fatal(err)
	}
	big := filepath.Join(dir, "big.yaml")
	if err := os.WriteFile(big, make([]byte, MaxSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if name, text, err := Open(mine); name != mine || string(text) != base || err != nil {
		t.Errorf("%s: %q %v", mine, name, err)
	}
	if name, text, err := Open("crash-one"); name != "crash-one.yaml" || !strings.Contains(string(text), "crash(connector-1)") || err != nil {
		t.Errorf("crash-one: %q %v", name, err)
	}
	for what, want := range map[string]string{
		"quikstart":                     "scenario quikstart: no such file, and not a shipped one: expected another word; did you mean quickstart?",
		filepath.Join(dir, "none.yaml"): "no such file or directory",
		dir:                             "expected a file, and it is a directory",
		big:                             "expected at most 1048576 bytes",
	} {
		if _, _, err := Open(what); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
}
