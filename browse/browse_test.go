package browse

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"ptabench/door"
	"ptabench/page/pagetest"
	"ptabench/results"
)

// hostile are names that a page must do nothing but show.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'; DROP TABLE runs; --`, `emoji 🦊 and ünïcode`,
	"right-to-left \u202e txt.exe", "%2e%2e%2fpercent", "a&b=c;d?e#f+g", "new\nline", " blanks ", "x..", "{{.}}", "javascript:alert(1)",
}

// makeRun leaves a finished run of a few sign-ins in a directory.
func makeRun(t *testing.T, dir, scenario string, verdict results.Verdict, started time.Time, lost int) {
	t.Helper()
	if err := results.Create(dir); err != nil {
		t.Fatal(err)
	}
	w, err := results.CreateSamples(filepath.Join(dir, results.SamplesFile), results.Header{Scenario: scenario, Seed: 1,
		StartedAt: started.Format(time.RFC3339Nano), Duration: int64(3 * time.Second), Planned: 300, Timeout: int64(time.Second),
		Machine: results.Machine{CPUModel: "Some CPU", CPUs: 2}, Intents: []string{"right"}, Connectors: []string{"connector-1"}})
	if err != nil {
		t.Fatal(err)
	}
	rec := results.NewRecorder(w.Header(), nil)
	for i := range 300 {
		s := results.Sample{Seq: uint32(i), Due: int64(i) * 1e7, Sent: int64(i)*1e7 + 1, Done: int64(i)*1e7 + 5e6, Server: 1,
			Outcome: results.OutcomeAccepted, Path: results.PathPassThrough, Judgement: results.Right, Attempts: 1}
		if i < lost {
			s.Outcome, s.Path, s.Judgement, s.Server, s.Error = results.OutcomeFailed, results.PathNone, results.NotJudged, 0, results.ErrorReset
		}
		if err := w.Append(s); err != nil {
			t.Fatal(err)
		}
		rec.Record(s)
	}
	r := rec.Result()
	r.Verdict = verdict
	if err := errors.Join(w.Close(), results.WriteResult(filepath.Join(dir, results.ResultFile), &r),
		os.WriteFile(filepath.Join(dir, results.ScenarioFile), fmt.Appendf(nil, "name: %q\nload:\n  rate: %d/s\n", scenario, 100+lost), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// write makes a file and the directories above it.
func write(t *testing.T, name, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, dirs ...string) *Library {
	t.Helper()
	l, err := Open(dirs, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func ask(l http.Handler, address string) (status int, body string) {
	w := httptest.NewRecorder()
	l.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address, nil))
	return w.Code, w.Body.String()
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestList(t *testing.T) {
	dir := t.TempDir()
	makeRun(t, filepath.Join(dir, "a"), "quickstart", results.Pass, noon, 0)
	makeRun(t, filepath.Join(dir, "deep/er/b"), "crash-one", results.Fail, noon.Add(time.Hour), 7)
	makeRun(t, filepath.Join(dir, "cut"), "soak", results.Pass, noon.Add(2*time.Hour), 0)
	if err := os.Remove(filepath.Join(dir, "cut", results.ResultFile)); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "newer", results.ResultFile), `{"format": 99}`)
	write(t, filepath.Join(dir, "broken", results.ResultFile), `{"format": 2, `)
	write(t, filepath.Join(dir, "empty", results.JournalFile), "")
	write(t, filepath.Join(dir, "a", results.LogsDir, results.ResultFile), `{"format": 99}`) // a part of a run is none
	write(t, filepath.Join(dir, ".hidden", results.ResultFile), `{"format": 99}`)
	write(t, filepath.Join(dir, "not-ours", "package.json"), "{}")
	failed, err := results.ReadResult(filepath.Join(dir, "deep/er/b", results.ResultFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "two"), 0o755), results.WriteSuite(filepath.Join(dir, "two", results.SuiteFile),
		results.NewSuite("ha", "", []results.SuiteInput{{Name: "crash-one", Scenario: "crash-one", Dir: "01-crash-one", Result: failed}}))); err != nil {
		t.Fatal(err)
	}

	l := open(t, dir)
	for name, c := range map[string]struct {
		query string
		want  []string // in this order
		not   []string
	}{
		"all, the latest first": {"", []string{"cut off", "crash-one", "fail", "ha</bdi>", "quickstart", "pass", "broken", "unreadable", "nothing was measured yet", "format 99"}, []string{".hidden", "not-ours", "logs"}},
		"by verdict":            {"verdict=fail&kind=run", []string{"crash-one"}, []string{"quickstart</bdi>", "newer"}},
		"by scenario":           {"scenario=quickstart", []string{"quickstart</bdi>"}, []string{"crash-one</bdi>"}},
		"by words":              {"q=DEEP+crash", []string{"crash-one</bdi>"}, []string{"quickstart</bdi>"}},
		"a suite":               {"kind=suite", []string{"ha</bdi>", "suite of 1 run"}, []string{"quickstart</bdi>"}},
		"below a directory":     {"in=0/deep", []string{"crash-one</bdi>"}, []string{"quickstart</bdi>"}},
		"most lost first":       {"sort=most+lost+first&kind=run", []string{"crash-one</bdi>", "quickstart</bdi>"}, nil},
		"none":                  {"q=nothing+like+it", []string{"None of 7 matches"}, nil},
		"past the end":          {"page=999", []string{"None of"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := ask(l, "/?"+c.query)
			if status != http.StatusOK {
				t.Fatalf("status %d", status)
			}
			_, table, _ := strings.Cut(body, "</form>") // the filter names all that there is
			at := 0
			for _, want := range c.want {
				i := strings.Index(table[at:], want)
				if i < 0 {
					t.Fatalf("%q is not there, or not after what comes before: %s", want, table)
				}
				at += i
			}
			for _, not := range c.not {
				if strings.Contains(table, not) {
					t.Errorf("%q is there", not)
				}
			}
		})
	}
}

func TestHostileNames(t *testing.T) {
	dir := t.TempDir()
	for i, name := range hostile {
		makeRun(t, filepath.Join(dir, name), name, results.Pass, noon.Add(time.Duration(i)*time.Minute), i)
	}
	l := open(t, dir)
	items, warnings := l.find()
	if len(items) != len(hostile) || len(warnings) > 0 {
		t.Fatalf("found %d of %d: %v", len(items), len(hostile), warnings)
	}
	_, list := ask(l, "/")
	for _, it := range items {
		if again, ok := placeOf(it.id()); !ok || again != it.place {
			t.Errorf("%q: its id leads to %+v", it.path, again)
		}
		status, body := ask(l, it.link())
		if status != http.StatusOK || !strings.Contains(body, "<!doctype html>") {
			t.Errorf("%q: status %d: %.200s", it.path, status, body)
		}
		for where, text := range map[string]string{"list": list, "report": body} {
			for _, bad := range []string{"<script>alert", "<img src=x", "onerror=alert(1)>"} {
				if strings.Contains(text, bad) {
					t.Errorf("%q: the %s has %s", it.path, where, bad)
				}
			}
		}
	}
}

// Only what is below the directories is shown, however it is asked for.
func TestNothingElseIsShown(t *testing.T) {
	outside := t.TempDir()
	makeRun(t, filepath.Join(outside, "secret"), "secret-scenario", results.Pass, noon, 0)
	dir := t.TempDir()
	makeRun(t, filepath.Join(dir, "mine"), "mine", results.Pass, noon, 0)
	makeRun(t, filepath.Join(dir, "linked"), "linked", results.Pass, noon, 0)
	file := filepath.Join(dir, "linked", results.ResultFile)
	if err := errors.Join(os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "link")), os.Remove(file),
		os.Symlink(filepath.Join(outside, "secret", results.ResultFile), file)); err != nil {
		t.Fatal(err)
	}
	l := open(t, dir)
	up := url.PathEscape("../" + filepath.Base(outside) + "/secret")
	for _, address := range []string{"/", "/at/0/link/", "/at/0/linked/", "/at/0/" + up + "/", "/at/1/", "/at/-1/", "/at/x/", "/at/0//etc/",
		"/at/0/..%2f..%2fetc%2f", "/at/0/mine/../../" + filepath.Base(outside) + "/secret/", "/at/0/%00/",
		"/compare?run=0/mine&run=" + url.QueryEscape("0/../"+filepath.Base(outside)+"/secret"), "/compare?run=0/mine&run=0/link", "/compare?run=0/mine&run=0/linked",
		"/compare?run=" + url.QueryEscape("0//etc") + "&run=0/mine"} {
		status, body := ask(l, address)
		if strings.Contains(body, "secret-scenario") || strings.Contains(body, "root:") {
			t.Errorf("%s: status %d shows what is outside", address, status)
		}
		if address != "/" && status == http.StatusOK && !strings.Contains(body, "cannot be shown") {
			t.Errorf("%s: status 200: %.300s", address, body)
		}
	}
}

