package cloudsim_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ptabench/observe"
	"ptabench/ports"
)

// users sign in one after the other until the returned function is called,
// which returns how many were let in, the slowest answer, and what the others
// were told.
func (w *world) usersSignIn(n int) (answered func() int, stop func() (slowest time.Duration, refused []error)) {
	var work sync.WaitGroup
	var mu sync.Mutex
	var slowest time.Duration
	var refused []error
	good := 0
	over := make(chan struct{})
	for range n {
		work.Go(func() {
			for {
				select {
				case <-over:
					return
				case <-time.After(40 * time.Millisecond):
				}
				began := time.Now()
				err := w.signIn()
				mu.Lock()
				slowest = max(slowest, time.Since(began))
				if err != nil {
					refused = append(refused, err)
				} else {
					good++
				}
				mu.Unlock()
			}
		})
	}
	stop = sync.OnceValues(func() (time.Duration, []error) {
		close(over)
		work.Wait()
		return slowest, refused
	})
	w.t.Cleanup(func() { _, _ = stop() })
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return good
	}, stop
}

func (w *world) block(id string, mode observe.GateMode, ports ...string) observe.GateEffect {
	w.t.Helper()
	var effect observe.GateEffect
	if err := w.observe.Put(context.Background(), "/gates/"+id, observe.Gate{Ports: ports, Mode: mode}, &effect); err != nil {
		w.t.Fatal(err)
	}
	return effect
}

func (w *world) unblock(id string) {
	w.t.Helper()
	if err := w.observe.Delete(context.Background(), "/gates/"+id, nil); err != nil {
		w.t.Fatal(err)
	}
}

// only is the one connector's counters.
func (w *world) only() observe.ConnectorCounters {
	if all := w.counters().Connectors; len(all) == 1 {
		return all[0]
	}
	return observe.ConnectorCounters{}
}

// onBothPaths waits until the connector has a stream of either path.
func (w *world) onBothPaths() {
	w.t.Helper()
	w.attached(1)
	w.eventually("9350 joins", func() bool { return len(w.happened(observe.ConnectorPath, "")) > 0 })
	if e := w.happened(observe.ConnectorPath, "")[0]; e.Cause != "fast" {
		w.t.Fatalf("the path changed to %s; expected fast", e.Cause)
	}
}

func (w *world) patience() time.Duration {
	return w.cfg.Heartbeat * time.Duration(w.cfg.HeartbeatMisses)
}

// lateness is what a busy machine adds to any time.
const lateness = 2 * time.Second * slowness

// newLonely is a world of one connector, whose sign-ins nobody else can take.
func newLonely(t *testing.T) *world {
	w := newWorld(t)
	w.cfg.Heartbeat = 75 * time.Millisecond * slowness
	w.cfg.HeartbeatMisses = 10
	w.cfg.WaitForResponses(w.patience())
	w.cfg.Queue.Deadline = 5 * time.Second * slowness
	w.cfg.Queue.AttemptTimeout = time.Second * slowness
	return w
}

// abreast is how many worlds of a connector each there are at a time: they
// mostly wait, so many more than there are processors. Only so many begin at a
// time, which takes a processor.
const (
	abreast = 24
	begins  = 2
)

var beginning = make(chan struct{}, begins)

// lonely begins such a world, with a connector that has a stream of either
// path; before is what comes before the connector.
func lonely(t *testing.T, before func(*world)) *world {
	w := newLonely(t)
	beginning <- struct{}{}
	defer func() { <-beginning }()
	w.serve()
	before(w)
	w.connect("connector-1", "")
	w.onBothPaths()
	return w
}

// inParallel runs subtests, so many at a time and in no order.
func inParallel(t *testing.T, tests map[string]func(*testing.T)) {
	room := make(chan struct{}, abreast)
	var work sync.WaitGroup
	defer work.Wait()
	for name, test := range tests {
		room <- struct{}{}
		work.Go(func() {
			defer func() { <-room }()
			t.Run(name, test)
		})
	}
}

