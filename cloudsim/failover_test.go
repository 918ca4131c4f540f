package cloudsim

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"ptabench/cloudsim/dispatch"
	"ptabench/observe"
	"ptabench/wire"
)

const user = "ann@contoso.test"

// A session is given nothing while it has no response stream.
func TestResponseStream(t *testing.T) {
	t.Parallel()
	c := start(t, func(cfg *Config) { cfg.Heartbeat = 50 * time.Millisecond })
	l := c.register("connector-1").begin()
	c.expect(c.signIn(user, password), 503, 80001, "", "", "0")
	r := l.answer("10100")
	c.event(observe.ConnectorAttached, "")
	c.expect(c.signIn(user, password), 200, 0, PassThrough, "connector-1", "1")

	r.end()
	c.event(observe.ConnectorStatus, "responses-lost")
	c.expect(c.signIn(user, password), 503, 80001, "", "", "0")
	r = l.answer("10101")
	c.event(observe.ConnectorStatus, "fit")
	c.expect(c.signIn(user, password), 200, 0, PassThrough, "connector-1", "1")

	// One that only falls silent is lost too. In-flight sign-ins stay: their
	// answers may come on the next one.
	l.respond.Store(hold)
	answered := c.later(user, password)
	g := l.holding()
	r.beats.Store(true)
	r.ended(t, "heartbeat")
	l.reply(g, wire.Result_RESULT_ACCEPTED)
	next := l.answer("10102")
	c.expect(c.await(answered), 200, 0, PassThrough, "connector-1", "1")
	eventually(t, "the answer is acknowledged", func() bool { return next.acked.Load() == 1 })
	l.respond.Store(check)

	// A second one takes over from the first.
	l.answer("10103")
	next.ended(t, "replaced")
	c.expect(c.signIn(user, password), 200, 0, PassThrough, "connector-1", "1")
	if n := c.tenant("contoso"); n.Attempts != 4 || n.HandedOff != 0 {
		t.Errorf("counters %+v", n)
	}
}

// What a connector had when its response stream broke waits for the next
// stream, but not for longer than heartbeats may be missing.
func TestResponsesGoneForTooLong(t *testing.T) {
	t.Parallel()
	c := start(t, func(cfg *Config) { cfg.Heartbeat, cfg.HeartbeatMisses = 50*time.Millisecond, 10 })
	l := c.register("connector-1").begin()
	r := l.answer("10100")
	c.event(observe.ConnectorAttached, "")
	l.respond.Store(hold)
	answered := c.later(user, password)
	l.holding()
	c.register("connector-2").attach()
	r.end()
	c.event(observe.ConnectorStatus, "responses-lost")
	c.expect(c.await(answered), 200, 0, PassThrough, "connector-2", "2") // long before its attempt ends
	c.event(observe.HandedOff, "responses-lost")
}

// Response streams that end and begin at once leave the session fit.
func TestResponseStreamsInQuickSuccession(t *testing.T) {
	t.Parallel()
	c := start(t)
	l := c.register("connector-1").attach()
	for i := range 20 {
		r := l.answer(fmt.Sprint(10100 + i%21))
		r.end()
		l.answer(fmt.Sprint(10100 + (i+1)%21))
	}
	c.expect(c.signIn(user, password), 200, 0, PassThrough, "connector-1", "1")
}

// A session that never gets a response stream back is ended.
func TestResponseStreamNeverBack(t *testing.T) {
	t.Parallel()
	c := start(t, func(cfg *Config) {
		cfg.Heartbeat, cfg.HeartbeatMisses = 50*time.Millisecond, 10
		cfg.limits.first = 100 * time.Millisecond
	})
	l := c.register("connector-1").begin()
	r := l.answer("10100")
	c.event(observe.ConnectorAttached, "")
	r.end()
	if err := l.ended(); status.Code(err) != codes.Aborted || !strings.Contains(err.Error(), "responses-lost") {
		t.Errorf("the session ended with %v", err)
	}
	c.event(observe.ConnectorLost, "responses-lost")
}

