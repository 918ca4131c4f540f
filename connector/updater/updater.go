// Package updater replaces a connector's program by a later version, without a
// sign-in that notices.
//
// The new version proves itself before it takes the place of the old one. It is
// kept in the connector's state directory, beside the version before, and the
// program that was installed is never written to: several connectors may share
// that, and it may belong to somebody else. So an update is:
//
//  1. The manifest is verified, by the key that was kept from the first
//     bootstrap, and the program by the manifest.
//  2. The cloud grants the tenant's lease: one connector at a time.
//  3. The new version is started as a child, with the same arguments, and its
//     session takes over from the present one, which drains. If the child
//     ends, or does not attach or report in time, it is ended, the old version
//     attaches again, and never tries that version again.
//  4. When the cloud has confirmed the child, this process becomes the new
//     version (exec: it has the same process id for whoever supervises it),
//     takes over from the child, and gives the lease back. If it does not come
//     up in time it becomes the old version again.
//
// The old version, which is known to work, thus watches over the new one while
// that does the real work.
package updater

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"ptabench/backoff"
	"ptabench/observe"
	"ptabench/signed"
	"ptabench/update"
)

// Defaults and bounds.
const (
	DefaultDeadline = 30 * time.Second // for the new version to attach, and to be confirmed
	starts          = 3                // of a new version that ends
	soon            = 10 * time.Second // the first look comes within it, at random
	leaseWait       = time.Second      // between requests for a lease that somebody else has
	leaseKeep       = 5 * time.Second  // between those that keep it
	confirmWait     = 100 * time.Millisecond
	sayWait         = time.Second
)

// ErrNone says that nothing is published.
var ErrNone = errors.New("nothing is published")

// A Cloud is what an update comes from, and who is asked about it.
type Cloud interface {
	Manifest(ctx context.Context) ([]byte, error) // ErrNone when there is none
	Binary(ctx context.Context, version string) (io.ReadCloser, error)
	Say(context.Context, *signed.UpdateMessage) (signed.UpdateAnswer, error)
}

// A Host is the connector that is updated.
type Host interface {
	// Session names the present session, which another takes over from; empty
	// when there is none.
	Session() string
	// StepAside drains the session, and attaches no more until StepBack.
	StepAside(context.Context) error
	StepBack()
	// Refused tells the cloud soon what has been refused or has failed.
	Refused()
}

// A Child is a new version on trial.
type Child interface {
	// Ready gives its ready line, once it has attached.
	Ready() <-chan observe.Ready
	Done() <-chan struct{} // closed when it has ended
	// Stop has it drain and end, and waits for that.
	Stop()
}

// A Config is what an Updater must be told.
type Config struct {
	Version  string // that runs
	Platform string
	Key      func() ed25519.PublicKey // nil while no updates are to be had
	Every    func() time.Duration
	Deadline time.Duration
	Store    *Store
	Cloud    Cloud
	Host     Host
	// Start starts a program on trial, which succeeds a session.
	Start func(program, succeeds string) (Child, error)
	Log   *slog.Logger
	// After is what the process before this one left to be said; nil for
	// nothing.
	After *signed.UpdateMessage
}

// An Updater looks for updates.
type Updater struct {
	Config

	mu      sync.Mutex
	reports signed.UpdateReport
	refused [sha256.Size]byte // digest of the manifest that was refused last
	fetched [sha256.Size]byte // and of that whose program was verified last; of Run only
}

// New makes one.
func New(c Config) *Updater {
	u := &Updater{Config: c, reports: signed.UpdateReport{Refused: map[string]uint64{}}}
	if f, found := c.Store.LastFailure(); found {
		u.reports.Failed, u.reports.FailedReason = f.Version, f.Reason
	}
	return u
}

// Report is what there is to say of updates; nil for nothing.
func (u *Updater) Report() *signed.UpdateReport {
	u.mu.Lock()
	defer u.mu.Unlock()
	r := u.reports
	if len(r.Refused) == 0 && r.Failed == "" {
		return nil
	}
	r.Refused = make(map[string]uint64)
	for reason, n := range u.reports.Refused {
		r.Refused[reason] = n
	}
	return &r
}

// A Trial is a new version that has proved itself.
type Trial struct {
	Program  string
	Version  string
	Child    Child
	Succeeds string // the child's session
}

