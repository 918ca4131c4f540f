package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"ptabench/observe"
	"ptabench/results"
)

// A reckoning collects the equations between ledgers.
type reckoning struct {
	checks []results.LedgerCheck
}

func (r *reckoning) add(text string, left uint64, op string, right uint64, note string) {
	holds := left == right
	if op == "<=" {
		holds = left <= right
	}
	r.checks = append(r.checks, results.LedgerCheck{Text: text, Left: left, Op: op, Right: right, Holds: holds, Note: note})
}

// addExcused adds an equation that what a killed process took along may break:
// it is stated as the inequality that is left of it.
func (r *reckoning) addExcused(text string, left uint64, op string, right uint64, excuse string) {
	r.add(text, left, op, right, "")
	if last := &r.checks[len(r.checks)-1]; !last.Holds && excuse != "" {
		last.Holds, last.Waived, last.Note = true, true, excuse
	}
}

// addSums adds an inequality that must hold for each of several parties. The
// sums are shown; failing names the parties for which it does not hold and that
// the note does not excuse.
func (r *reckoning) addSums(text string, left, right uint64, failing []string, of uint64, note string) {
	check := results.LedgerCheck{Text: text, Left: left, Op: "<=", Right: right, Holds: len(failing) == 0, Note: note}
	check.Waived = check.Holds && left > right
	if len(failing) > 0 {
		check.Note = strings.TrimPrefix(note+"; it does not hold for "+some(failing, of), "; ")
	}
	r.checks = append(r.checks, check)
}

// balanceBooks reconciles the ledgers of the harness, the cloud, the
// connectors and the directory, over the whole run with its warm-up.
func balanceBooks(in Input, b *book) results.Ledgers {
	t := b.compare()
	cloud := sumCloud(in.Cloud)
	connectors := sumConnectors(in.Connectors)
	directory := sumDirectory(in.Directory)
	farm := sumFederation(in.Federation)

	r := &reckoning{}
	harnessChecks(r, in, b, t)
	cloudChecks(r, in, b, t, cloud)
	connectorChecks(r, in, cloud)
	if in.Federated != nil {
		federationChecks(r, in, b, t, cloud, farm)
	}
	directoryChecks(r, in, b, cloud, connectors, farm, &directory)

	l := results.Ledgers{
		Harness: map[string]uint64{
			"planned": in.Generator.Planned, "sent": in.Generator.Sent, "unsent": in.Generator.Unsent,
			"accepted": b.outcomes[results.OutcomeAccepted], "refused": b.outcomes[results.OutcomeRefused],
			"failed": b.outcomes[results.OutcomeFailed], "unknown": b.outcomes[results.OutcomeUnknown],
			"unknown_arrived": t.unknownLogged, "decided_by_pass_through": b.decided,
		},
		Cloud: map[string]uint64{
			"received": cloud.Received, "accepted": cloud.Accepted, "refused": cloud.Refused, "failed": cloud.Failed,
			"pass_through": cloud.PassThrough, "hash_sync": cloud.HashSync, "attempts": cloud.Attempts,
			"handed_off": cloud.HandedOff, "expired": cloud.Expired, "overflowed": cloud.Overflowed,
			"log_entries": b.entries, "log_attempts": b.attempts, "denied": cloud.denied,
		},
		Connectors: map[string]uint64{
			"taken": connectors.Taken, "answers": connectors.Answers, "resent": connectors.Resent, "binds": connectors.Binds,
			"bind_replies": connectors.BindReplies, "reason_lookups": connectors.ReasonLookups,
		},
		Directory:  directory.named(),
		Federation: farm.named(),
		Checks:     r.checks,
		Missing:    names(in.RequestID, t.missing),
		Doubled:    names(in.RequestID, t.doubled),
	}
	l.Balanced = len(l.Missing) == 0 && len(l.Doubled) == 0 &&
		!slices.ContainsFunc(l.Checks, func(c results.LedgerCheck) bool { return !c.Holds })
	return l
}

