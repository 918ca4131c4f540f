package adfs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"ptabench/bind/bindtest"
	"ptabench/observe"
	"ptabench/onprem/adfs/farm"
	"ptabench/page/pagetest"
)

// waits is how long a test waits for what must come.
const waits = 30 * time.Second

const (
	observeToken = "the observers' token"
	realm        = "https://cloud.contoso.test/contoso/v2.0"
	reply        = "https://cloud.contoso.test/contoso/federation"
	ann          = "ann@contoso.test"
	annsPassword = "correct horse <&> ü"
)

// users are those of the tests' directory, in each state that has a code.
var users = map[string]bindtest.User{
	ann:                     {Password: annsPassword},
	"disabled@contoso.test": {Password: annsPassword, Refused: true, Attributes: map[string]string{"userAccountControl": "514"}},
	"locked@contoso.test":   {Password: annsPassword, Refused: true, Attributes: map[string]string{"userAccountControl": "512", "lockoutTime": "133000000000000000"}},
	"expired@contoso.test":  {Password: annsPassword, Refused: true, Attributes: map[string]string{"userAccountControl": "512", "msDS-User-Account-Control-Computed": "8388608"}},
	"o'brien@contoso.test":  {Password: annsPassword},
	"jörg@contoso.test":     {Password: annsPassword},
}

// one is the farm of most tests: making its key takes longer than they do.
var one = struct {
	sync.Once
	dir string
}{}

func TestMain(m *testing.M) {
	code := pagetest.Main(m)
	if one.dir != "" {
		_ = os.RemoveAll(one.dir)
	}
	os.Exit(code)
}

func sharedFarm(t testing.TB) string {
	t.Helper()
	one.Do(func() {
		dir, err := os.MkdirTemp("", "ptabench-adfs")
		if err != nil {
			t.Fatal(err)
		}
		one.dir = dir
	})
	return one.dir
}

// running is a server of a test, and a client that trusts it.
type running struct {
	t         testing.TB
	ready     observe.Ready
	base      string // https://host:port
	client    *http.Client
	observe   *observe.Client
	directory *bindtest.Directory
}

// start has a server serve the users until the test ends.
func start(t testing.TB, change func(*Config)) *running {
	t.Helper()
	d := bindtest.NewDirectory(t, users)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, d.CAPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Name: "adfs-1", State: t.TempDir(), Farm: sharedFarm(t), Listen: "127.0.0.1:0", Observe: "127.0.0.1:0",
		Directories: []string{"ldaps://" + d.Address}, DirectoryCA: ca, Dialect: "attributes",
		BindDN: bindtest.ServiceDN, BindPassword: bindtest.ServicePassword, BaseDN: bindtest.BaseDN,
		Parties: []string{realm}, Terms: farm.DefaultTerms,
		Concurrency: 64, Pool: 8, BindTimeout: 10 * time.Second, ConnectTimeout: 5 * time.Second, ConnectionAge: time.Hour,
		ObserveToken: observeToken,
	}
	if change != nil {
		change(&cfg)
	}
	ctx, stop := context.WithCancel(context.Background())
	said, ended := make(chan observe.Ready, 1), make(chan error, 1)
	go func() {
		ended <- Run(ctx, slog.New(slog.DiscardHandler), cfg, func(r observe.Ready) { said <- r })
	}()
	r := &running{t: t, directory: d}
	select {
	case r.ready = <-said:
	case err := <-ended:
		stop()
		t.Fatalf("it ended: %v", err)
	case <-time.After(waits):
		stop()
		t.Fatal("it is not ready")
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(r.ready.CAPEM)) {
		t.Fatal("ca_pem is no certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 64}
	r.client = &http.Client{Transport: transport, Timeout: waits, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r.base = "https://" + r.ready.Ports["https"]
	r.observe = &observe.Client{Address: r.ready.Ports["observe"], Token: observeToken}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("it ended: %v", err)
			}
		case <-time.After(waits):
			t.Error("it does not end")
		}
	})
	return r
}

// ask is a request for a token, as a client library writes it.
type ask struct {
	user, password          string
	realm, tokenType        string
	created                 time.Time
	action, request         string
	header, inUserName, raw string // put in as they are
}

