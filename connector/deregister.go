package connector

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"ptabench/wire"
)

// bootstrapTries is how many times as long as for a connection Deregister waits
// for a cloud that does not say where it is.
const bootstrapTries = 5

// hungUpTries is how often Deregister asks a cloud that hangs up.
const hungUpTries = 5

// ErrNotCounted says that the registration is over already: it was revoked, or
// another one took its name, or it is another cloud's.
var ErrNotCounted = errors.New("the cloud counts this connector no more")

// Deregister ends the registration of the connector whose certificate is in a
// state directory, and deletes that with its key. Of cfg it needs State, Cloud,
// Source and ConnectTimeout. What the cloud does not hear of stays.
func Deregister(ctx context.Context, log *slog.Logger, cfg Config) error {
	var mistakes []error
	cloud, err := readEndpoints(cfg.Cloud)
	if err != nil {
		mistakes = append(mistakes, fmt.Errorf("--cloud: %w", err))
	}
	if cfg.State == "" {
		mistakes = append(mistakes, errors.New("--state: expected a directory"))
	}
	if cfg.ConnectTimeout <= 0 {
		mistakes = append(mistakes, fmt.Errorf("--connect-timeout %v: expected more than 0s", cfg.ConnectTimeout))
	}
	if len(mistakes) > 0 {
		return errors.Join(mistakes...)
	}
	certificate, err := loadIdentity(cfg.State)
	switch {
	case err != nil:
		return fmt.Errorf("--state: %w", err)
	case certificate == nil:
		return fmt.Errorf("--state %s: it holds no certificate: expected the state directory of a connector that is registered", cfg.State)
	}
	if now := time.Now(); now.After(certificate.Leaf.NotAfter) {
		return fmt.Errorf("--state %s: the certificate expired on %s, so the cloud believes nobody by it; it drops the connector by itself, or its operator does",
			cfg.State, certificate.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	if who := certificate.Leaf.Subject; cfg.Tenant == "" && len(who.Organization) == 1 {
		cfg.Tenant = who.Organization[0]
	}
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	said := &complaints{giveUp: giveUp}
	a := &connector{cfg: &checked{Config: cfg, cloud: cloud}, log: slog.New(listener{log.Handler(), said}), dialer: newDialer(cfg.Source), counters: newCounters(), lost: make(chan struct{}, 1)}
	a.cloud.Store(cloud)
	if a.revocation, err = a.checkRevocation(); err != nil {
		return err
	}
	defer a.revocation.Close()
	if cloud.at[renewalPort] == "" { // then the file finds it by bootstrap
		bounded, cancel := context.WithTimeout(ctx, bootstrapTries*cfg.ConnectTimeout)
		defer cancel()
		if err := a.locate(bounded); err != nil && !errors.Is(err, errTooOld) {
			return fmt.Errorf("deregistering: finding port %s: %w", renewalPort, said.or(err))
		}
	}
	for range hungUpTries {
		err = a.callTrust(ctx, certificate, func(ctx context.Context, cloud wire.TrustClient) error {
			_, err := cloud.Deregister(ctx, &wire.DeregisterRequest{})
			return err
		})
		if err == nil || !hungUp(err) {
			break
		}
	}
	switch {
	case err != nil && notCounted(err):
		return fmt.Errorf("deregistering on port %s: %w: %w", renewalPort, ErrNotCounted, err)
	case err != nil:
		return fmt.Errorf("deregistering on port %s: %w", renewalPort, clockHint(err))
	}
	log.Info("deregistered", "connector", certificate.Leaf.Subject.CommonName)
	if err := os.Remove(filepath.Join(cfg.State, identityFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deregistered, but key and certificate are still there: %w", err)
	}
	return nil
}

// notCounted reports whether the cloud refuses the certificate: by its answer,
// or in the handshake, when it says no more than that.
func notCounted(err error) bool {
	return status.Code(err) == codes.Unauthenticated || strings.Contains(err.Error(), "remote error: tls: bad certificate")
}

// hungUp reports whether the connection was ended while something was written to
// it. In TLS 1.3 a cloud that refuses the certificate says so after the
// connector's side of the handshake is done, and who is writing by then may see
// the end before the reason; the next try may see the reason.
func hungUp(err error) bool {
	text := err.Error()
	return status.Code(err) == codes.Unavailable && (strings.Contains(text, "broken pipe") || strings.Contains(text, "connection reset by peer"))
}

// complaints keep the last error that was logged: where nobody waits long, that
// is why. A certificate by an unknown authority does not get better, so it ends
// the waiting.
type complaints struct {
	giveUp func()
	mu     sync.Mutex
	last   string
}

// A listener tells complaints of what it hands on.
type listener struct {
	slog.Handler
	to *complaints
}

func (l listener) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || l.Handler.Enabled(ctx, level)
}

func (l listener) Handle(ctx context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "error" {
			l.to.hear(a.Value.String())
		}
		return true
	})
	if !l.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

func (l listener) WithAttrs(attrs []slog.Attr) slog.Handler {
	return listener{l.Handler.WithAttrs(attrs), l.to}
}

func (l listener) WithGroup(name string) slog.Handler {
	return listener{l.Handler.WithGroup(name), l.to}
}

func (c *complaints) hear(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = text
	if strings.Contains(text, "certificate signed by unknown authority") {
		c.giveUp()
	}
}

// or is an error, or rather what was complained of last.
func (c *complaints) or(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == "" {
		return err
	}
	return errors.New(c.last)
}
