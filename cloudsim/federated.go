package cloudsim

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"ptabench/cloudsim/federation"
	"ptabench/cloudsim/signin"
	"ptabench/cloudsim/token"
)

// Codes that assertions are refused with. Source: Microsoft, "Microsoft Entra
// authentication and authorization error codes".
const (
	codeAssertionMalformed = 50008
	codeAssertionSignature = 50013
	codeAssertionAudience  = 500131
	codeAssertionTime      = 500133
	codeAssertionSubject   = 51004
	codeForeignUser        = 50020
	codeFederationUnread   = 50003
	codeTooMany            = 90033
)

// assertionCodes are the codes of refused assertions.
var assertionCodes = map[federation.Reason]int{
	federation.Malformed: codeAssertionMalformed, federation.Unsigned: codeAssertionMalformed, federation.Wrapped: codeAssertionMalformed,
	federation.Algorithm: codeAssertionSignature, federation.UnknownKey: codeAssertionSignature, federation.ExpiredKey: codeAssertionSignature,
	federation.Forged: codeAssertionSignature, federation.Replayed: codeAssertionSignature,
	federation.ForeignIssuer: codeAssertionSignature, federation.OtherAudience: codeAssertionAudience, federation.Unconfirmed: codeAssertionAudience,
	federation.NotYet: codeAssertionTime, federation.Expired: codeAssertionTime,
	federation.NoSubject: codeAssertionSubject, federation.ForeignDomain: codeForeignUser,
	federation.TooMany: codeTooMany, federation.NoMetadata: codeFederationUnread,
}

// maxTrust bounds a file of certificates, in bytes.
const maxTrust = 1 << 20

// validateMethod checks how a tenant's users sign in.
func (t *Tenant) validateMethod(bad func(field string, value any, expected string)) {
	if !slices.Contains([]Method{PassThrough, HashSync, Federation}, t.Method) {
		bad("tenant "+t.Name+" method", t.Method, "pass-through, hash-sync or federation")
	}
	switch {
	case t.Method != Federation && t.Metadata != "":
		bad("tenant "+t.Name+" metadata", t.Metadata, "none but with method federation")
	case t.Method == Federation && federation.CheckAddress(t.Metadata) != nil:
		bad("tenant "+t.Name+" metadata", fmt.Sprintf("%.80q", t.Metadata), "the https address of the federation server's metadata")
	}
	if t.Method == Federation && t.Fallback != Automatic && t.Fallback != Off {
		bad("tenant "+t.Name+" fallback", t.Fallback, "automatic or off with method federation")
	}
}

// believe makes the trust in a federation server.
func (t *tenant) believe(metadata string) *federation.Trust {
	return federation.NewTrust(metadata, func() (*http.Client, error) { return t.client() }, nil)
}

// federationClient asks federation servers for their metadata. It is made for
// each time, which is seldom: the files of authorities may have come meanwhile.
func (srv *server) federationClient() (*http.Client, error) {
	roots := srv.roots()
	for _, name := range srv.cfg.Trust {
		if err := addAuthorities(roots, name); err != nil {
			return nil, fmt.Errorf("trust: %w", err)
		}
	}
	return &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // the administrator names the place itself
		},
	}, nil
}

