package cloudsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"ptabench/gate"
	"ptabench/observe"
)

// admin serves the observe listener: counters, events, gates, and what an
// operator does to a tenant.
func (srv *server) admin(metrics http.Handler) http.Handler {
	mux, handler := observe.Handler(srv.cfg.ObserveToken, func() any { return srv.counters() }, srv.events, metrics)
	mux.HandleFunc("POST /tenants/{tenant}/registration-tokens", srv.newRegistrationToken)
	mux.HandleFunc("PUT /tenants/{tenant}/fallback", srv.switchFallback)
	mux.HandleFunc("DELETE /tenants/{tenant}/connectors/{name}", srv.removeConnector)
	mux.HandleFunc("GET /tenants/{tenant}/connectors", srv.listConnectors)
	mux.HandleFunc("POST /tenants/{tenant}/connectors/{name}/revoke", srv.revoke)
	mux.HandleFunc("GET /updates", srv.listUpdates)
	gate.Handle(mux, srv.gates, srv.events.Add)
	return srv.withPage(handler)
}

func (srv *server) newRegistrationToken(w http.ResponseWriter, r *http.Request) {
	t := srv.tenants[r.PathValue("tenant")]
	if t == nil {
		http.Error(w, fmt.Sprintf("tenant %q: not known", r.PathValue("tenant")), http.StatusNotFound)
		return
	}
	token, err := srv.state.IssueToken(t.Name, time.Now())
	if err != nil {
		srv.log.Error("making a registration token", "error", err)
		http.Error(w, "the token could not be kept", http.StatusInternalServerError)
		return
	}
	observe.WriteJSON(w, http.StatusCreated, map[string]string{"token": token})
}

// switchFallback is the operator's switch of a tenant whose fallback is
// manual.
func (srv *server) switchFallback(w http.ResponseWriter, r *http.Request) {
	t := srv.tenants[r.PathValue("tenant")]
	if t == nil {
		http.Error(w, fmt.Sprintf("tenant %q: not known", r.PathValue("tenant")), http.StatusNotFound)
		return
	}
	if now := t.policy.Load(); now.fallback != Manual {
		http.Error(w, fmt.Sprintf("tenant %s: its fallback is %s, not manual", t.Name, now.fallback), http.StatusConflict)
		return
	}
	var want struct {
		On *bool `json:"on"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&want); err != nil || want.On == nil {
		http.Error(w, `expected {"on":true} or {"on":false}`, http.StatusBadRequest)
		return
	}
	if t.manual.Swap(*want.On) != *want.On {
		kind := observe.FallbackEnded
		if *want.On {
			kind = observe.FallbackBegan
		}
		srv.events.Add(observe.Event{Kind: kind, Tenant: t.Name, Cause: "operator"})
	}
	observe.WriteJSON(w, http.StatusOK, want)
}