func harnessChecks(r *reckoning, in Input, b *book, t comparison) {
	o := b.outcomes
	sent := o[results.OutcomeAccepted] + o[results.OutcomeRefused] + o[results.OutcomeFailed] + o[results.OutcomeUnknown]
	g := in.Generator
	r.add("planned = sent + unsent", g.Planned, "=", g.Sent+g.Unsent, "")
	r.add("sent = accepted + refused + failed + unknown", g.Sent, "=", sent, "")
	r.add("planned = sign-ins in the samples", g.Planned, "=", sent+o[results.OutcomeUnsent]+b.repeated, "")
	note := ""
	if t.missingInAll > 0 {
		note = "missing: " + some(names(in.RequestID, t.missing), t.missingInAll)
	}
	if t.lost > 0 {
		note = strings.TrimPrefix(note+fmt.Sprintf("; without %d answered around the end of a killed simulator, which took the end of its log along", t.lost), "; ")
	}
	answered := "answered sign-ins = those once in the cloud's log"
	if in.Federated != nil {
		answered = "answered sign-ins, without those that ended at a federation server = those once in the cloud's log"
	}
	r.add(answered, sent-o[results.OutcomeUnknown]-t.lost-t.endedBefore, "=", t.once, note)
	note = ""
	if t.doubledInAll > 0 {
		note = "doubled: " + some(names(in.RequestID, t.doubled), t.doubledInAll)
	}
	r.add("sign-ins recorded or logged more often than they were sent = none", t.doubledInAll, "=", 0, note)
	note = ""
	if b.differing > 0 {
		note = "differing: " + some(names(in.RequestID, b.differ), b.differing)
	}
	r.add("answers whose outcome, code or path the log gives otherwise = none", b.differing, "=", 0, note)
}

// cloudSum is the cloud's counters over all tenants and starts.
type cloudSum struct {
	observe.TenantCounters
	denied uint64
	by     map[string]observe.ConnectorCounters
	killed string // excuse, when a simulator was killed
}

func sumCloud(books []CloudBook) cloudSum {
	sum := cloudSum{by: map[string]observe.ConnectorCounters{}}
	for _, book := range books {
		if book.Killed {
			sum.killed = "a killed simulator took its counts along"
		}
		for _, n := range book.Counters.Denied {
			sum.denied += n
		}
		for _, t := range book.Counters.Tenants {
			sum.Received += t.Received
			sum.Accepted += t.Accepted
			sum.Refused += t.Refused
			sum.Failed += t.Failed
			sum.PassThrough += t.PassThrough
			sum.HashSync += t.HashSync
			sum.Federation += t.Federation
			sum.Attempts += t.Attempts
			sum.HandedOff += t.HandedOff
			sum.Expired += t.Expired
			sum.Overflowed += t.Overflowed
			for _, c := range t.Connectors {
				of := sum.by[c.Name]
				of.Attempts += c.Attempts
				of.Answered += c.Answered
				of.PathFailures += c.PathFailures
				of.Late += c.Late
				of.NotGiven += c.NotGiven
				sum.by[c.Name] = of
			}
		}
	}
	return sum
}

