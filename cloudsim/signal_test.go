package cloudsim

import (
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"ptabench/wire"
)

type requestsClient = grpc.BidiStreamingClient[wire.ConnectorMessage, wire.CloudMessage]

// joinOn opens another request stream, of the session named, and returns the
// cloud's first message.
func (l *link) joinOn(port, session string) (requestsClient, *wire.CloudMessage, error) {
	l.Helper()
	conn, err := l.dial(port)
	if err != nil {
		l.Fatal(err)
	}
	l.conns = append(l.conns, conn)
	stream, err := wire.NewRequestsClient(conn).Listen(l.ctx)
	if err != nil {
		l.Fatal(err)
	}
	_ = stream.Send(&wire.ConnectorMessage{Kind: &wire.ConnectorMessage_Join{Join: &wire.Join{Session: session}}})
	m, err := stream.Recv()
	return stream, m, err
}

// next returns the next message of a stream that is no heartbeat.
func next(t *testing.T, stream requestsClient) *wire.CloudMessage {
	t.Helper()
	for {
		m, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if m.GetHeartbeat() == nil {
			return m
		}
	}
}

// A session is joined by its own connector only, and by one that knows how.
func TestJoinRefused(t *testing.T) {
	t.Parallel()
	c := start(t)
	a, other := c.register("connector-1"), c.register("connector-2")
	old := a.begin() // says nothing of a protocol
	present := other.begin(func(h *wire.Hello) { h.Protocol = 2 })
	for i, tc := range []struct {
		name    string
		l       *link
		session string
	}{
		{"no session", old, ""},
		{"an endless session", old, strings.Repeat("s", 1<<19)},
		{"another connector's", old, present.welcome.GetSession()},
		{"one of the old protocol", old, old.welcome.GetSession()},
	} {
		if _, _, err := tc.l.joinOn("9350", tc.session); status.Code(err) != codes.NotFound {
			t.Errorf("%s: %.200v; expected not found", tc.name, err)
		}
		c.denied("unknown-session", uint64(i+1))
	}
}

// On a signalling port the connector is told, asks, and is sent what it asked
// for; once 9350 has joined, it is pushed what comes. What it asks for and was
// not told of is counted and changes nothing.
func TestSignalAndAccept(t *testing.T) {
	t.Parallel()
	c := start(t)
	l := c.register("connector-1").begin(func(h *wire.Hello) { h.Protocol = 2 })
	if w := l.welcome; w.GetProtocol() != 2 || w.GetStream() != 1 {
		t.Errorf("welcome %v; expected protocol 2, stream 1", w)
	}
	// A second signalling stream takes over from the first.
	stream, m, err := l.joinOn("5671", l.welcome.GetSession())
	if err != nil || m.GetWelcome().GetSession() != l.welcome.GetSession() || m.GetWelcome().GetStream() != 2 {
		t.Fatalf("joining: %v, %v", m, err)
	}
	heartbeat := &wire.ConnectorMessage{Kind: &wire.ConnectorMessage_Heartbeat{Heartbeat: &wire.Heartbeat{}}}
	if err := stream.Send(heartbeat); err != nil {
		t.Fatal(err)
	}
	if err := l.ended(); !strings.Contains(err.Error(), "replaced") {
		t.Errorf("the first stream ended with %v; expected to be replaced", err)
	}
	l.answer("10100")
	l.event("connector-attached", "")
	accept := func(id uint64, attempt uint32) {
		if err := stream.Send(&wire.ConnectorMessage{Kind: &wire.ConnectorMessage_Accept{
			Accept: &wire.Rendezvous{Id: id, Attempt: attempt}}}); err != nil {
			t.Fatal(err)
		}
	}
	answered := c.later("ann@contoso.test", password)
	waiting := next(t, stream).GetSignal().GetWaiting()
	if len(waiting) != 1 || waiting[0].GetAttempt() != 1 {
		t.Fatalf("signalled %v; expected one sign-in, attempt 1", waiting)
	}
	id := waiting[0].GetId()
	for i, bad := range []*wire.Rendezvous{{Id: id, Attempt: 2}, {Id: id + 1, Attempt: 1}, {Id: 1 << 63, Attempt: 1 << 31}, {}} {
		accept(bad.GetId(), bad.GetAttempt())
		c.denied("answer-not-given", uint64(i+1))
	}
	accept(id, 1)
	if m := next(t, stream); len(m.GetSeal().GetEnc()) == 0 {
		t.Fatalf("%v; expected this stream's sealing context", m)
	}
	if s := next(t, stream).GetSignIn(); s.GetId() != id || s.GetAttempt() != 1 || len(s.GetPassword()) == 0 || s.GetBudgetNs() == 0 {
		t.Fatalf("accepted %v; expected sign-in %d", s, id)
	}
	accept(id, 1) // has it
	c.denied("answer-not-given", 5)
	l.reply(given{id: id, attempt: 1}, wire.Result_RESULT_ACCEPTED)
	c.expect(c.await(answered), 200, 0, PassThrough, "connector-1", "1")

	fast, _, err := l.joinOn("9350", l.welcome.GetSession())
	if err != nil {
		t.Fatal(err)
	}
	if err := fast.Send(heartbeat); err != nil {
		t.Fatal(err)
	}
	c.event("connector-path", fastPath)
	answered = c.later("ann@contoso.test", password)
	next(t, fast) // its own sealing context
	pushed := next(t, fast).GetBatch().GetSignIns()
	if len(pushed) != 1 {
		t.Fatalf("pushed %v; expected one sign-in", pushed)
	}
	// The connector lost 9350 before that came: it comes again by signalling.
	if err := stream.Send(&wire.ConnectorMessage{Kind: &wire.ConnectorMessage_Lost{Lost: &wire.Lost{Stream: 3}}}); err != nil {
		t.Fatal(err)
	}
	again := next(t, stream).GetSignal().GetWaiting()
	if len(again) != 1 || again[0].GetId() != pushed[0].GetId() || again[0].GetAttempt() != 1 {
		t.Fatalf("signalled %v; expected sign-in %d, attempt 1", again, pushed[0].GetId())
	}
	c.event("connector-path", signallingPath)
	accept(again[0].GetId(), 1)
	if s := next(t, stream).GetSignIn(); s.GetId() != again[0].GetId() {
		t.Fatalf("accepted %v", s)
	}
	l.reply(given{id: again[0].GetId(), attempt: 1}, wire.Result_RESULT_ACCEPTED)
	c.expect(c.await(answered), 200, 0, PassThrough, "connector-1", "1")
	if n := c.connector("connector-1"); n.Attempts != 2 || n.Pushed != 1 || n.Signalled != 2 || n.Accepted != 2 {
		t.Errorf("counters %+v; expected 2 attempts: 1 pushed, 2 signalled and accepted", n)
	}
}

