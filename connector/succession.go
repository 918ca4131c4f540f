package connector

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"ptabench/connector/updater"
	"ptabench/observe"
	"ptabench/signed"
)

// errAside ends a session because another process has taken over from it.
var errAside = errors.New("another version serves")

// errNotUp ends a new version that does not come up.
var errNotUp = errors.New("it did not come up in time")

// succession is what one version of a connector's program has to do with
// another: whose turn it is to serve, and what the one before left.
type succession struct {
	updates  *updater.Updater // nil while there are none
	listener *os.File         // of observe, kept for the next program

	mu      sync.Mutex
	session string        // the present one
	first   string        // session of another process, to take over from
	aside   bool          // it is another version's turn
	changed chan struct{} // closed when that changes
	idle    chan struct{} // closed when this process has no session then
	up      bool
	carried observe.AgentCounters
	trial   *updater.Trial // that is to take this program's place
}

// StepAside implements updater.Host.
func (v *succession) StepAside(ctx context.Context) error {
	v.mu.Lock()
	v.aside, v.idle = true, make(chan struct{})
	v.change()
	idle := v.idle
	v.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// StepBack implements updater.Host.
func (v *succession) StepBack() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.aside = false
	v.change()
}

// change is called with the lock held.
func (v *succession) change() {
	if v.changed != nil {
		close(v.changed)
	}
	v.changed = nil
}

// wait returns what happens when the turn changes. It is called with the lock
// held.
func (v *succession) wait() <-chan struct{} {
	if v.changed == nil {
		v.changed = make(chan struct{})
	}
	return v.changed
}

// turn waits until it is this process's turn to serve. It returns false when
// ctx ends first.
func (v *succession) turn(ctx context.Context) bool {
	for ctx.Err() == nil {
		v.mu.Lock()
		if !v.aside {
			v.mu.Unlock()
			return true
		}
		if v.idle != nil {
			close(v.idle)
			v.idle = nil
		}
		changed := v.wait()
		v.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return false
}

// closed is closed.
var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// isAside is closed once it is not this process's turn. A turn that came and
// went unnoticed closes it too.
func (v *succession) isAside() <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.aside {
		return closed
	}
	return v.wait()
}

// serves notes the present session; empty for none.
func (v *succession) serves(session string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.session = session
}

// Session implements updater.Host.
func (v *succession) Session() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.session
}

// predecessor is the session of another process to take over from, until this
// one has come up; empty for none.
func (v *succession) predecessor() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.up {
		return ""
	}
	return v.first
}

// info is what the ready line of one on trial says more.
func (v *succession) info(h *updater.Handoff) map[string]string {
	if h == nil || !h.Trial {
		return nil
	}
	return map[string]string{updater.SessionInfo: v.Session()}
}

func (v *succession) counted() observe.AgentCounters {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.carried
}

func (v *succession) carry(c observe.AgentCounters) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.carried.Add(c)
}

// trial is whether this process is a new version on trial.
func (a *connector) onTrial() bool { return a.cfg.Handoff != nil && a.cfg.Handoff.Trial }

// afterUpdate is whether this process has just become a new version.
func (a *connector) afterUpdate() bool {
	return a.cfg.Handoff != nil && !a.cfg.Handoff.Trial && a.cfg.Handoff.Failed == ""
}

func (a *connector) store() *updater.Store { return updater.NewStore(a.cfg.State) }

func (a *connector) updateDeadline() time.Duration {
	if a.cfg.UpdateDeadline == 0 {
		return updater.DefaultDeadline
	}
	return a.cfg.UpdateDeadline
}

// continueFrom takes up what another version left. A new version has to come up
// in time, or what it returns ends.
func (a *connector) continueFrom(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := func() { cancel(nil) }
	h := a.cfg.Handoff
	if h == nil { // what a process left that is no more is nobody's
		_, errOwn := a.store().TakeCounters(false)
		_, errTrial := a.store().TakeCounters(true)
		if err := errors.Join(errOwn, errTrial); err != nil {
			a.log.Error("counters that are left", "error", err)
		}
		return ctx, stop
	}
	a.succession.first = h.Succeeds
	if h.Trial {
		return ctx, stop
	}
	counted, err := a.store().TakeCounters(false)
	if err != nil {
		a.log.Error("taking over the counters", "error", err)
	}
	a.succession.carry(counted)
	a.log.Info("continuing as another version", "from_version", h.From, "to_version", h.To, "failed", h.Failed)
	if a.afterUpdate() {
		late := time.AfterFunc(a.updateDeadline(), func() {
			a.succession.mu.Lock()
			defer a.succession.mu.Unlock()
			if !a.succession.up {
				cancel(errNotUp)
			}
		})
		stop = func() { late.Stop(); cancel(nil) }
	}
	return ctx, stop
}