// loseFirst holds sign-ins at connector-1, loses it, and expects connector-2
// to answer them.
func loseFirst(t *testing.T, c *cloud, cause string, lose func(*link)) (lost *link) {
	t.Helper()
	one, two := c.register("connector-1").attach(), c.register("connector-2").attach()
	one.respond.Store(hold)
	const n = 5
	var answers [n]chan *reply
	for i := range answers {
		answers[i] = c.later(user, password)
	}
	for range n {
		if g := one.holding(); g.user != user || g.password != password || g.attempt != 1 || g.budget <= 0 || g.budget > c.cfg.Queue.AttemptTimeout {
			t.Errorf("given %+v", g)
		}
	}
	began := time.Now()
	lose(one)
	for _, a := range answers {
		c.expect(c.await(a), 200, 0, PassThrough, "connector-2", "2")
	}
	e := c.event(observe.ConnectorLost, cause)
	handed := c.event(observe.HandedOff, cause)
	if e.Connector != "connector-1" || e.Tenant != "contoso" || handed.Connector != "connector-1" || handed.Count != n {
		t.Errorf("events %+v, %+v", e, handed)
	}
	t.Logf("noticed %v after, all answered by %v", time.Duration(e.AtNS-began.UnixNano()), time.Since(began))
	if two.taken() != n {
		t.Errorf("connector-2 took %d", two.taken())
	}
	if n := c.tenant("contoso"); n.Received != 5 || n.Accepted != 5 || n.HandedOff != 5 || n.Attempts != 10 {
		t.Errorf("counters %+v", n)
	}
	return one
}

// A killed process, as the network shows it: noticed long before a heartbeat
// is missed.
func TestConnectionReset(t *testing.T) {
	t.Parallel()
	c := start(t, func(cfg *Config) { cfg.Heartbeat, cfg.HeartbeatMisses = time.Hour, 1000 })
	loseFirst(t, c, "connection-lost", (*link).reset)
}

func TestStreamClosed(t *testing.T) {
	t.Parallel()
	c := start(t)
	l := loseFirst(t, c, "closed-by-connector", (*link).closeSend)
	if err := l.ended(); status.Code(err) != codes.Unknown && err.Error() != "EOF" {
		t.Errorf("the stream ended with %v", err)
	}
}

// A frozen process: its connections stay open, and nothing comes.
func TestHeartbeatLost(t *testing.T) {
	t.Parallel()
	var silentAt time.Time
	c := start(t, func(cfg *Config) { cfg.Heartbeat, cfg.HeartbeatMisses = 100*time.Millisecond, 10 })
	loseFirst(t, c, "heartbeat", func(l *link) {
		silentAt = time.Now()
		l.silent.Store(true)
	})
	limit := c.cfg.Heartbeat * time.Duration(c.cfg.HeartbeatMisses)
	after := time.Duration(c.event(observe.ConnectorLost, "heartbeat").AtNS - silentAt.UnixNano())
	// The last heartbeat was up to one interval, and a busy machine's pause,
	// before.
	if after < limit/2 {
		t.Errorf("given up %v after it fell silent; expected about %v", after, limit)
	}
}

// A connector that dials again before the cloud knows that it was gone.
func TestSessionReplaced(t *testing.T) {
	t.Parallel()
	c := start(t)
	var again *link
	old := loseFirst(t, c, "replaced", func(l *link) { again = l.agent.begin() })
	if err := old.ended(); status.Code(err) != codes.Aborted || !strings.Contains(err.Error(), "replaced") {
		t.Errorf("the first session ended with %v", err)
	}
	if _, err := old.tryAnswer("10100", old.welcome.GetSession()); status.Code(err) == codes.OK {
		t.Error("the session that was replaced still takes answers")
	}
	again.answer("10100")
	eventually(t, "connector-1 is back", func() bool { return c.connector("connector-1").Attached })
	if n := c.connector("connector-1"); n.Sessions != 2 {
		t.Errorf("counters %+v", n)
	}
}

