package connector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"ptabench/connector/revocation"
)

// Register is what the first start of a connector does before anything else,
// and no more: it turns cfg.RegistrationToken into a certificate in the state
// directory. Whoever installs a connector learns so at once whether the cloud
// takes it, and the token need not be kept until the first start. Of cfg it
// needs nothing about the directory. It waits for a cloud that cannot be
// reached until ctx ends.
func Register(ctx context.Context, log *slog.Logger, cfg Config) error {
	var mistakes []error
	wrong := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	for _, f := range []struct{ flag, value string }{{"--name", cfg.Name}, {"--tenant", cfg.Tenant}} {
		if !nameForm.MatchString(f.value) {
			wrong("%s %q: expected 1 to 64 letters, digits, dots, dashes and underscores", f.flag, f.value)
		}
	}
	if cfg.State == "" {
		wrong("--state: expected a directory")
	}
	if !hostForm.MatchString(cfg.HostName) {
		wrong("--host-name %q: expected up to 253 letters, digits, dots, dashes, colons and underscores", cfg.HostName)
	}
	if cfg.ConnectTimeout <= 0 || cfg.ConnectTimeout > maxTimeout {
		wrong("--connect-timeout %v: expected more than 0s, up to %v", cfg.ConnectTimeout, maxTimeout)
	}
	if cfg.RegistrationToken == "" {
		wrong("PTABENCH_REGISTRATION_TOKEN: expected the token of an administrator")
	}
	cloud, err := readEndpoints(cfg.Cloud)
	if err != nil {
		wrong("--cloud: %w", err)
	}
	if len(mistakes) > 0 {
		return errors.Join(mistakes...)
	}
	if cfg.Revocation == "" {
		cfg.Revocation = revocation.Hard
	}
	a := &connector{cfg: &checked{Config: cfg, cloud: cloud}, log: log.With("connector", cfg.Name, "tenant", cfg.Tenant), dialer: newDialer(cfg.Source),
		counters: newCounters(), began: time.Now(), lost: make(chan struct{}, 1), renewed: make(chan struct{}, 1)}
	a.cloud.Store(cloud)
	if a.revocation, err = a.checkRevocation(); err != nil {
		return err
	}
	defer a.revocation.Close()
	if err := a.locate(ctx); err != nil {
		return err
	}
	c, err := a.identify(ctx)
	if err != nil {
		return err
	}
	if err := checkExpiry(c, a.now()); err != nil {
		return fmt.Errorf("--state %s: %w", cfg.State, err)
	}
	return nil
}