// cameUp ends the version on trial that served until now, of which this process
// is the continuation.
func (a *connector) cameUp() {
	a.succession.mu.Lock()
	a.succession.up = true
	a.succession.mu.Unlock()
	if a.onTrial() {
		return
	}
	if err := a.store().Up(a.cfg.Version); err != nil {
		a.log.Error("keeping that this version came up", "error", err)
	}
	if h := a.cfg.Handoff; h != nil {
		go a.endChild() // leave waits for it
	}
}

// endChild ends the version on trial and takes over what it counted.
func (a *connector) endChild() {
	h := a.cfg.Handoff
	if h == nil || h.Trial {
		return
	}
	if err := h.EndChild(a.carryTrial); err != nil {
		a.log.Warn("ending the version that was on trial", "error", err)
	}
}

// carryTrial takes over what a version on trial counted, which has ended.
func (a *connector) carryTrial() {
	counted, err := a.store().TakeCounters(true)
	if err != nil {
		a.log.Error("taking over the counters", "error", err)
	}
	a.succession.carry(counted)
}

// leave is the last that a connector does: it leaves to another version what
// that needs, and says which it is.
func (a *connector) leave(ctx context.Context, err error) error {
	a.endChild()
	v, h := &a.succession, a.cfg.Handoff
	v.mu.Lock()
	trial, up := v.trial, v.up
	v.mu.Unlock()
	var next *updater.Next
	switch {
	case a.onTrial():
		if a.pool != nil {
			if err := a.store().LeaveCounters(true, a.snapshot()); err != nil {
				a.log.Error("leaving the counters", "error", err)
			}
		}
	case trial != nil && ctx.Err() != nil: // told to stop, not to go on: the next start begins with that version
		trial.Child.Stop()
	case trial != nil:
		var cannot error
		if next, cannot = updater.NextOf(trial, a.cfg.Version, v.listener); cannot != nil {
			trial.Child.Stop()
			return errors.Join(err, cannot)
		}
	case a.afterUpdate() && !up && (err != nil || errors.Is(context.Cause(ctx), errNotUp)):
		reason := fmt.Sprint(errNotUp)
		if err != nil {
			reason = err.Error()
		}
		a.log.Error("going back to the version before", "from_version", a.cfg.Version, "to_version", h.From, "reason", reason)
		if err := a.store().Fail(a.cfg.Version, reason); err != nil {
			a.log.Error("keeping that an update failed", "error", err)
		}
		next = h.Back(reason, v.listener)
	}
	if next == nil {
		if v.listener != nil {
			_ = v.listener.Close()
		}
		return err
	}
	counted := v.counted()
	if a.pool != nil {
		counted = a.snapshot()
	}
	if err := a.store().LeaveCounters(false, counted); err != nil {
		a.log.Error("leaving the counters", "error", err)
	}
	return next
}

// listenObserve opens the observe listener, or goes on with that of the version
// before. One on trial must leave that alone.
func (a *connector) listenObserve(ctx context.Context) (net.Listener, error) {
	at := a.cfg.Observe
	if a.onTrial() {
		at = "127.0.0.1:0"
	}
	ln, err := a.cfg.Handoff.Listen()
	if err != nil {
		return nil, err
	}
	if ln == nil {
		listen := net.ListenConfig{}
		listen.SetMultipathTCP(false)
		if ln, err = listen.Listen(ctx, "tcp", at); err != nil {
			return nil, err
		}
	}
	if tcp, ok := ln.(*net.TCPListener); ok && !a.cfg.NoUpdate && !a.onTrial() {
		a.succession.listener, err = tcp.File()
	}
	return ln, err
}

// keepUpdated looks for updates until ctx ends. One that has proved itself ends
// the connector, so that it can take this program's place.
func (a *connector) keepUpdated(ctx context.Context, end func(error)) {
	if a.cfg.NoUpdate || a.onTrial() {
		return
	}
	if h := a.cfg.Handoff; h != nil && !a.awaitUp(ctx) {
		return
	}
	if trial := a.updater().Run(ctx); trial != nil {
		a.succession.mu.Lock()
		a.succession.trial = trial
		a.succession.mu.Unlock()
		end(errAside)
	}
}

// awaitUp returns when this process serves, or false when ctx ends first.
func (a *connector) awaitUp(ctx context.Context) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		a.succession.mu.Lock()
		up := a.succession.up
		a.succession.mu.Unlock()
		if up {
			return true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
}

// updateReport is what the status report says of updates.
func (a *connector) updateReport() *signed.UpdateReport {
	if a.cfg.NoUpdate || a.onTrial() {
		return nil
	}
	return a.updater().Report()
}
