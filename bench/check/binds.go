package check

import "ptabench/observe"

// directorySum is what the directory counted over all its starts.
type directorySum struct {
	binds       map[string]uint64 // by outcome
	total       uint64
	service     uint64
	searches    uint64
	unavailable uint64 // binds refused by a fault, the service account's included
	doubled     uint64 // binds of a user beyond his answers by pass-through
	killed      bool
}

func sumDirectory(books []DirectoryBook) directorySum {
	sum := directorySum{binds: map[string]uint64{}}
	for _, b := range books {
		for outcome, n := range b.Counters.Binds {
			sum.binds[outcome] += n
			sum.total += n
		}
		sum.service += b.Counters.Service
		sum.unavailable += b.Counters.Unavailable
		sum.searches += b.Counters.Searches
		sum.killed = sum.killed || b.Killed
	}
	return sum
}

// named is the directory's ledger.
func (d *directorySum) named() map[string]uint64 {
	m := map[string]uint64{"binds": d.total, "service_binds": d.service, "searches": d.searches, "binds_beyond_answers": d.doubled, "unavailable_binds": d.unavailable}
	for outcome, n := range d.binds {
		m["binds_"+outcome] = n
	}
	return m
}

// directoryChecks holds the binds against the answers that rest on them and
// the attempts that made them. An answer by pass-through needs a bind; an
// attempt makes at most one, but that one made on a connection which the
// directory closes is made again on another. What a look-up of the reason
// binds as is the service account, which is counted apart. Users whom the
// directory does not know are in the totals only. A federation server answers
// and binds likewise, once for each sign-in that it was sent.
func directoryChecks(r *reckoning, in Input, b *book, cloud cloudSum, connectors observe.AgentCounters, farm farmSum, d *directorySum) {
	if in.Uncounted != "" {
		uncountedChecks(r, in, b, cloud, connectors, farm)
		return
	}
	byUser := make([]uint64, in.Population.Len())
	var known, unknownUsers uint64
	for _, book := range in.Directory {
		for _, u := range book.Users {
			n := u.Success + u.Refused
			if i, ok := in.Population.Index(u.User); ok {
				byUser[i] += n
				known += n
			} else {
				unknownUsers += n
			}
		}
	}
	var answers, attempts, over, under uint64
	var tooFew, tooMany []string
	for i, binds := range byUser {
		mine, tried := uint64(b.decidedByUser[i]), uint64(b.attemptsByUser[i])+b.federated.sentOf(i)
		answers += mine
		attempts += tried
		d.doubled += max(binds, mine) - mine
		if mine > binds {
			if under++; len(tooFew) < maxNamed {
				tooFew = append(tooFew, in.Population.UPN(i))
			}
		}
		if binds > tried {
			if over++; len(tooMany) < maxNamed {
				tooMany = append(tooMany, in.Population.UPN(i))
			}
		}
	}
	lost := ""
	if d.killed {
		lost = "a killed directory took its counts along"
	}
	again := cloud.killed
	switch {
	case connectors.DirectoryRedials+connectors.DirectoryMoves+farm.DirectoryRedials > 0 || len(in.Directory) > 1:
		again = "a bind on a directory connection that was lost is made again"
	case again == "" && anyKilled(in.Connectors):
		again = "a killed connector took along how many binds it made again"
	case again == "" && farm.killed != "":
		again = farm.killed
	}
	// Excused users are not failing ones; the totals below bound them.
	if lost != "" {
		tooFew = nil
	}
	if again != "" {
		tooMany = nil
	}
	by := "answers by pass-through"
	if in.Federated != nil {
		by = "answers by pass-through and federation"
	}
	r.addSums(by+" <= binds, for each user", answers, known, tooFew, under, lost)
	r.addSums("binds <= attempts, for each user", known, attempts, tooMany, over, excuseIf(over > 0, again))
	r.add("binds of users that are not in the population = none", unknownUsers, "=", 0, "")
	r.addExcused(by+" <= binds, users that the directory does not know included", b.decided, "<=", d.total, lost)
	r.addExcused("binds <= attempts, likewise", d.total, "<=", b.attempts+b.federated.sent, again)
	excuse := cloud.killed
	if anyKilled(in.Connectors) {
		excuse = "a killed connector took its counts along"
	}
	sent := "binds in the directory <= binds sent by connectors"
	if in.Federated != nil {
		sent += " and federation servers"
		if excuse == "" {
			excuse = farm.killed
		}
	}
	r.addExcused(sent, d.total, "<=", connectors.Binds+farm.Binds, excuse)
	if len(in.Directory) > 0 {
		r.addExcused("binds of known users = binds in the directory, unknown users' aside", known, "=", d.total-d.binds["unknown"], lost)
	}
}

func anyKilled(books []ConnectorBook) bool {
	for _, b := range books {
		if b.Killed {
			return true
		}
	}
	return false
}

func excuseIf(needed bool, excuse string) string {
	if needed {
		return excuse
	}
	return ""
}
