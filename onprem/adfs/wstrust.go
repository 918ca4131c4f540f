package adfs

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"ptabench/onprem/adfs/saml"
)

// What a client may ask for, and how.
const (
	actionIssue = "http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/Issue"
	actionFinal = "http://docs.oasis-open.org/ws-sx/ws-trust/200512/RSTRC/IssueFinal"
	actionFault = "http://www.w3.org/2005/08/addressing/soap/fault"
	issueType   = "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Issue"
	bearerKey   = "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Bearer"

	profile11 = "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV1.1"
	profile20 = "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV2.0"
)

// Response headers for whoever measures. A real server does not send them.
const (
	headerCode   = "X-Ptabench-Code"
	headerServer = "X-Ptabench-Server"
	headerTimes  = "X-Ptabench-Times"
)

// usernameMixed answers a RequestSecurityToken of WS-Trust 1.3 that brings a
// name and a password.
func (s *server) usernameMixed(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEnvelope))
	defer clear(text)
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			s.unread(w, http.StatusRequestEntityTooLarge, bad("oversized", "the request has more than %d bytes", maxEnvelope))
			return
		}
		s.unread(w, http.StatusBadRequest, bad("unfinished", "the request did not come whole"))
		return
	}
	q, err := parseEnvelope(text)
	if err != nil {
		s.unread(w, http.StatusBadRequest, err)
		return
	}
	now := s.now()
	version, err := s.acceptable(q, now)
	if err != nil {
		clear(q.password)
		s.refuseRequest(w, q, err)
		return
	}
	s.counts.received.Add(1)
	if code := check(q.user, q.password); code != 0 {
		clear(q.password)
		s.settle(w, code, 0, 0)
		s.fault(w, q, code)
		return
	}
	v := s.ask(r.Context(), q.user, q.password)
	if v.code != codeAccepted {
		s.settle(w, v.code, v.directory, 0)
		s.fault(w, q, v.code)
		return
	}
	began := time.Now()
	now = s.now() // the directory may have taken a while
	assertion, err := s.token(version, q.appliesTo, q.user, now, now)
	if err != nil {
		s.log.Error("signing a token", "error", err)
		s.settle(w, codeTransient, v.directory, 0)
		s.fault(w, q, codeTransient)
		return
	}
	s.settle(w, codeAccepted, v.directory, time.Since(began))
	soap(w, http.StatusOK, issued(q, version, assertion, now))
}

// tokenLifetime is how long a token is good for, as AD FS has it.
const tokenLifetime = time.Hour

// acceptable reports what kind of token is asked for, or why there is none.
func (s *server) acceptable(q *tokenRequest, now time.Time) (saml.Version, error) {
	switch {
	case q.action != "" && q.action != actionIssue:
		return 0, bad("unsupported-request", "action %.200q: expected %s", q.action, actionIssue)
	case q.request != issueType:
		return 0, bad("unsupported-request", "request type %.200q: expected %s", q.request, issueType)
	case q.keyType != "" && q.keyType != bearerKey:
		return 0, bad("unsupported-request", "key type %.200q: expected %s", q.keyType, bearerKey)
	}
	if err := q.current(now); err != nil {
		return 0, err
	}
	if _, found := s.parties[q.appliesTo]; !found {
		return 0, bad("unknown-realm", "%.200q is no relying party here", q.appliesTo)
	}
	switch q.tokenType {
	case "", saml.Type11, profile11:
		return saml.SAML11, nil
	case saml.Type20, profile20:
		return saml.SAML20, nil
	}
	return 0, bad("unsupported-token", "token type %.200q: expected SAML 1.1 or 2.0", q.tokenType)
}

// settle counts an answer and says in headers what it was.
func (s *server) settle(w http.ResponseWriter, code int, directory, sign time.Duration) {
	s.counts.answer(code)
	h := w.Header()
	h[headerCode] = []string{strconv.Itoa(code)}
	h[headerTimes] = []string{"directory=" + microseconds(directory) + ",sign=" + microseconds(sign)}
}

func microseconds(d time.Duration) string { return strconv.FormatInt(d.Microseconds(), 10) }

// unread answers what never became a request.
func (s *server) unread(w http.ResponseWriter, status int, err error) {
	s.deny(w, err, codeMalformed)
	http.Error(w, err.Error(), status)
}

// refuseRequest answers a request that can be read and not be met.
func (s *server) refuseRequest(w http.ResponseWriter, q *tokenRequest, err error) {
	var m *malformed
	code, subcode := codeMalformed, "t:InvalidRequest"
	if errors.As(err, &m) {
		switch m.reason {
		case "unknown-realm":
			code, subcode = codeUnknownRealm, "t:InvalidScope"
		case "timestamp":
			subcode = "t:ExpiredData"
		}
	}
	s.deny(w, err, code)
	soapFault(w, q, "s:Sender", subcode, err.Error())
}