// Run looks for updates until ctx ends, or one is to take this program's place,
// which it returns.
func (u *Updater) Run(ctx context.Context) *Trial {
	if !u.sayAfter(ctx) {
		return nil
	}
	wait := time.Duration(rand.Float64() * float64(min(u.Every(), soon)))
	for backoff.Sleep(ctx, wait) {
		trial, again := u.look(ctx)
		if trial != nil {
			return trial
		}
		if wait = again; wait == 0 {
			wait = time.Duration(float64(u.Every()) * (0.9 + 0.2*rand.Float64()))
		}
	}
	return nil
}

// sayAfter says how the update before ended, until the cloud has heard it.
func (u *Updater) sayAfter(ctx context.Context) bool {
	for u.After != nil {
		_, err := u.say(ctx, u.After.Step, u.After.From, u.After.To, u.After.Reason)
		if err == nil {
			break
		}
		u.Log.Warn("telling the cloud how the update went", "error", err)
		if !backoff.Sleep(ctx, sayWait) {
			return false
		}
	}
	return ctx.Err() == nil
}

// look sees whether there is an update, and tries it. It says when to look
// again, 0 for as usual.
func (u *Updater) look(ctx context.Context) (_ *Trial, again time.Duration) {
	key := u.Key()
	if key == nil {
		return nil, 0
	}
	text, err := u.Cloud.Manifest(ctx)
	if err != nil {
		if !errors.Is(err, ErrNone) && ctx.Err() == nil {
			u.Log.Warn("looking for an update", "error", err)
		}
		return nil, 0
	}
	m, err := update.Verify(text, key, time.Now())
	if err == nil {
		err = m.Suits(u.Version, u.Platform)
	}
	if err == nil && !m.Newer(u.Version) {
		if err = u.Store.Same(m, u.Version); err == nil {
			return nil, 0
		}
	}
	if err != nil {
		u.refuse(ctx, text, m, err)
		return nil, 0
	}
	if u.wasRefused(text) || u.Store.Failed(m.Version) {
		return nil, 0
	}
	program, err := u.fetch(ctx, text, m)
	if err != nil {
		switch {
		case ctx.Err() != nil:
		case signed.ReasonOf(err) != "":
			u.refuse(ctx, text, m, err)
		default:
			u.Log.Warn("fetching an update", "version", m.Version, "error", err)
		}
		return nil, 0
	}
	answer, err := u.say(ctx, signed.UpdateLease, u.Version, m.Version, "")
	switch {
	case err != nil:
		u.Log.Warn("asking for the lease of an update", "version", m.Version, "error", err)
		return nil, 0
	case answer.Halted != "":
		u.Log.Warn("the cloud has halted an update", "version", m.Version, "reason", answer.Halted)
		return nil, 0
	case !answer.Granted:
		u.Log.Info("waiting for another connector to be updated", "version", m.Version, "holder", answer.Holder)
		return nil, min(leaseWait, u.Every())
	}
	return u.try(ctx, m, program), 0
}

// fetch returns the program of an update, verified. One that is there from
// before is verified again, unless this process did.
func (u *Updater) fetch(ctx context.Context, text []byte, m *update.Manifest) (program string, err error) {
	sum := sha256.Sum256(text)
	defer func() {
		if err == nil {
			u.fetched = sum
		}
	}()
	if program, found := u.Store.Have(m, u.fetched == sum); found {
		return program, nil
	}
	u.Log.Info("fetching an update", "from_version", u.Version, "to_version", m.Version, "bytes", m.Size)
	from, err := u.Cloud.Binary(ctx, m.Version)
	if err != nil {
		return "", err
	}
	defer from.Close()
	return u.Store.Keep(m, &paced{ctx: ctx, from: from})
}

// refuse counts what was refused. The same manifest is said and reported once.
func (u *Updater) refuse(ctx context.Context, text []byte, m *update.Manifest, why error) {
	if u.wasRefused(text) {
		return
	}
	reason, to := string(signed.ReasonOf(why)), ""
	u.mu.Lock()
	u.refused = sha256.Sum256(text)
	u.reports.Refused[reason]++
	u.reports.LastRefused = reason
	u.mu.Unlock()
	if m != nil {
		to = m.Version
	}
	u.Log.Error("update refused", "reason", reason, "from_version", u.Version, "to_version", to, "error", why)
	if _, err := u.say(ctx, signed.UpdateRefused, u.Version, to, reason); err != nil {
		u.Log.Warn("telling the cloud of a refused update", "error", err)
	}
	u.Host.Refused()
}

