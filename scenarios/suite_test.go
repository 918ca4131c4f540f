package scenarios

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestShippedSuites(t *testing.T) {
	files, err := shippedSuites.ReadDir("suites")
	if err != nil || len(files) != len(shippedSuiteNames) {
		t.Errorf("%v, listed %v, %v", files, shippedSuiteNames, err)
	}
	all := Suites()
	for i, name := range shippedSuiteNames {
		file, text, err := OpenSuite(name)
		if err != nil {
			t.Fatal(err)
		}
		s, err := ParseSuite(file, text)
		if err != nil {
			t.Fatal(err)
		}
		if s.Name != name || all[i].Name != name || len(all[i].Summary) < 20 {
			t.Errorf("%+v is listed as %+v", s, all[i])
		}
		for _, r := range s.Runs {
			if _, _, err := r.Open(file); err != nil || r.Name == "" {
				t.Errorf("%+v: %v", r, err)
			}
		}
	}
}

// suiteDir has a suite and a scenario of a team's own.
func suiteDir(t *testing.T, suite string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"mine.yaml": base, "suite.yaml": suite, "broken.yaml": strings.Replace(base, "rate: 100/s", "rate: 100", 1)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "suite.yaml")
}

func TestSuites(t *testing.T) {
	path := suiteDir(t, `format: 1
name: ours
runs:
  - scenario: crash-one
  - {name: without, scenario: crash-one, set: [cloud.handoff=off, "load.rate=20/s"]}
  - scenario: mine.yaml
  - {name: again, scenario: ./mine.yaml}
`)
	name, text, err := OpenSuite(path)
	if err != nil || name != path {
		t.Fatal(name, err)
	}
	s, err := ParseSuite(name, text)
	if err != nil {
		t.Fatal(err)
	}
	want := &Suite{Format: 1, Name: "ours", Runs: []SuiteRun{
		{Name: "crash-one", Scenario: "crash-one"},
		{Name: "without", Scenario: "crash-one", Set: []string{"cloud.handoff=off", "load.rate=20/s"}},
		{Name: "base", Scenario: "mine.yaml"},
		{Name: "again", Scenario: "./mine.yaml"},
	}}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}
	for i, file := range []string{"crash-one.yaml", "crash-one.yaml", filepath.Join(filepath.Dir(path), "mine.yaml")} {
		if got, text, err := s.Runs[i].Open(name); got != file || len(text) == 0 || err != nil {
			t.Errorf("run %d: %s, %d bytes, %v", i, got, len(text), err)
		}
	}
}

func TestSuiteMistakes(t *testing.T) {
	path := suiteDir(t, "")
	text := `format: 1
name: Ours
rnus: []
runs:
  - scenario: crash-on
  - {scenario: crash-one, set: [cloud.hnadoff=off]}
  - scenario: none.yaml
  - {scenario: broken.yaml, name: x}
  - crash-one
  - {name: x, scenario: crash-one}
  - {name: x, scenario: crash-all}
`
	_, err := ParseSuite(path, []byte(text))
	var all Mistakes
	if !errors.As(err, &all) {
		t.Fatalf("%v, want mistakes", err)
	}
	dir := filepath.Dir(path)
	want := []string{
		"suite.yaml:2:7: name: Ours: expected a name of lower-case",
		"suite.yaml:3:1: rnus: unknown field: expected format, name, description or runs; did you mean runs?",
		"suite.yaml:5:15: runs[0].scenario: crash-on: expected a scenario that can be read: scenario crash-on: no such file, and not a shipped one: expected another word; did you mean crash-one?",
		"suite.yaml:7:15: runs[2].scenario: none.yaml: expected a scenario that can be read: scenario: open ",
		"suite.yaml:9:5: runs[4]: crash-one: expected a mapping of name, scenario or set",
		"suite.yaml:11:12: runs[6].name: x: expected a name of its own: runs[5] has it",
		"suite.yaml, runs[1], --set cloud.hnadoff=off, column 7: cloud.hnadoff: unknown field: expected another word; did you mean handoff?",
		"suite.yaml, runs[3], broken.yaml:11:9: load.rate: 100: expected a rate from 0.1/s to 100000/s",
	}
	if len(all) != len(want) {
		t.Fatalf("%d mistakes, want %d:\n%v", len(all), len(want), err)
	}
	for i, m := range all {
		if got := strings.ReplaceAll(m.Error(), dir+string(filepath.Separator), ""); !strings.HasPrefix(got, want[i]) {
			t.Errorf("got  %s\nwant %s", got, want[i])
		}
	}
	for what, want := range map[string]string{
		"hb":                          "suite hb: no such file, and not a shipped one: expected ha or ha-unprivileged; did you mean ha?",
		filepath.Join(dir, "no.yaml"): "no such file or directory",
		dir:                           "expected a file, and it is a directory",
	} {
		if _, _, err := OpenSuite(what); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
}
