package connector

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ptabench/bind"
	"ptabench/bind/bindtest"
	"ptabench/observe"
)

// refusesToStart runs a connector that must end by itself, with an error.
func refusesToStart(t *testing.T, cfg Config) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := Run(ctx, slog.New(slog.DiscardHandler), cfg, func(observe.Ready) { t.Error("ready") })
	if err == nil {
		t.Fatal("it started")
	}
	if secret := cfg.RegistrationToken; secret != "" && strings.Contains(err.Error(), secret) {
		t.Errorf("the token is in the error: %v", err)
	}
	return err
}

func TestRegistration(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	cfg := settings(t, c, d.Server)
	r := start(t, cfg).serving()
	r.stop()
	err := <-r.ended
	r.ended <- err

	file := filepath.Join(cfg.State, identityFile)
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file has mode %o, want 600", info.Mode().Perm())
	}
	files, err := os.ReadDir(cfg.State)
	if err != nil || len(files) != 2 {
		t.Errorf("%d files in the state directory, want identity and revocation list: %v, %v", len(files), files, err)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.ParseCertificateRequest(c.registered[0].CsrDer)
	if err != nil {
		t.Fatal(err)
	}
	if key, ok := csr.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve.Params().Name != "P-256" {
		t.Errorf("asked for a certificate of a %T, want one on P-256", csr.PublicKey)
	}
	if q := c.registered[0]; q.Tenant != "contoso" || q.Name != "connector-1" || q.Version != "test" {
		t.Errorf("registered as %q of %q, version %q", q.Name, q.Tenant, q.Version)
	}

	cfg.RegistrationToken = "" // spent; the certificate serves
	start(t, cfg).serving()
	after, err := os.ReadFile(file)
	if err != nil || string(after) != string(before) || len(c.registered) != 1 {
		t.Errorf("registered %d times, want once, and the state unchanged", len(c.registered))
	}
}

func TestRegistrationThatIsRefused(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	cfg := settings(t, c, d.Server)

	cfg.RegistrationToken = ""
	if err := refusesToStart(t, cfg); !errors.Is(err, errExpired) {
		t.Errorf("without a token: %v", err)
	}
	cfg.RegistrationToken = "a token that nobody gave out"
	if err := refusesToStart(t, cfg); !strings.Contains(err.Error(), "not valid") {
		t.Errorf("with a wrong token: %v", err)
	}
	if len(c.registered) != 1 {
		t.Errorf("asked %d times, want once: a spent token does not get better", len(c.registered))
	}
	c.otherKey = true
	cfg.RegistrationToken = c.token()
	if err := refusesToStart(t, cfg); !strings.Contains(err.Error(), "another key") {
		t.Errorf("with a certificate for another key: %v", err)
	}
	if files, err := os.ReadDir(cfg.State); err != nil || len(files) != 1 || files[0].Name() != "revocation.crl" {
		t.Errorf("in the state directory after refusals there is %v, want only the revocation list; %v", files, err)
	}
}

func TestExpiredCertificate(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	cfg := settings(t, c, d.Server)
	c.lifetime = -time.Hour
	if err := refusesToStart(t, cfg); !errors.Is(err, errExpired) || !strings.Contains(err.Error(), "certificate expired on") {
		t.Errorf("expired as issued: %v", err)
	}
	cfg.RegistrationToken = ""
	if err := refusesToStart(t, cfg); !errors.Is(err, errExpired) || !strings.Contains(err.Error(), "must be registered again") {
		t.Errorf("expired in the state directory: %v", err)
	}
	c.lifetime = time.Hour
	cfg.RegistrationToken = c.token()
	start(t, cfg).serving()
}

func TestDamagedState(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	cfg := settings(t, c, d.Server)
	if err := os.MkdirAll(cfg.State, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(cfg.State, identityFile)
	if err := os.WriteFile(file, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := refusesToStart(t, cfg); !strings.Contains(err.Error(), file) {
		t.Errorf("the error does not name the file: %v", err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "no PEM" {
		t.Errorf("what was there was overwritten: %q, %v", text, err)
	}
}

func TestUntrustedCloud(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	_, c.caPEM = bindtest.Certificate(t) // not that of the cloud's certificate
	c.writeFile(t.TempDir())
	cfg := settings(t, c, d.Server)
	r := start(t, cfg)
	eventually(t, "it says why it cannot register", func() bool {
		return strings.Contains(r.log.String(), "certificate signed by unknown authority")
	})
	if len(c.registered) != 0 {
		t.Error("the token was sent to a cloud that was not verified")
	}
}

// A connector that gets no answer asks again with the same key: by that the
// cloud knows who spent the token.
func TestRegistrationReplyLost(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	c.loseReplies = 2
	start(t, settings(t, c, d.Server)).serving()
	if len(c.registered) != 3 {
		t.Fatalf("asked %d times; expected 3", len(c.registered))
	}
	var keys []any
	for _, r := range c.registered {
		csr, err := x509.ParseCertificateRequest(r.CsrDer)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, csr.PublicKey)
	}
	if first := keys[0].(*ecdsa.PublicKey); !first.Equal(keys[1]) || !first.Equal(keys[2]) {
		t.Error("it asked with another key")
	}
}

// A service account that the directory refuses is found at the start.
func TestWrongDirectoryPassword(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	cfg := settings(t, c, d.Server)
	cfg.BindPassword = "not the service account's secret"
	err := refusesToStart(t, cfg)
	if !errors.Is(err, bind.ErrAccount) || !strings.HasPrefix(err.Error(), "PTABENCH_DIRECTORY_PASSWORD for --bind-dn "+bindtest.ServiceDN) {
		t.Errorf("ended with: %v", err)
	}
	if strings.Contains(err.Error(), cfg.BindPassword) {
		t.Errorf("the password is in the error: %v", err)
	}
}
