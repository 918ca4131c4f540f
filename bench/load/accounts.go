package load

import (
	"time"

	"ptabench/population"
	"ptabench/results"
)

// Accounts says what the directory has of users who change while the load goes
// on.
type Accounts interface {
	// Version is that of the password that a user knows now.
	Version(user int) uint32
	// Recent picks a user who changed their password, by an evenly drawn number.
	Recent(pick uint64) (user int, ok bool)
	// Between calls with each account that a user may have had between two times.
	Between(user int, from, to time.Time, yield func(population.Account) bool)
}

// stateCodes is the directory's answer to users in a state that refuses them.
var stateCodes = func() (codes [population.AccountExpired + 1]uint32) {
	for _, k := range kinds {
		if k.state != population.Active {
			codes[k.state] = k.truth
		}
	}
	return codes
}()

// choose is who signs in with an arrival, and the version of the password that
// they know. Whoever types a former password is one of those who changed it
// since the load began, once there are any.
func (g *Generator) choose(seq uint32) (kind uint8, user, version uint32) {
	kind, user = g.mix.at(seq)
	if g.cfg.Accounts == nil || kinds[kind].unknown {
		return kind, user, 0
	}
	if kinds[kind].old {
		if recent, ok := g.cfg.Accounts.Recent(scramble(g.mix.seed ^ uint64(seq))); ok {
			user = uint32(recent)
		}
	}
	return kind, user, g.cfg.Accounts.Version(int(user))
}

// judge compares the answer to a sign-in with what the directory answers. Where
// accounts change, it may have been any of several while the sign-in was under
// way: the answer is judged by the one that it agrees with best. Directories
// differ in what they tell of a wrong password of an account that is refused.
func (t *signIns) judge(s *results.Sample, version uint32, otherUser bool) results.Judgement {
	g, zero := t.g, t.start.Add(t.g.cfg.Warmup)
	k := &kinds[s.Intent]
	if g.cfg.Accounts == nil || k.unknown {
		return judge(s, k.truth, otherUser)
	}
	best := results.NotJudged
	g.cfg.Accounts.Between(int(s.User), zero.Add(time.Duration(s.Sent)), zero.Add(time.Duration(s.Done)), func(a population.Account) bool {
		truth := stateCodes[a.State]
		typed := version
		if k.old {
			typed-- // of version 0 that is one that nobody ever has
		}
		saysSo := a.State == population.Active || g.cfg.PasswordFirst && s.Code == wrongPassword
		if saysSo && (k.wrong || typed != a.Version) {
			truth = wrongPassword
		}
		best = better(best, judge(s, truth, otherUser))
		return best != results.Right
	})
	return best
}

// wrongPassword is the directory's answer to a password that is not the user's.
const wrongPassword = 50126

// better is the milder of two judgements of one answer.
func better(a, b results.Judgement) results.Judgement {
	switch {
	case a == results.NotJudged || b == results.Right:
		return b
	case b == results.NotJudged || a == results.Right:
		return a
	case b == results.OtherReason:
		return b
	}
	return a
}
