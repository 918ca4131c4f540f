package connector

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"ptabench/signed"
	"ptabench/whole"
)

// whereabouts is all that the connector was told of where the cloud is: by the
// cloud file, which an administrator or the cloud writes, and by the last good
// bootstrap document. The newer of the two counts: the document, as long as the
// file is still the one by which it was found, and the file, for the ports that
// it names, once that has changed. It is safe for concurrent use.
type whereabouts struct {
	mu   sync.Mutex
	file *endpoints
	kept *kept // nil before the first document; not changed any more once it is here
}

// kept is the last good bootstrap document, as the state directory has it.
type kept struct {
	// CloudFile is the SHA-256 of the cloud file by which it was found, in
	// hexadecimal.
	CloudFile string `json:"cloud_file_sha256"`
	// AcceptedAt is when it was verified last. It is verified for that moment
	// when it is read again, as it counts without end.
	AcceptedAt time.Time `json:"accepted_at"`
	Signed     string    `json:"signed"`

	document *signed.Bootstrap
}

// keptFile holds it, within the state directory.
const keptFile = "bootstrap.json"

// loadKept reads what save wrote; nil when there is nothing.
func loadKept(dir string) (*kept, error) {
	file := filepath.Join(dir, keptFile)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	k := &kept{}
	if err := json.Unmarshal(text, k); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return k, nil
}

// save keeps it over a restart. It appears whole or not at all.
func (k *kept) save(dir string) error {
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return whole.Bytes(filepath.Join(dir, keptFile), 0o600, text)
}

// verify checks it against the cloud's CA, and reads it.
func (k *kept) verify(e *endpoints, tenant string) (err error) {
	k.document, err = signed.VerifyBootstrap([]byte(k.Signed), e.ca, tenant, k.AcceptedAt)
	return err
}

// setFile takes the cloud file, and reports whether it has changed. A document
// that is not of the cloud that the file names counts no more.
func (w *whereabouts) setFile(e *endpoints, tenant string) (changed bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	changed = w.file != nil && w.file.sum != e.sum
	if w.kept != nil && (changed || w.file == nil) {
		again := *w.kept // whoever took the document may still read it
		if err = again.verify(e, tenant); err != nil {
			w.kept = nil
		} else {
			w.kept = &again
		}
	}
	w.file = e
	return changed, err
}

// document is the last good bootstrap document; nil when there is none.
func (w *whereabouts) document() *signed.Bootstrap {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.kept == nil {
		return nil
	}
	return w.kept.document
}

// endpoints puts file and document together.
func (w *whereabouts) endpoints() *endpoints {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.kept == nil {
		return w.file
	}
	if w.kept.CloudFile == hex.EncodeToString(w.file.sum[:]) {
		return &endpoints{at: w.kept.document.Endpoints, ca: w.file.ca, sum: w.file.sum}
	}
	at := maps.Clone(w.kept.document.Endpoints)
	maps.Copy(at, w.file.at)
	return &endpoints{at: at, ca: w.file.ca, sum: w.file.sum}
}

// sources is where a bootstrap is to be had, in the order to try: each port as
// the file has it, then as the last document had it.
func (w *whereabouts) sources() (e *endpoints, all []source) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, port := range bootstrapPorts {
		first := w.file.at[port]
		if first != "" {
			all = append(all, source{port, first})
		}
		if w.kept != nil {
			if second := w.kept.document.Endpoints[port]; second != "" && second != first {
				all = append(all, source{port, second})
			}
		}
	}
	return w.file, all
}

type source struct{ port, address string }

// accept takes a document that was fetched by way of the file e, unless it is
// older than the last, or the file is another by now.
func (w *whereabouts) accept(k *kept, e *endpoints) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.kept != nil {
		if err := k.document.Follows(w.kept.document); err != nil {
			return err
		}
	}
	if e.sum != w.file.sum {
		return errors.New("the cloud file has changed meanwhile")
	}
	k.CloudFile = hex.EncodeToString(e.sum[:])
	w.kept = k
	return nil
}
