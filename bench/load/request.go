package load

import (
	"crypto/rand"
	"encoding/hex"
	"net/url"
	"strconv"
	"time"
)

// A post makes the requests of sign-ins from what all of them share.
type post struct {
	head     string // up to the client request id, which is the last but one of the headers
	form     string // of the body, up to the user name
	grant    string // of the body, up to a federation server's token
	idPrefix string // of the client request ids: all but the last 8 digits
	trust    *trust // of a federation server; nil of the cloud's
}

// idLen is the length of a client request id, a UUID.
const idLen = 36

// clientID is the application that the sign-ins are for; any will do.
const clientID = "d3590ed6-52b3-4102-aeff-aad2292ab01c"

// newPost says where sign-ins are posted, which scope they ask for, and whether
// their connections serve others after them.
func newPost(to *url.URL, scope string, kept bool) *post {
	head := "POST " + to.RequestURI() + " HTTP/1.1\r\nHost: " + to.Host + "\r\nUser-Agent: ptabench\r\n"
	if !kept {
		head += "Connection: close\r\n"
	}
	return &post{
		head: head + "Content-Type: application/x-www-form-urlencoded\r\nAccept: application/json\r\nClient-Request-Id: ",
		form: "grant_type=password&client_id=" + clientID + "&scope=" + url.QueryEscape(scope) + "&username=",
		grant: "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Asaml1_1-bearer&client_id=" + clientID +
			"&scope=" + url.QueryEscape(scope) + "&assertion=",
		idPrefix: newIDPrefix(),
	}
}

// newIDPrefix draws the part of client request ids that is the run's own: a
// UUID of version 8 (RFC 9562) without its last 8 digits.
func newIDPrefix() string {
	var id [16]byte
	rand.Read(id[:]) // never fails
	id[6] = 0x80 | id[6]&0x0f
	id[8] = 0x80 | id[8]&0x3f
	h := hex.EncodeToString(id[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:24]
}

// id is the client request id of a sign-in.
func (p *post) id(seq uint32) string {
	return string(p.appendID(make([]byte, 0, idLen), seq))
}

func (p *post) appendID(b []byte, seq uint32) []byte {
	b = append(b, p.idPrefix...)
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, "0123456789abcdef"[seq>>shift&0xf])
	}
	return b
}

// A request is one sign-in, not yet sent.
type request struct {
	post          *post
	id            [idLen]byte
	upn, password string
	assertion     []byte // a federation server's token, in base64, in place of a password
}

func (p *post) request(seq uint32, upn, password string) request {
	r := request{post: p, upn: upn, password: password}
	p.appendID(r.id[:0], seq)
	return r
}

// append appends the request as it is sent. The password exists in its body and
// nowhere else.
func (r *request) append(b []byte) []byte {
	const password = "&password="
	switch {
	case r.post.trust != nil:
		return r.post.trust.append(b, r, time.Now())
	case r.assertion != nil:
		return r.appendGrant(b)
	}
	b = append(b, r.post.head...)
	b = append(b, r.id[:]...)
	b = append(b, "\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(r.post.form)+formLen(r.upn)+len(password)+formLen(r.password)), 10)
	b = append(b, "\r\n\r\n"...)
	b = append(b, r.post.form...)
	b = appendFormValue(b, r.upn)
	b = append(b, password...)
	return appendFormValue(b, r.password)
}

// appendGrant appends the request that brings a federation server's token.
func (r *request) appendGrant(b []byte) []byte {
	b = append(b, r.post.head...)
	b = append(b, r.id[:]...)
	b = append(b, "\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(r.post.grant)+formLen(r.assertion)), 10)
	b = append(b, "\r\n\r\n"...)
	b = append(b, r.post.grant...)
	return appendFormValue(b, r.assertion)
}

// appendFormValue appends s as a form encodes it.
func appendFormValue[T string | []byte](b []byte, s T) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		if c := s[i]; plain[c] {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&0xf])
		}
	}
	return b
}

// formLen is how many bytes appendFormValue appends.
func formLen[T string | []byte](s T) int {
	n := len(s)
	for i := range len(s) {
		if !plain[s[i]] {
			n += 2
		}
	}
	return n
}

// plain says which bytes stand for themselves in a form.
var plain = func() (t [256]bool) {
	for _, c := range []byte("-._0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		t[c] = true
	}
	return t
}()