func cloudChecks(r *reckoning, in Input, b *book, t comparison, c cloudSum) {
	note := ""
	if b.strangers > 0 {
		note = fmt.Sprintf("%d sign-ins are not of this run", b.strangers)
	}
	r.addExcused("sent, without the unknown that never arrived = received by the cloud", t.arrived+b.strangers, "=", c.Received, c.killed)
	if c.killed != "" {
		r.add("received by the cloud <= sent", c.Received, "<=", t.arrived+t.unknown+b.strangers, "what a killed simulator had in hand nobody answered")
	} else if last := &r.checks[len(r.checks)-1]; last.Note == "" {
		last.Note = note
	}
	r.addExcused("received by the cloud = accepted + refused + failed", c.Received, "=", c.Accepted+c.Refused+c.Failed, c.killed)
	r.addExcused("answered by the cloud = entries in its log", c.Accepted+c.Refused+c.Failed, "=", b.entries, c.killed)
	r.addExcused("decided by pass-through = entries in the log that say so", c.PassThrough, "=", b.logPaths[results.PathPassThrough], c.killed)
	r.addExcused("decided by hash sync = entries in the log that say so", c.HashSync, "=", b.logPaths[results.PathHashSync], c.killed)
	r.addExcused("attempts by the cloud = attempts in its log", c.Attempts, "=", b.attempts, c.killed)
	// A handoff that found no other connector in time made no attempt.
	r.addExcused("attempts <= sign-ins given to a connector + handoffs", c.Attempts, "<=", b.given+c.HandedOff, c.killed)
	if b.torn > 0 && c.killed == "" {
		r.add("torn lines in the cloud's log = none", b.torn, "=", 0, "the simulator was not killed")
	}
	var answered, notGiven uint64
	for _, of := range c.by {
		answered += of.Answered
		notGiven += of.NotGiven
	}
	r.addExcused("decided by pass-through = answers of connectors that were used", c.PassThrough, "=", answered, c.killed)
	// A simulator that was started again gets the answers to what its
	// predecessor asked.
	r.addExcused("answers to sign-ins that the connector was not given = none", notGiven, "=", 0, c.killed)
}

func sumConnectors(books []ConnectorBook) (sum observe.AgentCounters) {
	for _, b := range books {
		addConnector(&sum, b.Counters)
	}
	return sum
}

func addConnector(sum *observe.AgentCounters, c observe.AgentCounters) {
	sum.Taken += c.Taken
	sum.Answers += c.Answers
	sum.Resent += c.Resent
	sum.Binds += c.Binds
	sum.BindReplies += c.BindReplies
	sum.ReasonLookups += c.ReasonLookups
	sum.NameLookups += c.NameLookups
	sum.DirectoryRedials += c.DirectoryRedials
	sum.DirectoryMoves += c.DirectoryMoves
}

// connectorChecks holds each connector against the cloud. What a killed one
// counted after its last reading is gone, so of its own figures only those
// that are the lesser side remain.
func connectorChecks(r *reckoning, in Input, cloud cloudSum) {
	own := map[string]observe.AgentCounters{}
	killed := map[string]bool{}
	for _, b := range in.Connectors {
		of := own[b.Name]
		addConnector(&of, b.Counters)
		own[b.Name] = of
		killed[b.Name] = killed[b.Name] || b.Killed
	}
	var taken, attempts, answers, takenByLiving, used, answersByLiving uint64
	var took, answered, usedMore []string
	for _, name := range slices.Sorted(maps.Keys(own)) {
		mine, theirs := own[name], cloud.by[name]
		taken += mine.Taken
		attempts += theirs.Attempts
		if mine.Taken > theirs.Attempts && cloud.killed == "" {
			took = append(took, name)
		}
		if killed[name] {
			continue
		}
		takenByLiving += mine.Taken
		answers += mine.Answers
		if mine.Answers > mine.Taken {
			answered = append(answered, name)
		}
		used += theirs.Answered + theirs.PathFailures
		answersByLiving += mine.Answers
		if theirs.Answered+theirs.PathFailures > mine.Answers {
			usedMore = append(usedMore, name)
		}
	}
	note := ""
	if n := countTrue(killed); n > 0 {
		note = fmt.Sprintf("without %d connectors that were killed and took their counts along", n)
	}
	r.addSums("taken by connectors <= attempts by the cloud", taken, attempts, took, uint64(len(took)), cloud.killed)
	r.addSums("answers by connectors <= taken by them", answers, takenByLiving, answered, uint64(len(answered)), note)
	r.addSums("answers that reached the cloud in time <= answers by connectors", used, answersByLiving, usedMore, uint64(len(usedMore)), note)
}

func countTrue(m map[string]bool) (n int) {
	for _, v := range m {
		if v {
			n++
		}
	}
	return n
}
