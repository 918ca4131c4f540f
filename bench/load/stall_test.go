package load

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"ptabench/results"
	"ptabench/scenarios"
)

const stallFor = 2 * time.Second

// The rates are low, for the race detector on a busy machine; what a stall does
// to the figures does not depend on them.

// stallDuring stalls the cloud for two seconds, from an instant of the plan.
func stallDuring(cloud *fakeCloud, start time.Time, from time.Duration) (wait func()) {
	var over sync.WaitGroup
	over.Go(func() {
		timer := time.NewTimer(time.Until(start.Add(from)))
		<-timer.C
		cloud.stall(true)
		timer.Reset(stallFor)
		<-timer.C
		cloud.stall(false)
	})
	return over.Wait
}

func p99(values []int64) time.Duration {
	slices.Sort(values)
	return time.Duration(values[len(values)*99/100])
}

func over(values []int64, limit time.Duration) (n int) {
	for _, v := range values {
		if time.Duration(v) > limit {
			n++
		}
	}
	return n
}

// A stall must show in the response times whether or not there were workers to
// send meanwhile; what vegeta measures itself does not show it when there were
// not.
func TestStallShowsInResponseTimes(t *testing.T) {
	for name, c := range map[string]struct {
		workers, pool int
		rate          float64
	}{
		"many workers": {0, 50, 200},
		"few workers":  {2, 2, 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := newFakeCloud(t, nil)
			var got list
			cfg := cloud.config(got.add)
			cfg.Arrivals, cfg.Rate, cfg.MaxWorkers, cfg.Pool = scenarios.Constant, c.rate, c.workers, c.pool
			cfg.Duration = 3400 * time.Millisecond
			g := generator(t, cfg)
			var naive []int64
			g.watch = func(r *vegeta.Result) { naive = append(naive, int64(r.Latency)) }
			opened := g.Progress().Handshakes

			start := time.Now()
			wait := stallDuring(cloud, start, 700*time.Millisecond)
			if err := g.Run(t.Context(), start); err != nil {
				t.Fatal(err)
			}
			wait()
			checkBooks(t, g, got)
			// Few workers may still be catching up at the end.
			n := got.outcomes()
			if n[results.OutcomeFailed]+n[results.OutcomeUnknown] != 0 || c.workers == 0 && n[results.OutcomeUnsent] != 0 {
				t.Errorf("outcomes %v: some sign-ins were lost", n)
			}
			var responses, lags []int64
			for _, s := range got {
				if s.Outcome != results.OutcomeUnsent {
					responses, lags = append(responses, s.Done-s.Due), append(lags, s.Sent-s.Due)
				}
			}
			response, lag, vegetas := p99(responses), p99(lags), p99(naive)
			t.Logf("p99: response %v, lag %v, vegeta's latency %v", response, lag, vegetas)
			if response < 1500*time.Millisecond {
				t.Errorf("p99 response %v over a stall of %v", response, stallFor)
			}
			if few := c.workers > 0; few {
				if lag < 1500*time.Millisecond {
					t.Errorf("p99 lag %v, and %d workers were all stalled", lag, c.workers)
				}
				// Each worker had one sign-in in hand, and these are all that
				// vegeta saw of the stall.
				slow, vegetaSlow := over(responses, time.Second), over(naive, time.Second)
				if vegetaSlow > c.workers || slow < 10*vegetaSlow {
					t.Errorf("%d responses took over 1 s, by vegeta's own figures %d: is it no longer blind to a stall?", slow, vegetaSlow)
				}
			}
			if again := g.Progress().Handshakes - opened; again != 0 {
				t.Errorf("%d handshakes during the load, in a pool of %d", again, c.pool)
			}
			if accepted, _ := cloud.connections(); accepted != c.pool {
				t.Errorf("the cloud saw %d connections, want the pool of %d", accepted, c.pool)
			}
		})
	}
}

