package directory

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ptabench/observe"
)

// countBound is how long a server may take to say what it counted.
const countBound = 2 * time.Second

// serverHandler serves what a server of others counts, and takes changes of its
// accounts and the faults that need nothing of it: those of the cloud's hash
// store.
func serverHandler(token, kind string, serving Serving, store *hashStore, changes *changes) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux, outer := observe.Handler(token, nil, nil, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /counters", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), countBound)
		defer cancel()
		counted, err := serving.Counters(ctx)
		if err != nil {
			http.Error(w, fmt.Sprintf("asking %s: %v", kind, err), http.StatusBadGateway)
			return
		}
		observe.WriteJSON(w, http.StatusOK, counted)
	})
	for _, path := range []string{"/binds", "/faults", "/faults/{id}", "/gates", "/gates/{id}"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, fmt.Sprintf("%s: %s has none: only the test directory has", r.URL.Path, kind), http.StatusNotImplemented)
		})
	}
	handleChanges(mux, changes)
	mux.HandleFunc("GET /hash-store", list(store.effects))
	mux.HandleFunc("PUT /hash-store/{id}", put("hash fault", func(want *observe.HashFault, id string) (observe.FaultEffect, error) {
		want.ID = id
		return store.put(*want)
	}))
	mux.HandleFunc("DELETE /hash-store/{id}", end("hash fault", store.delete))
	return outer
}
