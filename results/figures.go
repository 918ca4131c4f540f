package results

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Every output takes its figures from here, so that no two can disagree.

// Times of what was not observed, and of what did not have to happen.
const (
	Unseen   = -1
	unneeded = -2
)

// moment is a time of a fault, or of several, that may not have been observed.
func moment(ns int64) string {
	switch {
	case ns == unneeded:
		return "-"
	case ns < 0:
		return "never"
	}
	return Duration(ns)
}

// elapsed is a moment, counted from what it is the consequence of.
func elapsed(ns int64) string {
	if ns == 0 {
		return "at once"
	}
	return moment(ns)
}

// measured is a time that is 0 when nothing was there to measure, and -1 when
// it was not observed.
func measured(ns int64) string {
	if ns <= 0 {
		return "-"
	}
	return Duration(ns)
}

// objectiveValue is what an objective came to.
func objectiveValue(o *Objective) string { return objectiveNumber(o, o.Value) }

// ObjectiveValue is what an objective came to, with its unit.
func ObjectiveValue(o *Objective) string { return objectiveValue(o) }

// objectiveLimit is what its value is compared with, "" when that was not
// recorded, as in format 1.
func objectiveLimit(o *Objective) string {
	if o.Window == "" && o.Limit == 0 && !limitIsNought.MatchString(o.Text) { // those about a fault have no window either
		return ""
	}
	return objectiveNumber(o, o.Limit)
}

// limitIsNought says that a comparison is with 0, in whatever unit.
var limitIsNought = regexp.MustCompile(`[<>=] *0(\.0*)?[a-zµ%]*$`)

// objectiveInterval bounds its value, "" when it was counted whole.
func objectiveInterval(o *Objective) string {
	if o.Interval == nil {
		return ""
	}
	return objectiveNumber(o, o.Interval[0]) + " to " + objectiveNumber(o, o.Interval[1])
}

func objectiveNumber(o *Objective, v float64) string {
	percent := strings.Contains(o.Text, "%")
	if o.Unit == "ratio" && o.Window != "" {
		return ratio(v, o.Limit, percent)
	}
	return number(v, o.Unit, percent)
}

