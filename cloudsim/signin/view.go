package signin

import (
	_ "embed"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"ptabench/cloudsim/token"
)

var (
	//go:embed page.html
	pageText string
	//go:embed page.css
	pageStyle string
	//go:embed page.js
	pageScript string

	pageTemplate = template.Must(template.New("page").Parse(pageText))
)

// The steps of a sign-in, as forms name them.
const (
	stepUser     = "user"
	stepPassword = "password"
	stepContinue = "continue"
	stepCancel   = "cancel"
	stepCode     = "code" // the user code of a device
)

// The other pages.
const (
	pageMessage    = "message"
	pageFederation = "federation"
	pageAccount    = "account"
	pageSignOut    = "sign-out"
	pageAnswer     = "answer" // to a client, as a form
)

// A view is what the template shows.
type view struct {
	Step   string
	User   string
	Stays  bool // whether the box is ticked
	Code   int  // of an error, 0 for none
	Answer *session

	// The rest is filled in on the way.
	Title   string // that of the step where it is empty
	Text    string // of the error, or of the message
	Error   string // AADSTS and the code
	Action  string
	CSRF    string
	Hidden  []hidden
	Client  string
	Device  bool // the answer goes to another device
	Rights  []string
	Cancels bool
	ID      string
	Name    string
	At      string
	Next    string // where a federated user goes
}

type hidden struct{ Name, Value string }

// rights are what an administrator agrees to, in words.
var rights = map[string]string{
	token.RegisterScope: "register a connector of your organization",
	token.ManageScope:   "change how the users of your organization sign in",
}

// ask shows a form for the next step.
func (s *Surface) ask(v *visit, p *purpose, data view, status int) {
	data.Action, data.CSRF, data.Client, data.Cancels, data.Device = p.action, v.seal(p.name), p.client, p.cancel != nil, p.agree
	for _, name := range slices.Sorted(maps.Keys(p.hidden)) {
		data.Hidden = append(data.Hidden, hidden{name, p.hidden[name]})
	}
	for _, scope := range p.scopes {
		if text := rights[scope]; text != "" {
			data.Rights = append(data.Rights, text)
		}
	}
	s.show(v, data, status)
}

// titles are those of the pages. One with an error says so first, for those who
// hear it.
var titles = map[string]string{
	stepUser: "Sign in", stepPassword: "Enter password", stepContinue: "Continue?", stepCode: "Enter code",
	pageMessage: "Sign in", pageFederation: "Sign in", pageAccount: "My account", pageSignOut: "Sign out", pageAnswer: "Continue",
}

// show writes a page.
func (s *Surface) show(v *visit, data view, status int) {
	data.ID = v.id
	if data.Title == "" {
		data.Title = titles[data.Step]
	}
	if data.Code != 0 {
		data.Title = "Error: " + data.Title
		data.Error, data.Text = "AADSTS"+strconv.Itoa(data.Code), UserText(data.Code)
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Client-Request-Id", v.id)
	v.w.WriteHeader(status)
	if err := pageTemplate.Execute(v.w, data); err != nil {
		s.log.Debug("sign-in page", "error", err) // whoever asked went away
	}
}

// refusePage says that a request can come to nothing.
func (s *Surface) refusePage(v *visit, status int, reason string, code int) {
	s.denied(reason, v)
	s.show(v, view{Step: pageMessage, Code: code}, status)
}

// NotFound says that there is nothing at an address: to browsers by a page.
func (s *Surface) NotFound(w http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.NotFound(w, r)
		return
	}
	s.page(func(v *visit) {
		s.show(v, view{Step: pageMessage, Title: "Page not found",
			Text: "There is nothing at this address. Check it, or begin again where you came from."}, http.StatusNotFound)
	}).ServeHTTP(w, r)
}

// tell says something that is no error, under a title of its own.
func (s *Surface) tell(v *visit, title, text string) {
	s.show(v, view{Step: pageMessage, Title: title, Text: text}, http.StatusOK)
}

func serveStyle(w http.ResponseWriter, _ *http.Request) {
	serveAsset(w, "text/css; charset=utf-8", pageStyle)
}

func serveScript(w http.ResponseWriter, _ *http.Request) {
	serveAsset(w, "text/javascript; charset=utf-8", pageScript)
}

func serveAsset(w http.ResponseWriter, kind, text string) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write([]byte(text))
}
