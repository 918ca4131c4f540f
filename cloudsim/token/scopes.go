package token

import (
	"slices"
	"strings"
)

// The scopes of OpenID Connect: with OpenID an id token comes along, with
// Offline a refresh token. Default stands for all that a client may do.
const (
	OpenID  = "openid"
	Profile = "profile"
	Email   = "email"
	Offline = "offline_access"
	Default = graph + ".default"
)

// graph begins the scopes of Microsoft Graph in full.
const graph = "https://graph.microsoft.com/"

// Bounds of the rights at other services that a client may ask for at once.
const (
	maxScopes    = 32
	maxScopeSize = 256 // bytes
)

// Delegated reports whether a scope names a right at another service, which
// every user has here: a short name of Microsoft Graph, such as User.Read, or
// an address such as api://app/tasks.write. The cloud's own are no such rights.
func Delegated(scope string) bool {
	if len(scope) > maxScopeSize || Administrative(scope) || strings.IndexFunc(scope, notScope) >= 0 {
		return false
	}
	if _, isURI := scopeResource(scope); isURI {
		at, _ := scopeResource(scope)
		return at != CloudAudience
	}
	parts := strings.Split(scope, ".")
	return len(parts) > 1 && !slices.ContainsFunc(parts, func(p string) bool {
		return p == "" || strings.IndexFunc(p, notName) >= 0
	})
}

// scopeResource is whom a scope that is an address is for.
func scopeResource(scope string) (string, bool) {
	scheme, rest, found := strings.Cut(scope, "://")
	last := strings.LastIndexByte(rest, '/')
	if !found || scheme != "https" && scheme != "api" || last < 1 || last == len(rest)-1 {
		return "", false
	}
	return strings.TrimSuffix(scope[:len(scope)-len(rest)+last], "/"), true
}

// notScope is a character that RFC 6749 section 3.3 has in no scope.
func notScope(r rune) bool { return r <= ' ' || r == '"' || r == '\\' || r > '~' }

func notName(r rune) bool {
	return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '_' && r != '-'
}

// Grantable picks from the scopes asked for those that there are, once each:
// the known ones in order, then rights at another service. One says that rights
// of two services are asked for: a token is for one.
func Grantable(asked []string) (granted []string, one bool) {
	for _, scope := range []string{RegisterScope, Offline, OpenID, Profile, Email, ManageScope} {
		if slices.Contains(asked, scope) {
			granted = append(granted, scope)
		}
	}
	if slices.ContainsFunc(granted, Administrative) {
		// Such a token is for the cloud itself, and comes from somebody at a
		// keyboard: no refresh token goes with it.
		return slices.DeleteFunc(granted, func(s string) bool { return s == Offline }), true
	}
	own := len(granted)
	for _, scope := range asked {
		if len(granted)-own < maxScopes && Delegated(scope) && !slices.Contains(granted, scope) {
			granted = append(granted, scope)
		}
	}
	for _, scope := range granted[own:] {
		if audienceOf(scope) != audienceOf(granted[own]) {
			return nil, false
		}
	}
	return granted, true
}

// audienceOf is whom a token with a scope is for.
func audienceOf(scope string) string {
	if at, isURI := scopeResource(scope); isURI && at+"/" != graph {
		return at
	}
	return resource
}

// audience is whom a token with scopes is for, which Grantable has picked.
func audience(scopes []string) string {
	for _, scope := range scopes {
		switch {
		case Administrative(scope):
			return CloudAudience
		case audienceOf(scope) != resource:
			return audienceOf(scope)
		}
	}
	return resource
}

// Simple reports whether the scopes that a client asks for by the password
// grant are such that Mint's tokens are all it can get.
func Simple(scopes string) bool {
	switch scopes {
	case "", OpenID, Default:
		return true
	}
	for scope := range strings.FieldsSeq(scopes) {
		if scope == Offline || scope == Email || scope != Default && Delegated(scope) {
			return false
		}
	}
	return true
}
