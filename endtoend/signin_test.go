package endtoend

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"ptabench/observe"
	"ptabench/page/pagetest"
	"ptabench/population"
)

const syncingToken = "PTABENCH_HASHSYNC_TOKEN=hash-sync-token-of-a-test"

// methodsStage is a cloud with a tenant for each sign-in method, each with a
// directory of its own, and the sample app of each.
type methodsStage struct {
	*testing.T
	dir   string
	cloud *actor
	apps  map[string]*actor
}

// people is how many there are in each directory; locked is one whose account is
// locked there.
const people = 10

// person is the first user in a state, and the password.
func (s *methodsStage) person(domain string, state population.State) (name, password string) {
	s.Helper()
	users, err := population.New(population.Spec{Users: people, Seed: 1, Domain: domain, Shares: map[population.State]float64{population.Locked: 0.1}})
	if err != nil {
		s.Fatal(err)
	}
	i := users.In(state)[0]
	return users.UPN(i), users.Password(i)
}

func newMethodsStage(t *testing.T) *methodsStage {
	t.Helper()
	s := &methodsStage{T: t, dir: t.TempDir(), apps: make(map[string]*actor)}
	at := func(name ...string) string { return filepath.Join(append([]string{s.dir}, name...)...) }
	observed := []string{stageObserve, stageDirectory, syncingToken}
	balancer := launch(t, observed, "balancer", "--backend", "adfs-1=127.0.0.1:1").await(t)
	s.cloud = launch(t, observed, "cloudsim", "--state", at("cloud"), "--lockout", "5/60s",
		"--tenant", "name=contoso,domain=contoso.test,method=pass-through,fallback=off",
		"--tenant", "name=fabrikam,domain=fabrikam.test,method=hash-sync,fallback=off",
		"--tenant", "name=tailspin,domain=tailspin.test,method=federation,fallback=off,metadata=https://"+balancer.Ports["https"]+"/FederationMetadata/2007-06/FederationMetadata.xml",
		"--trust", at("farm", "ca.pem")).await(t)
	directories := make(map[string]*actor)
	for _, name := range []string{"contoso", "fabrikam", "tailspin"} {
		args := []string{"directory", "--state", at("directory-" + name), "--domain", name + ".test", "--users", fmt.Sprint(people), "--states", "locked=10%"}
		if name == "fabrikam" {
			args = append(args, "--hash-sync-url", "https://"+s.cloud.Ports["hashsync"], "--hash-sync-ca", at("cloud", "ca.pem"), "--hash-sync-tenant", name)
		}
		directories[name] = launch(t, observed, args...)
	}
	for _, d := range directories {
		d.await(t)
	}
	asking := func(name string) []string {
		d := directories[name]
		return []string{"--directory", "ldaps://" + d.Ports["ldaps"], "--directory-ca", at("directory-"+name, "ca.pem"),
			"--bind-dn", d.Info["service_dn"], "--base-dn", d.Info["base_dn"]}
	}
	var token struct{ Token string }
	client := &observe.Client{Address: s.cloud.Ports["observe"], Token: strings.TrimPrefix(stageObserve, "PTABENCH_OBSERVE_TOKEN="), HTTP: http.DefaultClient}
	if err := client.Post(context.Background(), "/tenants/contoso/registration-tokens", nil, &token); err != nil {
		t.Fatal(err)
	}
	connector := launch(t, append(observed, "PTABENCH_REGISTRATION_TOKEN="+token.Token), append([]string{"connector", "--cloud", at("cloud", "cloud.json"),
		"--name", "connector-1", "--state", at("connector-1")}, asking("contoso")...)...)
	adfs := launch(t, observed, append([]string{"adfs", "--state", at("adfs-1"), "--farm", at("farm"), "--public", balancer.Ports["https"],
		"--relying-party", "https://" + s.cloud.Ports["443"] + "/tailspin/v2.0"}, asking("tailspin")...)...).await(t)
	backends := &observe.Client{Address: balancer.Ports["observe"], Token: client.Token, HTTP: http.DefaultClient}
	if err := backends.Put(context.Background(), "/backends/adfs-1", map[string]string{"address": adfs.Ports["https"]}, nil); err != nil {
		t.Fatal(err)
	}
	for name := range directories {
		s.apps[name] = launch(t, observed, "app", "--cloud", at("cloud", "cloud.json"), "--tenant", name)
	}
	for _, a := range s.apps {
		a.await(t)
	}
	connector.await(t)
	return s
}

