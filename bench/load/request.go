package load

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
)

// A post makes the requests of sign-ins from what all of them share.
type post struct {
	mix      *mix
	url      *url.URL
	form     string // of the body, up to the user name
	idPrefix string // of the client request ids: all but the last 8 digits

	contentType, accept []string
}

// clientID is the application that the sign-ins are for; any will do.
const clientID = "d3590ed6-52b3-4102-aeff-aad2292ab01c"

func newPost(m *mix, to *url.URL) *post {
	return &post{
		mix: m, url: to,
		form:        "grant_type=password&client_id=" + clientID + "&scope=openid&username=",
		idPrefix:    newIDPrefix(),
		contentType: []string{"application/x-www-form-urlencoded"},
		accept:      []string{"application/json"},
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
	const digits = "0123456789abcdef"
	b := make([]byte, 0, 36)
	b = append(b, p.idPrefix...)
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, digits[seq>>shift&0xf])
	}
	return string(b)
}

// request makes the request of one sign-in. The password exists in its body
// and nowhere else.
func (p *post) request(ctx context.Context, id, upn, password string) *http.Request {
	body := make([]byte, 0, len(p.form)+len(upn)+len(password)+32)
	body = append(body, p.form...)
	body = appendFormValue(body, upn)
	body = append(body, "&password="...)
	body = appendFormValue(body, password)
	req := &http.Request{
		Method: http.MethodPost, URL: p.url, Host: p.url.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{
			"Content-Type":      p.contentType,
			"Accept":            p.accept,
			"Client-Request-Id": {id},
		},
		ContentLength: int64(len(body)),
		Body:          io.NopCloser(bytes.NewReader(body)),
		// The transport asks for the body again when a pooled connection turns
		// out closed before anything was written to it.
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}
	return req.WithContext(ctx)
}

// appendFormValue appends s as a form encodes it.
func appendFormValue(b []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
			b = append(b, c)
		default:
			b = append(b, '%', digits[c>>4], digits[c&0xf])
		}
	}
	return b
}
