package adfs

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// The namespaces of a request, by the prefixes that places are named with here.
var prefixes = map[string]string{
	"http://www.w3.org/2003/05/soap-envelope":                                            "s",
	"http://www.w3.org/2005/08/addressing":                                               "a",
	"http://schemas.xmlsoap.org/ws/2004/09/policy":                                       "p",
	"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd": "u",
	"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd":  "o",
	trust13: "t",
}

const (
	soap12  = "http://www.w3.org/2003/05/soap-envelope"
	trust13 = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"

	passwordText = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText"
)

// Bounds of a request. Those of clients have some 2 KB and nest 7 deep.
const (
	maxEnvelope = 64 << 10
	maxDepth    = 24
	maxElements = 256
)

// A tokenRequest is a RequestSecurityToken in its envelope, as far as it
// matters here.
type tokenRequest struct {
	action, messageID           string
	created, expires            string
	user                        string
	password                    []byte
	appliesTo                   string
	tokenType, keyType, request string
}

// A malformed is why a request could not be read: for counters, and in words.
type malformed struct{ reason, text string }

func (m *malformed) Error() string { return m.text }

func bad(reason, format string, args ...any) error {
	return &malformed{reason, fmt.Sprintf(format, args...)}
}

// The places in an envelope whose text matters.
const (
	inMessageID = "/s:Envelope/s:Header/a:MessageID"
	inAction    = "/s:Envelope/s:Header/a:Action"
	inSecurity  = "/s:Envelope/s:Header/o:Security"
	inPassword  = inSecurity + "/o:UsernameToken/o:Password"
	inRequest   = "/s:Envelope/s:Body/t:RequestSecurityToken"
)

// at returns where the text of a place goes, nil for a place that does not
// matter.
func (q *tokenRequest) at(place string) *string {
	switch place {
	case inAction:
		return &q.action
	case inMessageID:
		return &q.messageID
	case inSecurity + "/u:Timestamp/u:Created":
		return &q.created
	case inSecurity + "/u:Timestamp/u:Expires":
		return &q.expires
	case inSecurity + "/o:UsernameToken/o:Username":
		return &q.user
	case inRequest + "/p:AppliesTo/a:EndpointReference/a:Address":
		return &q.appliesTo
	case inRequest + "/t:TokenType":
		return &q.tokenType
	case inRequest + "/t:KeyType":
		return &q.keyType
	case inRequest + "/t:RequestType":
		return &q.request
	}
	return nil
}

// parseEnvelope reads a request. Places count by their namespaces and by where
// they are; one that is there twice is refused, so that two readers could not
// understand two things.
func parseEnvelope(text []byte) (q *tokenRequest, err error) {
	q = &tokenRequest{}
	// encoding/xml knows no entities but the five of XML, and fetches nothing.
	in := xml.NewDecoder(bytes.NewReader(text))
	var (
		place    = make([]byte, 0, 256)
		ends     = make([]int, 0, maxDepth) // of places around
		seen     = make(map[string]bool, 16)
		elements int
		rooted   bool
	)
	for {
		token, err := in.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			// Not in the decoder's words: it quotes what it stumbled over, which may be
			// of a password.
			return nil, bad("malformed-xml", "the request is no XML from byte %d on", in.InputOffset())
		}
		switch part := token.(type) {
		case xml.Directive:
			return nil, bad("document-type", "the request has a document type")
		case xml.ProcInst:
			if part.Target != "xml" || rooted {
				return nil, bad("malformed-xml", "the request has a processing instruction")
			}
		case xml.StartElement:
			if elements++; len(ends) >= maxDepth || elements > maxElements {
				return nil, bad("malformed-xml", "the request nests deeper than %d, or has more than %d elements", maxDepth, maxElements)
			}
			if len(ends) == 0 && rooted {
				return nil, bad("malformed-xml", "the request has a second root")
			}
			rooted = true
			ends = append(ends, len(place))
			place = append(place, '/')
			place = append(place, prefixes[part.Name.Space]...)
			place = append(place, ':')
			place = append(place, part.Name.Local...)
			if err := q.enter(string(place), part.Attr, seen); err != nil {
				return nil, err
			}
		case xml.EndElement:
			place = place[:ends[len(ends)-1]]
			ends = ends[:len(ends)-1]
		case xml.CharData:
			if len(ends) == 0 {
				continue
			}
			if string(place) == inPassword {
				q.password = append(q.password, part...)
			} else if to := q.at(string(place)); to != nil {
				*to += string(part)
			}
		}
	}
	if !seen["/s:Envelope"] || !seen[inRequest] {
		return nil, bad("no-request", "expected a SOAP 1.2 envelope with a RequestSecurityToken of WS-Trust 1.3")
	}
	for _, to := range []*string{&q.action, &q.messageID, &q.created, &q.expires, &q.appliesTo, &q.tokenType, &q.keyType, &q.request} {
		*to = strings.TrimSpace(*to)
	}
	return q, nil
}

// enter takes notice of the beginning of an element.
func (q *tokenRequest) enter(place string, attributes []xml.Attr, seen map[string]bool) error {
	known := place == "/s:Envelope" || place == "/s:Envelope/s:Header" || place == "/s:Envelope/s:Body" || place == inSecurity ||
		place == inRequest || place == inPassword || q.at(place) != nil
	if known && seen[place] {
		return bad("repeated-element", "%s is there twice", place)
	}
	seen[place] = known
	parent := place[:strings.LastIndexByte(place, '/')]
	for _, a := range attributes {
		switch {
		case place == inPassword && a.Name.Local == "Type" && a.Value != passwordText:
			return bad("password-type", "a password of type %.200q: expected text", a.Value)
		case parent == "/s:Envelope/s:Header" && a.Name.Space == soap12 && a.Name.Local == "mustUnderstand" && (a.Value == "1" || a.Value == "true") &&
			place != inAction && place != inSecurity && place != "/s:Envelope/s:Header/a:To" && place != inMessageID && place != "/s:Envelope/s:Header/a:ReplyTo":
			return bad("not-understood", "the header %s must be understood, and is not", place)
		}
	}
	return nil
}

// skew is how far the clock of a client may be off, as in AD FS.
const skew = 5 * time.Minute

// current reports whether a request is of now, by its timestamp.
func (q *tokenRequest) current(now time.Time) error {
	created, err := time.Parse(time.RFC3339Nano, q.created)
	if err != nil {
		return bad("timestamp", "the time of the request: %.40q: expected a time in UTC (wsu:Timestamp)", q.created)
	}
	expires := created.Add(skew)
	if q.expires != "" {
		if expires, err = time.Parse(time.RFC3339Nano, q.expires); err != nil {
			return bad("timestamp", "the end of the request: %.40q: expected a time in UTC", q.expires)
		}
	}
	if now.Before(created.Add(-skew)) || !now.Before(expires.Add(skew)) {
		return bad("timestamp", "the request is of %s to %s, and it is %s here", q.created, q.expires, now.UTC().Format(time.RFC3339))
	}
	return nil
}