// TestBrowserSignsIn has a browser sign in to the sample app by each method: a
// wrong password first, then the right one, and out again; and somebody whose
// account is locked.
func TestBrowserSignsIn(t *testing.T) {
	s := newMethodsStage(t)
	for _, tc := range []struct{ tenant, method, wrong, locked string }{
		{"contoso", "pass-through", "AADSTS50126", "AADSTS50053"},
		{"fabrikam", "hash-sync", "AADSTS50126", ""}, // the sync carries no lock
		{"tailspin", "federation", "Incorrect user name or password", ""},
	} {
		t.Run(tc.method, func(t *testing.T) {
			tab := pagetest.Open(t)
			shot := func(name string) { tab.Shot(t, "signin-"+tc.method+"-"+name+".png") }
			home := "http://" + s.apps[tc.tenant].Ports["http"] + "/"
			cloud := "https://" + s.cloud.Ports["443"]
			shown := func(text string) {
				t.Helper()
				tab.Until(t, fmt.Sprintf("document.body && document.body.innerText.includes(%q)", text))
			}
			// What matters is there without a mouse: Tab is where it must be, and
			// Enter presses the right button.
			typed := func(selector, text string) {
				t.Helper()
				tab.Until(t, fmt.Sprintf("document.activeElement === document.querySelector(%q)", selector))
				tab.Run(t, chromedp.KeyEvent(text+kb.Enter))
			}
			begin := func() {
				t.Helper()
				tab.Run(t, chromedp.Navigate(home))
				tab.Click(t, `a[href="/sign-in"]`)
				shown("to continue to the sample app")
			}
			tab.Run(t, security.SetIgnoreCertificateErrors(true), emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "light"}}))
			name, password := s.person(tc.tenant+".test", population.Active)
			begin()
			shot("user")
			typed("#user", name)
			tab.Until(t, `document.querySelector("#password")`)
			shot("password")
			typed("#password", "wrong")
			shown(tc.wrong)
			shot("wrong")
			typed("#password", password)
			if tc.method == "federation" { // the server may have known the user without asking: any program could have begun this
				shown("Continue to the sample app?")
				shot("continue")
				tab.Click(t, `button[value="continue"]`)
			}
			tab.Until(t, fmt.Sprintf("location.href === %q", home))
			greeting, _, _ := strings.Cut(name, "@")
			shown("Hello, " + greeting)
			shot("app")
			// The cloud knows who it was that checked the password.
			tab.Run(t, chromedp.Navigate(cloud+"/"))
			shown(tc.method)
			shot("account")
			tab.Run(t, chromedp.Navigate(home))
			tab.Click(t, "form button")
			tab.Until(t, fmt.Sprintf("location.href === %q && document.body.innerText.includes('Welcome')", home))
			tab.Run(t, chromedp.Navigate(cloud+"/"))
			tab.Until(t, `document.querySelector("#user")`)
			for _, e := range tab.Errors() {
				if !strings.Contains(e, "/favicon.ico") { // the browser asks, nobody has one
					t.Errorf("the page said %s", e)
				}
			}
			if tc.locked == "" {
				return
			}
			tab.Run(t, emulation.SetDeviceMetricsOverride(360, 740, 2, true))
			name, password = s.person(tc.tenant+".test", population.Locked)
			begin()
			shot("user-narrow")
			typed("#user", name)
			typed("#password", password)
			shown(tc.locked)
			shot("locked-narrow")
			if wide := pagetest.Value[bool](t, tab, "document.documentElement.scrollWidth > document.documentElement.clientWidth"); wide {
				t.Error("the page is wider than a phone")
			}
		})
	}
}
