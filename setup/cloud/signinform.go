package cloud

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/oauth2"
)

// Of the sign-in page: the field that keeps others from posting it, and the
// code of an error that it shows.
var (
	csrfField = regexp.MustCompile(`name="csrf"\s+value="([^"]*)"`)
	errorCode = regexp.MustCompile(`AADSTS\d+`)
	errorText = regexp.MustCompile(`id="error"[^>]*>([^<]{1,300})`)
)

const maxPage = 256 << 10

// SignInByPassword signs an administrator in where nobody can type: it fills in
// the sign-in page itself, and goes through the authorization code like a
// browser does.
func (c *Cloud) SignInByPassword(ctx context.Context, account, password string) (*Administrator, error) {
	client := c.HTTP()
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	client.Jar = jar
	cfg := c.oauth()
	cfg.RedirectURL = "http://127.0.0.1" + callbackPath // nobody is sent there
	state, verifier := rand.Text(), oauth2.GenerateVerifier()
	at := cfg.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("prompt", "login"))
	fail := func(err error) (*Administrator, error) {
		return nil, fmt.Errorf("signing %s in by the sign-in page: %w", account, err)
	}

	answer, text, err := c.page(ctx, client, http.MethodGet, at, nil)
	if err != nil {
		return fail(err)
	}
	csrf := csrfField.FindSubmatch(text)
	if csrf == nil {
		return fail(fmt.Errorf("expected a sign-in page, got %s %s", answer.Status, errorCode.Find(text)))
	}
	form := url.Values{"step": {"password"}, "user": {account}, "password": {password}, "csrf": {string(csrf[1])}}
	answer, text, err = c.page(ctx, client, http.MethodPost, at, form)
	if err != nil {
		return fail(err)
	}
	to, err := answer.Location()
	if err != nil {
		if code := errorCode.Find(text); code != nil {
			words := ""
			if found := errorText.FindSubmatch(text); found != nil {
				words = ": " + strings.Join(strings.Fields(html.UnescapeString(string(found[1]))), " ")
			}
			return fail(fmt.Errorf("the cloud answers %s%s", code, words))
		}
		return fail(fmt.Errorf("the cloud answers %s", answer.Status))
	}
	got := to.Query()
	switch {
	case got.Get("state") != state:
		return fail(errors.New("the answer is to another request"))
	case got.Get("error") != "":
		return fail(fmt.Errorf("the cloud answers %.60s: %.300s", got.Get("error"), got.Get("error_description")))
	}
	token, err := cfg.Exchange(context.WithValue(ctx, oauth2.HTTPClient, client), got.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return fail(c.oauthError(err))
	}
	return &Administrator{cloud: c, http: client, token: token}, nil
}

func (c *Cloud) page(ctx context.Context, client *http.Client, method, at string, form url.Values) (*http.Response, []byte, error) {
	q, err := http.NewRequestWithContext(ctx, method, at, nil)
	if form != nil {
		q, err = newForm(ctx, at, form)
	}
	if err != nil {
		return nil, nil, err
	}
	answer, err := client.Do(q)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", c.SignIn(), c.explain(err))
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxPage))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", c.SignIn(), c.explain(err))
	}
	return answer, text, nil
}

func newForm(ctx context.Context, at string, form url.Values) (*http.Request, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, at, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("Origin", originOf(q.URL)) // as a browser says it
	return q, nil
}

func originOf(u *url.URL) string { return u.Scheme + "://" + u.Host }
