package cloudsim

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// formType is the media type of a form, as nearly everybody writes it.
const formType = "application/x-www-form-urlencoded"

var (
	errForm     = errors.New("a field of the form is not encoded as it must be")
	errRepeated = errors.New("a field of the form is there twice")
)

// signInForm is the fields of a sign-in's form that matter here.
type signInForm struct {
	grant, client, scope, user, password, info string
	// address is the tenant's in the request, as the client calls it.
	address string
}

// bodies are buffers for one usual form each, cleared after use: a password
// passes through them.
var bodies = sync.Pool{New: func() any { return new([usualBody + 1]byte) }}

// readForm reads the form in a request's body, which the caller has limited. It
// is what ParseForm and PostForm.Get are, without their maps, which cost a
// sign-in more than the queue does. A body that is no form has no fields. A
// field that is known may be there once (RFC 6749 section 3.2); others are not
// looked at. The whole body is for other grants than the password's.
func readForm(r *http.Request) (f signInForm, body string, err error) {
	if kind := r.Header.Get("Content-Type"); kind != formType {
		if parsed, _, err := mime.ParseMediaType(kind); err != nil || parsed != formType {
			return f, "", nil
		}
	}
	buf := bodies.Get().(*[usualBody + 1]byte)
	n := 0
	defer func() {
		clear(buf[:n])
		bodies.Put(buf)
	}()
	for n < len(buf) {
		m, err := r.Body.Read(buf[n:])
		n += m
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return f, "", err
		}
	}
	body = string(buf[:n])
	if n == len(buf) { // an assertion may be that long
		rest, err := io.ReadAll(r.Body)
		if err != nil {
			return f, "", err
		}
		body += string(rest)
	}
	f, err = parseForm(body)
	return f, body, err
}

func parseForm(body string) (f signInForm, err error) {
	var secret string // whoever needs it reads it from the body
	found := [7]bool{}
	fields := [7]*string{&f.grant, &f.client, &f.user, &f.password, &f.scope, &f.info, &secret}
	for body != "" {
		var pair string
		pair, body, _ = strings.Cut(body, "&")
		if strings.Contains(pair, ";") { // some take it for another &
			return signInForm{}, errForm
		}
		key, value, _ := strings.Cut(pair, "=")
		if key, err = url.QueryUnescape(key); err != nil {
			return signInForm{}, errForm
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return signInForm{}, errForm
		}
		i := -1
		switch key {
		case "grant_type":
			i = 0
		case "client_id":
			i = 1
		case "username":
			i = 2
		case "password":
			i = 3
		case "scope":
			i = 4
		case "client_info":
			i = 5
		case "client_secret":
			i = 6
		}
		if i < 0 {
			continue
		}
		if found[i] {
			return signInForm{}, errRepeated
		}
		*fields[i], found[i] = value, true
	}
	return f, nil
}
