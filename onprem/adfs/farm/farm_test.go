package farm

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var discard = slog.New(slog.DiscardHandler)

// clock is one that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// founded is a farm that was founded once: making its key takes longer than the
// tests do. Each test gets a copy.
var founded = sync.OnceValues(func() (files map[string][]byte, err error) {
	dir, err := os.MkdirTemp("", "ptabench-farm")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	f, err := Open(filepath.Join(dir, "farm"), DefaultTerms, discard)
	if err != nil {
		return nil, err
	}
	if _, _, err := f.Serve(); err != nil {
		return nil, err
	}
	files = make(map[string][]byte)
	for _, name := range []string{signingFile, authorityFile, keyFile} {
		if files[name], err = os.ReadFile(filepath.Join(dir, "farm", name)); err != nil {
			return nil, err
		}
	}
	return files, nil
})

func farmDir(t *testing.T) string {
	t.Helper()
	files, err := founded()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "farm")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func reopen(t *testing.T, dir string, now func() time.Time) *Farm {
	t.Helper()
	f, err := open(dir, DefaultTerms, discard, now)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestFoundedOnce: servers that start at once have one farm.
func TestFoundedOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "farm")
	var starting sync.WaitGroup
	farms, authorities := make([]*Farm, 4), make([]string, 4)
	for i := range farms {
		starting.Go(func() {
			f, err := Open(dir, DefaultTerms, discard)
			if err != nil {
				t.Error(err)
				return
			}
			_, ca, err := f.Serve("fs.contoso.test")
			if err != nil {
				t.Error(err)
				return
			}
			farms[i], authorities[i] = f, string(ca)
		})
	}
	starting.Wait()
	if t.Failed() {
		return
	}
	for i, f := range farms {
		if !f.Keys().Signing.Certificate.Equal(farms[0].Keys().Signing.Certificate) || string(f.Keys().Session) != string(farms[0].Keys().Session) || authorities[i] != authorities[0] {
			t.Errorf("server %d has a farm of its own", i)
		}
	}
	for name, want := range map[string]fs.FileMode{"": 0o700, signingFile: 0o600, keyFile: 0o600, authorityFile: 0o644, lockFile: 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%q: mode %#o, expected %#o", name, got, want)
		}
	}
}

// TestServe: clients that trust the authority take the certificate for the
// names that it was asked for.
func TestServe(t *testing.T) {
	cert, ca, err := reopen(t, farmDir(t), time.Now).Serve("fs.contoso.test", "192.0.2.7")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("the authority is no certificate")
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, good := range map[string]bool{"fs.contoso.test": true, "192.0.2.7": true, "localhost": true, "127.0.0.1": true, "::1": true, "evil.test": false} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); (err == nil) != good {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := tls.X509KeyPair(ca, ca); err == nil {
		t.Error("the key of the authority is given away")
	}
}

// TestRollover: by age, the next certificate is published, signs, and the one
// before stays published; another server follows, and a restart finds it so.
func TestRollover(t *testing.T) {
	dir, clock := farmDir(t), &clock{at: time.Now()}
	a, b := reopen(t, dir, clock.now), reopen(t, dir, clock.now)
	look := func(f *Farm) *Keys {
		t.Helper()
		if err := f.look(); err != nil {
			t.Fatal(err)
		}
		return f.Keys()
	}
	first := look(a)
	if first.Other != nil || len(first.Published()) != 1 {
		t.Fatalf("a new farm has another certificate")
	}
	clock.add(DefaultTerms.Lifetime - DefaultTerms.NextBefore - 2*time.Hour)
	if look(a).Other != nil {
		t.Error("the next certificate is there before its time")
	}
	clock.add(3 * time.Hour)
	published := look(a)
	if published.Other == nil || !published.Other.Next || published.Signing.Certificate != first.Signing.Certificate && !published.Signing.Certificate.Equal(first.Signing.Certificate) {
		t.Fatalf("the next certificate is not published: %+v", published.Other)
	}
	next := published.Other.Certificate
	if got := look(b); got.Other == nil || !got.Other.Certificate.Equal(next) {
		t.Error("the other server made one of its own")
	}
	clock.add(DefaultTerms.PromoteAfter - time.Hour)
	if look(b).Signing.Certificate.Equal(next) {
		t.Error("it signs before its time")
	}
	clock.add(2 * time.Hour)
	promoted := look(b)
	if !promoted.Signing.Certificate.Equal(next) || promoted.Other == nil || promoted.Other.Next || !promoted.Other.Certificate.Equal(first.Signing.Certificate) {
		t.Error("it does not sign, or the one before is not published")
	}
	if got := look(a); !got.Signing.Certificate.Equal(next) {
		t.Error("the other server does not follow")
	}
	if got := reopen(t, dir, clock.now).Keys(); !got.Signing.Certificate.Equal(next) || string(got.Session) != string(first.Session) {
		t.Error("a restart finds something else")
	}
}

