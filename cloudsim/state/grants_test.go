package state

import (
	"errors"
	"testing"
	"time"
)

// An administrator's token registers one connector, also over a restart.
func TestGrants(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	g := Grant{ID: "jti-1", Tenant: "contoso", By: "admin@contoso.test", Expires: noon.Add(10 * time.Minute)}
	if err := s.CheckGrant(g, noon); err != nil {
		t.Fatal(err)
	}
	foreign := connector("connector-1", "0a")
	foreign.Tenant = "fabrikam"
	if err := s.RegisterBy(g, foreign, testKey, noon); !errors.Is(err, ErrTokenTenant) {
		t.Errorf("for another tenant: %v", err)
	}
	if err := s.RegisterBy(g, connector("connector-1", "0a"), testKey, noon); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for _, tc := range []struct {
		name string
		as   string
		key  []byte
		at   time.Duration
		want error
	}{
		{"the same, whose answer was lost", "connector-1", testKey, time.Minute, nil},
		{"another name", "connector-2", testKey, time.Minute, ErrTokenUsed},
		{"another key", "connector-1", []byte("another"), time.Minute, ErrTokenUsed},
		{"the same, late", "connector-1", testKey, RetryTime, ErrTokenUsed},
	} {
		if err := s.RegisterBy(g, connector(tc.as, "0b"), tc.key, noon.Add(tc.at)); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v; expected %v", tc.name, err, tc.want)
		}
	}
	if err := s.CheckGrant(g, noon.Add(RetryTime)); !errors.Is(err, ErrTokenUsed) {
		t.Errorf("checked late: %v", err)
	}
	late := Grant{ID: "jti-2", Tenant: "contoso", Expires: noon}
	if err := s.RegisterBy(late, connector("connector-3", "0c"), testKey, noon); !errors.Is(err, ErrTokenExpired) {
		t.Errorf("expired: %v", err)
	}
}

// What was chosen is there after a restart.
func TestPolicies(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, found, err := s.Policy("contoso"); found || err != nil {
		t.Errorf("a policy nobody chose: %v, %v", found, err)
	}
	want := Policy{Method: "federation", FederationMetadata: "https://fs.test/m.xml", PassiveEndpoint: "https://fs.test/ls/", By: "admin@contoso.test", At: noon}
	if err := s.PutPolicy("contoso", want); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if got, found, err := s.Policy("contoso"); got != want || !found || err != nil {
		t.Errorf("got %+v, %v, %v", got, found, err)
	}
	if _, found, _ := s.Policy("fabrikam"); found {
		t.Error("another tenant has it too")
	}
}