func TestComparing(t *testing.T) {
	dir := t.TempDir()
	for i := range 7 {
		makeRun(t, filepath.Join(dir, fmt.Sprint("r", i)), "quickstart", results.Pass, noon, i)
	}
	l := open(t, dir)
	choice := func(n int) string { // of so many runs
		q := url.Values{}
		for i := range n {
			q.Add("run", fmt.Sprint("0/r", i))
		}
		return q.Encode()
	}
	for n, want := range map[int]int{0: 400, 1: 400, 2: 200, 6: 200, 7: 400} {
		if status, body := ask(l, "/compare?"+choice(n)); status != want {
			t.Errorf("%d compared: status %d, want %d: %.300s", n, status, want, body)
		}
	}
	if _, body := ask(l, "/compare?"+choice(2)); !strings.Contains(body, "rate: 101/s") {
		t.Errorf("how the scenarios differ is not in %.2000s", body)
	}
	if _, body := ask(l, "/compare?run=0/r1&run=0/none"); !strings.Contains(body, "0/none") {
		t.Errorf("a run that is not there: %s", body)
	}
}

// In a browser: without a script, the list filters, opens a report and compares.
func TestInABrowser(t *testing.T) {
	tab := pagetest.Open(t)
	dir := t.TempDir()
	makeRun(t, filepath.Join(dir, "one"), "quickstart", results.Pass, noon, 0)
	makeRun(t, filepath.Join(dir, "two"), hostile[1], results.Fail, noon.Add(time.Hour), 9)
	makeRun(t, filepath.Join(dir, "three"), "quickstart", results.Inconclusive, noon.Add(2*time.Hour), 1)
	write(t, filepath.Join(dir, "newer", results.ResultFile), `{"format": 99}`)
	d, err := door.Open("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := d.Server(open(t, dir))
	served := make(chan error, 1)
	go func() { served <- server.Serve(d.Listener()) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-served
	})
	rows := func(n int) string { return fmt.Sprintf(`document.querySelectorAll("tbody tr").length === %d`, n) }
	tab.Run(t, chromedp.Navigate(d.URL()))
	tab.Until(t, rows(4))
	tab.Shot(t, "list.png")
	tab.Run(t, chromedp.Evaluate(`document.querySelector("select[name=scenario]").value = "quickstart"`, nil))
	tab.Click(t, ".filter button")
	tab.Until(t, rows(2))
	tab.Click(t, "tbody a")
	tab.Until(t, `document.getElementById("part-verdict") && document.documentElement.dataset.ready === "true"`)
	tab.Run(t, chromedp.Navigate(strings.Split(d.URL(), "?")[0])) // by the cookie
	tab.Until(t, rows(4))
	tab.Run(t, chromedp.Evaluate(`document.querySelectorAll("tbody input").forEach((i) => { i.checked = true; })`, nil))
	tab.Click(t, ".act button")
	tab.Until(t, `location.pathname === "/compare" && document.documentElement.dataset.ready === "true"`)
	tab.Shot(t, "compare.png")
	if errs := tab.Errors(); len(errs) > 0 {
		t.Errorf("the pages said %q", errs)
	}
}

// Reports are made a few at a time; who went away is not waited for.
func TestReportsInTurn(t *testing.T) {
	dir := t.TempDir()
	makeRun(t, filepath.Join(dir, "a"), "quickstart", results.Pass, noon, 0)
	l := open(t, dir)
	for range atOnce {
		l.making <- struct{}{}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	l.ServeHTTP(w, httptest.NewRequestWithContext(gone, http.MethodGet, "/at/0/a/", nil))
	if w.Body.Len() > 0 {
		t.Errorf("one more report was made: %.100s", w.Body)
	}
	<-l.making
	if status, body := ask(l, "/at/0/a/"); status != http.StatusOK || !strings.Contains(body, "quickstart") {
		t.Errorf("status %d, %.100s", status, body)
	}
	if len(l.making) != atOnce-1 {
		t.Errorf("%d are being made, want %d", len(l.making), atOnce-1)
	}
}
