package signin

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"ptabench/cloudsim/token"
)

// Bounds of an authorization request, in bytes.
const (
	maxQuery = 8 << 10
	maxState = 2048
	maxNonce = 1024
	maxScope = 2048
)

// challengeSize is how long an S256 challenge is: SHA-256 in base64url.
const challengeSize = 43

// A request is an authorization request (RFC 6749 section 4.1.1, RFC 7636, and
// OpenID Connect Core 1.0 section 3.1.2.1) of which the client and the redirect
// URI are good.
type request struct {
	client    Client
	redirect  *url.URL
	text      string // of the redirect URI, as it must come again
	state     string
	nonce     string
	scopes    []string
	challenge string
	prompt    []string
	hint      string
	maxAge    time.Duration // negative for any
	mode      string        // how it is answered
	address   string        // of the tenant, as the client calls it
}

// parseRequest reads the query of an authorization request. With the client
// and a good redirect URI, req.redirect is set and a problem may be told there;
// otherwise only the user may be told.
func (s *Surface) parseRequest(query string) (req request, problem *Problem) {
	if len(query) > maxQuery {
		return req, invalidRequest(codeMalformed, "oversized-request", "The request is too long.")
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return req, invalidRequest(codeMalformed, "malformed-request", "The query can't be read.")
	}
	// A parameter given twice must not decide where the answer goes.
	if len(values["client_id"]) > 1 || len(values["redirect_uri"]) > 1 {
		return req, invalidRequest(codeRepeated, "repeated-parameter", "A parameter is given twice.")
	}
	client, found := s.clients[values.Get("client_id")]
	if !found {
		return req, &Problem{http.StatusBadRequest, "unauthorized_client", codeClient, "unknown-client", "The application is not known."}
	}
	at, good := client.redirect(values.Get("redirect_uri"))
	if !good {
		return req, invalidRequest(codeRedirect, "foreign-redirect", "The redirect URI is not one of the application's.")
	}
	req.client, req.redirect, req.text, req.maxAge, req.mode = client, at, values.Get("redirect_uri"), -1, token.QueryMode
	if modes := values["response_mode"]; len(modes) == 1 && slices.Contains(responseModes, modes[0]) {
		req.mode = modes[0] // of what may be wrong with the rest, too
	}
	if len(values["state"]) == 1 && len(values.Get("state")) <= maxState {
		req.state = values.Get("state")
	}
	p, problem := single(values)
	if problem != nil {
		return req, problem
	}
	return req, req.read(p)
}

// read takes the parameters besides client and redirect URI.
func (req *request) read(p map[string]string) *Problem {
	req.nonce, req.challenge, req.hint = p["nonce"], p["code_challenge"], p["login_hint"]
	req.scopes, req.prompt = strings.Fields(p["scope"]), strings.Fields(p["prompt"])
	switch {
	case len(p["state"]) > maxState, len(req.nonce) > maxNonce, len(p["scope"]) > maxScope, len(req.hint) > maxUser:
		return invalidRequest(codeMalformed, "oversized-parameter", "A parameter is too long.")
	case p["request"] != "":
		return &Problem{0, "request_not_supported", codeMalformed, "unsupported-request", "The parameter request is not supported."}
	case p["request_uri"] != "":
		return &Problem{0, "request_uri_not_supported", codeMalformed, "unsupported-request", "The parameter request_uri is not supported."}
	case p["response_type"] == "":
		return invalidRequest(codeBadRequest, "missing-parameter", "The parameter response_type is missing.")
	case p["response_type"] != "code":
		return &Problem{0, "unsupported_response_type", codeResponseType, "unsupported-response-type", "The response type is not supported: expected code."}
	case p["response_mode"] != "" && !slices.Contains(responseModes, p["response_mode"]):
		return invalidRequest(codeResponseMode, "unsupported-response-mode", "The response mode is not supported: expected query, form_post or fragment.")
	case req.client.Secret.some && req.challenge == "" && p["code_challenge_method"] == "": // the secret binds the code
	case p["code_challenge_method"] != "S256":
		return invalidRequest(codeChallenge, "no-challenge", "Proof Key for Code Exchange is required: expected code_challenge_method S256.")
	case len(req.challenge) != challengeSize || !base64URL(req.challenge):
		return invalidRequest(codeChallenge, "no-challenge", "Proof Key for Code Exchange is required: expected a code_challenge of 43 characters.")
	}
	if slices.ContainsFunc(req.prompt, func(s string) bool {
		return !slices.Contains([]string{"none", "login", "select_account", "consent"}, s)
	}) || slices.Contains(req.prompt, "none") && len(req.prompt) > 1 {
		return invalidRequest(codeMalformed, "malformed-prompt", "The prompt is not one that is known.")
	}
	if text := p["max_age"]; text != "" {
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return invalidRequest(codeMalformed, "malformed-max-age", "The parameter max_age is no number of seconds.")
		}
		req.maxAge = time.Duration(seconds) * time.Second
	}
	var problem *Problem
	req.scopes, problem = grantable(req.scopes)
	return problem
}

func base64URL(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-' && r != '_'
	}) < 0
}

// grantable picks from the scopes asked for those that there are.
func grantable(asked []string) ([]string, *Problem) {
	granted, one := token.Grantable(asked)
	if !one {
		return nil, &Problem{http.StatusBadRequest, "invalid_scope", codeScopes, "scopes-of-two-services", "The scopes are those of more than one service; a token is for one."}
	}
	if len(granted) == 0 {
		return nil, &Problem{http.StatusBadRequest, "invalid_scope", codeScope, "unknown-scope", "None of the scopes asked for is known."}
	}
	return granted, nil
}

