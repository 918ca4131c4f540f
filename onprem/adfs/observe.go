package adfs

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ptabench/gate"
	"ptabench/observe"
	"ptabench/onprem/adfs/farm"
)

// maxBody is how long the text of a fault may be, in bytes.
const maxBody = 64 << 10

// observed serves the counters, and takes faults and changes of certificates.
func (s *server) observed() http.Handler {
	metrics := promhttp.HandlerFor(s.registry(), promhttp.HandlerOpts{})
	mux, outer := observe.Handler(s.cfg.ObserveToken, func() any { return s.counters() }, nil, metrics)
	gate.Handle(mux, s.gates, nil)

	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) {
		observe.WriteJSON(w, http.StatusOK, s.faults.effects())
	})
	mux.HandleFunc("PUT /faults/{id}", func(w http.ResponseWriter, r *http.Request) {
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		decoder.DisallowUnknownFields() // a fault that was half understood would be another one
		var want observe.BindFault
		if err := decoder.Decode(&want); err != nil {
			http.Error(w, fmt.Sprintf("reading the fault: %v", err), http.StatusBadRequest)
			return
		}
		want.ID = r.PathValue("id")
		effect, err := s.faults.put(want)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		observe.WriteJSON(w, http.StatusOK, effect)
	})
	mux.HandleFunc("DELETE /faults/{id}", func(w http.ResponseWriter, r *http.Request) {
		effect, found := s.faults.delete(r.PathValue("id"))
		if !found {
			http.Error(w, fmt.Sprintf("fault %s: not set", r.PathValue("id")), http.StatusNotFound)
			return
		}
		observe.WriteJSON(w, http.StatusOK, effect)
	})

	mux.HandleFunc("GET /signing", func(w http.ResponseWriter, _ *http.Request) {
		observe.WriteJSON(w, http.StatusOK, certificates(s.farm.Keys()))
	})
	for path, change := range map[string]func() (*farm.Keys, error){"next": s.farm.PublishNext, "promote": s.farm.Promote} {
		mux.HandleFunc("POST /signing/"+path, func(w http.ResponseWriter, _ *http.Request) {
			k, err := change()
			if err != nil {
				s.log.Error("changing the signing certificate", "error", err)
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			observe.WriteJSON(w, http.StatusOK, certificates(k))
		})
	}
	return outer
}
