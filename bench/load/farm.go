package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ptabench/results"
)

// Federation says where users bring their passwords before they bring the
// answer to the cloud: WS-Trust 1.3, as Microsoft's client libraries do it.
type Federation struct {
	MEX      string // of the metadata exchange document, https; it names the endpoint
	Audience string // for whom a token is asked
}

func (f *Federation) validate() error {
	mex, err := url.Parse(f.MEX)
	if err != nil || mex.Scheme != "https" || mex.Host == "" {
		return fmt.Errorf("metadata exchange %q: expected an https address", f.MEX)
	}
	if f.Audience == "" {
		return errors.New("audience: missing")
	}
	return nil
}

// A farm is federation servers behind one address, and the connections to it.
type farm struct {
	Federation
	post  *post // nil until the endpoint is known
	conns *connections
}

// Bounds of reading a metadata exchange document.
const (
	mexTimeout = 10 * time.Second
	maxMEX     = 1 << 20
)

// connect asks where passwords are taken, once, and opens the connections.
// Requests to it have the ids that those to the cloud have.
func (f *farm) connect(ctx context.Context, config *tls.Config, pool int, idPrefix string) error {
	text, err := f.fetchMEX(ctx, config)
	if err != nil {
		return fmt.Errorf("metadata exchange %s: %w", f.MEX, err)
	}
	endpoint, err := usernameMixed(text)
	if err != nil {
		return fmt.Errorf("metadata exchange %s: %w", f.MEX, err)
	}
	f.post = newTrustPost(endpoint, f.Audience, pool > 0)
	f.post.idPrefix = idPrefix
	f.conns = newConnections(newDialer(endpoint, config, pool > 0), pool)
	f.conns.turns = true
	if pool == 0 {
		return nil
	}
	mex, err := url.Parse(f.MEX)
	if err != nil {
		return err
	}
	if mex.Host != endpoint.Host { // opened by the first sign-ins, then
		return nil
	}
	return f.conns.open(ctx, mex)
}

func (f *farm) fetchMEX(ctx context.Context, config *tls.Config) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, mexTimeout)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config.Clone(), DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.MEX, nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered %s", answer.Status)
	}
	return io.ReadAll(io.LimitReader(answer.Body, maxMEX))
}

// usernameMixed finds the endpoint of WS-Trust 1.3 that takes a name and a
// password: the address of a port in the document.
func usernameMixed(text []byte) (*url.URL, error) {
	var document struct {
		Services []struct {
			Ports []struct {
				Address struct {
					Location string `xml:"location,attr"`
				} `xml:"address"`
			} `xml:"port"`
		} `xml:"service"`
	}
	if err := xml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("reading the document: %w", err)
	}
	for _, service := range document.Services {
		for _, port := range service.Ports {
			at, err := url.Parse(port.Address.Location)
			if err == nil && at.Scheme == "https" && at.Host != "" && strings.HasSuffix(at.Path, "/trust/13/usernamemixed") {
				return at, nil
			}
		}
	}
	return nil, errors.New("it names no https endpoint /trust/13/usernamemixed")
}

// federate makes a sign-in that goes by the farm: a token of it for the
// password, then the cloud's for that. It returns the connection with the
// cloud's answer, to be released; nil when the sign-in ended before, and then
// the sample says how.
func (g *Generator) federate(ctx context.Context, of *tenant, deadline time.Time, s *results.Sample, upn, password string) (req request, conn *connection, err error) {
	began := time.Now()
	ask := of.farm.post.request(s.Seq, upn, password)
	first, err := of.farm.conns.signIn(ctx, deadline, &ask)
	if err != nil {
		return req, nil, err
	}
	assertion := g.reader.readFarm(s, ask.id[:], &first.response, nil)
	s.Connector = uint32(min(time.Since(began).Microseconds(), 1<<32-1))
	of.farm.conns.release(first)
	if assertion == nil {
		return req, nil, nil
	}
	req = of.post.request(s.Seq, upn, "")
	req.assertion = assertion
	conn, err = of.conns.signIn(ctx, deadline, &req)
	return req, conn, err
}

// The codes of a federation server that could not decide.
const (
	codeTimeout     = 80002
	codeTransient   = 80005
	codeUnreachable = 80007
)

// readFarm reads what a federation server answered. It appends the token that
// it issued to into, as a form of the cloud has it; nil when it issued none,
// and then the sample says how the sign-in ended.
func (r *reader) readFarm(s *results.Sample, id []byte, from *response, into []byte) []byte {
	if len(from.id) > 0 && !bytes.EqualFold(from.id, id) {
		s.Outcome, s.Error = results.OutcomeUnknown, results.ErrorOther
		return nil
	}
	r.readTimes(s, from.times)
	server := r.federation[string(from.server)]
	code := number(from.code)
	switch token := securityToken(from.body); {
	case from.status == http.StatusOK && code == 0 && token != nil:
		s.Server = server // decided is only what the cloud takes
		return base64.StdEncoding.AppendEncode(into, token)
	case code == 0:
		s.Outcome, s.Error = results.OutcomeFailed, results.ErrorOther
	case code == codeTimeout || code == codeTransient || code == codeUnreachable:
		s.Outcome, s.Code = results.OutcomeFailed, code
	default:
		s.Outcome, s.Code = results.OutcomeRefused, code
	}
	s.Path, s.Server = results.PathFederation, server // it ends there
	return nil
}

// securityToken is the XML of the token in an answer of WS-Trust, nil when
// there is none. It is a scan for what such answers hold, not a parser: whoever
// takes the token reads it strictly.
func securityToken(body []byte) []byte {
	const element = "RequestedSecurityToken>"
	begin := bytes.Index(body, []byte(element))
	if begin < 0 {
		return nil
	}
	rest := body[begin+len(element):]
	end := bytes.Index(rest, []byte(element))
	if end < 0 {
		return nil
	}
	end = bytes.LastIndex(rest[:end], []byte("</"))
	if end <= 0 || rest[0] != '<' {
		return nil
	}
	return rest[:end]
}
