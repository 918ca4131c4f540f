package bench

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"ptabench/bench/fault"
	"ptabench/observe"
	"ptabench/scenarios"
	"ptabench/update"
)

var _ fault.Publisher = (*system)(nil)

// updates publishes versions of the connector for the cloud of a run. The key
// that they are signed by is the harness's, and is written nowhere; the cloud
// has the public half.
//
// The harness has no compiler, so a new version is a copy of the program that
// runs, stamped with a version of its own (package update): another file, with
// other hashes, that says itself what it is.
type updates struct {
	dir string
	key ed25519.PrivateKey

	mu     sync.Mutex
	staged []stagedUpdate // that are not published yet, in order
}

// stagedUpdate is a version that is made, and what it was made for.
type stagedUpdate struct {
	*update.Staged
	version string
	flaw    scenarios.UpdateFlaw
}

// newUpdates prepares a run whose scenario publishes something; nil for others.
func newUpdates(sc *scenarios.Scenario, dir string) (*updates, error) {
	if !slices.ContainsFunc(sc.Faults, func(f scenarios.Fault) bool { return f.Kind == scenarios.PublishUpdate }) {
		return nil, nil
	}
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	u := &updates{dir: dir, key: key}
	text, err := update.PublicPEM(public)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(u.keyFile(), text, 0o644)
	}
	return u, err
}

func (u *updates) keyFile() string { return filepath.Join(u.dir, "update.key.pub") }

// cloudFlags are what the cloud must be told.
func (u *updates) cloudFlags(every scenarios.Duration) []string {
	if u == nil {
		return nil
	}
	return []string{"--update-dir", u.dir, "--update-key", u.keyFile(), "--update-every", every.String()}
}

// programs are those that publishing left, which are large.
func (u *updates) programs(states string) []string {
	if u == nil {
		return nil
	}
	kept, _ := filepath.Glob(filepath.Join(states, "*", "bin", "ptabench-*"))
	published, _ := filepath.Glob(filepath.Join(u.dir, update.Platform(), "*"))
	return append(kept, published...)
}

// remove deletes programs. The processes that ran them have ended.
func (u *updates) remove(states string) error {
	var errs []error
	for _, file := range u.programs(states) {
		errs = append(errs, os.Remove(file))
	}
	return errors.Join(errs...)
}

// stage makes the versions that a run publishes before there is any load: it
// takes processor and disk.
func (s *system) stage() error {
	u := s.commands.updates
	if u == nil || len(s.connectors) == 0 {
		return nil
	}
	command := s.commands.program
	if given := s.commands.scenario.Connectors.Command; len(given) > 0 {
		command = given
	}
	program, err := exec.LookPath(command[0])
	if err != nil {
		return fmt.Errorf("finding the program to publish: %w", err)
	}
	for _, f := range s.commands.scenario.Schedule() {
		if f.Kind != scenarios.PublishUpdate {
			continue
		}
		release := update.Release{Binary: program, Version: f.Version, Key: u.key, Flaw: update.Flaw(f.Flaw)}
		if f.Version == "" {
			if release.Version, err = nextVersion(s.connectors[0].Ready().Version, len(u.staged)+1); err != nil {
				return err
			}
		}
		if f.Flaw == scenarios.FlawOlder {
			release.Version, release.Flaw = cmp.Or(f.Version, "0.0.1"), update.NoFlaw
		}
		staged, err := update.Stage(u.dir, release, time.Now())
		if err != nil {
			return err
		}
		u.staged = append(u.staged, stagedUpdate{staged, f.Version, f.Flaw})
	}
	return nil
}

// Publish implements fault.Publisher. It publishes the first that is staged as
// it should be.
func (s *system) Publish(_ context.Context, version string, flaw scenarios.UpdateFlaw) (string, error) {
	u := s.commands.updates
	if u != nil {
		u.mu.Lock()
		defer u.mu.Unlock()
		for i, staged := range u.staged {
			if staged.version == version && staged.flaw == flaw {
				u.staged = slices.Delete(u.staged, i, i+1)
				return staged.Version(), staged.Offer()
			}
		}
	}
	return "", errors.New("there is nobody to update")
}

// nextVersion is the n-th after a version: its minor number grows.
func nextVersion(version string, n int) (string, error) {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) == 3 {
		if minor, err := strconv.Atoi(parts[1]); err == nil {
			return fmt.Sprintf("%s.%d.0", parts[0], minor+n), nil
		}
	}
	return "", fmt.Errorf("connectors say that they are version %q: expected one such as 1.2.3", version)
}

// Retract implements fault.Publisher.
func (s *system) Retract() error {
	return update.Withdraw(s.commands.updates.dir, update.Platform())
}

// Updates implements fault.Publisher.
func (s *system) Updates(ctx context.Context) ([]observe.Update, error) {
	var all observe.Updates
	err := s.client(s.cloud).Get(ctx, "/updates", &all)
	return all.Updates, err
}