// ratio is a ratio with as many digits as tell it apart from its limit, and
// the limit with all that it has: beside 99.95 %, >99.9 % says nothing.
func ratio(v, limit float64, percent bool) string {
	const most = 6 // digits more than usual
	digits := func(v float64, more int) string {
		switch {
		case more == 0:
			return number(v, "ratio", percent)
		case percent:
			return strconv.FormatFloat(100*v, 'f', 1+more, 64) + " %"
		}
		return strconv.FormatFloat(v, 'g', 4+more, 64)
	}
	for more := 0; v != limit && more < most; more++ {
		if text := digits(v, more); text != digits(limit, more) && (text != "1" || v == 1) {
			return text
		}
	}
	if !percent {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	text := strconv.FormatFloat(math.Round(v*1e10)/1e8, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text + " %"
}

// number is a value in a unit of results: count, ns, ratio, per_s.
func number(v float64, unit string, percent bool) string {
	switch {
	case unit == "ns":
		return moment(int64(v))
	case unit == "count" && v >= 0 && v == float64(uint64(v)):
		return Count(uint64(v))
	case unit == "ratio" && percent:
		return Percent(v)
	case unit == "per_s":
		return PerSecond(v)
	default:
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
}

// objectiveWindow is the part of the load that an objective is about.
func objectiveWindow(o *Objective) string {
	if o.Window == "" {
		return "whole"
	}
	return o.Window
}

// objectiveBasis tells what a value rests on: window, sign-ins, limit and
// interval; "" when its text and value say all there is.
func objectiveBasis(o *Objective) string {
	never := o.Samples > 0 && o.Unit == "ns" && o.Value < 0 // so many had no answer
	if o.Interval == nil && objectiveWindow(o) == "whole" && !never {
		return ""
	}
	parts := []string{"in " + objectiveWindow(o)}
	if objectiveWindow(o) == "whole" {
		parts[0] = "in the whole load"
	}
	if o.Samples > 0 {
		parts[0] += ", " + plural(o.Samples, "sign-in", "sign-ins")
	}
	if o.Interval != nil {
		by := ""
		if o.Method != "" {
			by = " (" + o.Method + ")"
		}
		parts = append(parts, objectiveInterval(o)+" with 95 % confidence"+by)
	}
	return strings.Join(append(parts, "limit "+objectiveLimit(o)), "; ")
}

// ceilingText compares the load with the most that the generator can do here.
func ceilingText(r *Result) string {
	if r.Ceiling.PerS <= 0 {
		return "What the generator reaches on this machine against a target that does nothing was not measured."
	}
	return fmt.Sprintf("The generator reaches %s against a target that does nothing on this machine; this load is %s of it.",
		PerSecond(r.Ceiling.PerS), Percent(r.Rate.PlannedPerS/r.Ceiling.PerS))
}

// machineText says where runs were made.
func machineText(m *Machine) string {
	return fmt.Sprintf("%s, %s, %s of memory, %s/%s %s, %s", m.CPUModel,
		plural(uint64(m.CPUs), "CPU", "CPUs"), Bytes(m.Memory), m.OS, m.Arch, m.Kernel, m.Go)
}

// text says what made several runs, and where; "" when none was made.
func (o *Origin) text() string {
	if o.Machine.CPUs <= 0 {
		return ""
	}
	ceiling := "what the generator reaches there was not measured"
	if o.CeilingPerS > 0 {
		ceiling = "the generator reaches at least " + PerSecond(o.CeilingPerS) + " there against a target that does nothing"
	}
	return fmt.Sprintf("Made by ptabench %s on %s; %s.", o.Version, machineText(&o.Machine), ceiling)
}

// unavailableText is what users felt, in their terms; "" when nothing was due.
func unavailableText(u *Unavailable) string {
	if u.Of == 0 {
		return ""
	}
	repeated := plural(u.Repeated, "sign-in", "sign-ins") + " had to be repeated"
	if u.Repeated == 0 {
		repeated = "No sign-in had to be repeated"
	}
	if u.Seconds == 0 {
		return repeated + "; in every second at least 99.9 % succeeded."
	}
	return fmt.Sprintf("%s; in %s of %s fewer than 99.9 %% succeeded.", repeated,
		Count(uint64(u.Seconds)), plural(uint64(u.Of), "second", "seconds"))
}

// federationText is where the time of federated sign-ins went; "" where there
// were none.
func federationText(t *TimeSpent) string {
	if t == nil {
		return ""
	}
	return fmt.Sprintf("Of the %s that a federated sign-in was under way on average, it was %s in the federation server, "+
		"%s in the directory, and %s elsewhere.", Duration(t.Connector+t.Directory+t.Rest), Duration(t.Connector), Duration(t.Directory), Duration(t.Rest))
}

// settingText says under which conditions the run was made, "" under the usual
// ones.
func settingText(r *Result) string {
	var parts []string
	if r.Preset != "" && r.Preset != "default" {
		parts = append(parts, "preset "+r.Preset)
	}
	if r.TimeScale > 1 {
		parts = append(parts, fmt.Sprintf("time scale %d (detection that many times as fast)", r.TimeScale))
	}
	switch r.Network {
	case "", "loopback":
	case "namespaces":
		parts = append(parts, "a network namespace for each connector")
	default:
		parts = append(parts, "network "+r.Network)
	}
	return strings.Join(parts, ", ")
}

// perCapacity is how many sign-ins a connector answered for each that it takes
// at once.
func perCapacity(c *Connector) string {
	if c.Capacity <= 0 {
		return "-"
	}
	return significant3(float64(c.SignIns) / float64(c.Capacity))
}

// significant3 is a figure without a unit, to 3 significant digits.
func significant3(v float64) string {
	if v >= 999.5 {
		return Count(uint64(v + 0.5))
	}
	return significant(v)
}

// balanceText says how evenly connectors were used, "" when there was nothing
// to share.
func balanceText(r *Result) string {
	b := &r.Balance
	if b.Jain <= 0 {
		return ""
	}
	s := fmt.Sprintf("Jain's index of balance is %.3f (1 is even)", b.Jain)
	if b.Least != "" && b.Most != "" && b.Least != b.Most {
		s += fmt.Sprintf("; %s had the least to do and %s the most", b.Least, b.Most)
	}
	return s + "."
}

// oddConnector says what set a connector apart, "" when nothing did.
func oddConnector(c *Connector) string {
	var parts []string
	if c.DelayNS > 0 {
		parts = append(parts, "has a directory that answers "+Duration(c.DelayNS)+" later")
	}
	if c.Restarts > 0 {
		parts = append(parts, "was started again "+plural(uint64(c.Restarts), "time", "times"))
	}
	if c.HandedOff > 0 {
		parts = append(parts, "had "+plural(c.HandedOff, "handoff", "handoffs")+" to others")
	}
	if len(parts) == 0 {
		return ""
	}
	return c.Name + " " + and(parts) + "."
}

// wrongAnswers counts answers that differ from the directory's in whether the
// user came in; another reason of a refusal is not one.
func wrongAnswers(list []Wrong) (n uint64) {
	for _, w := range list {
		if w.Kind != otherReason {
			n += w.Count
		}
	}
	return n
}

var otherReason = OtherReason.String()

// FaultFigures are the key figures of a fault, or of all that one fault of the
// scenario became: the sum of what is counted and the greatest of times, of
// which one that was not observed (-1) is the greatest. One that did not have
// to happen, and did not, is -2: no sign-in had to be served another way, or
// there was nothing to notice.
type FaultFigures struct {
	Name     string `json:"name"`
	Faults   int    `json:"faults"`
	Detect   int64  `json:"detect_ns"`
	Failover int64  `json:"failover_ns"`
	Lost     uint64 `json:"lost"`
	Wrong    uint64 `json:"wrong"` // wrong accepts and wrong refusals
	P99      int64  `json:"p99_ns"`
	Recover  int64  `json:"recover_ns"`
}

func figuresOf(f *Fault) FaultFigures {
	return FaultFigures{Name: f.Name, Faults: 1, Detect: expected(f.Detect, f.noticeable()), Failover: expected(f.Failover, f.failsOver()),
		Lost: f.Lost, Wrong: wrongAnswers(f.Wrong), P99: f.P99, Recover: expected(f.Recover, !f.Idle)}
}

// expected is a time that may not have been observed, and whether it should
// have been.
func expected(ns int64, should bool) int64 {
	switch {
	case ns >= 0:
		return ns
	case should:
		return Unseen
	}
	return unneeded
}

// noticeable says whether the cloud should notice a fault. What the hash store
// holds nobody notices, and what is only slower need not be noticed while
// everything is answered as ever.
func (f *Fault) noticeable() bool {
	switch f.Kind {
	case "stale-hashes", "missing-hashes", "publish-update":
		return false
	case "degrade", "slow-directory", "crowded-directory", "limit-cpu", "limit-memory":
		return f.Lost > 0 || f.HandedOff > 0 || f.HashSync > 0
	}
	return !f.behindCloud() || f.Lost > 0 && !f.ofAgent()
}

// ofAgent says whether a fault is of the hash sync agent, which no sign-in
// waits for: answers grow old, and nobody notices.
func (f *Fault) ofAgent() bool { return f.Target == "hashsync" }

// behindCloud says whether a fault is of a server of which the cloud has no
// word: users notice, or nobody does because others serve.
func (f *Fault) behindCloud() bool {
	return f.Target == "adfs" || strings.HasPrefix(f.Target, "adfs-") || strings.HasPrefix(f.Target, "directory-") ||
		f.Target == "balancer" || f.ofAgent()
}

// failsOver says whether sign-ins should have been served another way than by
// what the fault broke: those that were lost, unless it broke the cloud, which
// every way leads through.
func (f *Fault) failsOver() bool {
	return f.Lost > 0 && f.noticeable() && f.Target != "cloudsim" && f.Target != "all" && f.Target != "adfs" && f.Target != "balancer"
}

// later is the greater of two times, of which one not observed is the greatest
// and one that did not have to happen the least.
func later(a, b int64) int64 {
	if a == Unseen || b == Unseen {
		return Unseen
	}
	return max(a, b)
}

func (f *FaultFigures) add(g FaultFigures) {
	f.Faults += g.Faults
	f.Detect, f.Failover, f.Recover = later(f.Detect, g.Detect), later(f.Failover, g.Failover), later(f.Recover, g.Recover)
	f.Lost, f.Wrong, f.P99 = f.Lost+g.Lost, f.Wrong+g.Wrong, max(f.P99, g.P99)
}

// faultHeads names what cells gives.
var faultHeads = []string{"detected", "failover", "lost", "wrong", "p99", "recovered"}

func (f *FaultFigures) cells() []string {
	return []string{elapsed(f.Detect), elapsed(f.Failover), Count(f.Lost), Count(f.Wrong), measured(f.P99), elapsed(f.Recover)}
}

// faultCells are the figures of one fault, all "-" when it was not injected.
func faultCells(f *Fault) []string {
	if f.At < 0 {
		return slices.Repeat([]string{"-"}, len(faultHeads))
	}
	figures := figuresOf(f)
	return figures.cells()
}

// faultGroups puts the faults together that one fault of the scenario became,
// in order of the first.
func faultGroups(list []Fault) [][]*Fault {
	var groups [][]*Fault
	at := map[string]int{}
	for i := range list {
		f := &list[i]
		if f.Group == "" {
			groups = append(groups, []*Fault{f})
			continue
		}
		n, known := at[f.Group]
		if !known {
			n = len(groups)
			at[f.Group], groups = n, append(groups, nil)
		}
		groups[n] = append(groups[n], f)
	}
	return groups
}

// faultFigures are the key figures of a run's faults, one for each fault of
// the scenario that was injected.
func faultFigures(list []Fault) []FaultFigures {
	all := []FaultFigures{}
	for _, group := range faultGroups(list) {
		var sum *FaultFigures
		for _, f := range group {
			switch {
			case f.At < 0:
			case sum == nil:
				figures := figuresOf(f)
				sum = &figures
			default:
				sum.add(figuresOf(f))
			}
		}
		if sum == nil {
			continue
		}
		if group[0].Group != "" {
			sum.Name = group[0].Group
		}
		all = append(all, *sum)
	}
	return all
}

// worstFault is the key figures of all faults of a run as if they were one.
func worstFault(list []FaultFigures) FaultFigures {
	if len(list) == 0 {
		return FaultFigures{Detect: unneeded, Failover: unneeded, Recover: unneeded}
	}
	worst := list[0]
	for _, f := range list[1:] {
		worst.add(f)
	}
	return worst
}

// lost counts the sign-ins without a definite answer.
func (n *SignIns) lost() uint64 { return n.Failed + n.Unknown }

// unansweredText says that times are not those of answers alone; "" when they
// are.
func (n *SignIns) unansweredText() string {
	if n.lost() == 0 {
		return ""
	}
	return "Times are of every sign-in until it ended; " + n.unanswered() + ", and an error may come fast."
}

func (n *SignIns) unanswered() string { return Count(n.lost()) + " of them had no answer" }

// wrong counts the answers that differ from the directory's in whether the
// user came in.
func (n *SignIns) wrong() uint64 { return n.WrongAccepts + n.WrongRefusals }

// verdictOrder has the worst first, in the order of the exit codes of a suite:
// one that did not end has not shown what it was to show.
var verdictOrder = [...]Verdict{Aborted, Fail, Inconclusive, Pass}

// Worst is the verdict on several runs: aborted if any was, else fail if any
// failed, else inconclusive if any is, else pass. Of no run it is
// inconclusive.
func Worst(list ...Verdict) Verdict {
	for _, v := range verdictOrder {
		if slices.Contains(list, v) {
			return v
		}
	}
	return Inconclusive
}
