package live

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"ptabench/door"
	"ptabench/page/pagetest"
	"ptabench/results"
)

const seconds = 6 // of the made-up run

func header() results.Header {
	return results.Header{Scenario: "made-up", Seed: 1, StartedAt: "2026-11-22T12:00:00Z", Duration: int64(seconds * time.Second),
		Planned: seconds * 100, Timeout: int64(5 * time.Second), Command: "ptabench run made-up", Version: "test",
		Intents: []string{"right"}, Connectors: []string{"connector-1", "connector-2"}}
}

// second is a hundred sign-ins due within a second of the made-up run.
func second(n int) (list []results.Sample) {
	for i := range 100 {
		due := int64(n)*int64(time.Second) + int64(i)*int64(10*time.Millisecond)
		list = append(list, results.Sample{Seq: uint32(100*n + i), Due: due, Sent: due + 1000, Done: due + int64(n+1)*int64(time.Millisecond),
			Outcome: results.OutcomeAccepted, Path: results.PathPassThrough, Judgement: results.Right, Attempts: 1, Server: uint8(1 + i%2)})
	}
	return list
}

// A madeUp is a run that is fed to a page and to a directory alike.
type madeUp struct {
	page     *Page
	url      string
	dir      string
	samples  *results.SampleWriter
	recorder *results.Recorder
	stopped  atomic.Int32
}

