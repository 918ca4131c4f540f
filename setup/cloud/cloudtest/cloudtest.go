// Package cloudtest is a cloud for tests of what administrators do: it signs
// them in by authorization code and by device code, keeps a tenant's sign-in
// method, and lists connectors. All of its ports but 80 are one listener.
package cloudtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"ptabench/observe"
	"ptabench/ports"
)

// The administrator of tenant contoso, and the token that signing in gives.
const (
	Tenant        = "contoso"
	Administrator = "admin@contoso.test"
	Password      = "correct horse"
	AccessToken   = "the-access-token"
)

// A Cloud is one that runs until the test ends.
type Cloud struct {
	File    string // its cloud file
	CAFile  string
	Address string // host:port of 443

	mu         sync.Mutex
	method     json.RawMessage
	methods    int               // times that it was set
	serving    []string          // connectors
	once       func() bool       // they are listed from when it says so; nil for always
	challenges map[string]string // code to PKCE challenge
	polls      int               // of the device code
	refuse     string            // error of the token endpoint; empty for none
	refusePut  bool
}

// New starts one. Of the response ports it has those given, or else one: that
// is as good as all, and handshakes cost.
func New(t *testing.T, responses ...string) *Cloud {
	t.Helper()
	c := &Cloud{method: json.RawMessage(`{"method":"none","hash_sync_backup":false}`), challenges: make(map[string]string)}
	ca := NewAuthority(t)
	server := httptest.NewUnstartedServer(c.mux())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour), "127.0.0.1")}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	lists := httptest.NewServer(ca.ListHandler(t, time.Now().Add(time.Hour)))
	t.Cleanup(lists.Close)

	c.Address = server.Listener.Addr().String()
	ready := observe.Ready{Role: "cloudsim", Name: "cloud", CAPEM: string(ca.PEM), Ports: make(map[string]string)}
	for _, p := range ports.Cloud() {
		ready.Ports[p] = c.Address
	}
	if len(responses) == 0 {
		responses = ports.Responses()[:1]
	}
	for _, p := range ports.Responses() {
		if !slices.Contains(responses, p) {
			delete(ready.Ports, p)
		}
	}
	ready.Ports[ports.Revocation] = lists.Listener.Addr().String()
	text, err := json.Marshal(ready)
	if err != nil {
		t.Fatal(err)
	}
	c.File, c.CAFile = filepath.Join(t.TempDir(), "cloud.json"), filepath.Join(t.TempDir(), "ca.pem")
	for file, text := range map[string][]byte{c.File: text, c.CAFile: ca.PEM} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// Attach lets the cloud say that a connector serves.
func (c *Cloud) Attach(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serving = append(c.serving, name)
}

// AttachOnce is Attach from when a condition holds.
func (c *Cloud) AttachOnce(name string, once func() bool) {
	c.Attach(name)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.once = once
}

// SetMethod sets the tenant's sign-in method, uncounted.
func (c *Cloud) SetMethod(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.method = json.RawMessage(text)
}

// Host is that of the connectors.
const Host = "vm"

// Refuse lets the token endpoint answer with an error.
func (c *Cloud) Refuse(code string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = code
}

// RefuseMethod lets the cloud refuse to set the sign-in method.
func (c *Cloud) RefuseMethod() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusePut = true
}

// Method is the tenant's sign-in method, and how often it was set.
func (c *Cloud) Method() (text string, times int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.method), c.methods
}

