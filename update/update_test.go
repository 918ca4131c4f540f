package update

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"ptabench/signed"
)

func newKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func manifest(change ...func(*Manifest)) *Manifest {
	m := &Manifest{Format: Format, Version: "1.2.3", Platform: "linux-amd64", Size: 100,
		SHA256: strings.Repeat("ab", 32), SHA512: strings.Repeat("cd", 64), IssuedAt: now.Add(-time.Hour), ExpiresAt: now.Add(time.Hour)}
	for _, c := range change {
		c(m)
	}
	return m
}

func TestVerify(t *testing.T) {
	key, other := newKey(t), newKey(t)
	sign := func(key ed25519.PrivateKey, change ...func(*Manifest)) []byte {
		text, err := Sign(manifest(change...), key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	good := sign(key)
	header, rest, _ := strings.Cut(string(good), ".")
	payload, _, _ := strings.Cut(rest, ".")
	_, foreign, _ := strings.Cut(string(sign(key, func(m *Manifest) { m.Version = "9.9.9" })), ".")
	_, signature, _ := strings.Cut(foreign, ".")
	for _, tt := range []struct {
		name   string
		text   []byte
		reason signed.Reason // empty for none
	}{
		{"good", good, ""},
		{"signed by another key", sign(other), OtherKey},
		{"the signature of another manifest", []byte(header + "." + payload + "." + signature), signed.BadSignature},
		{"no signature", []byte(header + "." + payload + "."), signed.BadSignature},
		{"nothing", nil, signed.Malformed},
		{"no JWS", []byte("{}"), signed.Malformed},
		{"too long", bytes.Repeat([]byte("a"), MaxManifest+1), signed.Oversized},
		{"expired", sign(key, func(m *Manifest) { m.ExpiresAt = now.Add(-signed.MaxSkew - time.Second) }), signed.Expired},
		{"expired within what clocks may differ by", sign(key, func(m *Manifest) { m.ExpiresAt = now.Add(-signed.MaxSkew) }), ""},
		{"of the future", sign(key, func(m *Manifest) { m.IssuedAt = now.Add(signed.MaxSkew + time.Second) }), signed.ClockSkew},
		{"expires before it is issued", sign(key, func(m *Manifest) { m.IssuedAt, m.ExpiresAt = m.ExpiresAt, m.IssuedAt }), signed.Malformed},
		{"of a later format", sign(key, func(m *Manifest) { m.Format++ }), signed.Malformed},
		{"a version that leads out of the directory", sign(key, func(m *Manifest) { m.Version = "../1.2.3" }), signed.Malformed},
		{"a platform that does", sign(key, func(m *Manifest) { m.Platform = "../etc" }), signed.Malformed},
		{"no size", sign(key, func(m *Manifest) { m.Size = 0 }), signed.Malformed},
		{"too large", sign(key, func(m *Manifest) { m.Size = MaxBinary + 1 }), signed.Oversized},
		{"half a hash", sign(key, func(m *Manifest) { m.SHA256 = m.SHA256[:32] }), signed.Malformed},
		{"one hash", sign(key, func(m *Manifest) { m.SHA512 = "" }), signed.Malformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Verify(tt.text, public(key), now)
			if got := signed.ReasonOf(err); got != tt.reason || (err == nil) != (tt.reason == "") {
				t.Fatalf("%q (%v), want %q", got, err, tt.reason)
			}
			if err == nil && m.Version != "1.2.3" {
				t.Fatalf("version %s", m.Version)
			}
		})
	}
}

// TestVerifyOtherDocument holds that another document that the key signed is no
// manifest, whatever it says.
func TestVerifyOtherDocument(t *testing.T) {
	key := newKey(t)
	payload, err := json.Marshal(manifest())
	if err != nil {
		t.Fatal(err)
	}
	for kind, reason := range map[jose.ContentType]signed.Reason{manifestType: "", "ptabench-bootstrap+jws": signed.Malformed} {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: key}, (&jose.SignerOptions{}).WithType(kind))
		if err != nil {
			t.Fatal(err)
		}
		jws, err := signer.Sign(payload)
		if err != nil {
			t.Fatal(err)
		}
		text, err := jws.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Verify([]byte(text), public(key), now); signed.ReasonOf(err) != reason || (err == nil) != (reason == "") {
			t.Errorf("%s: %v, want %q", kind, err, reason)
		}
	}
}