func serve(t *testing.T) *madeUp {
	t.Helper()
	d, err := door.Open("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &madeUp{dir: filepath.Join(t.TempDir(), "run"), url: d.URL()}
	if err := results.Create(m.dir); err != nil {
		t.Fatal(err)
	}
	if m.samples, err = results.CreateSamples(filepath.Join(m.dir, results.SamplesFile), header()); err != nil {
		t.Fatal(err)
	}
	m.recorder = results.NewRecorder(m.samples.Header(), nil)
	m.page = Serve(d, Options{Name: "made-up", Scenario: "name: made-up\n", Duration: seconds * time.Second,
		Every: 20 * time.Millisecond, Stop: func() { m.stopped.Add(1) }})
	return m
}

func (m *madeUp) began() { m.page.Began(m.samples.Header()) }

// feed goes on to the end of a second.
func (m *madeUp) feed(t *testing.T, n int) {
	t.Helper()
	for _, s := range second(n) {
		if err := m.samples.Append(s); err != nil {
			t.Fatal(err)
		}
		m.recorder.Record(s)
		m.page.Sample(s)
	}
	so := m.recorder.Result()
	m.page.Event(results.Event{At: int64(n) * int64(time.Second), Source: "harness", Kind: "made-up"})
	m.page.Usage(results.Usage{At: int64(n) * int64(time.Second), Process: "harness", CPU: int64(n) * int64(time.Millisecond)})
	m.page.Progress(Progress{Phase: "load", At: time.Duration(n+1) * time.Second, SoFar: func() *results.Result { return &so }})
}

// end writes the result and shows it.
func (m *madeUp) end(t *testing.T) *results.Result {
	t.Helper()
	r := m.recorder.Result()
	r.Verdict = results.Pass
	if err := errors.Join(m.samples.Close(), results.WriteResult(filepath.Join(m.dir, results.ResultFile), &r)); err != nil {
		t.Fatal(err)
	}
	run, err := results.Open(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	m.page.Finish(run, nil)
	return &r
}

func (m *madeUp) close(t *testing.T) {
	t.Helper()
	if err := m.page.Close(); err != nil {
		t.Error(err)
	}
}

// In a browser: the page follows a run to its end, and what it shows then is
// what the run's files say.
func TestPageFollowsARun(t *testing.T) {
	tab := pagetest.Open(t)
	m := serve(t)
	tab.Run(t, chromedp.Navigate(m.url))
	tab.Until(t, `document.documentElement.dataset.ready === "true"`)
	if at := pagetest.Value[string](t, tab, `location.href`); strings.Contains(at, "token") {
		t.Errorf("the address still has the token: %s", at)
	}
	if text := pagetest.Value[string](t, tab, `document.body.innerText`); !strings.Contains(strings.ToLower(text), "starting") {
		t.Errorf("before the load the page says %.200q", text)
	}
	m.began()
	for n := range seconds {
		m.feed(t, n)
		if n == 2 || n == 4 { // the page comes along
			tab.Until(t, fmt.Sprintf(`window.ptabench.charts.response && window.ptabench.charts.response.data.x.length >= %d`, n))
		}
	}
	tab.Shot(t, "live.png")
	r := m.end(t)
	tab.Until(t, `document.querySelector("#part-verdict .word").textContent === "pass"`)
	m.close(t)

	drawn := pagetest.Value[[]struct {
		Name   string     `json:"name"`
		Values []*float64 `json:"values"`
	}](t, tab, `window.ptabench.charts.response.data.series`)
	checked := 0
	for _, s := range drawn {
		if s.Name != "p99" {
			continue
		}
		for i, in := range r.Intervals {
			if checked++; s.Values[i] == nil || int64(*s.Values[i]+0.5) != in.P99 && int64(*s.Values[i]*1e6+0.5) != in.P99 {
				t.Errorf("p99 of second %d is drawn as %v, is %d ns", i, s.Values[i], in.P99)
			}
		}
	}
	if checked != seconds {
		t.Errorf("%d seconds of p99 drawn, want %d: %+v", checked, seconds, drawn)
	}
	if errs := tab.Errors(); len(errs) > 0 {
		t.Errorf("the page said %q", errs)
	}
	if other := tab.Outside(strings.TrimPrefix(strings.Split(m.url, "/?")[0], "http://")); len(other) > 0 {
		t.Errorf("it asked for %q", other)
	}
	tab.Shot(t, "live-ended.png")
}

// In a browser: the button stops the run, once.
func TestStopButton(t *testing.T) {
	tab := pagetest.Open(t)
	m := serve(t)
	defer m.close(t)
	m.began()
	m.feed(t, 0)
	tab.Run(t, chromedp.Navigate(m.url), chromedp.WaitVisible("#stop"))
	tab.Until(t, `document.documentElement.dataset.ready === "true"`)
	tab.Run(t, chromedp.Click("#stop"))
	tab.Until(t, `document.body.innerText.toLowerCase().includes("putting right")`)
	if n := m.stopped.Load(); n != 1 {
		t.Errorf("stopped %d times", n)
	}
	if errs := tab.Errors(); len(errs) > 0 {
		t.Errorf("the page said %q", errs)
	}
}

// get asks as a program would, with the token in a header.
func (m *madeUp) get(t *testing.T, path string) *http.Response {
	t.Helper()
	base, token, _ := strings.Cut(m.url, "/?token=")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// An update is what is looked at of an event.
type update struct {
	Data struct {
		Verdict string `json:"verdict"`
		Live    struct {
			Phase string `json:"phase"`
			Done  bool   `json:"done"`
		} `json:"live"`
	} `json:"data"`
	Parts map[string]string `json:"parts"`
}

// updates reads the stream to its end.
func updates(t *testing.T, body io.Reader) (list []update) {
	t.Helper()
	lines := bufio.NewReader(body)
	for {
		line, err := lines.ReadString('\n')
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			list = append(list, update{})
			if err := json.Unmarshal([]byte(data), &list[len(list)-1]); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil {
			return list
		}
	}
}

// Several read along; each gets the last event of all, which is the report.
func TestStreamEndsWithTheReport(t *testing.T) {
	m := serve(t)
	m.began()
	bodies := []io.Reader{m.get(t, "/events").Body, m.get(t, "/events").Body, m.get(t, "/events").Body}
	m.feed(t, 0)
	m.end(t)
	for i, body := range bodies {
		list := updates(t, body)
		last := list[len(list)-1]
		if !last.Data.Live.Done || last.Data.Verdict != "pass" || !strings.Contains(last.Parts["verdict"], "pass") {
			t.Errorf("reader %d: %d updates, the last is %.300v", i, len(list), last)
		}
	}
	if list := updates(t, m.get(t, "/events").Body); len(list) != 1 || !list[0].Data.Live.Done {
		t.Errorf("who comes late gets %d updates, want the last one", len(list))
	}
	m.close(t)
}

// A run that measured nothing says why, and ends the stream too.
func TestRunWithoutAReport(t *testing.T) {
	m := serve(t)
	body := m.get(t, "/events").Body
	m.page.Finish(nil, errors.New("no such <port>"))
	list := updates(t, body)
	if n := len(list); n == 0 || !list[n-1].Data.Live.Done || list[n-1].Data.Verdict != "aborted" ||
		!strings.Contains(list[n-1].Parts["verdict"], "no such &lt;port&gt;") {
		t.Errorf("updates %.500v", list)
	}
	m.close(t)
}

// What goes wrong with the page does not end the run, nor keep it waiting: it is
// said when the page closes.
func TestPageThatCannotBeMade(t *testing.T) {
	m := serve(t)
	m.began()
	m.page.Progress(Progress{Phase: "load", SoFar: func() *results.Result { panic("out of figures") }})
	if resp := m.get(t, "/"); resp.StatusCode != http.StatusInternalServerError {
		t.Errorf("status %d", resp.StatusCode)
	}
	body := m.get(t, "/events").Body
	m.end(t)
	if list := updates(t, body); len(list) != 1 || !list[0].Data.Live.Done {
		t.Errorf("updates %.500v", list)
	}
	if err := m.page.Close(); err == nil || !strings.Contains(err.Error(), "out of figures") {
		t.Errorf("closing says %v", err)
	}
}

// As many pages as there may be, and one more.
func TestTooManyPages(t *testing.T) {
	m := serve(t)
	for range maxStreams {
		if resp := m.get(t, "/events"); resp.StatusCode != http.StatusOK {
			t.Fatalf("status %d", resp.StatusCode)
		}
	}
	if resp := m.get(t, "/events"); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one more: status %d", resp.StatusCode)
	}
	m.close(t)
}

// A browser that takes nothing keeps nobody else waiting, and the server ends
// within its grace.
func TestPageThatTakesNothing(t *testing.T) {
	m := serve(t)
	base, token, _ := strings.Cut(m.url, "/?token=")
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n\r\n", token)
	m.began()
	body := m.get(t, "/events").Body
	for n := range seconds {
		m.feed(t, n)
	}
	m.end(t)
	if list := updates(t, body); !list[len(list)-1].Data.Live.Done {
		t.Error("the other page did not get the last event")
	}
	m.close(t)
}

// What comes in faster than it is taken is bounded, and said.
func TestInboxIsBounded(t *testing.T) {
	var p Page
	p.Scenario = "x"
	for range maxPending + 5 {
		p.Sample(results.Sample{})
	}
	for range maxEvents + 3 {
		p.Event(results.Event{})
	}
	came := p.inbox.take()
	if len(came.samples) != maxPending || came.left != 5 || len(came.events) != maxEvents || came.more != 3 {
		t.Errorf("%d samples and %d left out, %d events and %d left out", len(came.samples), came.left, len(came.events), came.more)
	}
}
