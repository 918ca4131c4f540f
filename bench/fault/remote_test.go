package fault

import (
	"encoding/json"
	"errors"
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
	mux, handler := observe.Handler(token, func() any { return observe.DirectoryCounters{} }, nil, nil)
	mux.Handle("PUT /gates/{id}", answer(observe.GateEffect{Injections: 1}))
	mux.Handle("DELETE /gates/{id}", answer(observe.GateEffect{Injections: 2}))
	mux.Handle("GET /gates", answer([]observe.GateEffect{{ID: "fault-1"}}))
	mux.Handle("PUT /faults/{id}", answer(observe.FaultEffect{}))
	mux.Handle("DELETE /faults/{id}", answer(observe.FaultEffect{Injections: 42}))
	mux.Handle("PUT /hash-store/{id}", answer(observe.FaultEffect{Injections: 7}))
	mux.Handle("DELETE /hash-store/{id}", answer(observe.FaultEffect{Injections: 8}))
	server := httptest.NewServer(handler)
	defer server.Close()

	client := &observe.Client{Address: server.Listener.Addr().String(), Token: token}
	role := NewRole(client, map[string]string{"ldaps": "127.0.0.1:636"})
	gates := role.Gates
	set, err := gates.Gate(t.Context(), observe.Gate{ID: "fault-1", Ports: []string{"9350"}, Mode: observe.GateStall})
	if err != nil || set.Injections != 1 {
		t.Errorf("setting a gate: %+v, %v", set, err)
	}
	cleared, err := gates.ClearGate(t.Context(), "fault-1")
	if err != nil || cleared.Injections != 2 {
		t.Errorf("clearing a gate: %+v, %v", cleared, err)
	}
	if gated, err := gates.Gated(t.Context()); err != nil || len(gated) != 1 || gated[0].ID != "fault-1" {
		t.Errorf("gates that are set: %+v, %v", gated, err)
	}
	if e, err := role.Binds.Put(t.Context(), observe.BindFault{ID: "fault-2", Mode: observe.BindSlow, DelayNS: 5}); err != nil || e.Injections != 0 {
		t.Errorf("slowing binds: %+v, %v", e, err)
	}
	if e, err := role.Binds.Delete(t.Context(), "fault-2"); err != nil || e.Injections != 42 {
		t.Errorf("ending that: %+v, %v", e, err)
	}
	if e, err := role.Hashes.Put(t.Context(), observe.HashFault{ID: "fault-3", Missing: 0.5}); err != nil || e.Injections != 7 {
		t.Errorf("syncing wrong hashes: %+v, %v", e, err)
	}
	if e, err := role.Hashes.Delete(t.Context(), "fault-3"); err != nil || e.Injections != 8 {
		t.Errorf("syncing right ones: %+v, %v", e, err)
	}
	want := []string{
		`PUT /gates/fault-1 {"id":"fault-1","ports":["9350"],"mode":"stall"}`, "DELETE /gates/fault-1", "GET /gates",
		`PUT /faults/fault-2 {"id":"fault-2","mode":"slow","delay_ns":5}`, "DELETE /faults/fault-2",
		`PUT /hash-store/fault-3 {"id":"fault-3","missing":0.5}`, "DELETE /hash-store/fault-3",
	}
	if !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
	if _, err := role.Gates.ClearGate(t.Context(), "of/nobody"); !errors.Is(err, observe.ErrNotFound) {
		t.Errorf("clearing what is not there: %v", err)
	}
	stranger := NewRole(&observe.Client{Address: client.Address, Token: "of another run"}, nil).Gates
	if _, err := stranger.ClearGate(t.Context(), "fault-1"); err == nil || strings.Contains(err.Error(), "of another run") {
		t.Errorf("with another token: %v", err)
	}
}
