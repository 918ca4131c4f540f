package adfs

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"

	"ptabench/page/pagetest"
)

// TestRealBrowser: somebody signs in by keyboard, with scripts and without, and
// comes back to the app behind the relying party, which is on another site.
func TestRealBrowser(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "<!DOCTYPE html><title>app</title><p>Hello, %s", r.FormValue("state"))
	}))
	t.Cleanup(app.Close)
	brought := make(chan url.Values, 4)
	party := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.ParseForm() == nil {
			brought <- r.PostForm
			http.Redirect(w, r, app.URL+"/?state="+url.QueryEscape(r.PostForm.Get("wctx")), http.StatusSeeOther)
		}
	}))
	t.Cleanup(party.Close)
	realm := party.URL + "/contoso/v2.0"
	r := start(t, func(c *Config) { c.Parties = []string{realm} })
	at := r.base + passivePath + "?" + url.Values{"wa": {"wsignin1.0"}, "wtrealm": {realm}, "wreply": {party.URL + "/contoso/federation"}, "wctx": {"Ann"}, "wfresh": {"0"}}.Encode()

	for _, scripts := range []bool{true, false} {
		t.Run(fmt.Sprintf("scripts %v", scripts), func(t *testing.T) {
			tab := pagetest.Open(t)
			tab.Run(t, security.SetIgnoreCertificateErrors(true), emulation.SetScriptExecutionDisabled(!scripts), chromedp.Navigate(at))
			if scripts {
				if label := pagetest.Value[string](t, tab, `document.activeElement.labels[0].innerText`); label != "User name" {
					t.Errorf("the focus is on %q", label)
				}
				tab.Shot(t, "adfs-sign-in.png")
			}
			tab.Run(t, chromedp.SendKeys("#user", ann), chromedp.SendKeys("#password", "wrong\r"), chromedp.WaitVisible("#error"))
			if scripts {
				if text := pagetest.Value[string](t, tab, `document.querySelector("[role=alert]").innerText`); !strings.HasPrefix(text, "Incorrect user name or password") {
					t.Errorf("the page says %q", text)
				}
				tab.Shot(t, "adfs-wrong.png")
				tab.Run(t, emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}), chromedp.EmulateViewport(360, 640))
				tab.Shot(t, "adfs-wrong-dark-narrow.png")
				if wide := pagetest.Value[bool](t, tab, `document.documentElement.scrollWidth > innerWidth`); wide {
					t.Error("the page is wider than a phone")
				}
			}
			tab.Run(t, chromedp.SendKeys("#password", annsPassword+"\r"))
			if !scripts {
				tab.Run(t, chromedp.WaitVisible("form[action^='"+party.URL+"'] button", chromedp.ByQuery), chromedp.SendKeys("button", "\r", chromedp.ByQuery))
			}
			var title string
			tab.Run(t, chromedp.WaitVisible("//p[text()='Hello, Ann']", chromedp.BySearch), chromedp.Title(&title))
			if title != "app" {
				t.Errorf("the browser is at %q", title)
			}
			r.assertion((<-brought).Get("wresult"))
			for _, text := range tab.Errors() {
				if !strings.Contains(text, "favicon") {
					t.Errorf("the browser says: %s", text)
				}
			}
		})
	}
}
