package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"io"
	"strings"

	"ptabench/results"
)

//go:embed assets/uplot.js
var uplotScript string

//go:embed assets/uplot.css
var uplotStyle string

//go:embed assets/uplot.LICENSE
var uplotLicence string

//go:embed assets/script
var scripts embed.FS

//go:embed assets/page.css
var pageStyle string

//go:embed assets/page.html
var pageText string

//go:embed assets/compare.html
var compareText string

//go:embed assets/parts.html
var partsText string

var (
	style   = uplotStyle + "\n" + pageStyle
	library = "/*! uPlot\n" + uplotLicence + "\n*/\n" + uplotScript
	// pageScript is one script of several files in one scope, in an order in
	// which nothing runs before what it uses is there.
	pageScript = oneScript("state", "units", "paint", "chart", "table", "follow", "start")
)

func oneScript(names ...string) string {
	text := "\"use strict\";\n(() => {\n"
	for _, name := range names {
		part, err := scripts.ReadFile("assets/script/" + name + ".js")
		if err != nil {
			panic(err) // it is in this program, or this program is not whole
		}
		text += string(part) + "\n"
	}
	return text + "})();\n"
}

var templates = template.Must(template.Must(template.New("page").Funcs(template.FuncMap{
	"figure":      func(v charted, id string) figureView { return v.figure(id) },
	"tenantHeads": results.TenantHeads,
}).Parse(pageText + compareText)).Parse(partsText))

// figureView is a chart for its template, with the footnotes that concern it.
type figureView struct {
	Chart *Chart
	Notes []note
}

// charted is a view with charts.
type charted interface{ figure(id string) figureView }

// hash names a script or a style in a policy.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// Policy is the content security policy of a page: what stands in it, by hash,
// and nothing else. A live page may ask where it came from, and no one else.
func Policy(d *Data) string {
	parts := []string{"default-src 'none'", "script-src " + hash(library) + " " + hash(pageScript), "style-src " + hash(style),
		"img-src data:", "base-uri 'none'", "form-action 'none'"}
	if d != nil && d.Live != nil {
		parts = append(parts, "connect-src 'self'")
	}
	return strings.Join(parts, "; ")
}

// complete is what the template of a page is filled with.
type complete struct {
	View    any
	Policy  string
	Style   template.CSS
	Library template.JS
	Script  template.JS
	Data    template.JS
}

// liveParts are those that an update carries: what has figures outside of
// charts. Each is the template of its name, within an element of the id
// part-NAME.
var liveParts = []string{"verdict", "objectives", "faults", "believed", "expected", "response-notes", "counts", "load", "latencies", "spent",
	"ledgers", "costs", "events", "facts"}

// Finished is the Live.Phase of a page whose run has ended and left its report.
const Finished = "finished"

// texts are what templates are filled with. That a run which was followed has
// ended is known of its data alone, which is that of its report.
func (d *Data) texts() any {
	v, one := d.view.(*view)
	if !one || d.Live == nil || !d.Live.Done || d.Live.Phase != Finished {
		return d.view
	}
	ended := *v
	ended.Live, ended.Ended = nil, true
	return &ended
}

// Render writes the page of some data.
func Render(w io.Writer, d *Data) error {
	// JSON of the standard library has no <, > or &, so it ends no script.
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	name := "page"
	if _, several := d.view.(*compareView); several {
		name = "compare"
	}
	return templates.ExecuteTemplate(w, name, complete{View: d.texts(), Policy: Policy(d), Style: template.CSS(style),
		Library: template.JS(library), Script: template.JS(pageScript), Data: template.JS(text)})
}

// Update is the payload of one event of a live page: one line of JSON, the data
// and the parts of the page that have changed figures, as HTML by name.
func Update(d *Data) ([]byte, error) {
	update := struct {
		Data  *Data             `json:"data"`
		Parts map[string]string `json:"parts"`
	}{d, map[string]string{}}
	texts := d.texts()
	for _, name := range liveParts {
		var text bytes.Buffer
		if err := templates.ExecuteTemplate(&text, name, texts); err != nil {
			return nil, err
		}
		update.Parts[name] = text.String()
	}
	return json.Marshal(update)
}
