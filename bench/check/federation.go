package check

import (
	"ptabench/observe"
	"ptabench/results"
)

// A sign-in of a federated user begins at a federation server. What that
// refuses, or fails at, ends there: the cloud hears only of tokens.

// A federatedBook is what the harness has of sign-ins of federated users.
type federatedBook struct {
	sent     uint64 // to federation servers
	refused  uint64 // decided by federation: no
	accepted uint64 // decided by federation: yes
	byUser   []uint32
}

func (f *federatedBook) sentOf(user int) uint64 {
	if f.byUser == nil {
		return 0
	}
	return uint64(f.byUser[user])
}

// recordFederated takes in a sign-in that began at a federation server. Who
// was answered there was bound there, as by a connector.
func (b *book) recordFederated(s *results.Sample, p *page) {
	f := &b.federated
	if f.byUser == nil {
		f.byUser = make([]uint32, len(b.decidedByUser))
	}
	if s.Outcome == results.OutcomeUnsent {
		return
	}
	f.sent++
	if p.user != unknownUser {
		f.byUser[p.user]++
	}
	if s.Outcome == results.OutcomeRefused || s.Outcome == results.OutcomeFailed {
		p.logged |= mayEndBefore
	}
	if s.Path != results.PathFederation {
		return
	}
	switch s.Outcome {
	case results.OutcomeAccepted:
		f.accepted++
	case results.OutcomeRefused:
		f.refused++
	default:
		return
	}
	b.decided++
	if p.user != unknownUser {
		b.decidedByUser[p.user]++
	}
}

// farmSum is what federation servers counted over all their starts.
type farmSum struct {
	observe.FederationCounters
	refused, failed uint64
	inFlight        uint64
	servers         bool
	killed          string // excuse, when one was killed
}

func sumFederation(books []FederationBook) (sum farmSum) {
	for _, b := range books {
		c := b.Counters
		sum.servers = true
		sum.Received += c.Received
		sum.Accepted += c.Accepted
		sum.Sessions += c.Sessions
		sum.Held += c.Held
		sum.Binds += c.Binds
		sum.BindReplies += c.BindReplies
		sum.ReasonLookups += c.ReasonLookups
		sum.NameLookups += c.NameLookups
		sum.DirectoryRedials += c.DirectoryRedials
		sum.inFlight += uint64(max(c.InFlight, 0))
		for _, n := range c.Refused {
			sum.refused += n
		}
		for _, n := range c.Failed {
			sum.failed += n
		}
		if b.Killed {
			sum.killed = "a killed federation server took its counts along"
		}
	}
	return sum
}

// named is the ledger of federation servers; nil without any.
func (f *farmSum) named() map[string]uint64 {
	if !f.servers {
		return nil
	}
	return map[string]uint64{"received": f.Received, "accepted": f.Accepted, "refused": f.refused, "failed": f.failed,
		"sessions": f.Sessions, "binds": f.Binds, "bind_replies": f.BindReplies, "reason_lookups": f.ReasonLookups, "name_lookups": f.NameLookups}
}

// federationChecks hold what users were told against what federation servers
// say that they said, and the tokens that the cloud took against those that
// were issued. A token may be issued and never be brought, when its user was
// not told in time.
func federationChecks(r *reckoning, in Input, b *book, t comparison, cloud cloudSum, farm farmSum) {
	f := b.federated
	either := joined(farm.killed, cloud.killed)
	r.addExcused("decided by federation = entries in the log that say so", cloud.Federation, "=", b.logPaths[results.PathFederation], cloud.killed)
	r.addExcused("tokens that the cloud took <= tokens issued by federation servers", cloud.Federation, "<=", farm.Accepted+farm.Sessions, farm.killed)
	r.addExcused("sign-ins accepted by federation <= tokens that the cloud took", f.accepted, "<=", cloud.Federation, cloud.killed)
	r.addExcused("sign-ins refused by federation <= refusals by federation servers", f.refused, "<=", farm.refused, farm.killed)
	r.addExcused("received by federation servers <= sign-ins sent to them", farm.Received, "<=", f.sent, "")
	r.addExcused("sign-ins decided by federation <= received by federation servers", f.accepted+f.refused, "<=", farm.Received, farm.killed)
	r.addExcused("received by federation servers = accepted + refused + failed + in hand", farm.Received, "=", farm.Accepted+farm.refused+farm.failed+farm.inFlight, farm.killed)
	r.addExcused("ended at a federation server, and not in the cloud's log <= sign-ins sent to them - tokens that the cloud took", t.endedBefore, "<=",
		f.sent-min(f.sent, cloud.Federation), either)
}

// uncountedChecks stand in for those of a directory that keeps no books: only
// who asks it tells how often.
func uncountedChecks(r *reckoning, in Input, b *book, cloud cloudSum, connectors observe.AgentCounters, farm farmSum) {
	why := "the directory, " + in.Uncounted + ", counts no binds by user: this side is open"
	killed := farm.killed
	if anyKilled(in.Connectors) {
		killed = "a killed connector took its counts along"
	}
	again := cloud.killed
	if again == "" && (connectors.DirectoryRedials+connectors.DirectoryMoves+farm.DirectoryRedials > 0 || killed != "") {
		again = "a bind on a directory connection that was lost is made again"
	}
	asked := connectors.Binds + farm.Binds
	by := "answers by pass-through"
	if in.Federated != nil {
		by += " and federation"
	}
	// Whom a look-up of what users bind as does not find is not bound.
	r.addExcused(by+" <= binds sent to the directory + look-ups of names", b.decided, "<=", asked+connectors.NameLookups+farm.NameLookups, killed)
	r.addExcused("binds sent to the directory <= attempts", asked, "<=", b.attempts+b.federated.sent, again)
	r.checks = append(r.checks, results.LedgerCheck{Text: "binds sent to the directory = binds in the directory", Left: asked, Op: "=", Right: 0,
		Holds: true, Waived: true, Note: why})
}
