package cloud

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"ptabench/observe"
)

// A Method is who checks the passwords of a tenant.
type Method string

// The methods, as the administrator's API names them.
const (
	PassThrough Method = "pass-through"
	HashSync    Method = "hash-sync"
	Federation  Method = "federation"
	None        Method = "none"
)

// SignInMethod is how the users of a tenant sign in.
type SignInMethod struct {
	Method         Method `json:"method"`
	HashSyncBackup bool   `json:"hash_sync_backup"`
	// FederationMetadata is the https address of the federation server's
	// metadata.
	FederationMetadata string `json:"federation_metadata,omitempty"`
}

// An Administrator is one who has signed in.
type Administrator struct {
	cloud *Cloud
	http  *http.Client
	token *oauth2.Token
}

// Token is the access token, a secret. It registers one connector.
func (a *Administrator) Token() string { return a.token.AccessToken }

// Outlasts reports whether the sign-in still holds for a while.
func (a *Administrator) Outlasts(d time.Duration) bool {
	return a.token.Expiry.IsZero() || time.Until(a.token.Expiry) > d
}

// Close ends what is kept open.
func (a *Administrator) Close() { a.http.CloseIdleConnections() }

// SignInMethod asks how the users of the tenant sign in now.
func (a *Administrator) SignInMethod(ctx context.Context) (SignInMethod, error) {
	var m SignInMethod
	err := a.call(ctx, http.MethodGet, "sign-in-method", nil, &m)
	return m, err
}

// SetSignInMethod sets how the users of the tenant sign in.
func (a *Administrator) SetSignInMethod(ctx context.Context, m SignInMethod) error {
	return a.call(ctx, http.MethodPut, "sign-in-method", m, nil)
}

// A RegistrationToken registers one connector.
type RegistrationToken struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

// NewRegistrationToken makes one for a host on which nobody can sign in.
func (a *Administrator) NewRegistrationToken(ctx context.Context) (RegistrationToken, error) {
	var t RegistrationToken
	err := a.call(ctx, http.MethodPost, "registration-tokens", nil, &t)
	if err == nil && t.Token == "" {
		err = errors.New("the cloud's answer has no token")
	}
	return t, err
}

// Connectors is the tenant's inventory.
func (a *Administrator) Connectors(ctx context.Context) (observe.Inventory, error) {
	var list observe.Inventory
	err := a.call(ctx, http.MethodGet, "connectors", nil, &list)
	return list, err
}

// Active is the connector of a name that the cloud counts on; nil for none.
func (a *Administrator) Active(ctx context.Context, name string) (*observe.InventoryConnector, error) {
	list, err := a.Connectors(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking for the tenant's connectors: %w", err)
	}
	for i := range list.Connectors {
		if c := &list.Connectors[i]; c.Name == name && c.State == observe.StateActive {
			return c, nil
		}
	}
	return nil, nil
}

const maxAnswer = 4 << 20

func (a *Administrator) call(ctx context.Context, method, what string, body, answer any) error {
	var text io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		text = bytes.NewReader(encoded)
	}
	at := a.cloud.SignIn() + "/" + url.PathEscape(a.cloud.Tenant) + "/admin/" + what
	q, err := http.NewRequestWithContext(ctx, method, at, text)
	if err != nil {
		return err
	}
	q.Header.Set("Authorization", "Bearer "+a.token.AccessToken)
	if body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	r, err := a.http.Do(q)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, at, a.cloud.explain(err))
	}
	defer r.Body.Close()
	got, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer))
	switch {
	case err != nil:
		return fmt.Errorf("%s %s: %w", method, at, a.cloud.explain(err))
	case r.StatusCode < 200 || r.StatusCode > 299:
		return fmt.Errorf("%s %s: the cloud answers %s: %s", method, at, r.Status, said(got))
	case answer == nil:
		return nil
	}
	if err := json.Unmarshal(got, answer); err != nil {
		return fmt.Errorf("%s %s: the cloud's answer: %w", method, at, err)
	}
	return nil
}

// said is an answer's text, bounded, on one line: JSON's error_description
// when it has one.
func said(text []byte) string {
	var fields struct {
		Error       any    `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(text, &fields) == nil {
		if fields.Description != "" {
			text = []byte(fields.Description)
		} else if e, ok := fields.Error.(string); ok && e != "" {
			text = []byte(e)
		}
	}
	line := strings.Join(strings.Fields(string(text)), " ")
	if len(line) > 300 {
		line = line[:300] + " …"
	}
	return line
}
