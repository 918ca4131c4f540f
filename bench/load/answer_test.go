package load

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"ptabench/results"
)

func fakeToken(user string) string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"ES256"}`)) + "." + part(fmt.Appendf(nil, `{"iss":"x","aud":"y","preferred_username": %q,"iat":1}`, user)) + "." + part([]byte("signature"))
}

func tokenAnswer(user string) string {
	return `{"token_type":"Bearer","expires_in":3599,"scope":"openid","access_token":"abc","id_token":"` + fakeToken(user) + `"}`
}

func errorAnswer(kind string, code int) string {
	return fmt.Sprintf(`{"error":%q,"error_description":"AADSTS%d: \"error_codes\": [1] no","error_codes": [ %d ],"timestamp":"t"}`, kind, code, code)
}

func TestAnswers(t *testing.T) {
	const id, upn = "01234567-89ab-8def-8123-456700000001", "user000001@contoso.test"
	served := answer{
		method: []byte("pass-through"), connector: []byte("connector-2"), attempts: []byte("2"),
		times: []byte("queue=12,connector=3456,directory=3400"), id: []byte(strings.ToUpper(id)),
	}
	nothing := answer{}
	byConnector2 := results.Sample{Path: results.PathPassThrough, Server: 2, Attempts: 2, Queue: 12, Connector: 3456, Directory: 3400}
	with := func(s results.Sample, outcome results.Outcome, code uint32, class uint8) results.Sample {
		s.Outcome, s.Code, s.Error = outcome, code, class
		return s
	}
	for name, c := range map[string]struct {
		status    int
		header    answer
		body      string
		want      results.Sample
		otherUser bool
	}{
		"accepted":           {200, served, tokenAnswer(upn), with(byConnector2, results.OutcomeAccepted, 0, 0), false},
		"accepted, case":     {200, served, tokenAnswer(strings.ToUpper(upn)), with(byConnector2, results.OutcomeAccepted, 0, 0), false},
		"another user":       {200, served, tokenAnswer("user000002@contoso.test"), with(byConnector2, results.OutcomeAccepted, 0, 0), true},
		"no access token":    {200, nothing, `{"id_token":"` + fakeToken(upn) + `"}`, with(results.Sample{}, results.OutcomeFailed, 0, results.ErrorOther), false},
		"no id token":        {200, nothing, `{"access_token":"abc"}`, with(results.Sample{}, results.OutcomeFailed, 0, results.ErrorOther), false},
		"a token of nobody":  {200, nothing, `{"access_token":"a","id_token":"a.b.c"}`, with(results.Sample{}, results.OutcomeFailed, 0, results.ErrorOther), false},
		"garbage":            {200, nothing, "\x00\xff<html>", with(results.Sample{}, results.OutcomeFailed, 0, results.ErrorOther), false},
		"empty":              {200, nothing, "", with(results.Sample{}, results.OutcomeFailed, 0, results.ErrorOther), false},
		"refused":            {400, served, errorAnswer("invalid_grant", 50126), with(byConnector2, results.OutcomeRefused, 50126, 0), false},
		"path failure":       {503, nothing, errorAnswer("temporarily_unavailable", 80001), with(results.Sample{}, results.OutcomeFailed, 80001, 0), false},
		"bad request":        {400, nothing, errorAnswer("invalid_request", 900144), with(results.Sample{}, results.OutcomeFailed, 900144, 0), false},
		"refused, no code":   {400, nothing, `{"error":"invalid_grant"}`, with(results.Sample{}, results.OutcomeFailed, 0, results.ErrorOther), false},
		"code in words only": {400, nothing, `{"error":"invalid_grant","error_description":"AADSTS50034: no such user"}`, with(results.Sample{}, results.OutcomeRefused, 50034, 0), false},
		"too many requests":  {429, nothing, "slow down", with(results.Sample{}, results.OutcomeFailed, 0, results.ErrorOther), false},
		"another sign-in's": {200, answer{id: []byte("01234567-89ab-8def-8123-456700000002")}, tokenAnswer(upn),
			with(results.Sample{}, results.OutcomeUnknown, 0, results.ErrorOther), false},
		"hash sync, numbers out of range": {400, answer{
			method: []byte("hash-sync"), connector: []byte("connector-9"), attempts: []byte("999"),
			times: []byte("queue=99999999999999999999,zeal=3,directory=x"),
		}, errorAnswer("invalid_grant", 50126), results.Sample{
			Outcome: results.OutcomeRefused, Code: 50126, Path: results.PathHashSync, Attempts: 255, Queue: 1<<32 - 1,
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := reader{connectors: map[string]uint8{"connector-1": 1, "connector-2": 2}}
			var got results.Sample
			token, otherUser := r.read(&got, []byte(id), upn, &response{status: c.status, answer: c.header, body: []byte(c.body)})
			if got != c.want || otherUser != c.otherUser {
				t.Errorf("got  %+v, other user %v\nwant %+v, other user %v", got, otherUser, c.want, c.otherUser)
			}
			if (token != nil) != (c.want.Outcome == results.OutcomeAccepted) {
				t.Errorf("token %q", token)
			}
		})
	}
}

func TestJudgement(t *testing.T) {
	for _, c := range []struct {
		outcome   results.Outcome
		code      uint32
		truth     uint32
		otherUser bool
		want      results.Judgement
	}{
		{results.OutcomeAccepted, 0, 0, false, results.Right},
		{results.OutcomeAccepted, 0, 0, true, results.WrongAccept},
		{results.OutcomeAccepted, 0, 50053, false, results.WrongAccept},
		{results.OutcomeRefused, 50126, 50126, false, results.Right},
		{results.OutcomeRefused, 50126, 0, false, results.WrongRefusal},
		{results.OutcomeRefused, 50126, 50057, false, results.OtherReason},
		{results.OutcomeFailed, 80001, 0, false, results.NotJudged},
		{results.OutcomeFailed, 80001, 50126, false, results.NotJudged},
		{results.OutcomeUnknown, 0, 0, false, results.NotJudged},
		{results.OutcomeUnsent, 0, 50126, false, results.NotJudged},
	} {
		s := results.Sample{Outcome: c.outcome, Code: c.code}
		if got := judge(&s, c.truth, c.otherUser); got != c.want {
			t.Errorf("outcome %d code %d, truth %d, other user %v: judged %d, want %d", c.outcome, c.code, c.truth, c.otherUser, got, c.want)
		}
	}
}

func TestErrorsHaveFewClasses(t *testing.T) {
	dial := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}
	}
	for _, c := range []struct {
		err  error
		want uint8
	}{
		{context.DeadlineExceeded, results.ErrorTimeout},
		{dial(syscall.ETIMEDOUT), results.ErrorTimeout},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, results.ErrorTimeout},
		{dial(syscall.ECONNREFUSED), results.ErrorRefused},
		{fmt.Errorf("x: %w", dial(syscall.ECONNRESET)), results.ErrorReset},
		{syscall.EPIPE, results.ErrorReset},
		{io.ErrUnexpectedEOF, results.ErrorEOF},
		{fmt.Errorf("http: %w", io.EOF), results.ErrorEOF},
		{net.ErrClosed, results.ErrorEOF},
		{errNotHTTP, results.ErrorOther},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, results.ErrorTLS},
		{&net.DNSError{Err: "no such host", Name: "x", IsTimeout: true}, results.ErrorDNS},
		{fmt.Errorf("x: %w", context.Canceled), results.ErrorCanceled},
		{errAnswerTooLong, results.ErrorOther},
		{errors.New("read tcp 127.0.0.1:5432: something new"), results.ErrorOther},
	} {
		if got := classify(c.err); got != c.want {
			t.Errorf("%v: class %d, want %d", c.err, got, c.want)
		}
	}
}

func BenchmarkReadAnswer(b *testing.B) {
	const upn = "user000001@contoso.test"
	id := []byte("01234567-89ab-8def-8123-456700000001")
	r := reader{connectors: map[string]uint8{"connector-1": 1}}
	from := response{status: 200, body: []byte(tokenAnswer(upn)), answer: answer{
		id: id, method: []byte("pass-through"), connector: []byte("connector-1"), attempts: []byte("1"),
		times: []byte("queue=12,connector=3456,directory=3400"),
	}}
	b.ReportAllocs()
	for b.Loop() {
		var s results.Sample
		if r.read(&s, id, upn, &from); s.Outcome != results.OutcomeAccepted {
			b.Fatal(s)
		}
	}
}

// A server's number is one of federation servers only where federation decided:
// elsewhere it would name a connector, or none that there is.
func TestOtherSignInsAnswerNamesNoServer(t *testing.T) {
	r := reader{federation: map[string]uint8{"adfs-1": 1}}
	s := results.Sample{Server: 1} // as the federation server's answer left it
	r.read(&s, []byte("1"), "ada@contoso.test", &response{status: 200, answer: answer{id: []byte("2"), method: []byte("federation")}})
	if s.Outcome != results.OutcomeUnknown || s.Path != results.PathNone || s.Server != 0 {
		t.Errorf("%+v", s)
	}
}
