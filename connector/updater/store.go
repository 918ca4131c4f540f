package updater

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"ptabench/signed"
	"ptabench/update"
	"ptabench/whole"
)

const (
	binDir       = "bin"           // within the state directory
	versionsFile = "versions.json" // within that
	keyFile      = "update-key.pub"
	failuresKept = 16
	// startsKept is how often a version may be started and not come up, until
	// the one before is used again.
	startsKept = 3
)

// A Store keeps programs, and what is known of them, in a connector's state
// directory. One process uses it at a time.
type Store struct{ dir string }

// NewStore is that of a state directory.
func NewStore(state string) *Store { return &Store{filepath.Join(state, binDir)} }

// An Installed is a program that is kept.
type Installed struct {
	Version string `json:"version"`
	File    string `json:"file"`
	SHA256  string `json:"sha256"`
	Starts  int    `json:"starts"` // since it last came up
}

// A Failure is a version that is not tried again.
type Failure struct {
	Version string `json:"version"`
	Reason  string `json:"reason"`
}

// versions is versionsFile. Without Current the installed program is used.
type versions struct {
	Current  *Installed `json:"current,omitempty"`
	Previous *Installed `json:"previous,omitempty"`
	Failed   []Failure  `json:"failed,omitempty"`
}

func (s *Store) load() (v versions) {
	text, err := os.ReadFile(filepath.Join(s.dir, versionsFile))
	if err != nil || json.Unmarshal(text, &v) != nil {
		return versions{} // then the program that was installed is used
	}
	return v
}

func (s *Store) save(v versions) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	return whole.Bytes(filepath.Join(s.dir, versionsFile), 0o600, text)
}

func (s *Store) program(version string) string { return filepath.Join(s.dir, "ptabench-"+version) }

// Have returns the program of an update when it is kept already, and whole,
// which is looked at unless it is verified.
func (s *Store) Have(m *update.Manifest, verified bool) (program string, found bool) {
	program = s.program(m.Version)
	f, err := os.Open(program)
	if err != nil {
		return "", false
	}
	defer f.Close()
	if verified {
		return program, true
	}
	hashes := update.NewHasher()
	if _, err := io.Copy(hashes, f); err != nil || hashes.Check(m) != nil {
		return "", false
	}
	return program, true
}

// Keep keeps the program of an update, unless it is not what the manifest says.
// It appears whole or not at all.
func (s *Store) Keep(m *update.Manifest, from io.Reader) (program string, err error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return "", err
	}
	program = s.program(m.Version)
	return program, whole.Write(program, 0o700, func(f *os.File) error {
		hashes := update.NewHasher()
		// One byte more than there should be shows that there is more.
		if _, err := io.Copy(io.MultiWriter(f, hashes), io.LimitReader(from, m.Size+1)); err != nil {
			return err
		}
		return hashes.Check(m)
	})
}

// Same refuses a manifest of the version that runs when it is for another
// program. What was installed by hand is not known well enough for that.
func (s *Store) Same(m *update.Manifest, version string) error {
	c := s.load().Current
	if c == nil || c.Version != version || m.Version != version || c.SHA256 == m.SHA256 {
		return nil
	}
	return &signed.Refusal{Reason: update.SameVersion, Err: fmt.Errorf("version: %s: expected later than that, for it is another program", version)}
}

// Failed reports whether a version is not to be tried again.
func (s *Store) Failed(version string) bool {
	return slices.ContainsFunc(s.load().Failed, func(f Failure) bool { return f.Version == version })
}

// LastFailure is the last version that failed.
func (s *Store) LastFailure() (Failure, bool) {
	all := s.load().Failed
	if len(all) == 0 {
		return Failure{}, false
	}
	return all[len(all)-1], true
}

// Fail notes that a version is not to be tried again, and goes back to the one
// before if it was in use.
func (s *Store) Fail(version, reason string) error {
	v := s.load()
	v.Failed = slices.DeleteFunc(v.Failed, func(f Failure) bool { return f.Version == version })
	v.Failed = append(v.Failed, Failure{version, reason})
	v.Failed = v.Failed[max(0, len(v.Failed)-failuresKept):]
	if v.Current != nil && v.Current.Version == version {
		v.Current, v.Previous = v.Previous, nil
	}
	if err := s.save(v); err != nil {
		return err
	}
	s.clean(v)
	return nil
}

// Adopt makes a version the one to use from the next start on.
func (s *Store) Adopt(version, sha256 string) error {
	v := s.load()
	if v.Current != nil && v.Current.Version != version {
		v.Previous = v.Current
	}
	v.Current = &Installed{Version: version, File: filepath.Base(s.program(version)), SHA256: sha256}
	if err := s.save(v); err != nil {
		return err
	}
	s.clean(v)
	return nil
}

// clean removes programs that are used no more. One that runs stays until it
// has ended.
func (s *Store) clean(v versions) {
	all, _ := filepath.Glob(s.program("*"))
	for _, file := range all {
		if name := filepath.Base(file); (v.Current == nil || v.Current.File != name) && (v.Previous == nil || v.Previous.File != name) {
			_ = os.Remove(file)
		}
	}
}

// Up notes that a version has come up.
func (s *Store) Up(version string) error {
	v := s.load()
	if v.Current == nil || v.Current.Version != version || v.Current.Starts == 0 {
		return nil
	}
	v.Current.Starts = 0
	return s.save(v)
}

// Select is the program to run instead of the one that was started, which is of
// a version; empty when that is the one. A version that was started several
// times and never came up is given up for the one before.
func (s *Store) Select(version string) (program string, err error) {
	v := s.load()
	for c := v.Current; c != nil && signed.Older(version, c.Version); c = v.Current {
		file := filepath.Join(s.dir, filepath.Base(c.File))
		reason := ""
		if c.Starts >= startsKept {
			reason = fmt.Sprintf("it was started %d times and did not come up", c.Starts)
		} else if err := checkProgram(file, c.SHA256); err != nil {
			reason = err.Error()
		}
		if reason == "" {
			c.Starts++
			return file, s.save(v)
		}
		if err := s.Fail(c.Version, reason); err != nil {
			return "", err
		}
		v = s.load()
	}
	return "", nil
}

func checkProgram(file, sha256 string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	hashes := update.NewHasher()
	if _, err := io.Copy(hashes, f); err != nil {
		return err
	}
	if _, is, _ := hashes.Sums(); is != sha256 {
		return fmt.Errorf("its file has changed: sha256 %s: expected %s", is, sha256)
	}
	return nil
}

// ErrOtherKey says that the cloud now tells another key than it did first.
var ErrOtherKey = errors.New("the cloud says another update key than it did first: the connector must be registered anew, with an empty state directory, to believe it")

// PinKey returns the key that was told first, and keeps this one if none was.
// It returns nil when none was told.
func PinKey(state string, told ed25519.PublicKey) (ed25519.PublicKey, error) {
	file := filepath.Join(state, keyFile)
	kept, err := update.ReadPublic(file)
	switch {
	case err == nil && len(told) > 0 && !bytes.Equal(kept, told):
		return kept, ErrOtherKey
	case err == nil:
		return kept, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	case len(told) == 0:
		return nil, nil
	}
	text, err := update.PublicPEM(told)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, err
	}
	return told, whole.Bytes(file, 0o600, text)
}
