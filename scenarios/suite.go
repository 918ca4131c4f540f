package scenarios

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed suites/*.yaml
var shippedSuites embed.FS

// shippedSuiteNames is the order in which suites are listed.
var shippedSuiteNames = []string{"ha", "ha-unprivileged"}

// A Suite is several scenarios that are run one after the other and judged
// together. Its tags are as those of Scenario.
type Suite struct {
	Format      int        `yaml:"format" need:"yes" min:"1" max:"1" doc:"version of the suite format; 1"`
	Name        string     `yaml:"name" need:"yes" is:"name" doc:"a short name in lower case, used for the directory of its runs"`
	Description string     `yaml:"description,omitempty" is:"text" doc:"what the suite shows, for people; its first sentence is listed"`
	Runs        []SuiteRun `yaml:"runs" need:"yes" doc:"what to run, in order"`
}

// A SuiteRun is one run of a suite.
type SuiteRun struct {
	Name     string   `yaml:"name,omitempty" is:"name" doc:"how the table calls it; when not given, as the scenario calls itself"`
	Scenario string   `yaml:"scenario" need:"yes" is:"text" doc:"a shipped scenario by its name, or a file, from where the suite's own file is"`
	Set      []string `yaml:"set,omitempty" is:"text" doc:"settings that differ, such as cloud.handoff=off"`
}

// ParseSuite reads a suite: the text of a document, which errors call name and
// which its files count from. The scenarios are read and checked too, with what
// is set for them, so that a suite that begins can go on to its end. The error
// is Mistakes, all of them at once; those in a scenario say which run it is of.
func ParseSuite(name string, text []byte) (*Suite, error) {
	s := new(Suite)
	err := decode(name, text, nil, s, func(*decoder, *node) {}, func(d *decoder) { d.checkSuite(name, s) })
	if err != nil {
		return nil, err
	}
	return s, nil
}

// checkSuite reads the scenarios, and names the runs that have no name.
func (d *decoder) checkSuite(name string, s *Suite) {
	first := map[string]int{}
	for i := range s.Runs {
		r, path := &s.Runs[i], fmt.Sprintf("runs[%d]", i)
		if !d.sound(path) {
			continue
		}
		file, text, err := r.Open(name)
		if err != nil {
			d.wrong(path+".scenario", r.Scenario, "a scenario that can be read: "+err.Error())
			continue
		}
		scenario, err := Parse(file, text, r.Set)
		var wrong Mistakes
		if errors.As(err, &wrong) {
			d.inRun(name, path, wrong)
			continue
		}
		if r.Name == "" {
			r.Name = scenario.Name
		}
		if other, taken := first[r.Name]; taken {
			d.wrong(path+".name", r.Name, fmt.Sprintf("a name of its own: runs[%d] has it", other))
		} else {
			first[r.Name] = i
		}
	}
}

// inRun adds the mistakes of a run's scenario, after those of the suite.
func (d *decoder) inRun(suite, path string, wrong Mistakes) {
	last := 0
	for _, m := range d.mistakes {
		last = max(last, m.order)
	}
	for _, m := range wrong {
		m.File, m.order = fmt.Sprintf("%s, %s, %s", suite, path, m.File), last+1+m.order
		d.mistakes = append(d.mistakes, m)
	}
	d.mark(path)
}

// Open returns the document of the run's scenario, and what errors should call
// it. suite is the name that OpenSuite returned.
func (r SuiteRun) Open(suite string) (name string, text []byte, err error) {
	if slices.Contains(shippedNames, r.Scenario) || filepath.IsAbs(r.Scenario) {
		return Open(r.Scenario)
	}
	beside := filepath.Join(filepath.Dir(suite), r.Scenario)
	text, err = ReadFile(beside)
	if errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(r.Scenario, "./\\") {
		return "", nil, notShipped("scenario", r.Scenario, shippedNames)
	}
	return beside, text, err
}

// notShipped says that a name is neither that of a file nor shipped.
func notShipped(what, name string, names []string) error {
	return fmt.Errorf("%s %s: no such file, and not a shipped one: expected %s", what, shownValue(name), meant(name, names))
}

// OpenSuite returns the document of a suite, a shipped one by its name or else
// a file, and what ParseSuite should call it.
func OpenSuite(nameOrFile string) (name string, text []byte, err error) {
	if slices.Contains(shippedSuiteNames, nameOrFile) {
		text, err = shippedSuites.ReadFile("suites/" + nameOrFile + ".yaml")
		return nameOrFile + ".yaml", text, err
	}
	text, err = readFile("suite", nameOrFile)
	if errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(nameOrFile, "./\\") {
		return "", nil, notShipped("suite", nameOrFile, shippedSuiteNames)
	}
	return nameOrFile, text, err
}

// Suites returns the shipped suites.
func Suites() []Listed {
	var all []Listed
	for _, name := range shippedSuiteNames {
		file, text, err := OpenSuite(name)
		if err != nil {
			panic(err)
		}
		s, err := ParseSuite(file, text)
		if err != nil {
			panic(err)
		}
		all = append(all, Listed{Name: name, Summary: firstSentence(s.Description)})
	}
	return all
}
