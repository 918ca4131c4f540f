// Package update is how a new version of the connector's program is offered:
// the manifest that says what it is and is signed by whoever publishes it, the
// key for that, and the directory that a cloud serves. Cloud and connector meet
// in nothing else, so it is a room of its own.
//
// Whoever holds the cloud cannot publish: the manifest's Ed25519 key is none of
// the cloud's, which has the public half only. A connector keeps to the first
// public key that the cloud, verified, told it.
package update

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"time"

	"github.com/go-jose/go-jose/v4"

	"ptabench/signed"
)

// Format is the format of manifests that this program writes. It refuses a
// newer one.
const Format = 1

// Bounds of what is taken, in bytes.
const (
	MaxManifest = 16 << 10
	MaxBinary   = 512 << 20
)

// manifestType keeps a manifest from being taken for another signed document.
const manifestType = "ptabench-update+jws"

// The reasons why an update is refused, for counters and logs; those of package
// signed for what is wrong with a signed document come beside them.
const (
	OtherKey      signed.Reason = "other-key" // signed, by another key than the one kept
	WrongPlatform signed.Reason = "wrong-platform"
	Downgrade     signed.Reason = "downgrade"
	SameVersion   signed.Reason = "same-version" // but another program
	TooOld        signed.Reason = "too-old"      // the version to come from
	WrongSize     signed.Reason = "wrong-size"   // truncated, or more than was said
	WrongHash     signed.Reason = "wrong-hash"   // tampered with
)

// A Manifest says what an update is.
type Manifest struct {
	Format   int    `json:"format"`
	Version  string `json:"version"`
	Platform string `json:"platform"` // as Platform says it
	Size     int64  `json:"size_bytes"`
	// The hashes of the program, in hexadecimal.
	SHA256 string `json:"sha256"`
	SHA512 string `json:"sha512"`
	// From is the oldest version that may go to this one; empty for any.
	From      string    `json:"from,omitempty"`
	IssuedAt  time.Time `json:"issued_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Platform is this program's, such as linux-amd64. It is part of addresses and
// of file names.
func Platform() string { return runtime.GOOS + "-" + runtime.GOARCH }

var platformForm = regexp.MustCompile(`^[a-z0-9]{1,16}-[a-z0-9]{1,16}$`)

// CheckPlatform says whether a text is of the form of a platform.
func CheckPlatform(text string) error {
	if !platformForm.MatchString(text) {
		return fmt.Errorf("%.40q: expected a platform such as linux-amd64", text)
	}
	return nil
}

var versionForm = regexp.MustCompile(`^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}(?:-[0-9A-Za-z.]{1,32})?$`)

// CheckVersion says whether a text is a version that can be published. It
// becomes part of file names.
func CheckVersion(text string) error {
	if !versionForm.MatchString(text) {
		return fmt.Errorf("%.40q: expected a version such as 1.2.3", text)
	}
	return nil
}

// Sign signs a manifest.
func Sign(m *Manifest, key ed25519.PrivateKey) ([]byte, error) {
	payload, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	name := KeyID(key.Public().(ed25519.PublicKey))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: key},
		(&jose.SignerOptions{}).WithType(manifestType).WithHeader("kid", name))
	if err != nil {
		return nil, fmt.Errorf("signing a manifest: %w", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return nil, fmt.Errorf("signing a manifest: %w", err)
	}
	text, err := jws.CompactSerialize()
	return []byte(text), err
}

// Verify returns the manifest that the holder of a key signed, when it counts
// at the time. Whether it is good for whom is for Suits. Its errors are
// signed.Refusals.
func Verify(text []byte, key ed25519.PublicKey, now time.Time) (*Manifest, error) {
	if len(text) > MaxManifest {
		return nil, refuse(signed.Oversized, "more than %d bytes", MaxManifest)
	}
	jws, err := jose.ParseSignedCompact(string(text), []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return nil, refuse(signed.Malformed, "expected a JSON web signature, EdDSA: %w", err)
	}
	header := jws.Signatures[0].Protected
	if is, _ := header.ExtraHeaders[jose.HeaderType].(string); is != manifestType {
		return nil, refuse(signed.Malformed, "typ: %.40q: expected %q", is, manifestType)
	}
	payload, err := jws.Verify(key)
	switch {
	case err != nil && header.KeyID != KeyID(key):
		return nil, refuse(OtherKey, "kid: %.80q: expected %q", header.KeyID, KeyID(key))
	case err != nil:
		return nil, refuse(signed.BadSignature, "%w", err)
	}
	var m Manifest
	if err := json.Unmarshal(payload, &m); err != nil {
		return nil, refuse(signed.Malformed, "%w", err)
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	switch {
	case now.After(m.ExpiresAt.Add(signed.MaxSkew)):
		return nil, refuse(signed.Expired, "expires_at: %s: it is %s", stamp(m.ExpiresAt), stamp(now))
	case now.Before(m.IssuedAt.Add(-signed.MaxSkew)):
		return nil, refuse(signed.ClockSkew, "issued_at: %s: it is %s; expected clocks that differ by up to %v", stamp(m.IssuedAt), stamp(now), signed.MaxSkew)
	}
	return &m, nil
}

// check is of the form alone.
func (m *Manifest) check() error {
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if m.Format < 1 || m.Format > Format {
		bad("format: %d: expected %d", m.Format, Format)
	}
	if err := CheckVersion(m.Version); err != nil {
		bad("version: %w", err)
	}
	if err := CheckPlatform(m.Platform); err != nil {
		bad("platform: %w", err)
	}
	if m.From != "" && signed.CheckVersion(m.From) != nil {
		bad("from: %w", signed.CheckVersion(m.From))
	}
	if m.Size < 1 {
		bad("size_bytes: %d: expected 1 or more", m.Size)
	}
	for _, h := range []struct {
		name, hex string
		bytes     int
	}{{"sha256", m.SHA256, 32}, {"sha512", m.SHA512, 64}} {
		if b, err := hex.DecodeString(h.hex); err != nil || len(b) != h.bytes {
			bad("%s: %.140q: expected %d bytes in hexadecimal", h.name, h.hex, h.bytes)
		}
	}
	if !m.IssuedAt.Before(m.ExpiresAt) {
		bad("expires_at: %s: expected after issued_at %s", stamp(m.ExpiresAt), stamp(m.IssuedAt))
	}
	if len(wrong) > 0 {
		return &signed.Refusal{Reason: signed.Malformed, Err: errors.Join(wrong...)}
	}
	if m.Size > MaxBinary {
		return refuse(signed.Oversized, "size_bytes: %d: expected up to %d", m.Size, MaxBinary)
	}
	return nil
}

// Suits refuses an update that is not for a program of a version and platform.
// One of the very version is for the caller to tell apart by its hash.
func (m *Manifest) Suits(version, platform string) error {
	switch {
	case m.Platform != platform:
		return refuse(WrongPlatform, "platform: %s: expected %s", m.Platform, platform)
	case signed.Older(m.Version, version):
		return refuse(Downgrade, "version: %s: expected later than %s", m.Version, version)
	case m.From != "" && signed.Older(version, m.From):
		return refuse(TooOld, "from: %s: this is %s, which must be updated to that first", m.From, version)
	}
	return nil
}

// Newer reports whether the update is of a later version.
func (m *Manifest) Newer(version string) bool { return signed.Older(version, m.Version) }

func refuse(reason signed.Reason, format string, args ...any) error {
	return &signed.Refusal{Reason: reason, Err: fmt.Errorf(format, args...)}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
