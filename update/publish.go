package update

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"ptabench/signed"
	"ptabench/whole"
)

// DefaultValidity is how long a manifest counts.
const DefaultValidity = 30 * 24 * time.Hour

// manifestFile is the manifest of a platform, within its directory.
const manifestFile = "manifest.jws"

// ManifestFile is where the manifest of a platform is, below the directory that
// a cloud serves.
func ManifestFile(dir, platform string) string { return filepath.Join(dir, platform, manifestFile) }

// BinaryFile is where the program of a version is. Both are of their forms.
func BinaryFile(dir, platform, version string) string {
	return filepath.Join(dir, platform, version)
}

// A Flaw is what is wrong with an update on purpose, to see it refused.
type Flaw string

// The flaws.
const (
	NoFlaw Flaw = ""
	// Tampered: a byte of the program was changed after it was signed.
	Tampered Flaw = "tampered"
	// Truncated: half of the program is there.
	Truncated Flaw = "truncated"
	// Forged: the signature is that of a key which nobody knows.
	Forged Flaw = "forged"
	// Stale: the manifest has expired.
	Stale Flaw = "expired"
	// Foreign: the manifest is for another platform.
	Foreign Flaw = "foreign"
	// Broken: rightly signed, and the program ends as soon as it is started.
	Broken Flaw = "broken"
	// Mute: rightly signed, and the program starts and never attaches.
	Mute Flaw = "mute"
)

// Flaws are all of them.
func Flaws() []Flaw { return []Flaw{Tampered, Truncated, Forged, Stale, Foreign, Broken, Mute} }

// The programs that do not come up.
const (
	brokenProgram = "#!/bin/sh\nexit 1\n"
	muteProgram   = "#!/bin/sh\nexec sleep 3600\n"
)

// A Release is what is to be published.
type Release struct {
	Binary  string // file; it is copied, and stamped with the version
	Version string
	From    string // oldest version that may go to it; empty for any
	// Platform is that of the binary, and Validity how long the manifest
	// counts; this one's and DefaultValidity unless they are given.
	Platform string
	Validity time.Duration
	Key      ed25519.PrivateKey
	Flaw     Flaw
}

// Publish puts a release into the directory that a cloud serves, and takes the
// place of the one before.
func Publish(dir string, r Release, now time.Time) (*Manifest, error) {
	staged, err := Stage(dir, r, now)
	if err != nil {
		return nil, err
	}
	return staged.manifest, staged.Offer()
}

// A Staged release is in the directory, and nobody is told of it yet.
type Staged struct {
	manifest *Manifest
	file     string
	text     []byte
}

// Version is that of the release.
func (s *Staged) Version() string { return s.manifest.Version }

// Offer publishes it. The manifest comes last, and whole: whoever sees it finds
// the program.
func (s *Staged) Offer() error {
	err := whole.Write(s.file, 0o644, func(f *os.File) error {
		_, err := f.Write(s.text)
		return err
	})
	if err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	return nil
}

// Stage does all of Publish that takes long.
func Stage(dir string, r Release, now time.Time) (*Staged, error) {
	if r.Platform == "" {
		r.Platform = Platform()
	}
	if r.Validity == 0 {
		r.Validity = DefaultValidity
	}
	if err := errors.Join(CheckVersion(r.Version), CheckPlatform(r.Platform)); err != nil {
		return nil, fmt.Errorf("publishing: %w", err)
	}
	m := &Manifest{Format: Format, Version: r.Version, Platform: r.Platform, From: r.From,
		IssuedAt: now.UTC(), ExpiresAt: now.Add(r.Validity).UTC()}
	into := filepath.Join(dir, r.Platform)
	if err := os.MkdirAll(into, 0o755); err != nil {
		return nil, fmt.Errorf("publishing: %w", err)
	}
	if err := writeBinary(BinaryFile(dir, r.Platform, r.Version), r, m); err != nil {
		return nil, fmt.Errorf("publishing %s: %w", r.Version, err)
	}
	key := r.Key
	switch r.Flaw {
	case Forged:
		var err error
		if _, key, err = ed25519.GenerateKey(rand.Reader); err != nil {
			return nil, err
		}
	case Stale:
		m.IssuedAt, m.ExpiresAt = now.Add(-2*signed.MaxSkew-time.Hour).UTC(), now.Add(-2*signed.MaxSkew).UTC()
	case Foreign:
		m.Platform = "plan9-mips"
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("publishing: %w", err)
	}
	text, err := Sign(m, key)
	if err != nil {
		return nil, err
	}
	return &Staged{manifest: m, file: ManifestFile(dir, r.Platform), text: text}, nil
}

// Withdraw takes back what is published for a platform; nothing is left to
// update to.
func Withdraw(dir, platform string) error {
	err := os.Remove(ManifestFile(dir, platform))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// writeBinary writes the program of a release and notes in the manifest what it
// is.
func writeBinary(file string, r Release, m *Manifest) error {
	return whole.Write(file, 0o644, func(f *os.File) error {
		hashes := NewHasher()
		var err error
		switch to := io.MultiWriter(f, hashes); r.Flaw {
		case Broken:
			_, err = io.WriteString(to, brokenProgram)
		case Mute:
			_, err = io.WriteString(to, muteProgram)
		default:
			err = Stamp(to, r.Binary, r.Version)
		}
		if err != nil {
			return err
		}
		m.Size, m.SHA256, m.SHA512 = hashes.Sums()
		switch r.Flaw {
		case Tampered:
			at, b := m.Size/2, make([]byte, 1)
			if _, err := f.ReadAt(b, at); err != nil {
				return err
			}
			b[0] ^= 0x20
			_, err = f.WriteAt(b, at)
		case Truncated:
			err = f.Truncate(m.Size / 2)
		}
		return err
	})
}

// A Hasher takes in a program and says what a manifest says of it.
type Hasher struct {
	size int64
	all  io.Writer
	sums func() (string, string)
}

// NewHasher makes one.
func NewHasher() *Hasher {
	short, long := sha256.New(), sha512.New()
	return &Hasher{all: io.MultiWriter(short, long), sums: func() (string, string) {
		return hex.EncodeToString(short.Sum(nil)), hex.EncodeToString(long.Sum(nil))
	}}
}

// Write implements io.Writer.
func (h *Hasher) Write(p []byte) (int, error) {
	h.size += int64(len(p))
	return h.all.Write(p)
}

// Sums are of what was written so far.
func (h *Hasher) Sums() (size int64, sha256, sha512 string) {
	sha256, sha512 = h.sums()
	return h.size, sha256, sha512
}

// Check refuses a program that is not the manifest's.
func (h *Hasher) Check(m *Manifest) error {
	size, short, long := h.Sums()
	switch {
	case size != m.Size:
		return refuse(WrongSize, "%d bytes: expected %d", size, m.Size)
	case short != m.SHA256 || long != m.SHA512:
		return refuse(WrongHash, "sha256 %s: expected %s", short, m.SHA256)
	}
	return nil
}
