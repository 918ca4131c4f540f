package directory

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ptabench/observe"
	"ptabench/population"
)

// observeHandler serves the counters, the binds by user, and the delay.
func observeHandler(token string, users *population.Population, c *counts, d *delay) http.Handler {
	metrics := promhttp.HandlerFor(c.registry(), promhttp.HandlerOpts{})
	mux, outer := observe.Handler(token, func() any { return c.counters() }, nil, metrics)
	mux.HandleFunc("GET /binds", func(w http.ResponseWriter, r *http.Request) {
		observe.WriteJSON(w, http.StatusOK, c.byUser(users))
	})
	mux.HandleFunc("PUT /delay", func(w http.ResponseWriter, r *http.Request) {
		added, err := readDelay(w, r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		d.put(added)
		observe.WriteJSON(w, http.StatusOK, observe.Delay{DelayNS: added.Nanoseconds()})
	})
	mux.HandleFunc("DELETE /delay", func(w http.ResponseWriter, r *http.Request) {
		d.put(0)
		observe.WriteJSON(w, http.StatusOK, observe.Delay{})
	})
	return outer
}

func readDelay(w http.ResponseWriter, r *http.Request) (time.Duration, error) {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10))
	decoder.DisallowUnknownFields()
	var asked observe.Delay
	if err := decoder.Decode(&asked); err != nil {
		return 0, fmt.Errorf("reading the delay: %w", err)
	}
	added := time.Duration(asked.DelayNS)
	if added < 0 || added > maxDelay {
		return 0, fmt.Errorf("delay_ns %d: expected 0 to %d", asked.DelayNS, maxDelay.Nanoseconds())
	}
	return added, nil
}