func TestDraining(t *testing.T) {
	t.Parallel()
	c := start(t)
	one, two := c.register("connector-1").attach(), c.register("connector-2").attach()
	one.respond.Store(hold)
	answered := c.later(user, password)
	g := one.holding()
	one.status(true, true)
	c.event(observe.ConnectorStatus, "draining")
	c.expect(c.signIn(user, password), 200, 0, PassThrough, "connector-2", "1")
	one.reply(g, wire.Result_RESULT_ACCEPTED) // it finishes what it has
	c.expect(c.await(answered), 200, 0, PassThrough, "connector-1", "1")
	one.closeSend()
	c.event(observe.ConnectorLost, "drained")
	if two.taken() != 1 {
		t.Errorf("connector-2 took %d", two.taken())
	}
}

// Without handoff the sign-ins of a lost connector wait for their deadline.
func TestHandoffOff(t *testing.T) {
	t.Parallel()
	c := start(t, func(cfg *Config) { cfg.Queue.Handoff, cfg.Queue.Deadline = false, 2*time.Second })
	one, two := c.register("connector-1").attach(), c.register("connector-2").attach()
	one.respond.Store(hold)
	answered := c.later(user, password)
	one.holding()
	one.reset()
	if e := c.event(observe.Dropped, "connection-lost"); e.Count != 1 || e.Connector != "connector-1" {
		t.Errorf("event %+v", e)
	}
	c.expect(c.signIn(user, password), 200, 0, PassThrough, "connector-2", "1")
	c.expect(c.await(answered), 503, 80002, "", "", "1")
	if n := c.tenant("contoso"); n.Expired != 1 || n.HandedOff != 0 || two.taken() != 1 {
		t.Errorf("counters %+v, connector-2 took %d", n, two.taken())
	}
}

// A connector that is slow but alive: another is tried, and whoever answers
// first counts.
func TestAttemptTimeout(t *testing.T) {
	t.Parallel()
	c := start(t, func(cfg *Config) { cfg.Queue.AttemptTimeout = 300 * time.Millisecond })
	one, two := c.register("connector-1").attach(), c.register("connector-2").attach()
	one.respond.Store(hold)
	two.respond.Store(hold)
	answered := c.later(user, password)
	first, second := one.holding(), two.holding()
	if first.id != second.id || first.attempt != 1 || second.attempt != 2 || first.budget > 300*time.Millisecond {
		t.Errorf("given %+v and %+v", first, second)
	}
	c.event(observe.AttemptTimedOut, "")
	one.reply(first, wire.Result_RESULT_ACCEPTED)
	c.expect(c.await(answered), 200, 0, PassThrough, "connector-1", "2")
	two.reply(second, wire.Result_RESULT_WRONG_PASSWORD)
	eventually(t, "the late answer is counted", func() bool { return c.connector("connector-2").Late == 1 })
	if n := c.tenant("contoso"); n.Accepted != 1 || n.Refused != 0 {
		t.Errorf("counters %+v", n)
	}
}

// A queue that is full, and entries that expire in it, are answered.
func TestQueueBounds(t *testing.T) {
	t.Parallel()
	c := start(t, func(cfg *Config) { cfg.Queue.Queue, cfg.Queue.Deadline = 2, time.Second })
	l := c.register("connector-1").begin(func(h *wire.Hello) { h.Concurrency = 1 })
	l.respond.Store(hold)
	l.answer("10100")
	c.event(observe.ConnectorAttached, "")
	inHand := c.later(user, password)
	l.holding()
	waiting := []chan *reply{c.later(user, password), c.later(user, password)}
	eventually(t, "two wait", func() bool { return c.tenant("contoso").Queued == 2 })
	c.expect(c.signIn(user, password), 503, 80005, "", "", "0")
	c.expect(c.await(inHand), 503, 80002, "", "", "1")
	for _, w := range waiting {
		r := c.await(w)
		c.expect(r, 503, 80002, "", "", "0")
		var queued, other int
		_, err := fmt.Sscanf(r.header.Get(headerTimes), "queue=%d,connector=%d,", &queued, &other)
		if err != nil || queued < int(c.cfg.Queue.Deadline.Microseconds()) || other != 0 {
			t.Errorf("times %q: it waited until its deadline", r.header.Get(headerTimes))
		}
	}
	if n := c.tenant("contoso"); n.Overflowed != 1 || n.Expired != 3 || n.Failed != 4 || n.QueuePeak != 2 {
		t.Errorf("counters %+v", n)
	}
}