func TestSuits(t *testing.T) {
	for _, tt := range []struct {
		name              string
		m                 *Manifest
		version, platform string
		reason            signed.Reason
		newer             bool
	}{
		{"later", manifest(), "1.2.2", "linux-amd64", "", true},
		{"later by its minor number, which is no text", manifest(func(m *Manifest) { m.Version = "1.10.0" }), "1.9.0", "linux-amd64", "", true},
		{"the same", manifest(), "1.2.3", "linux-amd64", "", false},
		{"older", manifest(), "1.2.4", "linux-amd64", Downgrade, false},
		{"older by far", manifest(), "2.0.0", "linux-amd64", Downgrade, false},
		{"another system", manifest(), "1.2.2", "darwin-amd64", WrongPlatform, true},
		{"another processor", manifest(), "1.2.2", "linux-arm64", WrongPlatform, true},
		{"from a version that is old enough", manifest(func(m *Manifest) { m.From = "1.2.0" }), "1.2.0", "linux-amd64", "", true},
		{"from one that is too old", manifest(func(m *Manifest) { m.From = "1.2.0" }), "1.1.9", "linux-amd64", TooOld, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := signed.ReasonOf(tt.m.Suits(tt.version, tt.platform)); got != tt.reason {
				t.Errorf("%q, want %q", got, tt.reason)
			}
			if got := tt.m.Newer(tt.version); got != tt.newer {
				t.Errorf("newer: %v", got)
			}
		})
	}
}

func TestKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "update.key")
	key, err := MakeKey(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if _, err := MakeKey(file); err == nil {
		t.Fatal("a key was replaced")
	}
	if err := os.Rename(file, file+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := MakeKey(file); err == nil {
		t.Fatal("a public key was replaced")
	}
	if _, err := os.Stat(file); err == nil {
		t.Fatal("half of a key stays")
	}
	if err := os.Rename(file+".away", file); err != nil {
		t.Fatal(err)
	}
	again, err := ReadKey(file)
	if err != nil || !again.Equal(key) {
		t.Fatalf("reading it: %v", err)
	}
	shown, err := ReadPublic(file + ".pub")
	if err != nil || !shown.Equal(key.Public()) {
		t.Fatalf("reading its public half: %v", err)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKey(file); err == nil || !strings.Contains(err.Error(), "expected 0600") {
		t.Fatalf("a key that others read: %v", err)
	}
	if _, err := ReadPublic(file); err == nil {
		t.Fatal("a private key was read as a public one")
	}
}

func TestPublish(t *testing.T) {
	key := newKey(t)
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, bytes.Repeat([]byte("program "), 1000), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		flaw             Flaw
		manifest, binary signed.Reason // why it is refused
	}{
		{NoFlaw, "", ""}, {Tampered, "", WrongHash}, {Truncated, "", WrongSize}, {Forged, OtherKey, ""},
		{Stale, signed.Expired, ""}, {Foreign, WrongPlatform, ""}, {Broken, "", ""}, {Mute, "", ""},
	} {
		t.Run(string(tt.flaw), func(t *testing.T) {
			into := t.TempDir()
			made, err := Publish(into, Release{Binary: program, Version: "1.2.3", Key: key, Flaw: tt.flaw}, now)
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(ManifestFile(into, Platform()))
			if err != nil {
				t.Fatal(err)
			}
			m, err := Verify(text, public(key), now)
			if err == nil {
				err = m.Suits("1.0.0", Platform())
			}
			if got := signed.ReasonOf(err); got != tt.manifest || (err == nil) != (tt.manifest == "") {
				t.Errorf("manifest: %v, want %q", err, tt.manifest)
			}
			binary, err := os.ReadFile(BinaryFile(into, Platform(), "1.2.3"))
			if err != nil {
				t.Fatal(err)
			}
			hashes := NewHasher()
			_, _ = hashes.Write(binary)
			if err := hashes.Check(made); signed.ReasonOf(err) != tt.binary || (err == nil) != (tt.binary == "") {
				t.Errorf("program: %v, want %q", err, tt.binary)
			}
			if err := Withdraw(into, Platform()); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(ManifestFile(into, Platform())); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("withdrawn: %v", err)
			}
		})
	}
}

func TestStamp(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, content, 0o755); err != nil {
			t.Fatal(err)
		}
		return name
	}
	program := bytes.Repeat([]byte{0x7f, 'E', 'L', 'F'}, 100)
	plain := file("plain", program)
	if got := Stamped(plain); got != "" {
		t.Fatalf("stamped %q", got)
	}
	if got := Stamped(file("short", []byte("x"))); got != "" {
		t.Fatalf("stamped %q", got)
	}
	var one, two bytes.Buffer
	if err := Stamp(&one, plain, "1.2.3"); err != nil {
		t.Fatal(err)
	}
	first := file("first", one.Bytes())
	if err := Stamp(&two, first, "10.20.30-rc.1"); err != nil {
		t.Fatal(err)
	}
	second := file("second", two.Bytes())
	if a, b := Stamped(first), Stamped(second); a != "1.2.3" || b != "10.20.30-rc.1" {
		t.Fatalf("stamped %q and %q", a, b)
	}
	for _, b := range []bytes.Buffer{one, two} {
		if !bytes.HasPrefix(b.Bytes(), program) || b.Len() != len(program)+stampSize {
			t.Fatalf("%d bytes, want the program and %d", b.Len(), stampSize)
		}
	}
	if err := Stamp(&one, plain, "latest"); err == nil {
		t.Fatal("a stamp that is no version")
	}
}