// No port of the connector streams is one that a connector depends on: with
// any of them blocked, its sign-ins go on by another, in the same session, and
// nobody is refused or waits for longer than it takes to notice.
func TestEveryPortBlocked(t *testing.T) {
	t.Parallel()
	tests := make(map[string]func(*testing.T))
	defer func() { inParallel(t, tests) }()
	for _, port := range slices.Concat(ports.Requests(), ports.Responses()) {
		for _, mode := range []observe.GateMode{observe.GateStall, observe.GateRefuse} {
			tests[port+"/"+string(mode)] = func(t *testing.T) {
				w := lonely(t, func(w *world) {
					if slices.Contains(ports.Responses(), port) { // it begins with any of them; let it be this one
						others := slices.DeleteFunc(ports.Responses(), func(p string) bool { return p == port })
						w.block("others", observe.GateRefuse, others...)
					}
				})
				if slices.Contains(ports.Responses(), port) {
					w.unblock("others")
				}
				began := time.Now()
				answered, stop := w.usersSignIn(3)
				// A response port that was lost sooner would count as one that
				// never worked, like the others.
				w.eventually("sign-ins are answered", func() bool { return answered() > 10 && time.Since(began) > w.patience()+w.cfg.Heartbeat })
				if n := w.only(); n.Pushed == 0 {
					t.Errorf("counters %+v; expected sign-ins to be pushed", n)
				}
				if effect := w.block("it", mode, port); effect.Injections == 0 && port != "5671" {
					t.Error("the gate reached no connection")
				}
				before := answered()
				w.eventually("sign-ins go on", func() bool { return answered() > before+10 })
				switch port {
				case "9350": // signalling takes over at once, and hands back later
					w.eventually("sign-ins are signalled", func() bool { return w.only().Accepted > 5 })
					w.unblock("it")
					w.eventually("9350 is used again", func() bool { return len(w.happened(observe.ConnectorPath, "")) >= 3 })
					pushed := w.only().Pushed
					w.eventually("sign-ins are pushed", func() bool { return w.only().Pushed > pushed })
				case "9352": // signalling goes on by the other port, should it be needed
					w.eventually("5671 joins", func() bool {
						return slices.ContainsFunc(strings.Split(w.log.String(), "\n"), func(line string) bool {
							return strings.Contains(line, "msg=joined") && strings.Contains(line, "port=5671")
						})
					})
					w.block("fast", observe.GateRefuse, ports.Fast)
					w.eventually("sign-ins are signalled", func() bool { return w.only().Accepted > 5 })
				}
				slowest, refused := stop()
				if len(refused) > 0 {
					t.Errorf("%d sign-ins were refused: %v ...", len(refused), refused[0])
				}
				// A connector gives a response port half a second at least.
				if limit := max(w.patience(), 500*time.Millisecond) + lateness; slowest > limit {
					t.Errorf("the slowest sign-in took %v; expected at most %v", slowest, limit)
				}
				if n := w.only(); n.Sessions != 1 || !n.Attached || n.NotGiven != 0 {
					t.Errorf("counters %+v; expected one session, still attached", n)
				}
			}
		}
	}
}

// With all ports of a kind blocked, the connector is given nothing more: nobody
// waits for it past the deadline, and those who come later are told at once.
func TestEveryKindOfPortBlocked(t *testing.T) {
	t.Parallel()
	tests := make(map[string]func(*testing.T))
	defer func() { inParallel(t, tests) }()
	for _, tc := range []struct {
		name  string
		ports []string
		// goesOn says that sign-ins are still answered, without any of them
		// being refused.
		goesOn, unbroken bool
		serves           func(before, now observe.ConnectorCounters) bool
	}{
		{"signalling", ports.Signalling(), true, true,
			func(before, now observe.ConnectorCounters) bool { return now.Pushed > before.Pushed+10 }},
		{"9350 and 9352", []string{"9350", "9352"}, true, false,
			func(before, now observe.ConnectorCounters) bool { return now.Accepted > before.Accepted+10 }},
		{"9350 and 5671", []string{"9350", "5671"}, true, true,
			func(before, now observe.ConnectorCounters) bool { return now.Accepted > before.Accepted+10 }},
		{"requests", ports.Requests(), false, false, nil},
		{"responses", ports.Responses(), false, false, nil},
	} {
		for _, mode := range []observe.GateMode{observe.GateStall, observe.GateRefuse} {
			tests[tc.name+"/"+string(mode)] = func(t *testing.T) {
				w := lonely(t, func(*world) {})
				answered, stop := w.usersSignIn(3)
				w.eventually("sign-ins are answered", func() bool { return answered() > 10 })
				before := w.only()
				w.block("them", mode, tc.ports...)
				if tc.goesOn {
					w.eventually("sign-ins go on", func() bool { return tc.serves(before, w.only()) })
				} else {
					w.eventually("it is given nothing more", func() bool {
						return len(w.happened(observe.ConnectorLost, "")) > 0 ||
							slices.ContainsFunc(w.happened(observe.ConnectorStatus, ""), func(e observe.Event) bool { return e.Cause == "responses-lost" })
					})
					given := w.only().Attempts
					began := time.Now()
					if err := w.signIn(); err == nil || !strings.Contains(err.Error(), "80001") {
						t.Errorf("a sign-in: %v; expected code 80001", err)
					}
					if took := time.Since(began); took > lateness {
						t.Errorf("it took %v to say so; expected %v at most", took, lateness)
					}
					if again := w.only().Attempts; again != given {
						t.Errorf("it was given %d more sign-ins", again-given)
					}
				}
				w.unblock("them")
				now := answered()
				w.eventually("sign-ins go on when they are open again", func() bool { return answered() > now+10 })
				slowest, refused := stop()
				for _, err := range refused {
					if tc.unbroken || !strings.Contains(err.Error(), "codes [8000") {
						t.Errorf("a sign-in: %v", err)
						break
					}
				}
				if limit := w.cfg.Queue.Deadline + lateness; slowest > limit {
					t.Errorf("the slowest sign-in took %v; expected at most %v", slowest, limit)
				}
				if n := w.counters(); n.InFlight != 0 || n.Queued != 0 {
					t.Errorf("counters %+v; expected nothing left behind", n)
				}
			}
		}
	}
}
