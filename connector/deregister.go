package connector

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"ptabench/wire"
)

// bootstrapTries is how many times as long as for a connection Deregister waits
// for a cloud that does not say where it is.
const bootstrapTries = 5

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
	a := &connector{cfg: &checked{Config: cfg, cloud: cloud}, log: log, dialer: newDialer(cfg.Source), counters: newCounters(), lost: make(chan struct{}, 1)}
	a.cloud.Store(cloud)
	if a.revocation, err = a.checkRevocation(); err != nil {
		return err
	}
	defer a.revocation.Close()
	if cloud.at[renewalPort] == "" { // then the file finds it by bootstrap
		bounded, cancel := context.WithTimeout(ctx, bootstrapTries*cfg.ConnectTimeout)
		defer cancel()
		if err := a.locate(bounded); err != nil && !errors.Is(err, errTooOld) {
			return fmt.Errorf("deregistering: finding port %s: %w", renewalPort, err)
		}
	}
	err = a.callTrust(ctx, certificate, func(ctx context.Context, cloud wire.TrustClient) error {
		_, err := cloud.Deregister(ctx, &wire.DeregisterRequest{})
		return err
	})
	if err != nil {
		return fmt.Errorf("deregistering on port %s: %w", renewalPort, clockHint(err))
	}
	log.Info("deregistered", "connector", certificate.Leaf.Subject.CommonName)
	if err := os.Remove(filepath.Join(cfg.State, identityFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deregistered, but key and certificate are still there: %w", err)
	}
	return nil
}
