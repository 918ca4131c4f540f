// Package browse shows the runs, suites and matrices found below some
// directories in a browser: a list to filter, their reports, and two to six
// runs side by side. It reads only, and only what is below those directories.
package browse

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"ptabench/results"
)

// Bounds of what is looked through for a list. What is over them is not looked
// at, and the list says so.
const (
	maxDepth   = 6
	maxEntries = 100_000 // files and directories
	maxFound   = 5_000
)

// The kinds of what is found.
const (
	kindRun    = "run"
	kindSuite  = "suite"
	kindMatrix = "matrix"
)

// A place is a directory below one of those that are shown.
type place struct {
	root int
	path string // with slashes, below it; "." for itself
}

// An item is one line of the list.
type item struct {
	place
	Kind     string
	Scenario string
	When     time.Time // zero when it is not known
	Verdict  results.Verdict
	P99      int64 // ns; -1 when it is not known
	Lost     int64 // -1 when it is not known
	Machine  string
	Duration int64  // ns
	Note     string // what is odd about it
	Broken   bool   // it cannot be shown
}

// A library is some directories and what was found below them.
type library struct {
	dirs    []string
	roots   []*os.Root
	goingOn func(*results.Run) int

	mu   sync.Mutex
	seen map[place]known // by place; what did not change is not read again
}

// known is an item as of a file at a time.
type known struct {
	file os.FileInfo
	item item
}

// openLibrary opens the directories.
func openLibrary(dirs []string, goingOn func(*results.Run) int) (*library, error) {
	l := &library{dirs: dirs, goingOn: goingOn, seen: make(map[place]known)}
	var errs []error
	for _, dir := range dirs {
		root, err := os.OpenRoot(dir)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		l.roots = append(l.roots, root)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

func (l *library) close() error {
	var errs []error
	for _, root := range l.roots {
		errs = append(errs, root.Close())
	}
	return errors.Join(errs...)
}

// find looks through the directories, the latest first. The warnings are what
// was not looked at.
func (l *library) find() (found []item, warnings []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fresh := make(map[place]known)
	for i, root := range l.roots {
		entries := 0
		err := fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
			if entries++; entries > maxEntries || len(found) >= maxFound {
				return errTooMany
			}
			switch {
			case err != nil && name == ".":
				return err
			case err != nil:
				warnings = append(warnings, err.Error())
				return fs.SkipDir
			case !d.IsDir():
				return nil
			case name != "." && strings.HasPrefix(d.Name(), "."), strings.Count(name, "/") >= maxDepth:
				return fs.SkipDir
			}
			at := place{i, name}
			kind, file := l.kindOf(at)
			if kind == "" {
				return nil
			}
			k, ok := l.seen[at]
			if !ok || !sameFile(k.file, file) || k.item.Verdict == "" { // what goes on may have come further
				k = known{file, l.look(at, kind)}
			}
			fresh[at] = k
			found = append(found, k.item)
			if kind == kindRun {
				return fs.SkipDir // its parts are no runs
			}
			return nil
		})
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("%s: %v", l.dirs[i], err))
		}
	}
	l.seen = fresh
	slices.SortStableFunc(found, func(a, b item) int {
		return cmp.Or(b.When.Compare(a.When), cmp.Compare(a.root, b.root), cmp.Compare(a.path, b.path))
	})
	return found, warnings
}

var errTooMany = fmt.Errorf("more than %d files or %d runs: the rest is not shown", maxEntries, maxFound)

