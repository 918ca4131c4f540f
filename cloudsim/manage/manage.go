// Package manage is what an administrator's programs do to a tenant by the
// sign-in port: choose how its users sign in, make registration tokens, list its
// connectors. Who asks shows an access token with the scope tenant.manage.
package manage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"ptabench/cloudsim/federation"
	"ptabench/cloudsim/token"
)

// maxBody bounds what is sent here, in bytes.
const maxBody = 8 << 10

// The methods by which users sign in.
const (
	PassThrough = "pass-through"
	HashSync    = "hash-sync"
	Federation  = "federation"
	None        = "none" // nobody does but administrators
)

// A Method is how the users of a tenant sign in.
type Method struct {
	Method string `json:"method"`
	// HashSyncBackup lets hash sync answer when pass-through can't, or when it
	// is not known where federation would have users sent: its metadata could not
	// be read. Whether a federation server that is known answers, nobody here
	// sees: browsers go there.
	HashSyncBackup bool `json:"hash_sync_backup"`
	// FederationMetadata is where the federation server describes itself.
	FederationMetadata string `json:"federation_metadata"`
	// PassiveEndpoint is where users are sent then: it is read from the
	// metadata, and not to be given.
	PassiveEndpoint string `json:"passive_endpoint,omitempty"`
	// Warning says what will not work yet.
	Warning string `json:"warning,omitempty"`
}

// check reports everything that is wrong with a method.
func (m *Method) check() error {
	var errs []error
	if !slices.Contains([]string{PassThrough, HashSync, Federation, None}, m.Method) {
		errs = append(errs, fmt.Errorf("method: %.40q: expected pass-through, hash-sync, federation or none", m.Method))
	}
	if m.HashSyncBackup && m.Method != PassThrough && m.Method != Federation {
		errs = append(errs, errors.New("hash_sync_backup: true: expected only with pass-through or federation"))
	}
	switch {
	case m.Method == Federation:
		if err := federation.CheckAddress(m.FederationMetadata); err != nil {
			errs = append(errs, fmt.Errorf("federation_metadata: %w", err))
		}
	case m.FederationMetadata != "":
		errs = append(errs, errors.New("federation_metadata: given: expected only with federation"))
	}
	if m.PassiveEndpoint != "" || m.Warning != "" {
		errs = append(errs, errors.New("passive_endpoint, warning: given: these are answers"))
	}
	return errors.Join(errs...)
}

// A Tenant is what an administrator has control of.
type Tenant interface {
	Method() Method
	// SetMethod takes effect at once, and is kept.
	SetMethod(ctx context.Context, by string, m Method) (Method, error)
	NewRegistrationToken() (text string, expires time.Time, err error)
	// Connectors is the inventory, for JSON.
	Connectors() any
}

// API serves it.
type API struct {
	// Tenant finds a tenant and who issues its tokens.
	Tenant func(name string) (Tenant, *token.Issuer, bool)
	Denied func(reason string) // counts
	Now    func() time.Time
	Log    *slog.Logger
}

// Routes adds the paths to a mux.
func (a *API) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /{tenant}/admin/sign-in-method", a.as(func(w http.ResponseWriter, _ *http.Request, t Tenant, _ token.Access) {
		writeJSON(w, http.StatusOK, t.Method())
	}))
	mux.HandleFunc("PUT /{tenant}/admin/sign-in-method", a.as(a.setMethod))
	mux.HandleFunc("POST /{tenant}/admin/registration-tokens", a.as(a.newToken))
	mux.HandleFunc("GET /{tenant}/admin/connectors", a.as(func(w http.ResponseWriter, _ *http.Request, t Tenant, _ token.Access) {
		writeJSON(w, http.StatusOK, t.Connectors())
	}))
}

// reasons are the words for what is wrong with a token, for counters.
var reasons = []struct {
	err  error
	word string
}{
	{token.ErrMalformed, "admin-token-malformed"}, {token.ErrSignature, "admin-token-signature"},
	{token.ErrTenant, "admin-token-of-another-tenant"}, {token.ErrAudience, "admin-token-audience"},
	{token.ErrExpired, "admin-token-expired"}, {token.ErrNotYet, "admin-token-not-valid-yet"},
	{token.ErrScope, "admin-token-scope"},
}

// as lets through whoever may manage the tenant.
func (a *API) as(serve func(http.ResponseWriter, *http.Request, Tenant, token.Access)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t, issuer, found := a.Tenant(r.PathValue("tenant"))
		if !found {
			a.refuse(w, http.StatusNotFound, "invalid_request", "unknown-tenant", "there is no such tenant")
			return
		}
		scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if text == "" || !strings.EqualFold(scheme, "Bearer") {
			w.Header().Set("WWW-Authenticate", "Bearer")
			a.refuse(w, http.StatusUnauthorized, "invalid_token", "admin-token-missing", "expected an access token in the header Authorization: Bearer")
			return
		}
		access, err := issuer.Verify(text, token.ManageScope, a.Now())
		for _, known := range reasons {
			if !errors.Is(err, known.err) {
				continue
			}
			status, word := http.StatusUnauthorized, "invalid_token"
			if known.err == token.ErrScope {
				status, word = http.StatusForbidden, "insufficient_scope"
			}
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer error=%q, scope=%q`, word, token.ManageScope))
			a.refuse(w, status, word, known.word, err.Error())
			return
		}
		if err != nil {
			a.refuse(w, http.StatusUnauthorized, "invalid_token", "admin-token-malformed", "the access token can't be read")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		serve(w, r, t, access)
	}
}

func (a *API) setMethod(w http.ResponseWriter, r *http.Request, t Tenant, by token.Access) {
	m, err := readMethod(r.Body)
	if err != nil {
		a.refuse(w, http.StatusBadRequest, "invalid_request", "admin-malformed-method", err.Error())
		return
	}
	m, err = t.SetMethod(r.Context(), by.User, m)
	if err != nil {
		a.Log.Error("choosing the sign-in method", "tenant", r.PathValue("tenant"), "error", err)
		writeJSON(w, http.StatusInternalServerError, problem{"server_error", "the choice could not be kept"})
		return
	}
	a.Log.Info("sign-in method chosen", "tenant", r.PathValue("tenant"), "administrator", by.User, "method", m.Method,
		"hash_sync_backup", m.HashSyncBackup)
	writeJSON(w, http.StatusOK, m)
}

// readMethod reads one JSON object and nothing more.
func readMethod(body io.Reader) (m Method, err error) {
	dec := json.NewDecoder(body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return m, fmt.Errorf(`expected JSON such as {"method":"pass-through","hash_sync_backup":true}: %w`, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return m, errors.New("expected one JSON object and nothing after it")
	}
	return m, m.check()
}

func (a *API) newToken(w http.ResponseWriter, r *http.Request, t Tenant, by token.Access) {
	text, expires, err := t.NewRegistrationToken()
	if err != nil {
		a.Log.Error("making a registration token", "tenant", r.PathValue("tenant"), "error", err)
		writeJSON(w, http.StatusInternalServerError, problem{"server_error", "the token could not be kept"})
		return
	}
	a.Log.Info("registration token made", "tenant", r.PathValue("tenant"), "administrator", by.User, "expires", expires)
	writeJSON(w, http.StatusCreated, map[string]any{"token": text, "expires": expires.UTC().Truncate(time.Second)})
}

type problem struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

func (a *API) refuse(w http.ResponseWriter, status int, word, reason, text string) {
	a.Denied(reason)
	a.Log.Debug("administrator's request refused", "reason", reason)
	writeJSON(w, status, problem{word, text})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // whoever asked may have gone
}
