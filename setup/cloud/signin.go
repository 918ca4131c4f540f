package cloud

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// ClientID is the public client that administrators' tools sign in as.
const ClientID = "ptabench-setup"

// Scopes are what such a tool asks for: to register connectors and to manage
// the tenant.
func Scopes() []string { return []string{"openid", "connector.register", "tenant.manage"} }

func (c *Cloud) oauth() *oauth2.Config {
	base := c.SignIn() + "/" + url.PathEscape(c.Tenant) + "/oauth2/v2.0/"
	return &oauth2.Config{
		ClientID: ClientID, Scopes: Scopes(),
		Endpoint: oauth2.Endpoint{
			AuthURL: base + "authorize", TokenURL: base + "token", DeviceAuthURL: base + "devicecode",
			AuthStyle: oauth2.AuthStyleInParams, // a public client has no secret
		},
	}
}

// SignInByDevice signs an administrator in on any device with a browser: show
// is told the address and the code to type there, and it waits until that is
// done, refused, or out of time.
func (c *Cloud) SignInByDevice(ctx context.Context, show func(address, code string, until time.Time)) (*Administrator, error) {
	client := c.HTTP()
	ctx = context.WithValue(ctx, oauth2.HTTPClient, client)
	cfg := c.oauth()
	device, err := cfg.DeviceAuth(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking for a device code: %w", c.oauthError(err))
	}
	show(device.VerificationURI, device.UserCode, device.Expiry)
	token, err := cfg.DeviceAccessToken(ctx, device)
	if err != nil {
		return nil, fmt.Errorf("signing in by device code: %w", c.oauthError(err))
	}
	return &Administrator{cloud: c, http: client, token: token}, nil
}

// SignInByBrowser signs an administrator in by a browser on this host, which
// comes back to a port of loopback (RFC 8252). show is told the address to
// open.
func (c *Cloud) SignInByBrowser(ctx context.Context, account string, show func(address string)) (*Administrator, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for the browser: %w", err)
	}
	client := c.HTTP()
	ctx = context.WithValue(ctx, oauth2.HTTPClient, client)
	cfg := c.oauth()
	cfg.RedirectURL = "http://" + listener.Addr().String() + callbackPath
	state, verifier := rand.Text(), oauth2.GenerateVerifier()
	back := &callback{state: state, result: make(chan callbackResult, 1)}
	server := &http.Server{Handler: back, ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) }) // until Close below
	defer serving.Wait()
	defer func() { // the browser is to get its page
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if server.Shutdown(end) != nil {
			_ = server.Close()
		}
	}()

	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier)}
	if account != "" {
		options = append(options, oauth2.SetAuthURLParam("login_hint", account))
	}
	show(cfg.AuthCodeURL(state, options...))
	var got callbackResult
	select {
	case got = <-back.result:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if got.err != nil {
		return nil, fmt.Errorf("signing in: %w", got.err)
	}
	token, err := cfg.Exchange(ctx, got.code, oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, fmt.Errorf("signing in: %w", c.oauthError(err))
	}
	return &Administrator{cloud: c, http: client, token: token}, nil
}

// oauthError is an error of the token endpoint in its own words; none of them
// holds a secret.
func (c *Cloud) oauthError(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		switch refused.ErrorCode {
		case "access_denied":
			return errors.New("it was refused there")
		case "expired_token":
			return errors.New("nobody signed in before the code ran out; try again")
		case "":
			return fmt.Errorf("the cloud answers %s: %s", refused.Response.Status, said(refused.Body))
		}
		return fmt.Errorf("the cloud answers %s: %.300s", refused.ErrorCode, refused.ErrorDescription)
	}
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	return fmt.Errorf("%s: %w", c.SignIn(), c.explain(err))
}

type callbackResult struct {
	code string
	err  error
}

// callbackPath is the path that the browser comes back to.
const callbackPath = "/callback"

// callback is where the browser comes back to. Only the first visit that knows
// the state counts; anybody on this host could make others.
type callback struct {
	state  string
	result chan callbackResult // of one
}

var page = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><meta charset="utf-8">
<title>{{.Title}}</title><meta name="viewport" content="width=device-width">
<style>body{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem;color-scheme:light dark}</style>
<h1>{{.Title}}</h1><p>{{.Text}}</p></html>
`))

func (b *callback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if r.Method != http.MethodGet || r.URL.Path != callbackPath || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(b.state)) != 1 {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer") // the address holds the code
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	result := callbackResult{code: q.Get("code")}
	text := struct{ Title, Text string }{"You are signed in", "Close this page and go on in the terminal."}
	switch {
	case q.Get("error") != "":
		result.err = fmt.Errorf("the cloud answers %.60s: %.300s", q.Get("error"), q.Get("error_description"))
		text.Title, text.Text = "You are not signed in", "The terminal says why."
	case result.code == "":
		result.err = errors.New("the browser came back without a code")
		text.Title, text.Text = "You are not signed in", "The terminal says why."
	}
	_ = page.Execute(w, text)
	select {
	case b.result <- result:
	default: // it came back twice
	}
}

// OpenBrowser opens a page in the user's browser. That it could not is no
// matter: the address is shown.
func OpenBrowser(ctx context.Context, address string) {
	name := map[string]string{"darwin": "open", "linux": "xdg-open"}[runtime.GOOS]
	if name == "" {
		return
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), name, address)
	cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
	if cmd.Start() == nil {
		go func() { _ = cmd.Wait() }() // the browser's own process may outlive this program
	}
}
