// Package live shows a run in a browser while it goes on: the report page,
// fed once a second by server-sent events, with a button that stops the run.
//
// It stays out of the way of what is measured. A sign-in costs it one append
// under a lock that is held for nothing else; all that a page needs is made in
// its own goroutines, and only while somebody looks.
package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ptabench/door"
	"ptabench/page"
	"ptabench/results"
)

// Interval is how often the page is told how the run goes, at most.
const Interval = time.Second

// Grace bounds how long Close waits for open pages to take the last event.
const Grace = 3 * time.Second

// Options say what is run.
type Options struct {
	Name, Command, Version string
	Seed                   uint64
	Scenario               string // text of scenario.yaml
	Duration               time.Duration
	Every                  time.Duration // between updates; Interval when 0
	// Stop ends the run early, soon after it returned. Nil hides the button.
	Stop func()
}

// Progress is how far the run is.
type Progress struct {
	Phase string
	At    time.Duration
	SoFar func() *results.Result // nil while there is nothing
}

// A Page is the live page of one run. It is told of the run by Began, Sample,
// Event, Usage and Progress, from any goroutine, and by Finish of its end;
// Close ends the server.
type Page struct {
	Options
	door   *door.Door
	server *http.Server
	hub    hub
	work   sync.WaitGroup
	quit   chan struct{}

	inbox    inbox
	stopping atomic.Bool
	serving  error // of the server; read when work is done

	mu       sync.Mutex              // held while a page is made
	left     uint64                  // sign-ins left out
	course   *results.CourseRecorder // nil before time 0 is known
	events   []results.Event         // the last, at most mostEvents
	more     int                     // events left out
	usage    []results.Usage
	progress Progress
	finished *page.Data // the report, when the run has ended
	why      string     // there is none
	failed   error      // of making the page, the first
}

// Serve begins to serve the page of a run.
func Serve(d *door.Door, o Options) *Page {
	if o.Every <= 0 {
		o.Every = Interval
	}
	p := &Page{Options: o, door: d, quit: make(chan struct{}), progress: Progress{Phase: "starting"}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.page)
	mux.HandleFunc("GET /events", p.stream)
	mux.HandleFunc("POST /stop", p.stop)
	p.server = d.Server(mux)
	p.work.Go(func() {
		if err := p.server.Serve(d.Listener()); !errors.Is(err, http.ErrServerClosed) {
			p.serving = err
		}
	})
	p.work.Go(p.follow)
	return p
}

// Finish says that the run has ended: run is its directory, or nil for the
// reason that there is none to show.
func (p *Page) Finish(run *results.Run, why error) {
	p.mu.Lock()
	if run != nil {
		var err error
		if p.finished, err = page.Of(run); err != nil {
			why = err
		}
	}
	if p.finished != nil {
		p.finished.Live = &page.Live{Phase: "finished", Done: true, At: p.finished.Duration, End: p.finished.Duration}
	} else {
		p.why = "the run ended without a report"
		if why != nil {
			p.why += ": " + why.Error()
		}
	}
	p.mu.Unlock()
	p.publish()
	p.hub.end()
}

// Close waits until open pages have taken the last event, at most Grace, and
// ends the server. It returns what went wrong with the page.
func (p *Page) Close() error {
	close(p.quit)
	p.hub.end()
	ctx, cancel := context.WithTimeout(context.Background(), Grace)
	defer cancel()
	if err := p.server.Shutdown(ctx); err != nil { // somebody takes too long
		_ = p.server.Close() // fails when it is closed
	}
	p.work.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := errors.Join(p.serving, p.failed); err != nil {
		return fmt.Errorf("the live page: %w", err)
	}
	return nil
}

// share is how much more time passes than updates take to be made: they cost
// at most 2 % of a processor. Who watches a run that is that long, or a machine
// that is that busy, sees less often how it goes.
const share = 50

// pause is from the begin of one update to that of the next.
func pause(every, cost time.Duration) time.Duration { return max(every, share*cost) }

// follow sends an update every second, or less often where they take long.
func (p *Page) follow() {
	tick := time.NewTicker(p.Every)
	defer tick.Stop()
	var next time.Time
	for {
		select {
		case <-tick.C:
		case <-p.quit:
			return
		}
		p.mu.Lock()
		p.drain()
		over := p.finished != nil || p.why != ""
		p.mu.Unlock()
		begun := time.Now()
		// Ticks are not to the moment.
		if over || !p.hub.wanted() || begun.Add(p.Every/2).Before(next) {
			continue
		}
		p.publish()
		next = begun.Add(pause(p.Every, time.Since(begun)))
	}
}

