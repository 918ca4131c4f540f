package observe

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"strings"
)

// Handler serves GET /counters and GET /events of a role, its profiles under
// /debug/pprof/, and whatever else is registered on the returned mux, to
// callers that present the token. GET /metrics, which says nothing that is not
// a number or a name, needs none.
func Handler(token string, counters func() any, events *Log, metrics http.Handler) (*http.ServeMux, http.Handler) {
	mux := http.NewServeMux()
	if counters != nil {
		mux.HandleFunc("GET /counters", func(w http.ResponseWriter, r *http.Request) {
			WriteJSON(w, http.StatusOK, counters())
		})
	}
	if events != nil {
		mux.HandleFunc("GET /events", events.serve)
	}
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	outer := http.NewServeMux()
	outer.Handle("/", requireToken(token, mux))
	if metrics != nil {
		outer.Handle("GET /metrics", metrics)
	}
	return mux, outer
}

// serve streams events as JSON lines, from the first one kept, until the
// caller goes away.
func (l *Log) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc, flush := json.NewEncoder(w), http.NewResponseController(w)
	var from uint64
	for {
		events, next, more := l.since(from)
		for _, e := range events {
			if enc.Encode(e) != nil {
				return
			}
		}
		if flush.Flush() != nil {
			return
		}
		from = next
		select {
		case <-more:
		case <-r.Context().Done():
			return
		}
	}
}

// requireToken lets through only requests that carry the bearer token. An
// empty token lets nobody through.
func requireToken(token string, next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		got := sha256.Sum256([]byte(given))
		if !ok || token == "" || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="ptabench observe"`)
			http.Error(w, "the observe token is missing or wrong", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// WriteJSON answers with v. A peer that is gone is the server's to notice.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
