package cloudsim

import (
	"net/http"

	"ptabench/cloudsim/token"
)

// userMux is port 443.
func (srv *server) userMux() http.Handler {
	mux := http.NewServeMux()
	for path, serve := range map[string]struct {
		method  string
		handler http.HandlerFunc
	}{
		token.TokenPath:     {http.MethodPost, srv.signIn},
		token.DiscoveryPath: {http.MethodGet, srv.discovery},
		token.KeysPath:      {http.MethodGet, srv.keys},
	} {
		mux.HandleFunc(serve.method+" /{tenant}"+path, serve.handler)
		mux.HandleFunc("/{tenant}"+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", serve.method)
			srv.refuse(w, "", http.StatusMethodNotAllowed, "wrong-method", codeWrongMethod)
		})
	}
	srv.connectorRoutes(mux)
	srv.surface.Routes(mux)
	srv.manager().Routes(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		srv.denied("unknown-path", 1)
		srv.surface.NotFound(w, r)
	})
	return srv.withUpdates(mux)
}

// discovery is the OpenID discovery document of a tenant, or of any.
func (srv *server) discovery(w http.ResponseWriter, r *http.Request) {
	document, found, err := srv.surface.Discovery(r.PathValue("tenant"))
	if !found {
		srv.refuse(w, "", http.StatusBadRequest, "unknown-tenant", codeUnknownTenant)
		return
	}
	if err != nil {
		srv.log.Error("discovery document", "error", err)
		http.Error(w, "the document could not be made", http.StatusInternalServerError)
		return
	}
	writeDocument(w, document)
}

// keys is the key set by which anybody verifies tokens.
func (srv *server) keys(w http.ResponseWriter, r *http.Request) {
	if name := r.PathValue("tenant"); srv.addressed(name) == nil && !anyTenant(name) {
		srv.refuse(w, "", http.StatusBadRequest, "unknown-tenant", codeUnknownTenant)
		return
	}
	writeDocument(w, srv.signer.JWKS())
}

func writeDocument(w http.ResponseWriter, document []byte) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(document)
}

func (srv *server) syncMux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{tenant}/hashsync/accounts", srv.receiveHashes)
	mux.HandleFunc("POST /{tenant}/hashsync/changes", srv.receiveChanges)
	mux.HandleFunc("GET /{tenant}/hashsync/cursor", srv.syncCursor)
	return mux
}
