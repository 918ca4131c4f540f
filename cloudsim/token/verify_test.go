package token

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

func grantOf(scopes ...string) Grant {
	return Grant{Client: client, User: "admin@contoso.test", Name: "admin", Nonce: "n", Scopes: scopes, SignedIn: noon}
}

func TestMintGrant(t *testing.T) {
	s, _ := open(t, t.TempDir())
	is := s.Issuer(host, "contoso")
	tokens, err := is.MintGrant(grantOf(OpenID, RegisterScope), noon)
	if err != nil {
		t.Fatal(err)
	}
	if tokens.Lifetime != 10*time.Minute || tokens.Scope != "openid connector.register" {
		t.Errorf("%v, %q", tokens.Lifetime, tokens.Scope)
	}
	id, access := verify(t, s.JWKS(), tokens.ID), verify(t, s.JWKS(), tokens.Access)
	if id.Audience[0] != client || access.Audience[0] != CloudAudience || access.ID == "" || id.ID != "" || access.Scope != tokens.Scope {
		t.Errorf("id token %+v, access token %+v", id, access)
	}
	if plain := mint(t, is, "admin@contoso.test"); verify(t, s.JWKS(), plain.ID).Subject != id.Subject {
		t.Error("the user has another subject by the password grant")
	}
	tokens, err = is.MintGrant(grantOf(Default), noon)
	if err != nil || tokens.ID != "" || tokens.Lifetime != time.Hour {
		t.Errorf("without openid: %+v, %v", tokens, err)
	}
	if c := verify(t, s.JWKS(), tokens.Access); c.Audience[0] != resource {
		t.Errorf("a user's token is for %v", c.Audience)
	}
}

func TestVerify(t *testing.T) {
	s, _ := open(t, t.TempDir())
	other, _ := open(t, t.TempDir())
	is := s.Issuer(host, "contoso")
	make := func(is *Issuer, scopes ...string) string {
		t.Helper()
		tokens, err := is.MintGrant(grantOf(scopes...), noon)
		if err != nil {
			t.Fatal(err)
		}
		return tokens.Access
	}
	good := make(is, RegisterScope)
	parts := strings.Split(good, ".")
	symmetric, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: s.JWKS()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	confused, err := jwt.Signed(symmetric).Claims(map[string]any{"scp": RegisterScope}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	password := mint(t, is, "ann@contoso.test")
	grantID, err := is.MintGrant(grantOf(OpenID, RegisterScope), noon)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, text, scope string
		at                time.Duration
		want              error
	}{
		{"good", good, RegisterScope, 0, nil},
		{"at its last second", good, RegisterScope, 10*time.Minute - time.Second, nil},
		{"expired", good, RegisterScope, 10 * time.Minute, ErrExpired},
		{"clock set back", good, RegisterScope, -2 * time.Minute, ErrNotYet},
		{"another scope", good, ManageScope, 0, ErrScope},
		{"part of a scope", good, "connector", 0, ErrScope},
		{"another tenant's", make(s.Issuer(host, "fabrikam"), RegisterScope), RegisterScope, 0, ErrTenant},
		{"another cloud's", make(other.Issuer(host, "contoso"), RegisterScope), RegisterScope, 0, ErrSignature},
		{"changed", parts[0] + "." + parts[1][:len(parts[1])-1] + "A." + parts[2], RegisterScope, 0, ErrSignature},
		{"without a signature", parts[0] + "." + parts[1] + ".", RegisterScope, 0, ErrSignature},
		{"alg none", "eyJhbGciOiJub25lIn0." + parts[1] + ".", RegisterScope, 0, ErrMalformed},
		{"by the public key as a secret", confused, RegisterScope, 0, ErrMalformed},
		{"of the password grant", password.Access, RegisterScope, 0, ErrAudience},
		{"an id token", grantID.ID, RegisterScope, 0, ErrAudience},
		{"no token", "x", RegisterScope, 0, ErrMalformed},
		{"dots", "..", RegisterScope, 0, ErrMalformed},
		{"too long", strings.Repeat("x", MaxAccess) + "..", RegisterScope, 0, ErrMalformed},
	} {
		access, err := is.Verify(tc.text, tc.scope, noon.Add(tc.at))
		if !errors.Is(err, tc.want) || (err == nil) != (access.ID != "") {
			t.Errorf("%s: %v; expected %v", tc.name, err, tc.want)
		}
		if err != nil && len(tc.text) > 10 && strings.Contains(err.Error(), tc.text[:10]) {
			t.Errorf("%s: the error quotes the token", tc.name)
		}
	}
}

func FuzzVerify(f *testing.F) {
	s, _ := open(f, f.TempDir())
	is := s.Issuer(host, "contoso")
	tokens, err := s.Issuer(host, "fabrikam").MintGrant(grantOf(RegisterScope), noon)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(tokens.Access)
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, text string) {
		if access, err := is.Verify(text, RegisterScope, noon); err == nil {
			t.Fatalf("%q is good: %+v", text, access)
		}
	})
}
