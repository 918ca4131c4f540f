package load

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"ptabench/population"
	"ptabench/results"
	"ptabench/scenarios"
)

// A fakeFarm takes passwords by WS-Trust for the users of a fake cloud.
type fakeFarm struct {
	*httptest.Server
	cloud  *fakeCloud
	answer func(w http.ResponseWriter, user string) bool // in place of the truth, when it returns true

	mu  sync.Mutex
	mex int
	ids map[string]bool // client request ids
}

const farmAudience = "urn:federation:MicrosoftOnline"

func newFakeFarm(t testing.TB, cloud *fakeCloud) *fakeFarm {
	f := &fakeFarm{cloud: cloud, ids: map[string]bool{}}
	f.Server = httptest.NewTLSServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeFarm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Method == http.MethodGet {
		if r.Close { // the one that reads it; the others open connections
			f.mex++
		}
		fmt.Fprintf(w, `<definitions xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/"><service>
			<port><soap12:address location="%[1]s/adfs/services/trust/2005/usernamemixed"/></port>
			<port><soap12:address location="%[1]s/adfs/services/trust/13/usernamemixed"/></port></service></definitions>`, f.URL)
		return
	}
	var asked struct {
		To       string `xml:"Header>To"`
		Created  string `xml:"Header>Security>Timestamp>Created"`
		User     string `xml:"Header>Security>UsernameToken>Username"`
		Password string `xml:"Header>Security>UsernameToken>Password"`
		Audience string `xml:"Body>RequestSecurityToken>AppliesTo>EndpointReference>Address"`
	}
	if err := xml.NewDecoder(r.Body).Decode(&asked); err != nil || asked.To != f.URL+r.URL.Path || asked.Audience != farmAudience {
		http.Error(w, fmt.Sprintf("asked %+v: %v", asked, err), http.StatusBadRequest)
		return
	}
	f.ids[r.Header.Get("Client-Request-Id")] = true
	w.Header().Set("X-Ptabench-Server", "adfs-2")
	w.Header().Set("X-Ptabench-Times", "directory=40,sign=900")
	if f.answer != nil && f.answer(w, asked.User) {
		return
	}
	i, ok := f.cloud.people.Index(asked.User)
	code := 0
	switch {
	case !ok:
		code = 50034
	case f.cloud.people.Password(i) != asked.Password:
		code = 50126
	}
	w.Header().Set("X-Ptabench-Code", fmt.Sprint(code))
	if code != 0 {
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, "<s:Fault/>")
		return
	}
	fmt.Fprintf(w, `<s:Envelope><trust:RequestedSecurityToken><saml:Assertion>%s+/=</saml:Assertion></trust:RequestedSecurityToken></s:Envelope>`, asked.User)
}

// takeAssertion answers as a cloud does that trusts the farm.
func takeAssertion(c *fakeCloud) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/contoso/") {
			c.truth(w, r)
			return
		}
		assertion, err := base64.StdEncoding.DecodeString(r.PostFormValue("assertion"))
		user, ok := strings.CutPrefix(string(assertion), "<saml:Assertion>")
		user, whole := strings.CutSuffix(user, "+/=</saml:Assertion>")
		if err != nil || !ok || !whole || r.PostFormValue("grant_type") != "urn:ietf:params:oauth:grant-type:saml1_1-bearer" || r.PostFormValue("password") != "" {
			http.Error(w, "no assertion", http.StatusBadRequest)
			return
		}
		w.Header()["Client-Request-Id"] = r.Header["Client-Request-Id"]
		w.Header().Set("X-Ptabench-Method", "federation")
		fmt.Fprint(w, tokenAnswer(user))
	}
}

