package adfs

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"ptabench/observe"
)

// TestUsernameMixed: each state of an account has its code, and who may come in
// gets a token that says so.
func TestUsernameMixed(t *testing.T) {
	r := start(t, nil)
	for name, test := range map[string]struct {
		ask    ask
		status int
		code   int
		fault  string
	}{
		"right":                     {ask{user: ann, password: annsPassword}, 200, 0, ""},
		"right, for everybody":      {ask{user: ann, password: annsPassword, realm: everybodysCloud}, 200, 0, ""},
		"right, SAML 2.0":           {ask{user: ann, password: annsPassword, tokenType: profile20}, 200, 0, ""},
		"a name with an apostrophe": {ask{user: "o'brien@contoso.test", password: annsPassword}, 200, 0, ""},
		"a name beyond ASCII":       {ask{user: "jörg@contoso.test", password: annsPassword}, 200, 0, ""},
		"wrong password":            {ask{user: ann, password: "wrong"}, 500, codeWrongPassword, "o:FailedAuthentication"},
		"unknown":                   {ask{user: "nobody@contoso.test", password: "x"}, 500, codeUnknownUser, "o:FailedAuthentication"},
		"disabled":                  {ask{user: "disabled@contoso.test", password: annsPassword}, 500, codeDisabled, "o:FailedAuthentication"},
		"locked":                    {ask{user: "locked@contoso.test", password: annsPassword}, 500, codeLocked, "o:FailedAuthentication"},
		"expired":                   {ask{user: "expired@contoso.test", password: annsPassword}, 500, codeExpired, "o:FailedAuthentication"},
		"no password":               {ask{user: ann}, 500, codeMissing, "o:FailedAuthentication"},
		"no name":                   {ask{password: "x"}, 500, codeMissing, "o:FailedAuthentication"},
		"a long name":               {ask{user: strings.Repeat("a", 10_000) + "@contoso.test", password: "x"}, 500, codeMalformed, "o:FailedAuthentication"},
		"a long password":           {ask{user: ann, password: strings.Repeat("a", 10_000)}, 500, codeMalformed, "o:FailedAuthentication"},
		"a control character":       {ask{user: "ann\t@contoso.test", password: "x"}, 500, codeMalformed, "o:FailedAuthentication"},
		"a bidi control":            {ask{user: "ann\u202e@contoso.test", password: "x"}, 500, codeMalformed, "o:FailedAuthentication"},
		"another relying party":     {ask{user: ann, password: annsPassword, realm: "urn:somebody-else"}, 500, codeUnknownRealm, "t:InvalidScope"},
		"another kind of token":     {ask{user: ann, password: annsPassword, tokenType: "urn:jwt"}, 500, codeMalformed, "t:InvalidRequest"},
		"another action":            {ask{user: ann, password: annsPassword, action: "urn:cancel"}, 500, codeMalformed, "t:InvalidRequest"},
		"another request":           {ask{user: ann, password: annsPassword, request: "urn:validate"}, 500, codeMalformed, "t:InvalidRequest"},
		"of an hour ago":            {ask{user: ann, password: annsPassword, created: time.Now().Add(-time.Hour)}, 500, codeMalformed, "t:ExpiredData"},
		"of tomorrow":               {ask{user: ann, password: annsPassword, created: time.Now().Add(24 * time.Hour)}, 500, codeMalformed, "t:ExpiredData"},
	} {
		t.Run(name, func(t *testing.T) {
			got := r.ask(test.ask)
			if got.status != test.status || got.code != fmt.Sprint(test.code) {
				t.Fatalf("status %d, code %s; expected %d and %d: %s", got.status, got.code, test.status, test.code, got.text)
			}
			if server := got.header.Get(headerServer); server != "adfs-1" {
				t.Errorf("server %q", server)
			}
			if test.code != 0 {
				if !strings.Contains(got.text, ">"+test.fault+"<") || strings.Contains(got.text, "Assertion") {
					t.Errorf("expected the fault %s: %s", test.fault, got.text)
				}
				return
			}
			a := r.assertion(got.text)
			path := "AttributeStatement/Attribute[@AttributeName='UPN']/AttributeValue"
			if test.ask.tokenType == profile20 {
				path = "AttributeStatement/Attribute[@Name='http://schemas.xmlsoap.org/claims/UPN']/AttributeValue"
			}
			if user := a.FindElement(path).Text(); user != test.ask.user {
				t.Errorf("it is about %q", user)
			}
			if to, want := a.FindElement("//Audience").Text(), or(test.ask.realm, realm); to != want {
				t.Errorf("it is for %q, expected %q", to, want)
			}
		})
	}
	// A name that is half a filter is a name, whatever the directory makes of it.
	injection := "*)(userPrincipalName=ann@contoso.test"
	if got := r.ask(ask{user: injection, password: annsPassword}); got.code != fmt.Sprint(codeWrongPassword) && got.code != fmt.Sprint(codeUnknownUser) {
		t.Errorf("an injection: %s %s", got.code, got.text)
	}
	if n := r.directory.Binds(injection); n != 1 {
		t.Errorf("the injection was bound with %d times, expected 1, as a name", n)
	}
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// TestRefusedInput: what is no request is counted and answered, never a sign-in,
// and the server goes on.
func TestRefusedInput(t *testing.T) {
	r := start(t, nil)
	good := ask{user: ann, password: annsPassword}
	deep := strings.Repeat("<a>", 10_000)
	for name, test := range map[string]struct {
		ask    ask
		status int
		reason string
	}{
		"nothing":                  {ask{raw: " "}, 400, "no-request"},
		"no XML":                   {ask{raw: "user=ann&password=x"}, 400, "malformed-xml"},
		"half of it":               {ask{raw: good.text()[:400]}, 400, "malformed-xml"},
		"a document type":          {ask{raw: `<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>` + good.text()}, 400, "document-type"},
		"an external entity":       {ask{raw: strings.Replace(good.text(), ann, "&x;", 1)}, 400, "malformed-xml"},
		"a processing instruction": {ask{raw: good.text() + "<?php x?>"}, 400, "malformed-xml"},
		"two documents":            {ask{raw: good.text() + good.text()}, 400, "malformed-xml"},
		"another encoding":         {ask{raw: `<?xml version="1.0" encoding="utf-7"?>` + good.text()}, 400, "malformed-xml"},
		"no UTF-8":                 {ask{raw: strings.Replace(good.text(), ann, "\xff", 1)}, 400, "malformed-xml"},
		"a NUL":                    {ask{raw: strings.Replace(good.text(), ann, "a\x00", 1)}, 400, "malformed-xml"},
		"too deep":                 {ask{raw: deep}, 400, "malformed-xml"},
		"too wide":                 {ask{raw: "<a>" + strings.Repeat("<b/>", 10_000) + "</a>"}, 400, "malformed-xml"},
		"too long":                 {ask{raw: strings.Repeat(" ", maxEnvelope+1)}, 413, "oversized"},
		"two names":                {ask{user: ann, password: annsPassword, inUserName: "<wsse:Username>bob</wsse:Username>"}, 400, "repeated-element"},
		"two bodies":               {ask{raw: strings.Replace(good.text(), "<s:Body>", "<s:Body></s:Body><s:Body>", 1)}, 400, "repeated-element"},
		"another SOAP":             {ask{raw: strings.Replace(good.text(), soap12, "http://schemas.xmlsoap.org/soap/envelope/", 1)}, 400, "no-request"},
		"another WS-Trust":         {ask{raw: strings.ReplaceAll(good.text(), trust13, "http://schemas.xmlsoap.org/ws/2005/02/trust")}, 400, "no-request"},
		"a digest":                 {ask{raw: strings.Replace(good.text(), "<wsse:Password>", `<wsse:Password Type="urn:#PasswordDigest">`, 1)}, 400, "password-type"},
		"what must be understood":  {ask{user: ann, password: annsPassword, header: `<x:y xmlns:x="urn:x" s:mustUnderstand="1"/>`}, 400, "not-understood"},
	} {
		t.Run(name, func(t *testing.T) {
			before := r.counters()
			got := r.ask(test.ask)
			if got.status != test.status || got.code != fmt.Sprint(codeMalformed) {
				t.Errorf("status %d, code %s; expected %d and %d: %s", got.status, got.code, test.status, codeMalformed, got.text)
			}
			after := r.counters()
			if n := after.Denied[test.reason] - before.Denied[test.reason]; n != 1 {
				t.Errorf("%s was counted %d times; denied: %v", test.reason, n, after.Denied)
			}
			if after.Received != before.Received {
				t.Error("it was counted as a sign-in")
			}
		})
	}
	if n := r.directory.Binds(""); n != 0 {
		t.Errorf("the directory was asked %d times", n)
	}
	if got := r.ask(good); got.code != "0" {
		t.Errorf("afterwards: %s %s", got.code, got.text)
	}
	for _, method := range []string{http.MethodGet, http.MethodPut} {
		if got := r.do(method, trustPath, "", "", nil); got.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, got.status)
		}
	}
}

