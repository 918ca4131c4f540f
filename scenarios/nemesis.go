package scenarios

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// What a nemesis keeps to. Its pauses are long enough for a connector to be
// started again and to reconnect, which ends within a second.
const (
	nemesisShortest = Duration(1e9)       // a fault of it
	nemesisLongest  = 5 * nemesisShortest // likewise
	nemesisPause    = 2 * nemesisShortest // after each, at least; twice as long at most
	nemesisAgain    = nemesisShortest / 2 // when there was nothing it could do
	nemesisGrain    = nemesisShortest / 1e3
)

// nemesisStream tells the random numbers of a nemesis from others that derive
// from the same seed.
const nemesisStream = 0x6e656d65736973

// A chaos is a nemesis at work: as many lanes as its budget, each breaking one
// connector after another with pauses between. Connectors that other faults of
// the scenario break are left alone and count against the budget.
type chaos struct {
	fault   Fault   // the nemesis, from its absolute beginning
	faults  []Fault // of the scenario
	budget  int
	random  *rand.Rand
	kinds   deck[FaultKind]
	ports   deck[string]
	modes   deck[BlockMode]
	free    []Duration // by connector: from when it may be broken again
	ahead   []placed   // what it must not collide with, in order of time
	near    []placed   // those of them that are on
	done    []Fault
	limited bool // it would have gone on
}

// A deck deals all its cards before it deals one again, so that a nemesis of
// some minutes has every kind of fault in it.
type deck[T any] struct{ all, left []T }

func (d *deck[T]) deal(random *rand.Rand) T {
	if len(d.left) == 0 {
		d.left = slices.Clone(d.all)
		random.Shuffle(len(d.left), func(i, j int) { d.left[i], d.left[j] = d.left[j], d.left[i] })
	}
	card := d.left[0]
	d.left = d.left[1:]
	return card
}

// nemesis places the faults that a nemesis makes.
func (p *plan) nemesis(i int) {
	f, count := p.scenario.Faults[i], p.scenario.Connectors.Count
	if count < 2 {
		return // a mistake of its own
	}
	f.At = p.starts[i].from
	// A seed of its own makes it the same wherever it stands; that of the
	// scenario must not make two of them alike.
	seed, stream := f.Seed, uint64(nemesisStream)
	if seed == 0 {
		seed, stream = p.scenario.Seed, nemesisStream+1+uint64(i)
	}
	c := &chaos{
		fault:  f,
		faults: p.scenario.Faults,
		budget: max(f.Budget, 1),
		random: rand.New(rand.NewPCG(seed, stream)),
		kinds:  deck[FaultKind]{all: nemesisStandard},
		ports:  deck[string]{all: []string{requestPorts, responsePorts}},
		modes:  deck[BlockMode]{all: []BlockMode{Refuse, Reset, Stall}},
		free:   make([]Duration, count),
		ahead:  slices.SortedFunc(slices.Values(p.placed), inTime),
	}
	if len(f.Kinds) > 0 {
		c.kinds.all = f.Kinds
	}
	c.rage(maxSchedule - len(p.placed))
	switch {
	case c.limited:
		p.tooMany(i, "for", f.For.String())
		return
	case len(c.done) == 0:
		p.misplace(i, "for", f.For.String(), "a time when it can break something beside the other faults, within its budget")
	}
	for n, one := range c.done {
		one.Name = f.Name
		one.become(n + 1)
		p.placed = append(p.placed, placed{one, i, n})
	}
}

// overlaps says whether both are on at one time. One that begins when the other
// ends does overlap: which comes first would be luck.
func (f Fault) overlaps(other Fault) bool { return f.At <= other.End() && other.At <= f.End() }

// rage fills the time of the nemesis with at most so many faults.
func (c *chaos) rage(most int) {
	lanes := make([]Duration, min(c.budget, len(c.free))) // when each acts next
	for i := range lanes {
		lanes[i] = c.fault.At
		if i > 0 {
			lanes[i] += c.upTo(nemesisPause)
		}
	}
	for {
		lane := 0
		for i, at := range lanes {
			if at < lanes[lane] {
				lane = i
			}
		}
		at := lanes[lane]
		if at+nemesisShortest > c.fault.End() {
			break
		}
		one, ok := c.next(at)
		if !ok {
			lanes[lane] += nemesisAgain
			continue
		}
		if len(c.done) == most {
			c.limited = true
			return
		}
		c.done = append(c.done, one)
		lanes[lane] = one.End() + nemesisPause + c.upTo(nemesisPause)
	}
	slices.SortStableFunc(c.done, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
}

// next is something to break now; there may be nothing.
func (c *chaos) next(at Duration) (Fault, bool) {
	kind := c.kinds.deal(c.random)
	c.lookAround(at, at+nemesisLongest)
	lasts := min(nemesisShortest+c.upTo(nemesisLongest-nemesisShortest), c.fault.End()-at)
	for _, n := range c.random.Perm(len(c.free)) {
		if c.free[n] > at {
			continue
		}
		f := c.fill(Fault{Kind: kind, Target: connectorName(n + 1), At: at, For: lasts})
		if c.beyond(f, n) || slices.ContainsFunc(c.near, func(o placed) bool { return o.overlaps(f) && o.conflict(f) != "" }) {
			continue
		}
		c.free[n] = f.End() + nemesisPause
		return f, true
	}
	return Fault{}, false
}

// beyond says whether a fault of the n-th connector, from 0, would break one
// that another fault of the scenario breaks, or with those one more than the
// budget allows. It counts all that are broken at any time of the fault.
func (c *chaos) beyond(f Fault, n int) bool {
	broken := make([]bool, len(c.free))
	total := 0
	for _, o := range c.near {
		if c.faults[o.index].Kind == Nemesis || !o.overlaps(f) {
			continue
		}
		for m := range broken {
			if !broken[m] && o.breaks(connectorName(m+1)) {
				broken[m] = true
				total++
			}
		}
	}
	if total == 0 {
		return false // the lanes are as many as the budget
	}
	for m, free := range c.free {
		if !broken[m] && free-nemesisPause >= f.At {
			total++
		}
	}
	return broken[n] || total >= c.budget
}

// breaks says whether the fault takes a connector out. One that is slowed down
// is still there.
func (f Fault) breaks(connector string) bool {
	switch f.Kind {
	case Crash, Freeze, Stop, PowerLoss, Block:
		return sharedTarget(f.Target, connector) != ""
	}
	return f.ofBinds() && f.Only == connector
}

// lookAround finds the other faults that are on between two times. Neither may
// be before those of the last call.
func (c *chaos) lookAround(from, to Duration) {
	c.near = slices.DeleteFunc(c.near, func(o placed) bool { return o.End() < from })
	for len(c.ahead) > 0 && c.ahead[0].At <= to {
		c.near = append(c.near, c.ahead[0])
		c.ahead = c.ahead[1:]
	}
}

// fill adds the settings that the kind needs.
func (c *chaos) fill(f Fault) Fault {
	switch f.Kind {
	case Block:
		f.Ports, _ = expandPort(c.ports.deal(c.random))
		f.Mode = c.modes.deal(c.random)
	case SlowDirectory:
		// Slow for this connector, and not so slow that a bind times out.
		f.Target, f.Only = DirectoryTarget, f.Target
		f.Delay = 100*nemesisGrain + c.upTo(400*nemesisGrain)
	}
	return f
}

// upTo is a random time below d, in whole milliseconds, so that faults are easy
// to read.
func (c *chaos) upTo(d Duration) Duration {
	return Duration(c.random.Int64N(int64(d/nemesisGrain))) * nemesisGrain
}