// TestByHand: publishing twice makes one; promoting without a next one makes it.
func TestByHand(t *testing.T) {
	f := reopen(t, farmDir(t), time.Now)
	first := f.Keys().Signing.Certificate
	k, err := f.Promote()
	if err != nil {
		t.Fatal(err)
	}
	if k.Signing.Certificate.Equal(first) || k.Other == nil || k.Other.Next || !k.Other.Certificate.Equal(first) {
		t.Error("the urgent rollover")
	}
	if k, err = f.PublishNext(); err != nil {
		t.Fatal(err)
	}
	next := k.Other.Certificate
	if k, err = f.PublishNext(); err != nil || !k.Other.Certificate.Equal(next) {
		t.Errorf("publishing twice: %v", err)
	}
}

// TestKeep: a running server takes up what another one did.
func TestKeep(t *testing.T) {
	dir := farmDir(t)
	a, b := reopen(t, dir, time.Now), reopen(t, dir, time.Now)
	ctx, stop := context.WithCancel(context.Background())
	var keeping sync.WaitGroup
	keeping.Go(func() { a.Keep(ctx) })
	defer keeping.Wait()
	defer stop()
	k, err := b.Promote()
	if err != nil {
		t.Fatal(err)
	}
	for by := time.Now().Add(30 * time.Second); !a.Keys().Signing.Certificate.Equal(k.Signing.Certificate); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(by) {
			t.Fatal("it was not taken up")
		}
	}
}

// TestSameInode: another server's keys are taken up though their file has the
// number of the one before, which file systems give again.
func TestSameInode(t *testing.T) {
	dir := farmDir(t)
	f := reopen(t, dir, time.Now)
	path := filepath.Join(dir, signingFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	session := base64.StdEncoding.EncodeToString(f.Keys().Session)
	other := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	if err := os.WriteFile(path, bytes.Replace(text, []byte(session), []byte(other), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Second)
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
	if err := f.look(); err != nil {
		t.Fatal(err)
	}
	if got := base64.StdEncoding.EncodeToString(f.Keys().Session); got != other {
		t.Errorf("the session key %s is still in force", got)
	}
}

// TestDamaged: what cannot be read, or others could have read, is said with its
// file; keys in force stay.
func TestDamaged(t *testing.T) {
	for name, test := range map[string]struct {
		damage func(dir string) error
		want   string
	}{
		"the directory is open": {func(dir string) error { return os.Chmod(dir, 0o755) }, "expected 0700"},
		"the keys are open":     {func(dir string) error { return os.Chmod(filepath.Join(dir, signingFile), 0o644) }, "expected 0600"},
		"the keys are no JSON":  {func(dir string) error { return os.WriteFile(filepath.Join(dir, signingFile), []byte("{"), 0o600) }, signingFile},
		"the keys are empty":    {func(dir string) error { return os.WriteFile(filepath.Join(dir, signingFile), []byte("{}"), 0o600) }, "session_key"},
		"the key is another's": {func(dir string) error {
			other, err := (&Farm{now: time.Now, terms: DefaultTerms}).newPair()
			if err != nil {
				return err
			}
			f, err := Open(dir, DefaultTerms, discard)
			if err != nil {
				return err
			}
			k := *f.Keys()
			k.Signing.Key = other.Key
			return f.put(&k)
		}, "the RSA key of the certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := farmDir(t)
			running := reopen(t, dir, time.Now)
			before := running.Keys()
			err := test.damage(dir)
			if err == nil {
				_, err = Open(dir, DefaultTerms, discard)
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, expected one of %s", err, test.want)
			}
			_ = running.look()
			if !running.Keys().Signing.Certificate.Equal(before.Signing.Certificate) {
				t.Error("the keys in force are gone")
			}
		})
	}
}

func TestTerms(t *testing.T) {
	if err := DefaultTerms.Validate(); err != nil {
		t.Error(err)
	}
	day := 24 * time.Hour
	for name, terms := range map[string]Terms{
		"nothing": {}, "next too early": {10 * day, 10 * day, day}, "promoted too late": {10 * day, 2 * day, 2 * day}, "too long": {100 * 365 * day, 2 * day, day},
	} {
		if terms.Validate() == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