// TestPathFailures: when the directory does not decide, nobody is refused.
func TestPathFailures(t *testing.T) {
	r := start(t, func(c *Config) { c.BindTimeout = 200 * time.Millisecond })
	good := ask{user: ann, password: annsPassword}
	release := r.directory.Hold()
	if got := r.ask(good); got.code != fmt.Sprint(codeTimeout) || !strings.Contains(got.text, "s:Receiver") {
		t.Errorf("a silent directory: %s %s", got.code, got.text)
	}
	release()
	r.directory.AnswerWith(52)
	if got := r.ask(good); got.code != fmt.Sprint(codeUnreachable) {
		t.Errorf("a directory that is unavailable: %s", got.code)
	}
	r.directory.AnswerWith(0)
	eventually(t, "a token again", func() bool { return r.ask(good).code == "0" })
	if got := r.get(probePath); got.status != http.StatusOK {
		t.Errorf("the probe: %d", got.status)
	}
	r.directory.Stop()
	eventually(t, "the probe says that the directory is gone", func() bool { return r.get(probePath).status == http.StatusServiceUnavailable })
	if got := r.ask(good); got.code != fmt.Sprint(codeUnreachable) {
		t.Errorf("no directory: %s", got.code)
	}
	if c := r.counters(); c.DirectoryReachable || c.Failed[fmt.Sprint(codeUnreachable)] < 2 || c.Failed[fmt.Sprint(codeTimeout)] == 0 {
		t.Errorf("counters: %+v", c)
	}
}

