package gate

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"ptabench/observe"
)

func TestHandle(t *testing.T) {
	g := New()
	openPort(t, g, "443")
	defer g.Close()
	mux := http.NewServeMux()
	var events []observe.Event
	Handle(mux, g, func(e observe.Event) { events = append(events, e) })
	for _, tc := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/gates", "", 200, `[]`},
		{"PUT", "/gates/f", `{"ports":["443"],"mode":"stall","id":"another"}`, 200, `{"id":"f","injections":0}`},
		{"GET", "/gates", "", 200, `[{"id":"f","injections":0}]`},
		{"PUT", "/gates/g", `{"ports":["80"],"mode":"stall"}`, 400, `gate "g": ports: "80" is none of this role's: 443`},
		{"PUT", "/gates/g", `{"ports":["443"],"mode":"stall","way":"in"}`, 400, `gate: json: unknown field "way"`},
		{"PUT", "/gates/g", `{`, 400, `gate: unexpected EOF`},
		{"PUT", "/gates/g", `{"sources":["` + strings.Repeat("x", maxPut) + `"]}`, 400, `gate: http: request body too large`},
		{"DELETE", "/gates/f", "", 200, `{"id":"f","injections":0}`},
		{"DELETE", "/gates/f", "", 404, `gate f: not set`},
	} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(tc.method, tc.path, strings.NewReader(tc.body)))
		if got := strings.TrimSpace(w.Body.String()); w.Code != tc.status || got != tc.want {
			t.Errorf("%s %s: %d %s; expected %d %s", tc.method, tc.path, w.Code, got, tc.status, tc.want)
		}
	}
	want := []observe.Event{{Kind: observe.GateSet, Cause: "f"}, {Kind: observe.GateCleared, Cause: "f"}}
	if !reflect.DeepEqual(events, want) {
		t.Errorf("events %+v; expected %+v", events, want)
	}
	other := http.NewServeMux()
	Handle(other, g, nil) // somebody who keeps no events
	w := httptest.NewRecorder()
	other.ServeHTTP(w, httptest.NewRequest("PUT", "/gates/f", strings.NewReader(`{"ports":["443"],"mode":"reset"}`)))
	if w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
