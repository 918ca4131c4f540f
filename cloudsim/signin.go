package cloudsim

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"ptabench/cloudsim/lockout"
	"ptabench/cloudsim/signin"
	"ptabench/cloudsim/token"
	"ptabench/observe"
)

// Bounds on what a sign-in may send.
const (
	maxBody     = 128 << 10 // an assertion of federation.MaxAssertion, encoded twice
	usualBody   = 16 << 10  // all but assertions with very many claims
	maxUser     = 1024      // bytes of a user name
	maxPassword = 4 * 256   // bytes of the 256 characters that the real service takes
)

// Response headers that say who decided a sign-in and where its time went.
// They are what a load generator needs and the real service does not send.
const (
	headerMethod    = "X-Ptabench-Method"
	headerConnector = "X-Ptabench-Connector"
	headerAttempts  = "X-Ptabench-Attempts"
	headerTimes     = "X-Ptabench-Times"
)

// signIn is POST /{tenant}/oauth2/v2.0/token with the password grant.
func (srv *server) signIn(w http.ResponseWriter, r *http.Request) {
	arrived := time.Now()
	requestID := r.Header.Get("Client-Request-Id")
	if len(requestID) > 64 {
		requestID = requestID[:64]
	}
	if requestID == "" {
		requestID = uuid.NewString()
	}
	w.Header()["Client-Request-Id"] = []string{requestID}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	form, body, err := readForm(r)
	if err != nil {
		srv.refuseUnread(w, requestID, err)
		return
	}
	user, password := form.user, form.password
	form.address = r.PathValue("tenant")
	switch {
	case form.grant == token.SAML1Grant, form.grant == token.SAML2Grant:
		srv.assertionGrant(w, r, arrived, requestID, &form, body)
		return
	case form.grant != "" && form.grant != "password":
		srv.exchange(w, r, requestID, body)
		return
	case form.grant == "", user == "", password == "": // an empty password would be an anonymous bind
		srv.refuse(w, requestID, http.StatusBadRequest, "missing-parameter", codeMissingParameter)
		return
	case len(user) > maxUser, len(password) > maxPassword, !utf8.ValidString(password), !signin.Sayable(user):
		srv.refuse(w, requestID, http.StatusBadRequest, "malformed-sign-in", codeMalformed)
		return
	}
	name := form.address
	_, domain, _ := strings.Cut(user, "@")
	t := srv.domains[strings.ToLower(domain)]
	switch named := srv.addressed(name); {
	case named == nil && !anyTenant(name):
		srv.refuse(w, requestID, http.StatusBadRequest, "unknown-tenant", codeUnknownTenant)
		return
	case t == nil, named != nil && named != t:
		srv.refuse(w, requestID, http.StatusBadRequest, "unknown-domain", codeNoTenantForDomain)
		return
	}

	if !srv.called(w, r, requestID, &form, body) {
		return
	}
	a := srv.attempt(t, arrived, requestID, user, password)
	srv.answerSignIn(w, t, &form, requestID, &a)
}

// called finds out which client asks, which may say so in the header. One that
// is not what it says has been answered.
func (srv *server) called(w http.ResponseWriter, r *http.Request, requestID string, form *signInForm, body string) bool {
	id, problem := srv.surface.Caller(r.Header.Get("Authorization"), form.client, body)
	if problem != nil {
		srv.refuseClient(w, requestID, problem)
		return false
	}
	form.client = id
	return true
}

// answerSignIn says how a sign-in ended, and who decided it.
func (srv *server) answerSignIn(w http.ResponseWriter, t *tenant, form *signInForm, requestID string, a *answer) {
	h := w.Header()
	if a.by != "" {
		h[headerMethod] = []string{string(a.by)}
	}
	if a.connector != "" {
		h[headerConnector] = []string{a.connector}
	}
	h[headerAttempts] = []string{strconv.Itoa(a.attempts)}
	h[headerTimes] = []string{"queue=" + microseconds(a.queued) + ",connector=" + microseconds(a.inConnector) +
		",directory=" + microseconds(a.directory)}
	switch {
	case a.failed:
		srv.answerError(w, requestID, http.StatusServiceUnavailable, "temporarily_unavailable", a.code)
	case a.code != 0:
		srv.answerError(w, requestID, http.StatusBadRequest, "invalid_grant", a.code)
	default:
		form.user = principalName(form.user)
		srv.answerTokens(w, t, form, requestID)
	}
}

// attempt decides one attempt to sign in by a password, and writes it down. An
// account that is locked is not asked for.
func (srv *server) attempt(t *tenant, arrived time.Time, requestID, user, password string) answer {
	var a answer
	if srv.lockout.Enter(user, arrived) {
		a = t.signIn(srv.lastID.Add(1), user, password)
		if srv.lockout != nil {
			srv.lockout.Leave(user, password, a.guess(), time.Now())
		}
	} else {
		a = t.refuseLocked()
		srv.denied("sign-in-locked", 1)
	}
	srv.signInLog.add(arrived, requestID, t.Name, user, &a)
	return a
}

// guess is what an answer says of the password, for the lockout.
func (a *answer) guess() lockout.Outcome {
	switch {
	case a.failed:
		return lockout.Undecided
	case a.code == 0:
		return lockout.Right
	case a.code != codeWrongPassword:
		return lockout.Undecided
	case a.by == HashSync: // the cloud compared it itself, and knows it again
		return lockout.WrongSeen
	}
	return lockout.Wrong
}

