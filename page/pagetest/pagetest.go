// Package pagetest opens pages in a real browser, for tests: one headless
// Chromium for all of a test binary, a tab for each test.
package pagetest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Required is the switch that makes a missing browser a failure.
const Required = "PTABENCH_REQUIRE_BROWSER_TESTS"

// tabWithin bounds what one test does in its tab.
const tabWithin = 40 * time.Second

var (
	begin   sync.Once
	browser context.Context
	end     context.CancelFunc = func() {}
	missing error
)

// Main runs the tests of a package that opens tabs, and ends the browser.
func Main(m *testing.M) int {
	defer func() { end() }()
	return m.Run()
}

// names of the browser, as Debian and others call it.
var names = []string{"chromium", "chromium-browser", "google-chrome"}

func start() {
	program := ""
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		missing = fmt.Errorf("no browser: looked for %s in PATH", strings.Join(names, ", "))
		return
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program),
		chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(time.Minute))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	var cancel context.CancelFunc
	browser, cancel = chromedp.NewContext(allocator)
	end = func() { cancel(); stop() }
	missing = chromedp.Run(browser)
}

// A Tab is one page in the browser, and what went wrong in it.
type Tab struct {
	context.Context

	mu       sync.Mutex
	errors   []string
	requests []string
}

// Open opens a tab, closed when the test ends. Without a browser the test is
// skipped, unless Required is set.
func Open(t *testing.T) *Tab {
	t.Helper()
	begin.Do(start)
	if missing != nil {
		if os.Getenv(Required) != "" {
			t.Fatalf("%v; %s is set", missing, Required)
		}
		t.Skipf("%v; set %s to make this a failure", missing, Required)
	}
	ctx, closeTab := chromedp.NewContext(browser)
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, tabWithin)
	t.Cleanup(cancel)
	tab := &Tab{Context: ctx}
	chromedp.ListenTarget(ctx, tab.listen)
	if err := chromedp.Run(ctx, log.Enable(), page.BringToFront()); err != nil {
		t.Fatal(err)
	}
	return tab
}

func (tab *Tab) listen(e any) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	switch e := e.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			var words []string
			for _, a := range e.Args {
				words = append(words, string(a.Value)+a.Description)
			}
			tab.errors = append(tab.errors, "console: "+strings.Join(words, " "))
		}
	case *runtime.EventExceptionThrown:
		tab.errors = append(tab.errors, "exception: "+e.ExceptionDetails.Error())
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError {
			tab.errors = append(tab.errors, "log: "+e.Entry.Text+" "+e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		tab.requests = append(tab.requests, e.Request.URL)
	}
}

// Errors are what the page wrote to the console as an error, threw, or was
// refused by its policy, so far.
func (tab *Tab) Errors() []string {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	return append([]string(nil), tab.errors...)
}

// Outside are the requests to other hosts than the given one, so far. Data
// addresses are none.
func (tab *Tab) Outside(host string) (list []string) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	for _, text := range tab.requests {
		if u, err := url.Parse(text); err == nil && (u.Scheme == "data" || u.Host == host || u.Scheme == "file" && host == "") {
			continue
		}
		list = append(list, text)
	}
	return list
}

// Run does something in the tab, or fails the test with what the page said.
func (tab *Tab) Run(t *testing.T, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(tab, actions...); err != nil {
		t.Fatalf("%v; the page said %q", err, tab.Errors())
	}
}

// Value is the value of an expression in the page.
func Value[T any](t *testing.T, tab *Tab, expression string) (v T) {
	t.Helper()
	tab.Run(t, chromedp.Evaluate(expression, &v))
	return v
}

// Until waits until an expression is true in the page, or in the one that the
// tab goes to meanwhile.
func (tab *Tab) Until(t *testing.T, expression string) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		var is bool
		err := chromedp.Run(tab, chromedp.Evaluate("Boolean("+expression+")", &is)) // fails while it goes elsewhere
		if is {
			return
		}
		select {
		case <-tick.C:
		case <-tab.Done():
			t.Fatalf("never came: %s: %v; the page said %q", expression, err, tab.Errors())
		}
	}
}

// Click clicks on the first element of a selector, wherever it is.
func (tab *Tab) Click(t *testing.T, selector string) {
	t.Helper()
	tab.Until(t, fmt.Sprintf("document.querySelector(%q)", selector))
	tab.Run(t, chromedp.Evaluate(fmt.Sprintf("document.querySelector(%q).click()", selector), nil))
}

// Shot keeps a picture of the page for people, when PTABENCH_SCREENSHOTS names
// a directory for them.
func (tab *Tab) Shot(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("PTABENCH_SCREENSHOTS")
	if dir == "" {
		return
	}
	var picture []byte
	tab.Run(t, chromedp.FullScreenshot(&picture, 100))
	if err := os.WriteFile(dir+"/"+name, picture, 0o644); err != nil {
		t.Fatal(err)
	}
}