// authorize is the authorization endpoint. The request stays in the address
// while the user goes through the page, and is read anew with every form.
func (s *Surface) authorize(v *visit) {
	name := v.r.PathValue("tenant")
	t, found := s.cloud.Tenant(name)
	if !found && !AnyTenant(name) {
		s.refusePage(v, http.StatusNotFound, "unknown-tenant", codeTenant)
		return
	}
	query := v.r.URL.RawQuery
	req, problem := s.parseRequest(query)
	req.address = name
	if problem != nil && req.redirect == nil {
		s.refusePage(v, http.StatusBadRequest, problem.Reason, problem.Code)
		return
	}
	if problem != nil {
		s.answerProblem(v, &req, problem)
		return
	}
	v.policy(source(req.redirect))
	// Written anew, since browsers write an address differently from programs,
	// and forms are bound to it.
	query = v.r.URL.Query().Encode()
	p := &purpose{
		name: "authorize " + name + " " + query, action: "/" + name + token.AuthorizePath + "?" + query,
		tenant: t.Name, client: req.client.Name, scopes: req.scopes, hint: req.hint, native: native(req.redirect),
		finish: func(v *visit, in *session) { s.answerCode(v, &req, in) },
		cancel: func(v *visit) {
			s.answerProblem(v, &req, &Problem{0, "access_denied", codeCancelled, "sign-in-cancelled", "The user cancelled the sign-in."})
		},
	}
	switch {
	case slices.Contains(req.prompt, "login"), req.maxAge == 0:
		p.since = v.now
	case req.maxAge > 0:
		p.since = v.now.Add(-req.maxAge)
	}
	if slices.Contains(req.prompt, "none") {
		s.withoutPrompt(v, &req, p)
		return
	}
	if v.form == nil && (slices.Contains(req.prompt, "select_account") || slices.Contains(req.prompt, "consent")) {
		p.native = true
	}
	s.signIn(v, p)
}

// withoutPrompt answers a client that wants no page: with a code where nobody
// needs to agree.
func (s *Surface) withoutPrompt(v *visit, req *request, p *purpose) {
	have := v.session()
	switch {
	case v.form != nil, have == nil, !p.accepts(have):
		s.answerProblem(v, req, &Problem{0, "login_required", codeLoginRequired, "", "Nobody is signed in who may be."})
	case p.native:
		s.answerProblem(v, req, &Problem{0, "interaction_required", codeInteraction, "", "The user has to agree."})
	default:
		p.finish(v, have)
	}
}

// codeGrant is what an authorization code stands for.
type codeGrant struct {
	client, redirect, challenge string
	issued                      grant
	used                        bool
}

// answerCode sends the browser to the client with a code.
func (s *Surface) answerCode(v *visit, req *request, in *session) {
	code, ok := s.codes.add(codeGrant{client: req.client.ID, redirect: req.text, challenge: req.challenge,
		issued: grantTo(in, req.client.ID, req.nonce, req.scopes)}, v.now, v.now.Add(s.limits.CodeTime))
	if !ok {
		s.answerProblem(v, req, &Problem{0, "temporarily_unavailable", codeBusy, "too-many-codes", "Too many codes are out; try again."})
		return
	}
	t, _ := s.cloud.Tenant(in.Tenant)
	s.answer(v, req, url.Values{"code": {code}, "iss": {t.at(req.address).Name()}})
}

// answerProblem sends it there with a problem.
func (s *Surface) answerProblem(v *visit, req *request, p *Problem) {
	if p.Reason != "" {
		s.denied(p.Reason, v)
	}
	values := url.Values{"error": {p.Word}, "error_description": {"AADSTS" + strconv.Itoa(p.Code) + ": " + p.Text}}
	if t, found := s.cloud.Tenant(req.address); found {
		values.Set("iss", t.at(req.address).Name())
	}
	s.answer(v, req, values)
}

// responseModes are the ways to answer (OAuth 2.0 Multiple Response Type
// Encoding Practices section 2.1, OAuth 2.0 Form Post Response Mode).
var responseModes = []string{token.QueryMode, token.FragmentMode, token.FormMode}

func (s *Surface) answer(v *visit, req *request, values url.Values) {
	if req.state != "" {
		values.Set("state", req.state)
	}
	at := *req.redirect
	switch req.mode {
	case token.FormMode:
		s.answerForm(v, req, values)
		return
	case token.FragmentMode:
		at.RawFragment, at.Fragment = "", ""
		v.w.Header().Set("Referrer-Policy", "no-referrer")
		v.see(at.String() + "#" + values.Encode())
		return
	}
	q := at.Query()
	for name := range values {
		q.Set(name, values.Get(name))
	}
	at.RawQuery = q.Encode()
	v.w.Header().Set("Referrer-Policy", "no-referrer") // the address has a code
	v.see(at.String())
}

// answerForm has the browser send the answer as a form, so that it is in no
// address: by a script, or by a button where there are no scripts.
func (s *Surface) answerForm(v *visit, req *request, values url.Values) {
	data := view{Step: pageAnswer, Client: req.client.Name, Action: req.redirect.String()}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		data.Hidden = append(data.Hidden, hidden{name, values.Get(name)})
	}
	v.scripted(source(req.redirect))
	v.w.Header().Set("Referrer-Policy", "strict-origin") // clients look at where a form is from
	s.show(v, data, http.StatusOK)
}
