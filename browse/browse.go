package browse

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ptabench/page"
	"ptabench/results"
)

// How many runs can be compared, and how many lines one page of the list has.
const (
	leastCompared = 2
	mostCompared  = 6
	perPage       = 200
	// atOnce bounds the reports that are made at a time, each of which may take
	// 200 MB; who asks for more waits.
	atOnce = 2
)

// A Library serves what is below some directories. Close ends it.
type Library struct {
	*library
	mux    *http.ServeMux
	making chan struct{} // has room for atOnce
}

// Open opens directories to be served. GoingOn is the process of a run that
// has not come to its end, 0 when there is none.
func Open(dirs []string, goingOn func(*results.Run) int) (*Library, error) {
	if goingOn == nil {
		goingOn = func(*results.Run) int { return 0 }
	}
	opened, err := openLibrary(dirs, goingOn)
	if err != nil {
		return nil, err
	}
	l := &Library{library: opened, mux: http.NewServeMux(), making: make(chan struct{}, atOnce)}
	l.mux.HandleFunc("GET /{$}", l.list)
	l.mux.HandleFunc("GET /style.css", l.style)
	l.mux.HandleFunc("GET /compare", l.inTurn(l.compare))
	l.mux.HandleFunc("GET /at/{root}/{path...}", l.inTurn(l.show))
	return l, nil
}

// Close closes the directories.
func (l *Library) Close() error { return l.close() }

// ServeHTTP implements http.Handler. Who may ask is for the caller to say.
func (l *Library) ServeHTTP(w http.ResponseWriter, r *http.Request) { l.mux.ServeHTTP(w, r) }

// inTurn has at most atOnce requests served at a time.
func (l *Library) inTurn(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case l.making <- struct{}{}:
		case <-r.Context().Done(): // nobody waits for it any more
			return
		}
		defer func() { <-l.making }()
		serve(w, r)
	}
}

//go:embed browse.html
var pagesText string

//go:embed browse.css
var styleText []byte

var pages = template.Must(template.New("browse").Funcs(template.FuncMap{
	"duration": results.Duration,
	"count":    func(n int64) string { return results.Count(uint64(max(n, 0))) },
	"when":     func(t time.Time) string { return t.Format("2006-01-02 15:04:05") },
	"iso":      func(t time.Time) string { return t.Format(time.RFC3339) },
}).Parse(pagesText))

// policy is that of the pages made here: no script at all.
const policy = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (l *Library) style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(styleText) // who went away misses it
}