// Sealing contexts are replaced by count, and everything still opens.
func TestSealRollover(t *testing.T) {
	t.Parallel()
	c := start(t, func(cfg *Config) {
		cfg.SealRolloverCount = 3
		cfg.Queue.Policy = dispatch.LeastOutstanding
	})
	l := c.register("connector-1").attach()
	var work sync.WaitGroup
	const n = 100
	for i := range n {
		work.Go(func() {
			given, code := password, 0
			if i%2 == 0 {
				given, code = fmt.Sprintf("not-the-password-%d", i), 50126
			}
			if r := c.signIn(user, given); r.code() != code {
				t.Errorf("got %v; expected code %d", r, code)
			}
		})
	}
	work.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	total := 0
	for _, count := range l.seals {
		if total += count; count < 1 || count > 3 {
			t.Errorf("%d passwords under one context", count)
		}
	}
	if total != n || len(l.seals) < (n+2)/3 {
		t.Errorf("%d passwords under %d contexts", total, len(l.seals))
	}
}

// A sign-in in hand is answered before Run returns, though the simulator was
// told to stop.
func TestGracefulStop(t *testing.T) {
	t.Parallel()
	c := start(t)
	l := c.register("connector-1").attach()
	l.respond.Store(hold)
	answered := c.later(user, password)
	g := l.holding()
	c.cancel()
	eventually(t, "it stops", func() bool { return strings.Contains(c.log.String(), "draining") })
	if _, err := c.try(c.request("contoso", "")); err == nil {
		eventually(t, "nobody new is let in", func() bool {
			_, err := c.try(c.request("contoso", ""))
			return err != nil
		})
	}
	select {
	case err := <-c.ended:
		t.Fatalf("Run returned %v with a sign-in in hand", err)
	case <-l.gone:
		t.Fatalf("the connector was sent away (%v) with a sign-in in hand", l.why)
	default:
	}
	l.reply(g, wire.Result_RESULT_ACCEPTED)
	c.expect(c.await(answered), 200, 0, PassThrough, "connector-1", "1")
	if err := c.stop(); err != nil {
		t.Error(err)
	}
	l.ended()
}

// Answers that a gate holds back are let through when the simulator stops.
func TestStopOpensGates(t *testing.T) {
	t.Parallel()
	c := start(t)
	l := c.register("connector-1").attach()
	gate := observe.Gate{Ports: responsePorts, Mode: observe.GateStall}
	if err := c.observe.Put(context.Background(), "/gates/stall", gate, nil); err != nil {
		t.Fatal(err)
	}
	answered := c.later(user, password)
	eventually(t, "the connector has it", func() bool { return l.taken() == 1 })
	if err := c.stop(); err != nil {
		t.Error(err)
	}
	c.expect(c.await(answered), 200, 0, PassThrough, "connector-1", "1")
}

// A connector that does not answer holds the stop up only so long, and its
// sign-in is answered even so.
func TestStopWithoutAnswer(t *testing.T) {
	t.Parallel()
	c := start(t, func(cfg *Config) { cfg.limits.shutdown = 500 * time.Millisecond })
	l := c.register("connector-1").attach()
	l.respond.Store(hold)
	answered := c.later(user, password)
	l.holding()
	watched, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- c.observe.Events(watched, func(observe.Event) {}) }()
	if err := c.stop(); err != nil {
		t.Error(err)
	}
	c.expect(c.await(answered), 503, 80002, "", "", "1")
	<-ended // an event stream ends with the simulator
}
