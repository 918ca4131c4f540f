package token

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	"ptabench/cloudsim/state"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

const (
	host   = "127.0.0.1:40443"
	client = "c1a2b3c4-0000-4000-8000-000000000001"
)

func open(t testing.TB, dir string) (*Signer, *state.Store) {
	t.Helper()
	store, err := state.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	s, err := New(store)
	if err != nil {
		t.Fatal(err)
	}
	return s, store
}

// claims is everything that the tokens say.
type claims struct {
	jwt.Claims
	Tenant   string `json:"tid"`
	Version  string `json:"ver"`
	Username string `json:"preferred_username"`
	Scope    string `json:"scp"`
	Party    string `json:"azp"`
}

// verify is what a client does that knows no more than the key set.
func verify(t testing.TB, jwks []byte, token string) claims {
	t.Helper()
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(jwks, &keys); err != nil {
		t.Fatal(err)
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatalf("parsing %s: %v", token, err)
	}
	found := keys.Key(parsed.Headers[0].KeyID)
	if len(found) != 1 || parsed.Headers[0].ExtraHeaders["typ"] != "JWT" {
		t.Fatalf("header %+v: %d keys for it", parsed.Headers[0], len(found))
	}
	var c claims
	if err := parsed.Claims(found[0], &c); err != nil {
		t.Fatalf("verifying %s: %v", token, err)
	}
	return c
}

func mint(t testing.TB, is *Issuer, upn string) Tokens {
	t.Helper()
	tokens, err := is.Mint(client, upn, OpenID, noon)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func TestMint(t *testing.T) {
	s, _ := open(t, t.TempDir())
	is := s.Issuer(host, "contoso")
	tokens := mint(t, is, "User000001@contoso.test")
	if tokens.Lifetime != time.Hour {
		t.Errorf("lifetime %v", tokens.Lifetime)
	}
	id, access := verify(t, s.JWKS(), tokens.ID), verify(t, s.JWKS(), tokens.Access)
	for name, c := range map[string]claims{"id": id, "access": access} {
		if err := c.Validate(jwt.Expected{Issuer: "https://127.0.0.1:40443/contoso/v2.0", Time: noon}); err != nil {
			t.Errorf("%s token: %v", name, err)
		}
		if c.Tenant != TenantID("contoso") || c.Version != "2.0" || c.Username != "User000001@contoso.test" {
			t.Errorf("%s token: %+v", name, c)
		}
		if c.NotBefore.Time() != noon.Local() || c.IssuedAt.Time() != noon.Local() || c.Expiry.Time() != noon.Add(time.Hour).Local() {
			t.Errorf("%s token: from %v to %v", name, c.NotBefore.Time(), c.Expiry.Time())
		}
	}
	if !slices.Equal(id.Audience, []string{client}) || id.Scope != "" {
		t.Errorf("id token: %+v", id)
	}
	if !slices.Equal(access.Audience, []string{resource}) || access.Scope != "openid" || access.Party != client {
		t.Errorf("access token: %+v", access)
	}
	if id.Subject != access.Subject {
		t.Error("the two tokens are of different users")
	}
}

// Only who asks for openid, or for nothing in particular, gets an id token.
func TestScopes(t *testing.T) {
	s, _ := open(t, t.TempDir())
	is := s.Issuer(host, "contoso")
	for scopes, granted := range map[string]string{
		"": OpenID, "openid": OpenID, "profile openid": OpenID, "openid ": OpenID,
		Default: Default, "openidx": Default, "\"": Default, "profile": Default,
	} {
		tokens, err := is.Mint(client, "ann@contoso.test", scopes, noon)
		if err != nil {
			t.Fatal(err)
		}
		if tokens.Scope != granted || (tokens.ID != "") != (granted == OpenID) {
			t.Errorf("scopes %q: granted %q, with an id token: %v", scopes, tokens.Scope, tokens.ID != "")
		}
		if access := verify(t, s.JWKS(), tokens.Access); access.Scope != granted {
			t.Errorf("scopes %q: the access token is for %q", scopes, access.Scope)
		}
	}
}

func TestSubjects(t *testing.T) {
	dir := t.TempDir()
	s, store := open(t, dir)
	subject := func(s *Signer, tenant, client, upn string) string {
		return string(s.Issuer(host, tenant).appendSubject(nil, client, upn))
	}
	ann := subject(s, "contoso", client, "ann@contoso.test")
	if got := subject(s, "contoso", client, "ANN@contoso.test"); got != ann {
		t.Error("letter case makes another user")
	}
	if got := string(s.Issuer("127.0.0.1:1", "contoso").appendSubject(nil, client, "ann@contoso.test")); got != ann {
		t.Error("another port makes another user")
	}
	seen := map[string]string{ann: "ann"}
	for _, of := range [][3]string{
		{"contoso", client, "bob@contoso.test"}, {"contoso", "other", "ann@contoso.test"}, {"fabrikam", client, "ann@contoso.test"},
		{"a", "b", "c"}, {"ab", "", "c"}, {"a", "bc", ""}, {"a1 b", "", "c"}, {"", "a", "b1 c"},
	} {
		got := subject(s, of[0], of[1], of[2])
		if with, found := seen[got]; found {
			t.Errorf("%q and %s have one subject", of, with)
		}
		seen[got] = strings.Join(of[:], " ")
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	again, _ := open(t, dir)
	if got := subject(again, "contoso", client, "ann@contoso.test"); got != ann {
		t.Error("a restart made another user")
	}
	elsewhere, _ := open(t, t.TempDir())
	if got := subject(elsewhere, "contoso", client, "ann@contoso.test"); got == ann {
		t.Error("subjects can be computed without the secret")
	}
}

func TestTenantID(t *testing.T) {
	// Pinned: tokens of old runs must stay comparable.
	if got := TenantID("contoso"); got != "a6f083e6-cae3-5f0e-bdf1-65ab5cfd8a1e" {
		t.Errorf("contoso is %s", got)
	}
	if TenantID("contoso") == TenantID("fabrikam") || uuid.Validate(TenantID("")) != nil {
		t.Error("tenants share an ID, or have none")
	}
}

func TestKeyIsKept(t *testing.T) {
	dir := t.TempDir()
	s, store := open(t, dir)
	tokens := mint(t, s.Issuer(host, "contoso"), "ann@contoso.test")
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	again, _ := open(t, dir)
	verify(t, again.JWKS(), tokens.ID)
	if string(s.JWKS()) != string(again.JWKS()) {
		t.Error("a restart made another key set")
	}
	for _, secret := range []string{`"d"`, "PRIVATE"} {
		if strings.Contains(string(s.JWKS()), secret) {
			t.Errorf("the key set has %s", secret)
		}
	}
	for name, keep := range map[string]kept{"rubbish": "rubbish", "nothing": "", "an error": "!"} {
		if _, err := New(keep); err == nil {
			t.Errorf("%s was taken for a key", name)
		}
	}
}

// kept is what a store returns, "!" for an error.
type kept string

func (k kept) Keep(string, func() ([]byte, error)) ([]byte, error) {
	if k == "!" {
		return nil, errors.New("the disk is full")
	}
	return []byte(k), nil
}

// Changing any part of a token is noticed.
func TestForgedTokens(t *testing.T) {
	s, _ := open(t, t.TempDir())
	other, _ := open(t, t.TempDir())
	is := s.Issuer(host, "contoso")
	mine := strings.Split(mint(t, is, "ann@contoso.test").ID, ".")
	hers := strings.Split(mint(t, is, "eve@contoso.test").ID, ".")
	foreign := mint(t, other.Issuer(host, "contoso"), "ann@contoso.test").ID
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(s.JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"another's payload":   hers[0] + "." + mine[1] + "." + hers[2],
		"another's signature": mine[0] + "." + mine[1] + "." + hers[2],
		"another key":         foreign,
	} {
		parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Fatal(err)
		}
		var c claims
		if err := parsed.Claims(set.Keys[0], &c); err == nil {
			t.Errorf("%s was verified", name)
		}
	}
}

// A signature's numbers have leading zeros now and then: about one in 128
// tokens shows whether they are padded.
func TestSignaturesOfEveryLength(t *testing.T) {
	s, _ := open(t, t.TempDir())
	is := s.Issuer(host, "contoso")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				tokens := mint(t, is, "ann@contoso.test")
				verify(t, s.JWKS(), tokens.ID)
				verify(t, s.JWKS(), tokens.Access)
			}
		})
	}
	wg.Wait()
	for _, tc := range []struct {
		name string
		der  []byte
		want []byte // both numbers' last bytes; nil for an error
	}{
		{"short numbers", []byte{0x30, 6, 2, 1, 5, 2, 1, 7}, []byte{5, 7}},
		{"a leading zero", []byte{0x30, 7, 2, 2, 0, 0x85, 2, 1, 7}, []byte{0x85, 7}},
		{"a negative number", []byte{0x30, 6, 2, 1, 0x85, 2, 1, 7}, nil},
		{"one number", []byte{0x30, 3, 2, 1, 5}, nil},
		{"three numbers", []byte{0x30, 9, 2, 1, 5, 2, 1, 7, 2, 1, 9}, nil},
		{"more behind", []byte{0x30, 6, 2, 1, 5, 2, 1, 7, 0}, nil},
		{"a long number", append([]byte{0x30, 38, 2, 33, 1}, append(make([]byte, 32), 2, 1, 7)...), nil},
		{"nothing", nil, nil},
	} {
		raw, err := rawSignature(tc.der)
		if (err == nil) != (tc.want != nil) {
			t.Errorf("%s: %v", tc.name, err)
		}
		if tc.want != nil && (raw[31] != tc.want[0] || raw[63] != tc.want[1]) {
			t.Errorf("%s: %x", tc.name, raw)
		}
	}
}

