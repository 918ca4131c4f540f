package adfs

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strconv"
)

var (
	//go:embed page.html
	pageText string
	//go:embed page.css
	pageStyle string

	pageTemplate = template.Must(template.New("page").Parse(pageText))
)

// The pages.
const (
	stepPassword = "password"
	stepToken    = "token"
	stepMessage  = "message"
)

// A view is what the template shows.
type view struct {
	Step   string
	Title  string
	User   string
	Error  string // in words
	Action string
	CSRF   string
	Hidden []hidden
	Next   string      // where to go on
	Script template.JS // of the page that sends itself
	code   int         // of the error
}

type hidden struct{ Name, Value string }

// submit sends the page with the token on its way. It is the only script there
// is, and without it the page's button does the same.
const submit = `document.forms[0].submit()`

// tokenPolicy lets that script run and no other. It says nothing of where the
// form may go, which is where the template put it: browsers hold what the
// relying party redirects to afterwards to that list too, and nobody here knows
// where that is.
var tokenPolicy = func() string {
	sum := sha256.Sum256([]byte(submit))
	return "default-src 'none'; style-src 'self'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; frame-ancestors 'none'"
}()

func (v *visit) show(data view, status int) {
	h := v.w.Header()
	switch data.Step {
	case stepPassword:
		data.Title = "Sign in"
	case stepToken:
		data.Title, data.Script = "Signing you in", submit
		h.Set("Content-Security-Policy", tokenPolicy)
	}
	if data.code != 0 {
		h[headerCode] = []string{strconv.Itoa(data.code)}
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, data); err != nil {
		v.log.Error("writing a page", "error", err)
		http.Error(v.w, "the page could not be written", http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(b.Bytes()) // a browser that left is no concern
}

func serveStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "max-age=300")
	_, _ = w.Write([]byte(pageStyle)) // a browser that left is no concern
}
