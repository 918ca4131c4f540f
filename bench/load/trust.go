package load

import (
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A trust is the RequestSecurityToken of WS-Trust 1.3 that asks for a token by
// name and password, in the pieces that all sign-ins share.
type trust struct {
	head      string // up to the message id
	toCreated string
	toExpires string
	toUser    string
	toSecret  string
	tail      string
}

// requestLife is how long a request may be on its way, as of client libraries.
const requestLife = 10 * time.Minute

// instant is how the times of a request are written.
const instant = "2006-01-02T15:04:05.000Z"

// newTrustPost says where tokens are asked for, and whether connections serve
// others after them.
func newTrustPost(to *url.URL, audience string, kept bool) *post {
	p := newPost(to, "", kept)
	p.head = strings.Replace(p.head, "Content-Type: application/x-www-form-urlencoded\r\nAccept: application/json\r\n",
		"Content-Type: application/soap+xml; charset=utf-8\r\nSOAPAction: http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/Issue\r\n", 1)
	at := string(appendXML(nil, to.String()))
	p.trust = &trust{
		head: `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:wsa="http://www.w3.org/2005/08/addressing" ` +
			`xmlns:wsu="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"><s:Header>` +
			`<wsa:Action s:mustUnderstand="1">http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/Issue</wsa:Action><wsa:MessageID>urn:uuid:`,
		toCreated: `</wsa:MessageID><wsa:ReplyTo><wsa:Address>http://www.w3.org/2005/08/addressing/anonymous</wsa:Address></wsa:ReplyTo>` +
			`<wsa:To s:mustUnderstand="1">` + at + `</wsa:To><wsse:Security s:mustUnderstand="1" ` +
			`xmlns:wsse="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"><wsu:Timestamp wsu:Id="_0"><wsu:Created>`,
		toExpires: `</wsu:Created><wsu:Expires>`,
		toUser:    `</wsu:Expires></wsu:Timestamp><wsse:UsernameToken><wsse:Username>`,
		toSecret:  `</wsse:Username><wsse:Password Type="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText">`,
		tail: `</wsse:Password></wsse:UsernameToken></wsse:Security></s:Header><s:Body>` +
			`<wst:RequestSecurityToken xmlns:wst="http://docs.oasis-open.org/ws-sx/ws-trust/200512"><wsp:AppliesTo xmlns:wsp="http://schemas.xmlsoap.org/ws/2004/09/policy">` +
			`<wsa:EndpointReference><wsa:Address>` + string(appendXML(nil, audience)) + `</wsa:Address></wsa:EndpointReference></wsp:AppliesTo>` +
			`<wst:KeyType>http://docs.oasis-open.org/ws-sx/ws-trust/200512/Bearer</wst:KeyType>` +
			`<wst:RequestType>http://docs.oasis-open.org/ws-sx/ws-trust/200512/Issue</wst:RequestType></wst:RequestSecurityToken></s:Body></s:Envelope>`,
	}
	return p
}

// append appends a request as it is sent, made at a time.
func (t *trust) append(b []byte, r *request, now time.Time) []byte {
	now = now.UTC()
	length := len(t.head) + idLen + len(t.toCreated) + len(instant) + len(t.toExpires) + len(instant) + len(t.toUser) +
		xmlLen(r.upn) + len(t.toSecret) + xmlLen(r.password) + len(t.tail)
	b = append(b, r.post.head...)
	b = append(b, r.id[:]...)
	b = append(b, "\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(length), 10)
	b = append(b, "\r\n\r\n"...)
	b = append(b, t.head...)
	b = append(b, r.id[:]...)
	b = append(b, t.toCreated...)
	b = now.AppendFormat(b, instant)
	b = append(b, t.toExpires...)
	b = now.Add(requestLife).AppendFormat(b, instant)
	b = append(b, t.toUser...)
	b = appendXML(b, r.upn)
	b = append(b, t.toSecret...)
	b = appendXML(b, r.password)
	return append(b, t.tail...)
}

// appendXML appends s as the text of an element.
func appendXML(b []byte, s string) []byte {
	for i := range len(s) {
		switch s[i] {
		case '&':
			b = append(b, "&amp;"...)
		case '<':
			b = append(b, "&lt;"...)
		case '>':
			b = append(b, "&gt;"...)
		default:
			b = append(b, s[i])
		}
	}
	return b
}

// xmlLen is how many bytes appendXML appends.
func xmlLen(s string) int {
	n := len(s)
	for i := range len(s) {
		switch s[i] {
		case '&':
			n += len("amp;")
		case '<', '>':
			n += len("lt;")
		}
	}
	return n
}
