package load

import (
	"fmt"
	"math"
	"math/bits"
	"slices"

	"ptabench/population"
	"ptabench/scenarios"
)

// kinds is what each intent means: who signs in, with which password, and
// what the directory's answer is, as an AADSTS code, 0 when it accepts. The
// codes are those of Microsoft, "Microsoft Entra authentication and
// authorization error codes".
var kinds = []struct {
	intent  scenarios.Intent
	state   population.State
	wrong   bool // gives the wrong password
	old     bool // changed the password, and gives the former one
	unknown bool // is nobody the directory knows
	truth   uint32
}{
	{intent: scenarios.IntentRight, state: population.Active},
	{intent: scenarios.IntentWrong, state: population.Active, wrong: true, truth: 50126},
	{intent: scenarios.IntentDisabled, state: population.Disabled, truth: 50057},
	{intent: scenarios.IntentLocked, state: population.Locked, truth: 50053},
	{intent: scenarios.IntentExpired, state: population.PasswordExpired, truth: 50144},
	{intent: scenarios.IntentMustChange, state: population.MustChange, truth: 50144},
	{intent: scenarios.IntentAccountExpired, state: population.AccountExpired, truth: 50057},
	{intent: scenarios.IntentUnknown, unknown: true, truth: 50034},
	{intent: scenarios.IntentOld, state: population.Active, old: true, truth: 50126},
}

// Intents names all intents, in the order of the Intent numbers of samples.
func Intents() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k.intent)
	}
	return names
}

// truth is the directory's answer to a sign-in of an intent: 0 when it accepts,
// otherwise the AADSTS code of its refusal.
func truth(intent scenarios.Intent) (code uint32, err error) {
	for _, k := range kinds {
		if k.intent == intent {
			return k.truth, nil
		}
	}
	return 0, fmt.Errorf("intent %q: not one of %v", intent, Intents())
}

// A mix says who signs in with arrival n: an intent by its share, then a user
// fit for it, both from a hash of the seed and n. Of the intent old these are
// the users who changed their password last.
type mix struct {
	people *population.Population
	seed   uint64
	upTo   []uint64 // cumulative shares of the kinds, of 2^64
	users  [][]int  // by kind; nil for unknown users
}

func newMix(people *population.Population, shares map[scenarios.Intent]float64, changed int, seed uint64) (*mix, error) {
	m := &mix{people: people, seed: seed, upTo: make([]uint64, len(kinds)), users: make([][]int, len(kinds))}
	sum, last := 0.0, -1
	for i, k := range kinds {
		share := shares[k.intent]
		if !(share >= 0 && share <= 1) {
			return nil, fmt.Errorf("share of %s sign-ins %v: expected 0 to 1", k.intent, share)
		}
		if share > 0 {
			last = i
			switch {
			case k.unknown:
			case k.old:
				if m.users[i] = people.Changed(changed); len(m.users[i]) == 0 {
					return nil, fmt.Errorf("share of %s sign-ins %v: no active user changed the password, of %d who may have", k.intent, share, changed)
				}
			default:
				if m.users[i] = people.In(k.state); len(m.users[i]) == 0 {
					return nil, fmt.Errorf("share of %s sign-ins %v: no user is %s", k.intent, share, k.state)
				}
			}
		}
		sum += share
		m.upTo[i] = uint64(math.Min(sum*(1<<64), math.MaxUint64))
	}
	for intent := range shares {
		if _, err := truth(intent); err != nil {
			return nil, fmt.Errorf("mix: %w", err)
		}
	}
	if math.Abs(sum-1) > 1e-6 {
		return nil, fmt.Errorf("shares of sign-ins: add up to %v, expected 1", sum)
	}
	for i := last; i < len(kinds); i++ {
		m.upTo[i] = math.MaxUint64 // whatever rounding left goes to the last share
	}
	return m, nil
}

// at returns the kind and user of arrival n. Unknown users are numbered as
// many as there are users.
func (m *mix) at(n uint32) (kind uint8, user uint32) {
	h := scramble(m.seed + 0x9e3779b97f4a7c15*(uint64(n)+1))
	i, _ := slices.BinarySearchFunc(m.upTo, h, func(upTo, h uint64) int {
		if upTo <= h && upTo != math.MaxUint64 {
			return -1
		}
		return 1
	})
	of := m.people.Len()
	if !kinds[i].unknown {
		of = len(m.users[i])
	}
	pick, _ := bits.Mul64(scramble(h), uint64(of))
	if kinds[i].unknown {
		return uint8(i), uint32(pick)
	}
	return uint8(i), uint32(m.users[i][pick])
}

// upn is the user principal name of a user of a kind.
func (m *mix) upn(kind uint8, user uint32) string {
	if kinds[kind].unknown {
		return m.people.UnknownUPN(int(user))
	}
	return m.people.UPN(int(user))
}

// password is what the user types. Unknown users type what looks like a
// password.
func (m *mix) password(kind uint8, user uint32) string {
	switch k := kinds[kind]; {
	case k.wrong, k.unknown:
		return m.people.WrongPassword(int(user))
	case k.old:
		return m.people.PreviousPassword(int(user))
	}
	return m.people.Password(int(user))
}

// typed is password for a user who has changed it so many times.
func (m *mix) typed(kind uint8, user, version uint32) string {
	switch k := &kinds[kind]; {
	case version == 0, k.wrong, k.unknown:
		return m.password(kind, user)
	case k.old:
		return m.people.FormerOf(int(user), version)
	}
	return m.people.VersionOf(int(user), version)
}

// scramble is the finalizer of SplitMix64 (Steele, Lea, Flood 2014): a
// bijection whose output passes for random.
func scramble(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