// answerTokens signs the user in. Who asks for what a plain client asks for, and
// not for what libraries keep accounts by, is answered at once: those are the
// thousands a second.
func (srv *server) answerTokens(w http.ResponseWriter, t *tenant, form *signInForm, requestID string) {
	if form.info != "1" && token.Simple(form.scope) {
		tokens, err := t.issuerAt(form.address).Mint(form.client, form.user, form.scope, time.Now())
		if err != nil {
			srv.log.Error("signing tokens", "error", err)
			http.Error(w, "the token could not be signed", http.StatusInternalServerError)
			return
		}
		srv.writeTokens(w, &tokens)
		return
	}
	tokens, problem := srv.surface.Grant(signin.Decided{Address: form.address, Tenant: t.Name, User: form.user,
		Client: form.client, Scope: form.scope, Info: form.info == "1"})
	if problem != nil {
		srv.refuseClient(w, requestID, problem)
		return
	}
	srv.writeTokens(w, &tokens)
}

// writeTokens answers with tokens.
func (srv *server) writeTokens(w http.ResponseWriter, tokens *token.Tokens) {
	body := make([]byte, 0, len(tokens.Access)+len(tokens.ID)+len(tokens.Refresh)+len(tokens.Info)+200)
	body = append(body, `{"token_type":"Bearer","scope":"`...)
	body = append(body, tokens.Scope...)
	body = append(body, `","expires_in":`...)
	body = strconv.AppendInt(body, int64(tokens.Lifetime/time.Second), 10)
	body = append(body, `,"access_token":"`...)
	body = append(body, tokens.Access...)
	if tokens.ID != "" {
		body = append(body, `","id_token":"`...)
		body = append(body, tokens.ID...)
	}
	if tokens.Refresh != "" {
		body = append(body, `","refresh_token":"`...)
		body = append(body, tokens.Refresh...)
	}
	if tokens.Info != "" {
		body = append(body, `","client_info":"`...)
		body = append(body, tokens.Info...)
	}
	body = append(body, `"}`...)
	noStore(w)
	w.Header()["Content-Type"] = []string{"application/json; charset=utf-8"}
	_, _ = w.Write(body) // a user who has gone is no concern of ours
}

// refuseUnread answers a sign-in that could not be read.
func (srv *server) refuseUnread(w http.ResponseWriter, requestID string, err error) {
	var tooLarge *http.MaxBytesError
	var network net.Error
	switch {
	case errors.As(err, &tooLarge):
		srv.refuse(w, requestID, http.StatusRequestEntityTooLarge, "oversized-sign-in", codeMalformed)
	case errors.Is(err, errRepeated):
		srv.refuse(w, requestID, http.StatusBadRequest, "repeated-parameter", codeRepeated)
	case errors.As(err, &network), errors.Is(err, io.ErrUnexpectedEOF): // too slow, or gone
		srv.refuse(w, requestID, http.StatusBadRequest, "unfinished-sign-in", codeMalformed)
	default:
		srv.refuse(w, requestID, http.StatusBadRequest, "malformed-sign-in", codeMalformed)
	}
}

// refuse answers input that never became a sign-in.
func (srv *server) refuse(w http.ResponseWriter, requestID string, httpStatus int, reason string, code int) {
	srv.logRefusal(reason, srv.denied(reason, 1))
	word := "invalid_request"
	if code == codeUnsupportedGrant {
		word = "unsupported_grant_type"
	}
	srv.answerError(w, requestID, httpStatus, word, code)
}

// logRefusal writes down the first refusals of a kind, and then one in a
// thousand: whoever sends garbage must not fill the disk. The counters have all.
func (srv *server) logRefusal(reason string, count uint64) {
	if count <= 20 || count%1000 == 0 {
		srv.log.Warn("sign-in refused", "reason", reason, "count", count)
	}
}

// errorBody is the shape of the real service's errors.
type errorBody struct {
	Error         string `json:"error"`
	Description   string `json:"error_description"`
	Codes         []int  `json:"error_codes"`
	Timestamp     string `json:"timestamp"`
	TraceID       string `json:"trace_id"`
	CorrelationID string `json:"correlation_id"`
}

func (srv *server) answerError(w http.ResponseWriter, requestID string, httpStatus int, word string, code int) {
	srv.writeError(w, requestID, httpStatus, word, code, descriptions[code])
}

func (srv *server) writeError(w http.ResponseWriter, requestID string, httpStatus int, word string, code int, text string) {
	now := time.Now().UTC().Format("2006-01-02 15:04:05Z")
	trace := uuid.NewString()
	noStore(w)
	observe.WriteJSON(w, httpStatus, errorBody{
		Error: word,
		Description: "AADSTS" + strconv.Itoa(code) + ": " + text + " Trace ID: " + trace +
			" Correlation ID: " + requestID + " Timestamp: " + now,
		Codes: []int{code}, Timestamp: now, TraceID: trace, CorrelationID: requestID,
	})
}

// noStore keeps tokens and errors out of caches.
func noStore(w http.ResponseWriter) {
	w.Header()["Cache-Control"] = []string{"no-store"}
}
