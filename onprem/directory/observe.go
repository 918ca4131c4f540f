package directory

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ptabench/gate"
	"ptabench/observe"
	"ptabench/population"
)

// broken is what can be broken on purpose.
type broken struct {
	gates  *gate.Gates
	faults *faults
	store  *hashStore
}

// observeHandler serves the counters and the binds by user, and takes faults.
// What happens to accounts is posted to /accounts.
func observeHandler(token string, users *population.Population, c *counts, b broken, changes *changes) http.Handler {
	metrics := promhttp.HandlerFor(c.registry(), promhttp.HandlerOpts{})
	mux, outer := observe.Handler(token, func() any { return c.counters() }, nil, metrics)
	mux.HandleFunc("GET /binds", func(w http.ResponseWriter, r *http.Request) {
		observe.WriteJSON(w, http.StatusOK, c.byUser(users))
	})

	handleChanges(mux, changes)
	gate.Handle(mux, b.gates, nil)

	mux.HandleFunc("GET /faults", list(b.faults.effects))
	mux.HandleFunc("PUT /faults/{id}", put("fault", func(want *observe.BindFault, id string) (observe.FaultEffect, error) {
		want.ID = id
		return b.faults.put(*want)
	}))
	mux.HandleFunc("DELETE /faults/{id}", end("fault", func(id string) (observe.FaultEffect, bool, error) {
		effect, found := b.faults.delete(id)
		return effect, found, nil
	}))

	mux.HandleFunc("GET /hash-store", list(b.store.effects))
	mux.HandleFunc("PUT /hash-store/{id}", put("hash fault", func(want *observe.HashFault, id string) (observe.FaultEffect, error) {
		want.ID = id
		return b.store.put(*want)
	}))
	mux.HandleFunc("DELETE /hash-store/{id}", end("hash fault", b.store.delete))
	return outer
}

// handleChanges takes what is to happen to accounts.
func handleChanges(mux *http.ServeMux, changes *changes) {
	mux.HandleFunc("POST /accounts", put("change", func(want *observe.AccountChange, _ string) (observe.AppliedChange, error) {
		return changes.apply(*want)
	}))
}

// maxBody is how long the text of a fault may be, in bytes: as many sources as
// there may be, in the longest form of an address.
const maxBody = 256 << 10

// list answers with the effects of all that is set.
func list[Effect any](effects func() []Effect) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { observe.WriteJSON(w, http.StatusOK, effects()) }
}

// put reads what is wanted and answers with its effect. The path says its ID.
func put[Want, Effect any](what string, set func(want *Want, id string) (Effect, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		decoder.DisallowUnknownFields()
		var want Want
		if err := decoder.Decode(&want); err != nil {
			http.Error(w, fmt.Sprintf("reading the %s: %v", what, err), http.StatusBadRequest)
			return
		}
		effect, err := set(&want, r.PathValue("id"))
		if err != nil {
			http.Error(w, err.Error(), statusOf(err))
			return
		}
		observe.WriteJSON(w, http.StatusOK, effect)
	}
}

// end deletes by ID and answers with the effect.
func end[Effect any](what string, clear func(id string) (Effect, bool, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		effect, found, err := clear(id)
		switch {
		case err != nil:
			http.Error(w, err.Error(), statusOf(err))
		case !found:
			http.Error(w, fmt.Sprintf("%s %s: not set", what, id), http.StatusNotFound)
		default:
			observe.WriteJSON(w, http.StatusOK, effect)
		}
	}
}

// statusOf tells what cannot be from what did not succeed this time.
func statusOf(err error) int {
	switch {
	case errors.Is(err, errNotPushed), errors.Is(err, errUnsure):
		return http.StatusBadGateway
	case errors.Is(err, errNotKept):
		return http.StatusInternalServerError
	case errors.Is(err, errNoHashSync):
		return http.StatusConflict
	}
	return http.StatusBadRequest
}
