package gate

import (
	"encoding/json"
	"fmt"
	"net/http"

	"ptabench/observe"
)

// maxPut bounds the bytes of a gate that is put: as many sources as there may
// be, in the longest form of an address.
const maxPut = 256 << 10

// Handle serves the gates on the mux of a role's observe listener, which checks
// who calls: PUT and DELETE /gates/{id}, and GET /gates for how far those that
// are set have reached. event is told of each gate set and cleared; nil tells
// nobody.
func Handle(mux *http.ServeMux, gates *Gates, event func(observe.Event)) {
	tell := func(kind observe.Kind, e observe.GateEffect) {
		if event != nil {
			event(observe.Event{Kind: kind, Cause: e.ID, Count: int64(e.Injections)})
		}
	}
	mux.HandleFunc("GET /gates", func(w http.ResponseWriter, _ *http.Request) {
		observe.WriteJSON(w, http.StatusOK, gates.Effects())
	})
	mux.HandleFunc("PUT /gates/{id}", func(w http.ResponseWriter, r *http.Request) {
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxPut))
		decoder.DisallowUnknownFields() // a fault that was half understood would be another one
		var want observe.Gate
		if err := decoder.Decode(&want); err != nil {
			http.Error(w, fmt.Sprintf("gate: %v", err), http.StatusBadRequest)
			return
		}
		want.ID = r.PathValue("id")
		effect, err := gates.Put(want)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		tell(observe.GateSet, effect)
		observe.WriteJSON(w, http.StatusOK, effect)
	})
	mux.HandleFunc("DELETE /gates/{id}", func(w http.ResponseWriter, r *http.Request) {
		effect, ok := gates.Delete(r.PathValue("id"))
		if !ok {
			http.Error(w, fmt.Sprintf("gate %s: not set", r.PathValue("id")), http.StatusNotFound)
			return
		}
		tell(observe.GateCleared, effect)
		observe.WriteJSON(w, http.StatusOK, effect)
	})
}