// deny counts refused input, by a reason of a handful, and says the code.
func (s *server) deny(w http.ResponseWriter, err error, code int) {
	reason := "malformed"
	var m *malformed
	if errors.As(err, &m) {
		reason = m.reason
	}
	count := s.counts.deny(reason)
	// The first of a kind, then one in a thousand: whoever sends garbage must not
	// fill the disk.
	if count <= 20 || count%1000 == 0 {
		s.log.Warn("refused", "reason", reason, "error", err, "count", count)
	}
	w.Header()[headerCode] = []string{strconv.Itoa(code)}
}

// fault answers a sign-in that did not succeed. As of AD FS the text does not
// say why the directory refused; the header does, to whoever measures.
func (s *server) fault(w http.ResponseWriter, q *tokenRequest, code int) {
	if failed(code) {
		if code == codeTransient {
			w.Header().Set("Retry-After", "1")
		}
		soapFault(w, q, "s:Receiver", "t:RequestFailed", "The sign-in could not be decided. Try again.")
		return
	}
	soapFault(w, q, "s:Sender", "o:FailedAuthentication", "ID3242: The security token could not be authenticated or authorized.")
}

func soap(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h["Content-Type"] = []string{"application/soap+xml; charset=utf-8"}
	h["Cache-Control"] = []string{"no-store"}
	h["Content-Length"] = []string{strconv.Itoa(len(text))} // or it would come in chunks
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // a client that left is no concern
}

// envelope begins an answer to a request.
func envelope(b *strings.Builder, q *tokenRequest, action string) {
	b.WriteString(`<s:Envelope xmlns:s="` + soap12 + `" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header><a:Action s:mustUnderstand="1">` + action + `</a:Action>`)
	if q.messageID != "" {
		b.WriteString("<a:RelatesTo>")
		escape(b, q.messageID)
		b.WriteString("</a:RelatesTo>")
	}
	b.WriteString("</s:Header><s:Body>")
}

// soapFault answers with a fault, with the status that AD FS gives each.
func soapFault(w http.ResponseWriter, q *tokenRequest, code, subcode, reason string) {
	var b strings.Builder
	envelope(&b, q, actionFault)
	b.WriteString(`<s:Fault><s:Code><s:Value>` + code + `</s:Value><s:Subcode><s:Value xmlns:t="` + trust13 +
		`" xmlns:o="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd">` + subcode +
		`</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="en">`)
	escape(&b, reason)
	b.WriteString(`</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>`)
	soap(w, http.StatusInternalServerError, b.String())
}

// issued is the answer with a token.
func issued(q *tokenRequest, version saml.Version, assertion string, now time.Time) string {
	tokenType := saml.Type11
	if version == saml.SAML20 {
		tokenType = saml.Type20
	}
	var b strings.Builder
	b.Grow(len(assertion) + 2048)
	envelope(&b, q, actionFinal)
	b.WriteString(`<trust:RequestSecurityTokenResponseCollection xmlns:trust="` + trust13 + `"><trust:RequestSecurityTokenResponse>`)
	lifetime(&b, "trust", now)
	appliesTo(&b, q.appliesTo)
	b.WriteString(`<trust:RequestedSecurityToken>` + assertion + `</trust:RequestedSecurityToken><trust:TokenType>` + tokenType +
		`</trust:TokenType><trust:RequestType>` + issueType + `</trust:RequestType><trust:KeyType>` + bearerKey + `</trust:KeyType>` +
		`</trust:RequestSecurityTokenResponse></trust:RequestSecurityTokenResponseCollection></s:Body></s:Envelope>`)
	return b.String()
}

func lifetime(b *strings.Builder, prefix string, now time.Time) {
	const utility = ` xmlns:wsu="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd">`
	b.WriteString(`<` + prefix + `:Lifetime><wsu:Created` + utility + saml.Instant(now) + `</wsu:Created><wsu:Expires` + utility +
		saml.Instant(now.Add(tokenLifetime)) + `</wsu:Expires></` + prefix + `:Lifetime>`)
}

func appliesTo(b *strings.Builder, realm string) {
	b.WriteString(`<wsp:AppliesTo xmlns:wsp="http://schemas.xmlsoap.org/ws/2004/09/policy"><wsa:EndpointReference xmlns:wsa="http://www.w3.org/2005/08/addressing"><wsa:Address>`)
	escape(b, realm)
	b.WriteString(`</wsa:Address></wsa:EndpointReference></wsp:AppliesTo>`)
}

func escape(b *strings.Builder, text string) {
	_ = xml.EscapeText(b, []byte(text)) // a builder takes everything
}