// A session outlives the stream that it was used by when another has joined,
// though that has said nothing yet: what is given meanwhile comes by it once it
// has.
func TestLostWhileAnotherJoins(t *testing.T) {
	t.Parallel()
	c := start(t)
	l := c.register("connector-1").begin(func(h *wire.Hello) { h.Protocol = 2 })
	l.answer("10100")
	l.event("connector-attached", "")
	stream, m, err := l.joinOn("5671", l.welcome.GetSession())
	if err != nil || m.GetWelcome().GetStream() != 2 {
		t.Fatalf("joining: %v, %v", m, err)
	}
	l.reset()
	eventually(t, "the cloud notices", func() bool { return strings.Contains(c.log.String(), `"msg":"request stream ended"`) })
	answered := c.later("ann@contoso.test", password)
	eventually(t, "it is given a sign-in", func() bool { return c.connector("connector-1").InFlight == 1 })
	if err := stream.Send(&wire.ConnectorMessage{Kind: &wire.ConnectorMessage_Heartbeat{Heartbeat: &wire.Heartbeat{}}}); err != nil {
		t.Fatal(err)
	}
	waiting := next(t, stream).GetSignal().GetWaiting()
	if len(waiting) != 1 {
		t.Fatalf("signalled %v; expected the sign-in", waiting)
	}
	if err := stream.Send(&wire.ConnectorMessage{Kind: &wire.ConnectorMessage_Accept{Accept: waiting[0]}}); err != nil {
		t.Fatal(err)
	}
	if m := next(t, stream); len(m.GetSeal().GetEnc()) == 0 {
		t.Fatalf("%v; expected a sealing context", m)
	}
	if s := next(t, stream).GetSignIn(); s.GetId() != waiting[0].GetId() {
		t.Fatalf("accepted %v", s)
	}
	l.reply(given{id: waiting[0].GetId(), attempt: 1}, wire.Result_RESULT_ACCEPTED)
	c.expect(c.await(answered), 200, 0, PassThrough, "connector-1", "1")
	if n := c.connector("connector-1"); n.Sessions != 1 || !n.Attached || n.Attempts != 1 {
		t.Errorf("counters %+v; expected one session, one attempt", n)
	}
}
