package adfs

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/public"
)

// TestMSAL: Microsoft's own library gets a token here by what this server says
// of itself, and brings it to a cloud, of which there is only as much as it
// asks for.
func TestMSAL(t *testing.T) {
	r := start(t, nil)
	var brought []string
	cloud := httptest.NewUnstartedServer(nil)
	cloud.StartTLS()
	t.Cleanup(cloud.Close)
	answer := func(v any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(v)
		}
	}
	tenant := cloud.URL + "/contoso"
	mux := http.NewServeMux()
	mux.Handle("GET /contoso/v2.0/.well-known/openid-configuration", answer(map[string]any{
		"issuer": tenant + "/v2.0", "authorization_endpoint": tenant + "/oauth2/v2.0/authorize", "token_endpoint": tenant + "/oauth2/v2.0/token",
	}))
	mux.Handle("GET /common/UserRealm/", answer(map[string]any{
		"ver": "1.0", "account_type": "Federated", "domain_name": "contoso.test", "cloud_instance_name": "contoso", "cloud_audience_urn": everybodysCloud,
		"federation_protocol": "WSTrust", "federation_metadata_url": r.ready.Info["mex"],
	}))
	mux.HandleFunc("POST /contoso/oauth2/v2.0/token", func(w http.ResponseWriter, q *http.Request) {
		brought = append(brought, q.FormValue("grant_type"), q.FormValue("assertion"))
		part := base64.RawURLEncoding.EncodeToString
		answer(map[string]any{"access_token": "token", "token_type": "Bearer", "expires_in": 3600, "scope": "openid",
			"client_info": part([]byte(`{"uid":"u","utid":"t"}`)),
			"id_token":    part([]byte(`{"alg":"none"}`)) + "." + part([]byte(`{"preferred_username":"`+ann+`","oid":"u","tid":"t"}`)) + "."})(w, q)
	})
	cloud.Config.Handler = mux

	roots := x509.NewCertPool()
	roots.AddCert(cloud.Certificate())
	roots.AppendCertsFromPEM([]byte(r.ready.CAPEM))
	transport := r.client.Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.RootCAs = roots
	t.Cleanup(transport.CloseIdleConnections)
	app, err := public.New("client", public.WithAuthority(tenant), public.WithInstanceDiscovery(false), public.WithHTTPClient(&http.Client{Transport: transport}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, scopes := context.Background(), []string{"openid"}
	//lint:ignore SA1019 discouraged, and what federation by WS-Trust is for
	acquire := app.AcquireTokenByUsernamePassword
	got, err := acquire(ctx, scopes, ann, annsPassword)
	if err != nil {
		t.Fatal(err)
	}
	if got.AccessToken != "token" || len(brought) != 2 || brought[0] != "urn:ietf:params:oauth:grant-type:saml1_1-bearer" {
		t.Fatalf("%+v; it brought %q", got.Account, brought)
	}
	text, err := base64.StdEncoding.DecodeString(brought[1])
	if err != nil {
		text, err = base64.RawURLEncoding.DecodeString(brought[1])
	}
	if err != nil {
		t.Fatal(err)
	}
	a := r.assertion(string(text))
	if to := a.FindElement("//Audience").Text(); to != everybodysCloud {
		t.Errorf("it is for %q", to)
	}
	brought = nil
	_, err = acquire(ctx, scopes, "locked@contoso.test", "wrong")
	if err == nil || !strings.Contains(err.Error(), "500") || len(brought) != 0 {
		t.Errorf("a locked account: %v; it brought %q", err, brought)
	}
	if c := r.counters(); c.Refused[fmt.Sprint(codeLocked)] != 1 {
		t.Errorf("counters: %+v", c)
	}
}
