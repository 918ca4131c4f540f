// Package sampleapp is a small cloud service to sign in to: it greets its users
// by name. It is a client made of two public libraries, and knows nothing of the
// cloud but the address of its issuer; any other OpenID provider would do.
package sampleapp

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"ptabench/observe"
)

// Config is what the app needs to start.
type Config struct {
	Name    string
	Version string
	Listen  string         // host:port, on loopback
	Issuer  string         // of the users' tokens: https, and the discovery document is below it
	Roots   *x509.CertPool // that the issuer's certificate is verified by; nil for the host's
	Client  string         // ID by which the app is registered
	Secret  string         // of the client; empty for a public one
}

// Bounds of what waits and what is kept, in memory: a restart signs everybody
// out of the app.
const (
	maxPending  = 1000
	maxSessions = 1000
	pendingTime = 10 * time.Minute
	sessionTime = 8 * time.Hour
	askTimeout  = 20 * time.Second // for an answer of the issuer; a sign-in waits for it
)

// Validate reports everything that is wrong with the configuration.
func (c *Config) Validate() error {
	var errs []error
	host, _, err := net.SplitHostPort(c.Listen)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		errs = append(errs, fmt.Errorf("listen: %q: expected an address of loopback with a port, such as 127.0.0.1:0: the app speaks plain HTTP", c.Listen))
	}
	if u, err := url.Parse(c.Issuer); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		errs = append(errs, fmt.Errorf("issuer: %q: expected an https URL, such as https://127.0.0.1:4443/contoso/v2.0", c.Issuer))
	}
	if c.Client == "" {
		errs = append(errs, errors.New(`client: "": expected the ID by which the app is registered`))
	}
	return errors.Join(errs...)
}

// app is the running app.
type app struct {
	cfg        Config
	log        *slog.Logger
	http       *http.Client // to the issuer
	provider   *oidc.Provider
	verifier   *oidc.IDTokenVerifier
	oauth      oauth2.Config
	endSession string // where users sign out of the issuer; empty where it has no such place
	home       string // address of the app
	// issuerAt is where the issuer's pages are, for the content security policy.
	issuerAt string

	pending  *store[pending]
	sessions *store[user]
}

// pending is a sign-in that was begun: what must come back with the answer.
type pending struct{ browser, nonce, verifier string }

// user is somebody who has signed in.
type user struct {
	Name, Account, Tenant string
	SignedIn              time.Time
	idToken               string
}

// Run serves until the context ends.
func Run(ctx context.Context, log *slog.Logger, cfg Config, ready func(observe.Ready)) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	l, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	a, err := open(ctx, log, cfg, l.Addr().String())
	if err != nil {
		l.Close()
		return err
	}
	defer a.http.CloseIdleConnections()
	server := &http.Server{Handler: a.handler(), ReadHeaderTimeout: askTimeout, ReadTimeout: askTimeout, WriteTimeout: 2 * askTimeout,
		MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	ready(observe.Ready{Role: "app", Name: cfg.Name, PID: os.Getpid(), Version: cfg.Version,
		Ports: map[string]string{"http": l.Addr().String()}, Info: map[string]string{"home": a.home, "issuer": cfg.Issuer}})
	log.Info("serving", "home", a.home, "issuer", cfg.Issuer)
	select {
	case err = <-ended:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	bound, stop := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer stop()
	err = server.Shutdown(bound)
	<-ended
	return err
}

// open reads what the issuer says of itself.
func open(ctx context.Context, log *slog.Logger, cfg Config, address string) (*app, error) {
	a := &app{cfg: cfg, log: log, home: "http://" + address + "/", pending: newStore[pending](maxPending), sessions: newStore[user](maxSessions),
		http: &http.Client{Timeout: askTimeout, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment,
			TLSClientConfig: &tls.Config{RootCAs: cfg.Roots}, ForceAttemptHTTP2: true}}}
	var err error
	if a.provider, err = oidc.NewProvider(a.asking(ctx), cfg.Issuer); err != nil {
		a.http.CloseIdleConnections()
		return nil, fmt.Errorf("issuer: %w", err)
	}
	var more struct {
		EndSession string   `json:"end_session_endpoint"`
		Algorithms []string `json:"id_token_signing_alg_values_supported"`
	}
	if err := a.provider.Claims(&more); err != nil {
		return nil, fmt.Errorf("issuer: its discovery document: %w", err)
	}
	at, err := url.Parse(a.provider.Endpoint().AuthURL)
	if err != nil || at.Scheme != "https" {
		return nil, fmt.Errorf("issuer: %q is no https address to sign in at", a.provider.Endpoint().AuthURL)
	}
	a.endSession, a.issuerAt = more.EndSession, source(at)
	a.verifier = a.provider.Verifier(&oidc.Config{ClientID: cfg.Client, SupportedSigningAlgs: more.Algorithms})
	a.oauth = oauth2.Config{ClientID: cfg.Client, ClientSecret: cfg.Secret, Endpoint: a.provider.Endpoint(),
		RedirectURL: a.home + "signed-in", Scopes: []string{oidc.ScopeOpenID, "profile"}}
	return a, nil
}