func sameFile(a, b os.FileInfo) bool {
	return a != nil && b != nil && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// kindOf says what a directory is, "" for none of ours, and the file that tells.
func (l *library) kindOf(at place) (kind string, file os.FileInfo) {
	for _, k := range []struct{ kind, file string }{
		{kindMatrix, results.MatrixFile}, {kindSuite, results.SuiteFile},
		{kindRun, results.ResultFile}, {kindRun, results.SamplesFile}, {kindRun, results.JournalFile},
	} {
		if info, err := l.roots[at.root].Lstat(filepath.FromSlash(path.Join(at.path, k.file))); err == nil && info.Mode().IsRegular() {
			return k.kind, info
		}
	}
	return "", nil
}

// dir is the directory of a place on disk, when nothing that is read of it
// leads out of its root.
func (l *library) dir(at place) (string, error) {
	if at.root < 0 || at.root >= len(l.roots) || !fs.ValidPath(at.path) {
		return "", fs.ErrNotExist
	}
	root := l.roots[at.root]
	info, err := root.Stat(filepath.FromSlash(at.path))
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fs.ErrNotExist
	}
	for _, name := range []string{results.ResultFile, results.SamplesFile, results.EventsFile, results.JournalFile,
		results.UsageFile, results.ScenarioFile, results.SuiteFile, results.MatrixFile} {
		// Lstat and no more: a link is none of what a run leaves behind.
		info, err := root.Lstat(filepath.FromSlash(path.Join(at.path, name)))
		if err == nil && !info.Mode().IsRegular() {
			return "", fmt.Errorf("%s: expected a file, not %s", name, info.Mode().Type())
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return filepath.Join(l.dirs[at.root], filepath.FromSlash(at.path)), nil
}

// look reads what the list says of a place.
func (l *library) look(at place, kind string) item {
	it := item{place: at, Kind: kind, P99: -1, Lost: -1, Scenario: path.Base(at.path)}
	dir, err := l.dir(at)
	if err == nil {
		switch kind {
		case kindSuite:
			err = it.suite(dir)
		case kindMatrix:
			err = it.matrix(dir)
		default:
			err = it.run(dir, l.goingOn)
		}
	}
	if err != nil {
		it.broken(err)
	}
	return it
}

// broken says what is wrong with what cannot be shown.
func (it *item) broken(err error) {
	it.Broken, it.Verdict, it.Note = true, unreadable, err.Error()
	var newer *results.NewerError
	if errors.As(err, &newer) {
		it.Note = fmt.Sprintf("written by a later ptabench, in format %d; this one reads up to %d", newer.Format, newer.Newest)
	}
}

// What the list shows as verdicts besides the verdicts.
const (
	unreadable results.Verdict = "unreadable"
	cutOff     results.Verdict = "cut off"
)

func (it *item) run(dir string, goingOn func(*results.Run) int) error {
	r, err := results.ReadResult(filepath.Join(dir, results.ResultFile))
	if errors.Is(err, fs.ErrNotExist) {
		return it.unfinished(dir, goingOn)
	}
	if err != nil {
		return err
	}
	it.Scenario, it.Verdict, it.When = r.Scenario, r.Verdict, startOf(r.StartedAt)
	it.P99, it.Lost, it.Duration = r.Response.P99, int64(r.SignIns.Failed+r.SignIns.Unknown), r.DurationNS
	it.Machine = machineOf(&r.Machine)
	return nil
}

// unfinished is a run without a result, of which the head of its samples tells
// enough for a list.
func (it *item) unfinished(dir string, goingOn func(*results.Run) int) error {
	it.Verdict, it.Note = cutOff, "it has no "+results.ResultFile
	if pid := goingOn(&results.Run{Dir: dir, CutOff: true}); pid != 0 {
		it.Verdict, it.Note = "", fmt.Sprintf("going on, as process %d", pid)
	}
	samples, err := results.OpenSamples(filepath.Join(dir, results.SamplesFile))
	if errors.Is(err, fs.ErrNotExist) {
		it.Note += "; nothing was measured yet"
		it.Broken = true
		return nil
	}
	if err != nil {
		return err
	}
	defer samples.Close()
	h := samples.Header()
	it.Scenario, it.When, it.Duration, it.Machine = h.Scenario, startOf(h.StartedAt), h.Duration, machineOf(&h.Machine)
	return nil
}

func (it *item) suite(dir string) error {
	s, err := results.ReadSuite(filepath.Join(dir, results.SuiteFile))
	if err != nil {
		return err
	}
	it.Scenario, it.Verdict, it.When, it.Machine = s.Suite, s.Verdict, startOf(s.StartedAt), machineOf(&s.Machine)
	it.Note = "suite of " + runs(len(s.Runs))
	return nil
}

func (it *item) matrix(dir string) error {
	m, err := results.ReadMatrix(filepath.Join(dir, results.MatrixFile))
	if err != nil {
		return err
	}
	it.Scenario, it.Verdict, it.Machine = m.Scenario, m.Verdict, machineOf(&m.Machine)
	if info, err := os.Stat(filepath.Join(dir, results.MatrixFile)); err == nil {
		it.When = info.ModTime().UTC() // it does not say itself
	}
	made := 0
	for i := range m.Cells {
		made += len(m.Cells[i].Runs)
	}
	// Before it said how many were planned, a matrix had all of them.
	it.Note = "matrix of " + runs(max(m.Planned, made)) + " over " + strings.Join(m.Keys, ", ")
	return nil
}

func runs(n int) string {
	if n == 1 {
		return "1 run"
	}
	return fmt.Sprintf("%d runs", n)
}

func startOf(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

func machineOf(m *results.Machine) string {
	if m.CPUs == 0 {
		return ""
	}
	cpus := "CPUs"
	if m.CPUs == 1 {
		cpus = "CPU"
	}
	return fmt.Sprintf("%s, %d %s", m.CPUModel, m.CPUs, cpus)
}