func TestStallOverTheEndLeavesUnsent(t *testing.T) {
	t.Parallel()
	cloud := newFakeCloud(t, nil)
	var got list
	cfg := cloud.config(got.add)
	cfg.Rate, cfg.MaxWorkers, cfg.Pool = 150, 10, 10
	cfg.Duration = 1400 * time.Millisecond
	g := generator(t, cfg)
	start := time.Now()
	wait := stallDuring(cloud, start, 900*time.Millisecond) // until 1.3 s after the end
	if err := g.Run(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	wait()
	checkBooks(t, g, got)
	n := got.outcomes()
	t.Logf("outcomes %v of %d", n, len(got))
	// 550 ms of arrivals at 150/s find 10 workers.
	if n[results.OutcomeUnsent] < 40 || n[results.OutcomeAccepted] == 0 {
		t.Errorf("%d unsent, want about 70", n[results.OutcomeUnsent])
	}
	for _, s := range got {
		if late := s.Sent - int64(cfg.Duration+lateness); s.Outcome != results.OutcomeUnsent && late > 0 {
			t.Fatalf("sign-in %d was sent %v after the end", s.Seq, time.Duration(late))
		}
	}
}

// Without a pool each sign-in shakes hands, once.
func TestHandshakesAreBounded(t *testing.T) {
	cloud := newFakeCloud(t, nil)
	var got list
	cfg := cloud.config(got.add)
	cfg.Pool, cfg.Rate, cfg.Duration = 0, 50, 500*time.Millisecond
	g := generator(t, cfg)
	if n := g.Progress().Handshakes; n != 0 {
		t.Errorf("%d handshakes before the load, without a pool", n)
	}
	if err := g.Run(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	checkBooks(t, g, got)
	if n := g.Progress(); n.Handshakes != n.Sent {
		t.Errorf("%d handshakes for %d sign-ins", n.Handshakes, n.Sent)
	}
	if n := got.outcomes(); n[results.OutcomeUnknown]+n[results.OutcomeFailed] != 0 {
		t.Errorf("outcomes %v", n)
	}
}

// What piles up at one tenant must not hold up the clients of another: they are
// other people, with connections of their own.
func TestTenantsDoNotShareConnections(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	release := sync.OnceFunc(func() { close(held) })
	defer release()
	var cloud *fakeCloud
	cloud = newFakeCloud(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/contoso/") {
			<-held
		}
		cloud.truth(w, r)
	})
	cloud.people = spreadPeople(t)
	var got list
	cfg := cloud.config(got.add)
	cfg.Tenants = []Tenant{{Name: "contoso", URL: cfg.URL}, {Name: "fabrikam", URL: cloud.URL + "/fabrikam/oauth2/v2.0/token"}}
	cfg.TenantOf = []int{0, 1}
	cfg.Mix = map[scenarios.Intent]float64{scenarios.IntentRight: 1}
	g := generator(t, cfg)
	ended := make(chan error, 1)
	go func() { ended <- g.Run(t.Context(), time.Now()) }()
	fabrikams := 0
	for seq := range g.schedule.Len() {
		if g.tenants.ofUser(g.mix.at(uint32(seq))).number == 2 {
			fabrikams++
		}
	}
	// All of fabrikam's are answered while contoso's wait, in one pool's place
	// and in line behind it.
	eventually(t, "answers to fabrikam's sign-ins", func() bool { return int(g.Progress().Accepted) == fabrikams })
	if queued := g.tenants.all[0].conns.queued(); queued == 0 {
		t.Error("no sign-in of contoso waits for a connection: the test shows nothing")
	}
	release()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	checkBooks(t, g, got)
	if n := got.outcomes(); n[results.OutcomeAccepted] != len(got) || fabrikams == 0 || fabrikams == len(got) {
		t.Errorf("outcomes %v of %d, %d of fabrikam", n, len(got), fabrikams)
	}
}