func (u *Updater) wasRefused(text []byte) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	sum := sha256.Sum256(text)
	return bytes.Equal(u.refused[:], sum[:])
}

// errEndedEarly is the one failure that is tried again.
var errEndedEarly = errors.New("it ended by itself")

// try has the new version on trial, up to so many times if it ends.
func (u *Updater) try(ctx context.Context, m *update.Manifest, program string) *Trial {
	var err error
	for range starts {
		var t *Trial
		if t, err = u.once(ctx, m, program); err == nil {
			u.Log.Info("the new version has proved itself", "version", m.Version)
			if err := u.Store.Adopt(m.Version, m.SHA256); err != nil { // the next start begins with the old one again
				u.Log.Error("keeping which version to use", "error", err)
			}
			return t
		}
		if ctx.Err() != nil {
			return nil
		}
		u.Log.Error("the new version on trial", "version", m.Version, "error", err)
		if !errors.Is(err, errEndedEarly) {
			break
		}
	}
	u.fail(ctx, m.Version, err.Error())
	return nil
}

// fail notes that a version is not to be tried again, and says so.
func (u *Updater) fail(ctx context.Context, version, reason string) {
	if err := u.Store.Fail(version, reason); err != nil {
		u.Log.Error("keeping that an update failed", "error", err)
	}
	u.mu.Lock()
	u.reports.Failed, u.reports.FailedReason = version, reason
	u.mu.Unlock()
	if _, err := u.say(ctx, signed.UpdateFailed, u.Version, version, reason); err != nil {
		u.Log.Warn("telling the cloud of a failed update", "error", err)
	}
	u.Host.Refused()
}

// once has the new version on trial.
func (u *Updater) once(ctx context.Context, m *update.Manifest, program string) (_ *Trial, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, u.Deadline, fmt.Errorf("it was not attached and confirmed within %v", u.Deadline))
	defer cancel()
	child, err := u.Start(program, u.Host.Session())
	if err != nil {
		return nil, fmt.Errorf("it does not start: %w", err)
	}
	aside := false
	defer func() {
		if err == nil {
			return
		}
		child.Stop()
		if aside {
			u.Host.StepBack()
		}
	}()
	keep := time.NewTicker(leaseKeep)
	defer keep.Stop()
	var ready observe.Ready
	for waiting := true; waiting; {
		select {
		case ready = <-child.Ready():
			waiting = false
		case <-child.Done():
			return nil, errEndedEarly
		case <-keep.C:
			_, _ = u.say(ctx, signed.UpdateLease, u.Version, m.Version, "") // it is asked again
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if ready.Version != m.Version {
		return nil, fmt.Errorf("it says that it is version %.40q: expected %s", ready.Version, m.Version)
	}
	aside = true
	if err := u.Host.StepAside(ctx); err != nil {
		return nil, fmt.Errorf("stepping aside for it: %w", err)
	}
	if err := u.confirm(ctx, m, child); err != nil {
		return nil, err
	}
	return &Trial{Program: program, Version: m.Version, Child: child, Succeeds: ready.Info[SessionInfo]}, nil
}

// SessionInfo is what names the session in the ready line of a child.
const SessionInfo = "session"

// confirm returns when the cloud has found the new version attached and heard
// from it.
func (u *Updater) confirm(ctx context.Context, m *update.Manifest, child Child) error {
	for {
		answer, err := u.say(ctx, signed.UpdateConfirm, u.Version, m.Version, "")
		switch {
		case err != nil && ctx.Err() == nil:
			u.Log.Warn("asking the cloud whether the new version works", "error", err)
		case err == nil && answer.Healthy:
			return nil
		case err == nil && !answer.Granted:
			return errors.New("the lease has run out meanwhile")
		}
		timer := time.NewTimer(confirmWait)
		select {
		case <-timer.C:
		case <-child.Done():
			timer.Stop()
			return errEndedEarly
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

func (u *Updater) say(ctx context.Context, step signed.UpdateStep, from, to, reason string) (signed.UpdateAnswer, error) {
	return u.Cloud.Say(ctx, &signed.UpdateMessage{SentAt: time.Now(), Step: step, From: from, To: to, Reason: reason[:min(len(reason), 200)]})
}