// source is a URL's origin as a content security policy has it, whose grammar
// knows no IPv6 addresses.
func source(u *url.URL) string {
	if strings.HasPrefix(u.Host, "[") {
		return u.Scheme + ":"
	}
	return u.Scheme + "://" + u.Host
}

// asking is a context in which the libraries use the app's client.
func (a *app) asking(ctx context.Context) context.Context { return oidc.ClientContext(ctx, a.http) }

// begin makes the address at which a browser signs in.
func (a *app) begin(browser string) string {
	p := pending{browser: browser, nonce: rand.Text(), verifier: oauth2.GenerateVerifier()}
	state := a.pending.add(p, pendingTime)
	return a.oauth.AuthCodeURL(state, oidc.Nonce(p.nonce), oauth2.S256ChallengeOption(p.verifier))
}

// What an answer may lack.
var (
	errState = errors.New("the answer is none to a sign-in that this browser began here, or it took too long")
	errNonce = errors.New("the token is not that of this sign-in")
)

// A refusal is what the issuer says against a sign-in, at a place.
type refusal struct{ place, word, text string }

func (r *refusal) Error() string { return r.place + ": " + r.said() }

// said is in the issuer's words, as far as they belong on a page.
func (r *refusal) said() string {
	return fmt.Sprintf("%.100s: %.300s", printable(r.word), printable(r.text))
}

// explained is what a user is told of a sign-in that came to nothing, and the
// issuer's own words for it where it has any.
func explained(err error) (text, detail string) {
	var said *refusal
	switch {
	case errors.Is(err, errState):
		return "This sign-in was not begun in this browser, or it took too long.", ""
	case errors.As(err, &said) && said.word == "access_denied":
		return "The sign-in was cancelled or refused.", said.said()
	case errors.As(err, &said):
		return "The sign-in service did not complete the sign-in.", said.said()
	}
	return "The answer of the sign-in service could not be used.", err.Error()
}

// finish takes the issuer's answer to a sign-in.
func (a *app) finish(ctx context.Context, browser string, answer url.Values) (*user, error) {
	p, found := a.pending.take(answer.Get("state"))
	if !found || browser == "" || p.browser != browser {
		return nil, errState
	}
	if word := answer.Get("error"); word != "" {
		return nil, &refusal{"the sign-in page", word, answer.Get("error_description")}
	}
	if iss := answer.Get("iss"); iss != "" && iss != a.cfg.Issuer { // RFC 9207
		return nil, fmt.Errorf("the answer is of another issuer: %.200q", iss)
	}
	ctx, stop := context.WithTimeout(a.asking(ctx), askTimeout)
	defer stop()
	tokens, err := a.oauth.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(p.verifier))
	if err != nil {
		var refused *oauth2.RetrieveError
		if errors.As(err, &refused) { // its text has the whole answer
			return nil, &refusal{"exchanging the code", refused.ErrorCode, refused.ErrorDescription}
		}
		return nil, fmt.Errorf("exchanging the code: %w", err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	id, err := a.verifier.Verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	if id.Nonce != p.nonce {
		return nil, errNonce
	}
	var claims struct {
		Name     string `json:"name"`
		Username string `json:"preferred_username"`
		Tenant   string `json:"tid"`
	}
	if err := id.Claims(&claims); err != nil {
		return nil, fmt.Errorf("reading the token: %w", err)
	}
	info, err := a.provider.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		return nil, fmt.Errorf("asking who the user is: %w", err)
	}
	if info.Subject != id.Subject {
		return nil, errNonce
	}
	if claims.Name == "" {
		claims.Name = claims.Username
	}
	return &user{Name: claims.Name, Account: claims.Username, Tenant: claims.Tenant, SignedIn: time.Now(), idToken: raw}, nil
}

// signOutAt is where a user signs out of the issuer too.
func (a *app) signOutAt(u *user) string {
	at, err := url.Parse(a.endSession)
	if err != nil || at.Scheme != "https" {
		return "/"
	}
	q := at.Query()
	q.Set("client_id", a.cfg.Client)
	q.Set("post_logout_redirect_uri", a.home)
	if u != nil {
		q.Set("id_token_hint", u.idToken)
	}
	at.RawQuery = q.Encode()
	return at.String()
}

// printable leaves out what does not belong on a page or in a log.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return -1
		}
		return r
	}, text)
}