// spreadPeople are users of two tenants' domains.
func spreadPeople(t testing.TB) *population.Population {
	t.Helper()
	p, err := population.New(population.Spec{Seed: 3, Users: 400, Domain: "contoso.test",
		Spread: population.Spread{Others: []string{"fabrikam.test"}, Exponent: 1}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// federated is a load on contoso, whose users bring their passwords to a farm,
// and on fabrikam, whose users bring them to the cloud.
func federated(t testing.TB, sink func(results.Sample)) (*fakeFarm, Config) {
	cloud := newFakeCloud(t, nil)
	cloud.people = spreadPeople(t)
	cloud.answer = takeAssertion(cloud)
	farm := newFakeFarm(t, cloud)
	cfg := cloud.config(sink)
	cfg.Roots.AddCert(farm.Certificate())
	cfg.Mix = map[scenarios.Intent]float64{scenarios.IntentRight: 0.8, scenarios.IntentWrong: 0.1, scenarios.IntentUnknown: 0.1}
	cfg.Federation = []string{"adfs-1", "adfs-2"}
	cfg.Tenants = []Tenant{
		{Name: "contoso", URL: cloud.URL + "/contoso/oauth2/v2.0/token", Federation: &Federation{MEX: farm.URL + "/mex", Audience: farmAudience}},
		{Name: "fabrikam", URL: cloud.URL + "/fabrikam/oauth2/v2.0/token"},
	}
	cfg.TenantOf = []int{0, 1}
	return farm, cfg
}

func TestFederatedSignIns(t *testing.T) {
	var got list
	farm, cfg := federated(t, got.add)
	cfg.Population = farm.cloud.people
	g := generator(t, cfg)
	if err := g.Run(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	checkBooks(t, g, got)
	if p := g.tenants.all[0].farm.conns; !p.turns || g.tenants.all[1].conns.turns {
		t.Error("sign-ins meet only a few servers of the farm")
	}
	of := map[uint8]int{}
	for _, s := range got {
		of[s.Tenant]++
		path, server := results.PathFederation, uint8(2)
		if s.Tenant == 2 {
			path, server = results.PathPassThrough, 1
		}
		if s.Judgement != results.Right || s.Path != path || s.Server != server {
			t.Fatalf("%+v", s)
		}
		if s.Tenant == 1 && (s.Directory != 40 || s.Connector < s.Directory || !farm.ids[g.RequestID(s.Seq)]) {
			t.Fatalf("at the farm: %+v", s)
		}
		if want := s.Tenant == 1; want != (cfg.Population.DomainOf(int(s.User)) == 0) && s.Intent != 7 {
			t.Fatalf("user %d at tenant %d", s.User, s.Tenant)
		}
	}
	// Of two domains and the exponent 1, the first has two thirds.
	if share := float64(of[1]) / float64(len(got)); share < 0.5 || share > 0.8 || of[0] != 0 {
		t.Errorf("sign-ins by tenant: %v", of)
	}
	if farm.mex != 1 {
		t.Errorf("the metadata exchange document was read %d times, expected once", farm.mex)
	}
	if p := g.Progress(); p.Federation != uint64(of[1]) {
		t.Errorf("progress %+v, %v", p, of)
	}
}

func TestFarmThatDoesNotDecide(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(w http.ResponseWriter, user string) bool
		want   results.Sample
	}{
		{"directory away", func(w http.ResponseWriter, _ string) bool {
			w.Header().Set("X-Ptabench-Code", "80007")
			w.WriteHeader(http.StatusInternalServerError)
			return true
		}, results.Sample{Outcome: results.OutcomeFailed, Code: 80007, Path: results.PathFederation, Server: 2}},
		{"garbage", func(w http.ResponseWriter, _ string) bool {
			fmt.Fprint(w, "<html>RequestedSecurityToken>")
			return true
		}, results.Sample{Outcome: results.OutcomeFailed, Error: results.ErrorOther, Path: results.PathFederation, Server: 2}},
		{"garbage that says it is a token", func(w http.ResponseWriter, _ string) bool {
			fmt.Fprint(w, "<RequestedSecurityToken>x</RequestedSecurityToken>")
			return true
		}, results.Sample{Outcome: results.OutcomeFailed, Error: results.ErrorOther, Path: results.PathFederation, Server: 2}},
		{"somebody else's token", func(w http.ResponseWriter, _ string) bool {
			fmt.Fprint(w, "<t:RequestedSecurityToken><saml:Assertion>user000009@contoso.test+/=</saml:Assertion></t:RequestedSecurityToken>")
			return true
		}, results.Sample{Outcome: results.OutcomeAccepted, Path: results.PathFederation, Server: 2, Judgement: results.WrongAccept}},
		{"no connection", func(w http.ResponseWriter, _ string) bool {
			panic(http.ErrAbortHandler)
		}, results.Sample{Outcome: results.OutcomeUnknown, Error: results.ErrorEOF}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got list
			farm, cfg := federated(t, got.add)
			farm.answer = c.answer
			farm.Config.ErrorLog = farm.cloud.Config.ErrorLog
			cfg.Population, cfg.Mix = farm.cloud.people, map[scenarios.Intent]float64{scenarios.IntentRight: 1}
			cfg.Rate, cfg.Warmup, cfg.Duration = 50, 0, 400*time.Millisecond
			g := generator(t, cfg)
			if err := g.Run(t.Context(), time.Now()); err != nil {
				t.Fatal(err)
			}
			checkBooks(t, g, got)
			n := 0
			for _, s := range got {
				if s.Tenant != 1 || cfg.Population.UPN(int(s.User)) == "user000009@contoso.test" {
					continue
				}
				n++
				seen := results.Sample{Outcome: s.Outcome, Code: s.Code, Error: s.Error, Path: s.Path, Server: s.Server, Judgement: s.Judgement}
				if seen != c.want {
					t.Fatalf("got  %+v\nwant %+v", seen, c.want)
				}
			}
			if n == 0 {
				t.Fatal("no sign-in of contoso")
			}
		})
	}
}

func TestMetadataExchangeRefused(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "reading the document: EOF"},
		{"<definitions/>", "names no https endpoint"},
		{`<definitions><service><port><address location="http://fs.test/adfs/services/trust/13/usernamemixed"/></port></service></definitions>`, "names no https endpoint"},
	} {
		if _, err := usernameMixed([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, expected %s", c.text, err, c.want)
		}
	}
}

func FuzzSecurityToken(f *testing.F) {
	f.Add("<a:RequestedSecurityToken><x/></a:RequestedSecurityToken>")
	f.Add("RequestedSecurityToken><x</RequestedSecurityToken>")
	f.Fuzz(func(t *testing.T, body string) {
		if token := securityToken([]byte(body)); token != nil && (len(token) == 0 || token[0] != '<' || !strings.Contains(body, string(token))) {
			t.Errorf("%q of %q", token, body)
		}
	})
}

// One sign-in after the other takes the same connection, or each in turn.
func TestIdleConnectionsTakeTurns(t *testing.T) {
	const pool, signIns = 5, 20
	for turns, want := range map[bool]int{false: 1, true: pool} {
		by := map[string]int{} // sign-ins of each connection
		cloud := newFakeCloud(t, func(w http.ResponseWriter, r *http.Request) { by[r.RemoteAddr]++ })
		g := opened(t, cloud, pool)
		g.tenants.all[0].conns.turns = turns
		for seq := range signIns {
			if class, _ := try(t.Context(), g, uint32(seq), time.Minute); class != 0 {
				t.Fatalf("sign-in %d: class %d", seq, class)
			}
		}
		if len(by) != want {
			t.Errorf("turns %v: %d connections used, want %d", turns, len(by), want)
		}
		for connection, n := range by {
			if n != signIns/want {
				t.Errorf("turns %v: %d sign-ins by %s, want %d", turns, n, connection, signIns/want)
			}
		}
		checkPool(t, g.tenants.all[0].conns)
	}
}

func TestTenantsRefused(t *testing.T) {
	for _, c := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Tenants[1].URL = "https://elsewhere.test/token" }, `tenant fabrikam: url "https://elsewhere.test/token"`},
		{func(c *Config) { c.Tenants[0].Federation.MEX = "http://fs.test" }, `tenant contoso: metadata exchange "http://fs.test"`},
		{func(c *Config) { c.Tenants[0].Federation.Audience = "" }, "tenant contoso: audience: missing"},
		{func(c *Config) { c.TenantOf = []int{0} }, "tenants of domains: 1, expected one for each of 2 domains"},
		{func(c *Config) { c.TenantOf = []int{0, 2} }, "tenant 2 of domain fabrikam.test: expected 0 to 1"},
	} {
		farm, cfg := federated(t, func(results.Sample) {})
		cfg.Population = farm.cloud.people
		c.change(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, expected %s", err, c.want)
		}
	}
}