// TestOverload: one sign-in more than there may be is told to come again.
func TestOverload(t *testing.T) {
	r := start(t, func(c *Config) { c.Concurrency = 2 })
	release := r.directory.Hold()
	defer release()
	var held sync.WaitGroup
	for range 2 {
		held.Go(func() { r.ask(ask{user: ann, password: annsPassword}) })
	}
	eventually(t, "two sign-ins in flight", func() bool { return r.counters().InFlight == 2 })
	if got := r.ask(ask{user: ann, password: annsPassword}); got.code != fmt.Sprint(codeTransient) || got.header.Get("Retry-After") == "" {
		t.Errorf("the third: %s", got.code)
	}
	release()
	held.Wait()
	if c := r.counters(); c.Accepted != 2 || c.Received != 3 || c.InFlight != 0 {
		t.Errorf("counters: %+v", c)
	}
}

// TestFaults: slow, hanging and refusing, and the end of each.
func TestFaults(t *testing.T) {
	r := start(t, nil)
	ctx, good := context.Background(), ask{user: ann, password: annsPassword}
	put := func(f observe.BindFault) {
		t.Helper()
		if err := r.observe.Put(ctx, "/faults/f", f, nil); err != nil {
			t.Fatal(err)
		}
	}
	end := func() (effect observe.FaultEffect) {
		t.Helper()
		if err := r.observe.Delete(ctx, "/faults/f", &effect); err != nil {
			t.Fatal(err)
		}
		return effect
	}
	put(observe.BindFault{Mode: observe.BindRefuse})
	if got := r.ask(good); got.code != fmt.Sprint(codeTransient) {
		t.Errorf("refusing: %s", got.code)
	}
	if n := end().Injections; n != 1 {
		t.Errorf("refusing: %d injections", n)
	}
	put(observe.BindFault{Mode: observe.BindSlow, DelayNS: int64(30 * time.Millisecond)})
	began := time.Now()
	if got := r.ask(good); got.code != "0" || time.Since(began) < 30*time.Millisecond {
		t.Errorf("slow: %s after %v", got.code, time.Since(began))
	}
	end()
	put(observe.BindFault{Mode: observe.BindHang})
	answer := make(chan answered, 1)
	go func() { answer <- r.ask(good) }()
	eventually(t, "a sign-in hangs", func() bool { return r.counters().InFlight == 1 })
	if n := end().Injections; n != 1 {
		t.Errorf("hanging: %d injections", n)
	}
	if got := <-answer; got.code != "0" {
		t.Errorf("hung: %s", got.code)
	}
	for name, f := range map[string]observe.BindFault{
		"no mode": {}, "crowded": {Mode: observe.BindCrowded, Connections: 1}, "slow by nothing": {Mode: observe.BindSlow},
		"sources": {Mode: observe.BindHang, Sources: []string{"127.0.0.1"}},
	} {
		if r.observe.Put(ctx, "/faults/f", f, nil) == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
	gate := observe.Gate{Mode: observe.GateReset, Ports: []string{"https"}}
	if err := r.observe.Put(ctx, "/gates/g", gate, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.Get(r.base + probePath); err == nil {
		t.Error("the gate lets through")
	}
	if err := r.observe.Delete(ctx, "/gates/g", nil); err != nil {
		t.Fatal(err)
	}
	if got := r.ask(good); got.code != "0" {
		t.Errorf("after the gate: %s", got.code)
	}
}

// TestConnectionAge: a connection is given up in time.
func TestConnectionAge(t *testing.T) {
	r := start(t, func(c *Config) { c.ConnectionAge = time.Nanosecond })
	resp, err := r.client.Get(r.base + probePath)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if !resp.Close || resp.ProtoMajor != 1 {
		t.Errorf("close %v, HTTP/%d", resp.Close, resp.ProtoMajor)
	}
}

// TestSecretsStayOut: no password is in a log.
func TestSecretsStayOut(t *testing.T) {
	var log bytes.Buffer
	var mu sync.Mutex
	s := &server{log: slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, &slog.HandlerOptions{Level: slog.LevelDebug})), counts: newCounts()}
	const secret = "a secret of somebody"
	raw := ask{user: ann, password: secret, realm: "urn:x"}.text()
	q, err := parseEnvelope([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	w := &discarded{http.Header{}}
	_, err = s.acceptable(q, time.Now())
	s.refuseRequest(w, q, err)
	_, err = parseEnvelope([]byte(strings.Replace(raw, "<wsse:Password>", "<wsse:Password><wsse:Password>", 1)))
	s.unread(w, 400, err)
	// A client that does not escape: decoders quote where they stumble.
	for _, unescaped := range []string{"a secret&of; somebody", "a <secret of='x'> somebody", "a &secret somebody"} {
		if _, err = parseEnvelope([]byte(strings.Replace(raw, secret, unescaped, 1))); err == nil {
			t.Fatalf("%s is XML", unescaped)
		}
		if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "of;") {
			t.Errorf("the error: %v", err)
		}
		s.unread(w, 400, err)
	}
	if text := log.String(); text == "" || strings.Contains(text, "secret") {
		t.Errorf("the log: %q", text)
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	b  *bytes.Buffer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

type discarded struct{ header http.Header }

func (d *discarded) Header() http.Header       { return d.header }
func (*discarded) Write(p []byte) (int, error) { return len(p), nil }
func (*discarded) WriteHeader(int)             {}