// render writes a page made here, whole or not at all.
func (l *Library) render(w http.ResponseWriter, status int, name string, data any) {
	var out bytes.Buffer
	if err := pages.ExecuteTemplate(&out, name, data); err != nil {
		http.Error(w, "the page could not be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy)
	w.WriteHeader(status)
	_, _ = out.WriteTo(w)
}

// problem is what there is to say instead of a page.
type problem struct {
	Title, Text string
	Lines       []string
}

func (l *Library) refuse(w http.ResponseWriter, status int, title, text string, lines ...string) {
	l.render(w, status, "problem", problem{title, text, lines})
}

// own serves a page made elsewhere, which has a policy of its own in it.
func (l *Library) own(w http.ResponseWriter, made *bytes.Buffer) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; object-src 'none'")
	_, _ = made.WriteTo(w)
}

// listed is the data of the list.
type listed struct {
	Dirs     []string
	Items    []line
	All      int // before the filter
	Matching int // after it
	Filter   filter
	Verdicts, Kinds, Scenarios,
	Sorts []string
	Warnings   []string
	Next, Prev string
	Least      int
	Most       int
}

// line is an item with its address.
type line struct {
	item
	ID, Link, Dir string
}

// Compared says whether it can be compared with others.
func (l line) Compared() bool { return l.Kind == kindRun && !l.Broken }

func (l *Library) line(it item) line {
	return line{it, it.id(), it.link(), filepath.Join(l.dirs[it.root], filepath.FromSlash(it.path))}
}

// id names a place in a query: 0/runs/a.
func (p place) id() string { return strconv.Itoa(p.root) + "/" + p.path }

// link is where a place is shown. It ends in a slash, so that the links of a
// suite lead to its runs.
func (p place) link() string {
	below := p.path + "/"
	if p.path == "." {
		below = ""
	}
	return (&url.URL{Path: "/at/" + strconv.Itoa(p.root) + "/" + below}).EscapedPath()
}

// placeOf is the inverse of id.
func placeOf(id string) (place, bool) {
	number, below, ok := strings.Cut(id, "/")
	n, err := strconv.Atoi(number)
	if below = path.Clean(below); !ok || err != nil || !fs.ValidPath(below) {
		return place{}, false
	}
	return place{n, below}, true
}

func (l *Library) list(w http.ResponseWriter, r *http.Request) {
	items, warnings := l.find()
	f := filterOf(r.URL.Query())
	data := listed{Dirs: l.dirs, All: len(items), Filter: f, Warnings: warnings, Least: leastCompared, Most: mostCompared,
		Sorts: sorts}
	for _, it := range items {
		data.Verdicts = append(data.Verdicts, string(it.Verdict))
		data.Kinds = append(data.Kinds, it.Kind)
		data.Scenarios = append(data.Scenarios, it.Scenario)
	}
	for _, list := range []*[]string{&data.Verdicts, &data.Kinds, &data.Scenarios} {
		slices.Sort(*list)
		*list = slices.DeleteFunc(slices.Compact(*list), func(s string) bool { return s == "" })
	}
	items = f.apply(items)
	data.Matching = len(items)
	from := min(max(f.Page-1, 0)*perPage, len(items))
	to := min(from+perPage, len(items))
	if from > 0 {
		data.Prev = f.page(f.Page - 1)
	}
	if to < len(items) {
		data.Next = f.page(max(f.Page, 1) + 1)
	}
	for _, it := range items[from:to] {
		data.Items = append(data.Items, l.line(it))
	}
	l.render(w, http.StatusOK, "list", data)
}

// show serves what is in a directory: the report of a run, a suite, a matrix.
func (l *Library) show(w http.ResponseWriter, r *http.Request) {
	at, ok := placeOf(r.PathValue("root") + "/" + r.PathValue("path"))
	if ok && !strings.HasSuffix(r.URL.Path, "/") {
		http.Redirect(w, r, at.link(), http.StatusMovedPermanently)
		return
	}
	var dir string
	err := fs.ErrNotExist
	if ok {
		dir, err = l.dir(at)
	}
	if err != nil {
		l.refuse(w, http.StatusNotFound, "not found", "There is no such directory here, or it cannot be shown: "+err.Error())
		return
	}
	var out bytes.Buffer
	kind, _ := l.kindOf(at)
	switch kind {
	case kindRun:
		var run *results.Run
		if run, err = l.open(dir); err == nil {
			err = page.Write(&out, run)
		}
	case kindSuite:
		var s *results.SuiteResult
		if s, err = results.ReadSuite(filepath.Join(dir, results.SuiteFile)); err == nil {
			err = results.SuiteHTML(&out, s)
		}
	case kindMatrix:
		var m *results.Matrix
		if m, err = results.ReadMatrix(filepath.Join(dir, results.MatrixFile)); err == nil {
			err = results.MatrixHTML(&out, m)
		}
	default:
		http.Redirect(w, r, "/?"+url.Values{"in": {at.id()}}.Encode(), http.StatusSeeOther)
		return
	}
	if err != nil {
		l.refuse(w, http.StatusOK, "it cannot be shown", dir+":", says(err)...)
		return
	}
	l.own(w, &out)
}

// says are the lines of an error.
func says(err error) []string {
	it := item{}
	it.broken(err)
	return strings.Split(it.Note, "\n")
}

func (l *Library) open(dir string) (*results.Run, error) {
	run, err := results.Open(dir)
	if err != nil {
		return nil, err
	}
	if pid := l.goingOn(run); pid != 0 {
		run.GoingOn(pid)
	}
	return run, nil
}

// chosen opens the runs of a query, and says what is wrong with the choice.
func (l *Library) chosen(r *http.Request) (runs []*results.Run, problems []string) {
	ids := r.URL.Query()["run"]
	if len(ids) < leastCompared || len(ids) > mostCompared {
		return nil, []string{fmt.Sprintf("choose %d to %d runs, not %d", leastCompared, mostCompared, len(ids))}
	}
	for _, id := range ids {
		at, ok := placeOf(id)
		var dir string
		err := error(fs.ErrNotExist)
		if ok {
			dir, err = l.dir(at)
		}
		if err == nil {
			if kind, _ := l.kindOf(at); kind != kindRun {
				err = errors.New("expected the directory of a run")
			}
		}
		var run *results.Run
		if err == nil {
			run, err = l.open(dir)
		}
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s: %s", id, strings.Join(says(err), " ")))
			continue
		}
		runs = append(runs, run)
	}
	return runs, problems
}

func (l *Library) compare(w http.ResponseWriter, r *http.Request) {
	runs, problems := l.chosen(r)
	var out bytes.Buffer
	if len(problems) == 0 {
		if err := page.Compare(&out, runs); err != nil {
			problems = says(err)
		}
	}
	if len(problems) > 0 {
		l.refuse(w, http.StatusBadRequest, "they cannot be compared", "Of what was chosen:", problems...)
		return
	}
	l.own(w, &out)
}