func (a ask) text() string {
	or := func(text, otherwise string) string {
		if text == "" {
			return otherwise
		}
		return text
	}
	if a.created.IsZero() {
		a.created = time.Now()
	}
	escaped := func(text string) string {
		var b strings.Builder
		escape(&b, text)
		return b.String()
	}
	tokenType := ""
	if a.tokenType != "" {
		tokenType = "<wst:TokenType>" + a.tokenType + "</wst:TokenType>"
	}
	return `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:wsa="http://www.w3.org/2005/08/addressing" xmlns:wsu="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd">` +
		`<s:Header><wsa:Action s:mustUnderstand="1">` + or(a.action, actionIssue) + `</wsa:Action><wsa:MessageID>urn:uuid:1</wsa:MessageID>` + a.header +
		`<wsse:Security s:mustUnderstand="1" xmlns:wsse="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd">` +
		`<wsu:Timestamp wsu:Id="T"><wsu:Created>` + a.created.UTC().Format("2006-01-02T15:04:05.000Z") + `</wsu:Created></wsu:Timestamp>` +
		`<wsse:UsernameToken>` + a.inUserName + `<wsse:Username>` + escaped(a.user) + `</wsse:Username><wsse:Password>` + escaped(a.password) + `</wsse:Password></wsse:UsernameToken></wsse:Security></s:Header>` +
		`<s:Body><wst:RequestSecurityToken xmlns:wst="http://docs.oasis-open.org/ws-sx/ws-trust/200512">` +
		`<wsp:AppliesTo xmlns:wsp="http://schemas.xmlsoap.org/ws/2004/09/policy"><wsa:EndpointReference><wsa:Address>` + escaped(or(a.realm, realm)) + `</wsa:Address></wsa:EndpointReference></wsp:AppliesTo>` +
		tokenType + `<wst:KeyType>` + bearerKey + `</wst:KeyType><wst:RequestType>` + or(a.request, issueType) + `</wst:RequestType></wst:RequestSecurityToken></s:Body></s:Envelope>`
}

// answered is what came back.
type answered struct {
	status int
	code   string
	header http.Header
	text   string
}

func (r *running) ask(a ask) answered {
	r.t.Helper()
	text := a.raw
	if text == "" {
		text = a.text()
	}
	return r.do(http.MethodPost, trustPath, text, "application/soap+xml; charset=utf-8", nil)
}

func (r *running) get(path string) answered {
	r.t.Helper()
	return r.do(http.MethodGet, path, "", "", nil)
}

func (r *running) do(method, path, body, kind string, change func(*http.Request)) answered {
	r.t.Helper()
	q, err := http.NewRequest(method, r.base+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if kind != "" {
		q.Header.Set("Content-Type", kind)
	}
	if change != nil {
		change(q)
	}
	resp, err := r.client.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answered{resp.StatusCode, resp.Header.Get(headerCode), resp.Header, string(text)}
}

// assertion finds the assertion of a text and verifies it by the certificates
// that the metadata publishes, as the cloud does.
func (r *running) assertion(text string) *etree.Element {
	r.t.Helper()
	doc := etree.NewDocument()
	if err := doc.ReadFromString(text); err != nil {
		r.t.Fatal(err)
	}
	a := doc.FindElement("//Assertion")
	if a == nil {
		r.t.Fatalf("no assertion in %s", text)
	}
	ctx := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: r.published()})
	if ctx.IdAttribute = "AssertionID"; a.SelectAttr("ID") != nil {
		ctx.IdAttribute = "ID"
	}
	signed, err := ctx.Validate(a)
	if err != nil {
		r.t.Fatal(err)
	}
	return signed
}

// published are the certificates in the metadata.
func (r *running) published() (all []*x509.Certificate) {
	r.t.Helper()
	doc := etree.NewDocument()
	if err := doc.ReadFromString(r.get(metadataPath).text); err != nil {
		r.t.Fatal(err)
	}
	for _, e := range doc.FindElements("EntityDescriptor/RoleDescriptor/KeyDescriptor[@use='signing']//X509Certificate") {
		block, _ := pem.Decode([]byte("-----BEGIN CERTIFICATE-----\n" + e.Text() + "\n-----END CERTIFICATE-----\n"))
		if block == nil {
			r.t.Fatal("a certificate of the metadata is none")
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

func (r *running) counters() (c observe.FederationCounters) {
	r.t.Helper()
	if err := r.observe.Get(context.Background(), "/counters", &c); err != nil {
		r.t.Fatal(err)
	}
	return c
}

func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	for by := time.Now().Add(waits); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(by) {
			t.Fatalf("still not: %s", what)
		}
	}
}
