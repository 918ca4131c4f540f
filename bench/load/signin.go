package load

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"ptabench/results"
)

// sequence is the header in which vegeta says which arrival a request is.
const sequence = "X-Vegeta-Seq"

// signIns is the http.RoundTripper that vegeta's workers call. What vegeta
// hands it is only a number; it makes the sign-in of that number, stamps it
// and records it. To vegeta all went well, always.
type signIns struct {
	g     *Generator
	ctx   context.Context
	start time.Time
	end   time.Duration // counted from start: nothing is sent after it
}

func attackClient(g *Generator, ctx context.Context, start time.Time) *http.Client {
	return &http.Client{Transport: &signIns{
		g: g, ctx: ctx, start: start, end: g.schedule.length + lateness,
	}}
}

// well is what vegeta hears of each sign-in. Nobody writes to it: an
// http.Client without a jar and a timeout hands it on as it is, and vegeta
// reads the status and closes what is no body.
var well = &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}

// RoundTrip makes one sign-in.
func (t *signIns) RoundTrip(req *http.Request) (*http.Response, error) {
	seq, err := strconv.ParseUint(req.Header.Get(sequence), 10, 32)
	if err != nil {
		return nil, err
	}
	t.signIn(uint32(seq))
	return well, nil
}

func (t *signIns) signIn(seq uint32) {
	g := t.g
	sent := time.Since(t.start)
	if sent > t.end || t.ctx.Err() != nil {
		g.unsent(seq)
		return
	}
	g.tally.sent.Add(1)
	g.tally.inFlight.Add(1)
	defer g.tally.inFlight.Add(-1)

	kind, user, version := g.choose(seq)
	s := results.Sample{
		Seq: seq, User: user, Intent: kind,
		Due:  int64(g.schedule.Due(int(seq)) - g.cfg.Warmup),
		Sent: int64(sent - g.cfg.Warmup),
	}
	of := g.tenants.ofUser(kind, user)
	s.Tenant = of.number
	deadline := t.start.Add(sent + g.cfg.Timeout)
	var req request
	var conn *connection
	var err error
	if of.farm == nil {
		req = of.post.request(seq, g.mix.upn(kind, user), g.mix.typed(kind, user, version))
		conn, err = of.conns.signIn(t.ctx, deadline, &req)
	} else {
		req, conn, err = g.federate(t.ctx, of, deadline, &s, g.mix.upn(kind, user), g.mix.typed(kind, user, version))
	}
	s.Done = int64(time.Since(t.start) - g.cfg.Warmup)
	switch {
	case err != nil:
		s.Outcome, s.Error = results.OutcomeUnknown, classify(err)
		s.Server = 0 // nobody decided
	case conn == nil: // the farm did not send the user on
		s.Judgement = t.judge(&s, version, false)
	default:
		token, otherUser := g.reader.read(&s, req.id[:], req.upn, &conn.response)
		s.Judgement = t.judge(&s, version, otherUser)
		g.verify(token)
		of.conns.release(conn) // and with it the token
	}
	g.record(&s)
}

// verify checks the signature of every 256th token, the first included.
func (g *Generator) verify(token []byte) {
	if token == nil || g.cfg.Verify == nil || g.tally.accepted.Add(1)%verifyEvery != 1 {
		return
	}
	g.tally.verified.Add(1)
	if g.cfg.Verify(token) != nil {
		g.tally.badTokens.Add(1)
	}
}