func TestDiscovery(t *testing.T) {
	s, _ := open(t, t.TempDir())
	is := s.Issuer(host, "contoso")
	b, err := is.Discovery()
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"issuer":                        "https://127.0.0.1:40443/contoso/v2.0",
		"token_endpoint":                "https://127.0.0.1:40443/contoso/oauth2/v2.0/token",
		"jwks_uri":                      "https://127.0.0.1:40443/contoso/discovery/v2.0/keys",
		"authorization_endpoint":        "https://127.0.0.1:40443/contoso/oauth2/v2.0/authorize",
		"device_authorization_endpoint": "https://127.0.0.1:40443/contoso/oauth2/v2.0/devicecode",
	} {
		if doc[name] != want {
			t.Errorf("%s is %v; expected %v", name, doc[name], want)
		}
	}
	for name, want := range map[string]string{
		"id_token_signing_alg_values_supported": "ES256", "subject_types_supported": "pairwise",
		"grant_types_supported": "password", "response_types_supported": "code", "scopes_supported": "openid",
		"token_endpoint_auth_methods_supported": "none", "claims_supported": "preferred_username",
	} {
		list, _ := doc[name].([]any)
		if !slices.Contains(list, any(want)) {
			t.Errorf("%s is %v; expected %s in it", name, doc[name], want)
		}
	}
	// Discovery requires that the document's place follows from the issuer.
	if got := is.Name() + "/.well-known/openid-configuration"; got != is.base+DiscoveryPath {
		t.Errorf("the document is not at %s", got)
	}
}
