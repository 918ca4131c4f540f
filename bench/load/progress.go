package load

import (
	"sync/atomic"

	"ptabench/results"
)

// Progress is how far a load is, warm-up included. Planned = Sent + Unsent
// when it is over, and Sent = InFlight + Accepted + Refused + Failed + Unknown
// at any time, but for what changes while it is read.
type Progress struct {
	Planned, Sent, Unsent              uint64
	Accepted, Refused, Failed, Unknown uint64
	InFlight                           int64
	HashSync, Federation               uint64
	WrongAccepts, WrongRefusals        uint64
	Handshakes                         uint64 // TLS handshakes begun
	TokensVerified, TokensBad          uint64 // signatures checked, and wrong
}

// A tally counts sign-ins as they go.
type tally struct {
	planned, sent       atomic.Uint64
	outcomes            [results.OutcomeUnknown + 1]atomic.Uint64
	inFlight            atomic.Int64
	hashSync            atomic.Uint64
	federation          atomic.Uint64
	wrongAccepts        atomic.Uint64
	wrongRefusals       atomic.Uint64
	accepted            atomic.Uint64 // tokens seen, to choose which to verify
	verified, badTokens atomic.Uint64
}

// count adds a sign-in that ended.
func (t *tally) count(s *results.Sample) {
	t.outcomes[s.Outcome].Add(1)
	switch s.Path {
	case results.PathHashSync:
		t.hashSync.Add(1)
	case results.PathFederation:
		t.federation.Add(1)
	}
	switch s.Judgement {
	case results.WrongAccept:
		t.wrongAccepts.Add(1)
	case results.WrongRefusal:
		t.wrongRefusals.Add(1)
	}
}

func (t *tally) progress() Progress {
	return Progress{
		Planned:        t.planned.Load(),
		Sent:           t.sent.Load(),
		Unsent:         t.outcomes[results.OutcomeUnsent].Load(),
		Accepted:       t.outcomes[results.OutcomeAccepted].Load(),
		Refused:        t.outcomes[results.OutcomeRefused].Load(),
		Failed:         t.outcomes[results.OutcomeFailed].Load(),
		Unknown:        t.outcomes[results.OutcomeUnknown].Load(),
		InFlight:       t.inFlight.Load(),
		HashSync:       t.hashSync.Load(),
		Federation:     t.federation.Load(),
		WrongAccepts:   t.wrongAccepts.Load(),
		WrongRefusals:  t.wrongRefusals.Load(),
		TokensVerified: t.verified.Load(),
		TokensBad:      t.badTokens.Load(),
	}
}