// addAuthorities adds those of a file. One that is not there yet has none.
func addAuthorities(to *x509.CertPool, name string) error {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() > maxTrust {
		return fmt.Errorf("%s: expected a file of up to %d bytes", name, maxTrust)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if !to.AppendCertsFromPEM(b) {
		return fmt.Errorf("%s: expected certificates in PEM", name)
	}
	return nil
}

// A bearer is somebody who brings the word of a federation server.
type bearer struct {
	document  *federation.Document
	arrived   time.Time
	requestID string
	tenant    *tenant
}

// assert decides one sign-in by an assertion, and writes it down. It stands in
// the tenant's books like one by a password.
func (srv *server) assert(ctx context.Context, b bearer) (federation.Assertion, answer) {
	t := b.tenant
	by, r := srv.believe(ctx, b)
	a := answer{by: Federation} // no connector attempts it
	if r != nil {
		a.code = assertionCodes[r.Reason]
		if a.failed = r.Undecided(); a.failed || !r.Genuine() {
			a.by = "" // the server has not said so
		}
		srv.refuseAssertion(b.requestID, r)
		by = &federation.Assertion{User: b.document.Claimed()}
	}
	t.count(&a)
	srv.signInLog.add(b.arrived, b.requestID, t.Name, by.User, &a)
	return *by, a
}

// refuseAssertion counts and logs an assertion that does not sign anybody in.
func (srv *server) refuseAssertion(requestID string, r *federation.Refusal) {
	srv.logRefusal(string(r.Reason), srv.denied(string(r.Reason), 1))
	srv.log.Debug("assertion refused", "reason", string(r.Reason), "detail", r.Detail, "request_id", requestID)
}

func (srv *server) believe(ctx context.Context, b bearer) (*federation.Assertion, *federation.Refusal) {
	t := b.tenant
	p := t.policy.Load()
	if p.trust == nil {
		return nil, &federation.Refusal{Reason: federation.ForeignIssuer, Detail: "the tenant is not federated"}
	}
	v := federation.Validator{
		Audiences:  []string{token.FederationAudience, t.issuer.Name(), t.issuer.ByID().Name()},
		Recipients: t.recipients(srv.host),
		Now:        b.arrived, Replays: t.replays,
		Belongs: func(user string) bool { return srv.tenantOf(user) == t },
	}
	return p.trust.Believe(ctx, &v, b.document)
}

// recipients are where an assertion about the tenant's users may be used: at its
// token endpoint, however that is addressed, and where browsers bring it.
func (t *tenant) recipients(host string) []string {
	list := []string{"https://" + host + "/" + t.Name + token.FederationPath}
	for _, address := range append([]string{t.Name, token.TenantID(t.Name), "common", "organizations"}, t.Domains...) {
		list = append(list, "https://"+host+"/"+address+token.TokenPath)
	}
	return list
}

// count takes a sign-in into the tenant's books that came by no queue.
func (t *tenant) count(a *answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Received++
	t.countAnswer(a)
}

// tenantOf is the tenant of a user, by the domain of the name; nil for none.
func (srv *server) tenantOf(user string) *tenant {
	_, domain, _ := strings.Cut(user, "@")
	return srv.domains[strings.ToLower(domain)]
}

// assertionGrant is the token endpoint for the grants by an assertion (RFC 7522,
// and the older one of SAML 1.1), which libraries bring from WS-Trust.
func (srv *server) assertionGrant(w http.ResponseWriter, r *http.Request, arrived time.Time, requestID string, form *signInForm, body string) {
	text, err := assertionIn(body)
	if err != nil {
		srv.refuse(w, requestID, http.StatusBadRequest, string(federation.Malformed), codeAssertionMalformed)
		return
	}
	document, refusal := federation.ReadAssertion(text)
	if refusal != nil {
		srv.refuse(w, requestID, http.StatusBadRequest, string(refusal.Reason), assertionCodes[refusal.Reason])
		return
	}
	// Whose it would be, it says itself. That it is, is found out then.
	name := form.address
	t := srv.tenantOf(document.Claimed())
	if named := srv.addressed(name); named != nil {
		t = named
	} else if !anyTenant(name) {
		srv.refuse(w, requestID, http.StatusBadRequest, "unknown-tenant", codeUnknownTenant)
		return
	}
	if t == nil {
		srv.refuse(w, requestID, http.StatusBadRequest, string(federation.ForeignDomain), codeForeignUser)
		return
	}
	if !srv.called(w, r, requestID, form, body) {
		return
	}
	by, a := srv.assert(r.Context(), bearer{document, arrived, requestID, t})
	form.user = by.User
	srv.answerSignIn(w, t, form, requestID, &a)
}

// assertionIn is the assertion in the form of a grant. RFC 7522 has it in
// base64url; Microsoft's libraries have it in base64.
func assertionIn(body string) ([]byte, error) {
	values, err := url.ParseQuery(body)
	if err != nil {
		return nil, err
	}
	if n := len(values["assertion"]); n != 1 {
		return nil, fmt.Errorf("%d of assertion: expected 1", n)
	}
	encoded := strings.NewReplacer("-", "+", "_", "/", "=", "", "\r", "", "\n", "").Replace(values.Get("assertion"))
	return base64.RawStdEncoding.DecodeString(encoded)
}

// vouched decides a sign-in by what a browser brings from a federation server.
func (c theCloud) vouched(ctx context.Context, t *tenant, arrived time.Time, at signin.Attempt) signin.Answer {
	document, r := federation.ReadResponse([]byte(at.Response))
	if r != nil { // it is nobody's, and in nobody's books
		c.refuseAssertion(at.RequestID, r)
		return signin.Answer{Code: assertionCodes[r.Reason]}
	}
	by, a := c.assert(ctx, bearer{document, arrived, at.RequestID, t})
	return signin.Answer{Code: a.code, Failed: a.failed, Method: string(a.by), User: principalName(by.User), SignedIn: by.SignedIn}
}

// discover reads where a federated tenant's users are to be sent, if that is not
// known.
func (t *tenant) discover() {
	p := t.policy.Load()
	if p.trust == nil {
		return
	}
	_, _ = p.trust.Metadata(context.Background()) // bounded; what is not known then, the user is told
}
