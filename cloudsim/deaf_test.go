package cloudsim_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"ptabench/observe"
)

// A connector that is active but dead: one of its two ways is blocked while the
// other goes on and what it says of itself is all right. Within its heartbeats
// the cloud gives it nothing more, and what it had goes to another: nobody
// waits for the end of an attempt, which is 20 s here, and no sign-in fails.
func TestActiveButDead(t *testing.T) {
	requests, responses := []string{"9350", "9352", "5671"}, []string{}
	for port := 10100; port <= 10120; port++ {
		responses = append(responses, strconv.Itoa(port))
	}
	const late = 2 * time.Second * slowness // what a busy machine adds
	for _, tc := range []struct {
		name      string
		ports     []string
		direction observe.GateDirection
		// handedOff is after how many times the heartbeats' patience.
		handedOff time.Duration
		answers   bool // it goes on to answer what it has, so there may be nothing to hand off
	}{
		{"requests", requests, "", 1, false},
		{"requests to the connector", requests, observe.GateIn, 1, false},
		{"requests from the connector", requests, observe.GateOut, 1, true},
		{"responses", responses, "", 1, false},
		{"responses from the connector", responses, observe.GateOut, 1, false},
		// The connector notices first, after 500 ms at least, and leaves the
		// stream in order; then the cloud waits for another.
		{"responses to the connector", responses, observe.GateIn, 3, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.cfg.HeartbeatMisses = 10 * slowness // the other connector is not given up for being slow
			w.serve()
			w.connect("connector-1", "127.0.0.21")
			w.connect("connector-2", "127.0.0.22")
			w.attached(2)
			patience := w.cfg.Heartbeat * time.Duration(w.cfg.HeartbeatMisses)

			// Users who never stop; the slowest shows how long what the
			// connector had was kept.
			var work sync.WaitGroup
			var mu sync.Mutex
			var slowest time.Duration
			stop := make(chan struct{})
			for range 4 {
				work.Go(func() {
					for {
						select {
						case <-stop:
							return
						case <-time.After(5 * time.Millisecond * slowness):
						}
						began := time.Now()
						if err := w.signIn(); err != nil {
							t.Errorf("a sign-in: %v", err)
							return
						}
						mu.Lock()
						slowest = max(slowest, time.Since(began))
						mu.Unlock()
					}
				})
			}
			w.eventually("both are given sign-ins", func() bool { return w.attempts("connector-1") > 10 && w.attempts("connector-2") > 10 })
			began := time.Now()
			gate := observe.Gate{Ports: tc.ports, Sources: []string{"127.0.0.22"}, Mode: observe.GateStall, Direction: tc.direction}
			var effect observe.GateEffect
			if err := w.observe.Put(context.Background(), "/gates/dead", gate, &effect); err != nil {
				t.Fatal(err)
			}
			if effect.Injections == 0 {
				t.Error("the gate reached no connection")
			}
			var noticed time.Duration
			w.eventually("the cloud notices", func() bool {
				for _, kind := range []observe.Kind{observe.ConnectorLost, observe.ConnectorStatus} {
					for _, e := range w.happened(kind, "connector-2") {
						if noticed = time.Duration(e.AtNS - began.UnixNano()); noticed >= 0 {
							return true
						}
					}
				}
				return false
			})
			given, before := w.attempts("connector-2"), w.attempts("connector-1")
			w.eventually("the other goes on", func() bool { return w.attempts("connector-1") > before+20 })
			if again := w.attempts("connector-2"); again != given {
				t.Errorf("it was given %d more sign-ins after that", again-given)
			}
			close(stop)
			work.Wait()
			limit := tc.handedOff*patience + late
			t.Logf("noticed after %v, the slowest sign-in took %v; at most %v", noticed, slowest, limit)
			if noticed > limit || slowest > limit {
				t.Errorf("noticed after %v, the slowest sign-in took %v; expected at most %v", noticed, slowest, limit)
			}
			n := w.counters()
			if n.HandedOff == 0 && !tc.answers || n.Failed != 0 {
				t.Errorf("counters %+v; expected what it had to be handed off, and nothing to fail", n)
			}

			// Healed, it serves again.
			if err := w.observe.Delete(context.Background(), "/gates/dead", nil); err != nil {
				t.Fatal(err)
			}
			given = w.attempts("connector-2")
			w.eventually("it serves again", func() bool {
				if err := w.signIn(); err != nil {
					t.Errorf("after it was healed: %v", err)
				}
				return w.attempts("connector-2") > given
			})
		})
	}
}
