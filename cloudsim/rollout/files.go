package rollout

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"time"

	"ptabench/update"
)

// Path is below which Files serves; no tenant may be called so.
const Path = "/update/"

// download is how long a program may take on its way.
const download = 10 * time.Minute

// Files serves what is published in a directory, at Path. There is nothing
// secret in it, and nothing that is believed because it comes from here.
type Files struct {
	Dir    string
	Denied func(reason string) // counts bad input
}

// Key reads the public key that connectors are to keep to; nil for none.
func Key(file string) (ed25519.PublicKey, error) {
	if file == "" {
		return nil, nil
	}
	key, err := update.ReadPublic(file)
	if err != nil {
		return nil, fmt.Errorf("update-key: %w", err)
	}
	return key, nil
}

// Handler serves the directory.
func (f *Files) Handler() http.Handler {
	mux := http.NewServeMux()
	for path, handler := range map[string]http.HandlerFunc{
		"/update/manifest":             f.manifest,
		"/update/{platform}/{version}": f.binary,
	} {
		mux.HandleFunc("GET "+path, handler)
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			f.Denied("wrong-method")
			w.Header().Set("Allow", http.MethodGet)
			http.Error(w, "expected GET", http.StatusMethodNotAllowed)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		f.Denied("unknown-path")
		http.NotFound(w, r)
	})
	return mux
}

// manifest is GET /update/manifest?platform=linux-amd64.
func (f *Files) manifest(w http.ResponseWriter, r *http.Request) {
	platform := r.FormValue("platform")
	if err := update.CheckPlatform(platform); err != nil {
		f.Denied("update-malformed")
		http.Error(w, "platform: "+err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/jose")
	f.serve(w, r, update.ManifestFile(f.Dir, platform))
}

// binary is GET /update/linux-amd64/1.2.3.
func (f *Files) binary(w http.ResponseWriter, r *http.Request) {
	platform, version := r.PathValue("platform"), r.PathValue("version")
	if err := errors.Join(update.CheckPlatform(platform), update.CheckVersion(version)); err != nil {
		f.Denied("update-malformed")
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	f.serve(w, r, update.BinaryFile(f.Dir, platform, version))
}

func (f *Files) serve(w http.ResponseWriter, r *http.Request, name string) {
	if f.Dir == "" { // else it would be looked for where this process happens to run
		http.Error(w, "there is no update", http.StatusNotFound)
		return
	}
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		http.Error(w, "there is no update", http.StatusNotFound)
		return
	}
	if err != nil {
		http.Error(w, "the update could not be read", http.StatusInternalServerError)
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		http.Error(w, "the update could not be read", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(download)) // else the server's own counts
	http.ServeContent(w, r, "", info.ModTime(), file)
}