// drain takes in what came since. It is called with mu held.
func (p *Page) drain() {
	came := p.inbox.take()
	defer p.inbox.giveBack(came.samples)
	if came.header != nil {
		p.course = results.NewCourseRecorder(*came.header, came.header.Duration)
	}
	if p.course != nil {
		for i := range came.samples {
			p.course.Record(came.samples[i])
		}
	}
	p.left += came.left
	p.events = append(p.events, came.events...)
	gone := max(len(p.events)-mostEvents, 0)
	p.events = slices.Delete(p.events, 0, gone)
	p.more += came.more + gone
	p.usage = append(p.usage, came.usage[:min(len(came.usage), maxUsage-len(p.usage))]...)
	if now := came.progress; now != nil {
		if now.SoFar == nil { // what there was before stands
			now.SoFar, now.At = p.progress.SoFar, p.progress.At
		}
		p.progress = *now
	}
}

// data is the page as it is now. It is called with mu held.
func (p *Page) data() *page.Data {
	if p.finished != nil {
		return p.finished
	}
	p.drain()
	now := &p.progress
	live := &page.Live{Events: "events", Phase: now.Phase, At: now.At.Seconds(), End: p.Duration.Seconds()}
	if p.Stop != nil && p.why == "" {
		live.Stop = "stop?csrf=" + p.door.CSRF()
	}
	if p.stopping.Load() {
		live.Phase = "stopping: putting right what is broken"
	}
	r := &results.Result{Format: results.Format, Scenario: p.Name, Seed: p.Seed, Command: p.Command, Version: p.Version}
	if now.SoFar != nil {
		so := *now.SoFar()
		r = &so
	}
	if p.why != "" {
		live.Phase, live.Done, live.Events = p.why, true, ""
		r.Verdict, r.Reasons = results.Aborted, append(r.Reasons, p.why)
	}
	if n := p.left; n > 0 {
		r.Warnings = append(r.Warnings[:len(r.Warnings):len(r.Warnings)],
			fmt.Sprintf("%s sign-ins came in faster than this page could take them: they are not in its charts, but in the report", results.Count(n)))
	}
	in := page.Input{Result: r, Events: p.events, More: p.more, Usage: p.usage, Scenario: p.Scenario, Live: live}
	if p.course != nil {
		in.Course = p.course.Course()
	}
	d := page.From(in)
	coarsen(d.Charts)
	return d
}

// made makes something of the page as it is now. Whatever is wrong with that
// must not end the run that is watched, so a panic is an error here; Close
// returns the first of all.
func (p *Page) made(of func(*page.Data) error) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer func() {
		if broken := recover(); broken != nil {
			err = fmt.Errorf("%v, at %s", broken, debug.Stack())
		}
		if err != nil && p.failed == nil {
			p.failed = fmt.Errorf("making the page: %w", err)
		}
	}()
	return of(p.data())
}

// publish sends an update. When it cannot be made, the next one may do.
func (p *Page) publish() {
	var update []byte
	if p.made(func(d *page.Data) (err error) {
		update, err = page.Update(d)
		return err
	}) == nil {
		p.hub.publish(update)
	}
}

// page serves the page as it is now.
func (p *Page) page(w http.ResponseWriter, _ *http.Request) {
	var out bytes.Buffer
	var policy string
	if p.made(func(d *page.Data) error {
		policy = page.Policy(d)
		return page.Render(&out, d)
	}) != nil {
		http.Error(w, "500: the page could not be made; the command says why when it ends", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy+"; frame-ancestors 'none'")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(sendWithin))
	_, _ = out.WriteTo(w) // who went away misses it
}

// stop ends the run: whoever asks has been let in by the door, with its csrf
// value.
func (p *Page) stop(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	p.drain()
	over := p.finished != nil || p.why != "" || p.progress.Phase == "checking"
	p.mu.Unlock()
	if p.Stop == nil || over {
		http.Error(w, "409: the load is over already", http.StatusConflict)
		return
	}
	if p.stopping.CompareAndSwap(false, true) {
		p.Stop()
	}
	w.WriteHeader(http.StatusAccepted)
}