func (c *Cloud) mux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /contoso/bootstrap", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "there is none", http.StatusServiceUnavailable) // the cloud file says it all
	})
	mux.HandleFunc("GET /contoso/oauth2/v2.0/authorize", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("prompt") == "login" {
			fmt.Fprint(w, `<form method="post"><input type="hidden" name="csrf" value="c5rf"></form>`)
			return
		}
		c.redirect(w, r)
	})
	mux.HandleFunc("POST /contoso/oauth2/v2.0/authorize", func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("csrf") != "c5rf" || r.PostFormValue("user") != Administrator || r.PostFormValue("password") != Password {
			fmt.Fprint(w, `<p id="error" class="error">Your name or password isn&#39;t right. <span class="code">AADSTS50126</span></p>`)
			return
		}
		c.redirect(w, r)
	})
	mux.HandleFunc("POST /contoso/oauth2/v2.0/devicecode", func(w http.ResponseWriter, r *http.Request) {
		observe.WriteJSON(w, http.StatusOK, map[string]any{"device_code": "dev", "user_code": "BCDF-GHJK",
			"verification_uri": "https://" + c.Address + "/device", "expires_in": 900, "interval": 1})
	})
	mux.HandleFunc("POST /contoso/oauth2/v2.0/token", c.token)
	mux.HandleFunc("GET /contoso/admin/sign-in-method", c.admin(func(w http.ResponseWriter, _ *http.Request) {
		observe.WriteJSON(w, http.StatusOK, c.method)
	}))
	mux.HandleFunc("PUT /contoso/admin/sign-in-method", c.admin(func(w http.ResponseWriter, r *http.Request) {
		var m json.RawMessage
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil || c.refusePut {
			observe.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": "that method is not to be had"})
			return
		}
		c.method, c.methods = m, c.methods+1
		observe.WriteJSON(w, http.StatusOK, m)
	}))
	mux.HandleFunc("POST /contoso/admin/registration-tokens", c.admin(func(w http.ResponseWriter, _ *http.Request) {
		observe.WriteJSON(w, http.StatusCreated, map[string]any{"token": "one-time", "expires": time.Now().Add(time.Hour)})
	}))
	mux.HandleFunc("GET /contoso/admin/connectors", c.admin(func(w http.ResponseWriter, _ *http.Request) {
		list := observe.Inventory{Tenant: Tenant, Connectors: []observe.InventoryConnector{}}
		for _, name := range c.serving {
			if c.once != nil && !c.once() {
				break
			}
			list.Connectors = append(list.Connectors, observe.InventoryConnector{Name: name, Host: Host, State: observe.StateActive, Serving: true})
		}
		observe.WriteJSON(w, http.StatusOK, list)
	}))
	return mux
}

// admin lets in who has the token, one at a time.
func (c *Cloud) admin(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+AccessToken {
			observe.WriteJSON(w, http.StatusUnauthorized, map[string]string{"error": "invalid_token", "error_description": "the token does not hold"})
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		serve(w, r)
	}
}

// redirect sends the browser back with a code.
func (c *Cloud) redirect(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	code := rand.Text()
	c.mu.Lock()
	c.challenges[code] = q.Get("code_challenge")
	c.mu.Unlock()
	to, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || to.Hostname() != "127.0.0.1" || q.Get("code_challenge_method") != "S256" || q.Get("client_id") != "ptabench-setup" {
		http.Error(w, "expected PKCE and a redirect to loopback", http.StatusBadRequest)
		return
	}
	to.RawQuery = url.Values{"code": {code}, "state": {q.Get("state")}}.Encode()
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}

func (c *Cloud) token(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wrong := func(code string) {
		observe.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": "AADSTS0: " + code})
	}
	switch {
	case c.refuse != "":
		wrong(c.refuse)
		return
	case r.PostFormValue("grant_type") == "authorization_code":
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if want, ok := c.challenges[r.PostFormValue("code")]; !ok || want != base64.RawURLEncoding.EncodeToString(sum[:]) {
			wrong("invalid_grant")
			return
		}
	case r.PostFormValue("device_code") == "dev":
		if c.polls++; c.polls == 1 {
			wrong("authorization_pending")
			return
		}
	default:
		wrong("unsupported_grant_type")
		return
	}
	observe.WriteJSON(w, http.StatusOK, map[string]any{"token_type": "Bearer", "access_token": AccessToken, "expires_in": 600})
}

// An Authority issues certificates.
type Authority struct {
	PEM  []byte
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes one.
func NewAuthority(t *testing.T) *Authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &Authority{PEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), cert: cert, key: key}
}

// Pool holds its certificate.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// Issue makes a certificate for a host.
func (a *Authority) Issue(t *testing.T, from, until time.Time, host string) tls.Certificate {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "test cloud"}, NotBefore: from, NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key}
}

// ListHandler serves a revocation list that revokes the given serial numbers.
func (a *Authority) ListHandler(t *testing.T, until time.Time, revoked ...int64) http.Handler {
	t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: until.Add(-24 * time.Hour), NextUpdate: until}
	for _, n := range revoked {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: big.NewInt(n), RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, a.cert, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/crl/ca.crl" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(der)
	})
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
