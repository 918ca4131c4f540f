package fault

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"ptabench/observe"
)

// TestRemote holds down what is asked of the roles' observe endpoints.
func TestRemote(t *testing.T) {
	const token = "an observe token"
	var asked []string
	answer := func(v any) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var body json.RawMessage
			_ = json.NewDecoder(r.Body).Decode(&body)
			asked = append(asked, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+string(body)))
			observe.WriteJSON(w, http.StatusOK, v)
		}
	}
	mux, handler := observe.Handler(token, func() any { return observe.DirectoryCounters{Delayed: 42} }, nil, nil)
	mux.Handle("PUT /gates/{id}", answer(observe.GateEffect{Injections: 1}))
	mux.Handle("DELETE /gates/{id}", answer(observe.GateEffect{Injections: 2}))
	mux.Handle("PUT /delay", answer(observe.Delay{}))
	mux.Handle("DELETE /delay", answer(observe.Delay{}))
	server := httptest.NewServer(handler)
	defer server.Close()

	client := &observe.Client{Address: server.Listener.Addr().String(), Token: token}
	gates, delays := RemoteGates{client}, RemoteDelays{client}
	set, err := gates.Gate(t.Context(), observe.Gate{ID: "fault-1", Ports: []string{"9350"}, Mode: observe.GateStall})
	if err != nil || set.Injections != 1 {
		t.Errorf("setting a gate: %+v, %v", set, err)
	}
	cleared, err := gates.ClearGate(t.Context(), "fault-1")
	if err != nil || cleared.Injections != 2 {
		t.Errorf("clearing a gate: %+v, %v", cleared, err)
	}
	if err := delays.Delay(t.Context(), observe.Delay{DelayNS: 5}); err != nil {
		t.Errorf("delaying: %v", err)
	}
	if err := delays.ClearDelay(t.Context()); err != nil {
		t.Errorf("ending a delay: %v", err)
	}
	if n, err := delays.DelayedBinds(t.Context()); err != nil || n != 42 {
		t.Errorf("delayed binds: %d, %v", n, err)
	}
	want := []string{
		`PUT /gates/fault-1 {"id":"fault-1","ports":["9350"],"mode":"stall"}`, "DELETE /gates/fault-1",
		`PUT /delay {"delay_ns":5}`, "DELETE /delay",
	}
	if !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
	stranger := RemoteGates{&observe.Client{Address: client.Address, Token: "of another run"}}
	if _, err := stranger.ClearGate(t.Context(), "fault-1"); err == nil || strings.Contains(err.Error(), "of another run") {
		t.Errorf("with another token: %v", err)
	}
}
