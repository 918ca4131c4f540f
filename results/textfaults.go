package results

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// faults writes one sentence a fault, and for those that one fault of the
// scenario became a summary and one row each.
func (p *page) faults(list []Fault) {
	if len(list) == 0 {
		return
	}
	groups := faultGroups(list)
	told := slices.DeleteFunc(groups, func(group []*Fault) bool { return group[0].Group == "" && len(group[0].Expected) > 0 })
	if len(told) == 0 {
		return // what was expected of them, and seen, is told already
	}
	p.section("faults", "")
	for _, group := range told {
		if group[0].Group == "" {
			p.wrapped(plain, "  ", "    ", sentence(group[0]))
			continue
		}
		p.wrapped(plain, "  ", "    ", groupSentence(group))
		rows := make([]row, len(group))
		for i, f := range group {
			rows[i] = row{cells: append([]string{shortName(f), inSeconds(f)}, faultCells(f)...)}
			if f.Lost > 0 || f.At < 0 || !f.Healed {
				rows[i].ink = red
			}
		}
		p.table(append([]string{"fault", "at"}, faultHeads...), rows)
	}
}

// shortName is a fault of a group without the group's name, and what it did to
// whom.
func shortName(f *Fault) string {
	name := strings.TrimLeft(strings.TrimPrefix(f.Name, f.Group), "-./# ")
	if name == "" {
		name = f.Name
	}
	if strings.Contains(name, f.Kind) {
		return strings.TrimSpace(name + " " + f.Target)
	}
	return strings.TrimSpace(name + " " + f.Kind + " " + f.Target)
}

func faultAt(f *Fault) string {
	if f.At < 0 {
		return "never"
	}
	return Duration(f.At)
}

// inSeconds is faultAt for a column of many: minutes would not fit beside the
// fault's name.
func inSeconds(f *Fault) string {
	if f.At < 0 {
		return faultAt(f)
	}
	return strconv.FormatFloat(float64(f.At)/1e9, 'f', 1, 64) + " s"
}

// groupSentence sums up the faults that one fault of the scenario became.
func groupSentence(group []*Fault) string {
	kinds := map[string]int{}
	var sum *FaultFigures
	var unseen, hashSync, handedOff, doubled, locked uint64
	var first, last, slowest, recovered int64 = -1, 0, Unseen, Unseen
	var notInjected, notUndone uint64
	for _, f := range group {
		kinds[f.Kind]++
		if f.At < 0 {
			notInjected++
			continue
		}
		if first < 0 {
			first = f.At
		}
		last = max(last, f.At+f.Duration)
		figures := figuresOf(f)
		if sum == nil {
			sum = &FaultFigures{Name: f.Group}
		}
		sum.add(figures)
		if figures.Detect == Unseen {
			unseen++
		}
		slowest, recovered = max(slowest, f.Detect), max(recovered, f.Recover)
		hashSync, handedOff = hashSync+f.HashSync, handedOff+f.HandedOff
		doubled, locked = doubled+f.DoubledBinds, locked+f.WouldLock
		if !f.Healed {
			notUndone++
		}
	}
	var of []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		of = append(of, fmt.Sprintf("%d %s", kinds[kind], kind))
	}
	name := group[0].Group
	if sum == nil {
		return fmt.Sprintf("%s: none of %s (%s) was injected.", name, plural(uint64(len(group)), "fault", "faults"), and(of))
	}
	var s strings.Builder
	fmt.Fprintf(&s, "%s: %s (%s) from %s to %s", name, plural(uint64(len(group)), "fault", "faults"), and(of), Duration(first), Duration(last))
	served := servedWays(handedOff, hashSync, sum.Lost)
	fmt.Fprintf(&s, "; of the sign-ins, %s, and %s", strings.Join(served, ", "), differing(sum.Wrong))
	if doubled > 0 {
		s.WriteString("; " + doubledBinds(doubled, locked))
	}
	var most []string
	if slowest >= 0 {
		most = append(most, "noticed after "+Duration(slowest))
	}
	if sum.P99 > 0 {
		most = append(most, "a response p99 of "+Duration(sum.P99))
	}
	if recovered >= 0 {
		most = append(most, "serving again after "+Duration(recovered))
	}
	if len(most) > 0 {
		s.WriteString("; at most: " + strings.Join(most, ", "))
	}
	for _, odd := range []struct {
		n    uint64
		what string
	}{{unseen, "not noticed by the cloud"}, {notInjected, "not injected"}, {notUndone, "not undone"}} {
		if odd.n > 0 {
			fmt.Fprintf(&s, "; %s %s", Count(odd.n), odd.what)
		}
	}
	return s.String() + "."
}

// deeds says what a kind of fault does to its target.
var deeds = map[string]string{
	"crash":              "killed %s",
	"freeze":             "froze %s",
	"stop":               "stopped %s",
	"power-loss":         "cut the power of %s",
	"limit-cpu":          "limited the processors of %s",
	"limit-memory":       "limited the memory of %s",
	"block":              "blocked ports of %s",
	"degrade":            "degraded ports of %s",
	"slow-directory":     "slowed %s",
	"refusing-directory": "had binds refused by %s",
	"hanging-directory":  "had binds left hanging by %s",
	"crowded-directory":  "limited the connections to %s",
	"slow-adfs":          "slowed %s",
	"refusing-adfs":      "had sign-ins turned away by %s",
	"hanging-adfs":       "had sign-ins left hanging by %s",
	"stale-hashes":       "made %s stale",
	"missing-hashes":     "took users out of %s",
	"revoke":             "revoked the certificate of %s",
	"add-connector":      "added %s",
	"publish-update":     "published an update in %s",
}

// targetOf is the target of a fault in words.
func targetOf(f *Fault) string {
	switch f.Target {
	case "connectors":
		return "all connectors"
	case "newcomer":
		return "a further connector"
	case "directory":
		return "the directory"
	case "cloudsim":
		return "the cloud"
	case "hash-store":
		return "the hash store"
	case "adfs":
		return "all federation servers"
	case "balancer":
		return "the balancer"
	case "hashsync":
		return "the hash sync agent"
	case "all":
		return "everything"
	case "":
		if strings.HasSuffix(f.Kind, "-hashes") {
			return "the hash store"
		}
		return "the directory"
	}
	return f.Target
}

// argumentsOf are the arguments in a fault's text, such as mode and stall, in
// order. Values may have commas.
func argumentsOf(text string) (list [][2]string) {
	_, rest, ok := strings.Cut(text, "(")
	inside, _, closed := strings.Cut(rest, ")")
	if !ok || !closed {
		return nil
	}
	for part := range strings.SplitSeq(inside, ",") {
		part = strings.TrimSpace(part)
		key, value, named := strings.Cut(part, "=")
		switch {
		case named:
			list = append(list, [2]string{key, value})
		case len(list) > 0:
			list[len(list)-1][1] += ", " + part
		}
	}
	return list
}

// deed is what a fault did to its target, with its arguments.
func deed(f *Fault) string {
	does, known := deeds[f.Kind]
	if !known {
		does = "did " + strings.ReplaceAll(f.Kind, "%", "%%") + " to %s"
	}
	did := fmt.Sprintf(does, targetOf(f))
	var details []string
	for _, a := range argumentsOf(f.Text) {
		switch key, value := a[0], a[1]; {
		case key == "ports" && (f.Kind == "block" || f.Kind == "degrade"):
			did = strings.Replace(did, " ports of ", " ports "+value+" of ", 1)
		case key == "only":
			did += " for " + value + " alone"
		case key == "mode":
			details = append(details, value)
		default:
			details = append(details, key+" "+value)
		}
	}
	if len(details) > 0 {
		did += " (" + strings.Join(details, ", ") + ")"
	}
	return did
}

// sentence tells what a fault did, in plain words.
func sentence(f *Fault) string {
	if f.At < 0 {
		s := f.Name + " was not injected."
		if f.Note != "" {
			s += " (" + f.Note + ")"
		}
		return s
	}
	var s strings.Builder
	fmt.Fprintf(&s, "%s %s at %s for %s", f.Name, deed(f), Duration(f.At), Duration(f.Duration))
	if f.Injections == 0 {
		s.WriteString(", but nothing was injected")
	}
	figures := figuresOf(f)
	switch {
	case f.Detect >= 0 && f.behindCloud():
		fmt.Fprintf(&s, "; users noticed after %s", Duration(f.Detect))
	case f.Detect >= 0:
		fmt.Fprintf(&s, "; the cloud noticed after %s", Duration(f.Detect))
	case figures.Detect == Unseen:
		s.WriteString("; the cloud did not notice")
	}
	switch {
	case f.behindCloud() && f.Failover == 0 && f.Detect >= 0:
		s.WriteString("; others served every sign-in that was due after that")
	case f.behindCloud() && f.Failover == 0:
		s.WriteString("; no sign-in was lost or late for it")
	case f.behindCloud() && f.Failover > 0:
		fmt.Fprintf(&s, "; others served every sign-in from %s on", Duration(f.Failover))
	case f.Failover >= 0 && figures.Detect != unneeded:
		fmt.Fprintf(&s, " and served the first sign-in another way after %s", Duration(f.Failover))
	case f.Failover >= 0:
		fmt.Fprintf(&s, "; the first sign-in was served another way after %s", Duration(f.Failover))
	case figures.Failover == Unseen && f.behindCloud():
		s.WriteString("; sign-ins were lost or late for it until it ended")
	case figures.Failover == Unseen:
		s.WriteString("; no sign-in was served another way while it was on")
	}
	served := servedWays(f.HandedOff, f.HashSync, f.Lost)
	// Longer than the window during(fault), which ends when the undo is due.
	fmt.Fprintf(&s, "; of the sign-ins under way during it or its recovery, %s", and(served))
	if f.ErrorWindow > 0 {
		fmt.Fprintf(&s, " over %s", Duration(f.ErrorWindow))
	}
	if f.P99 > 0 {
		fmt.Fprintf(&s, ", with a response p99 of %s", Duration(f.P99))
	}
	if f.BadSeconds > 0 {
		fmt.Fprintf(&s, "; in %s of it fewer than 99.9 %% succeeded", plural(uint64(f.BadSeconds), "second", "seconds"))
	}
	if len(f.Wrong) > 0 {
		s.WriteString("; " + wrongByCause(f.Wrong))
	}
	if f.DoubledBinds > 0 {
		s.WriteString("; " + doubledBinds(f.DoubledBinds, f.WouldLock))
	}
	target, works := targetOf(f), "served"
	if f.ofAgent() {
		works = "worked"
	}
	switch {
	case !f.Healed:
		s.WriteString("; it could not be undone")
	case f.Recover == 0:
		fmt.Fprintf(&s, "; %s %s again at once when it ended", target, works)
	case f.Recover > 0:
		fmt.Fprintf(&s, "; %s %s again %s after its end", target, works, Duration(f.Recover))
	case figures.Recover == unneeded:
		fmt.Fprintf(&s, "; no sign-in needs %s", target)
	default:
		s.WriteString("; no recovery was seen")
	}
	if f.Healed && f.Rebalance > 0 {
		fmt.Fprintf(&s, ", and the shares of the connectors were as before after %s", Duration(f.Rebalance))
	}
	s.WriteByte('.')
	if f.Note != "" {
		s.WriteString(" (" + f.Note + ")")
	}
	return s.String()
}

// servedWays says what became of sign-ins within a fault.
func servedWays(handedOff, hashSync, lost uint64) (ways []string) {
	if handedOff > 0 {
		ways = append(ways, plural(handedOff, "was answered after a handoff", "were answered after a handoff"))
	}
	if hashSync > 0 {
		ways = append(ways, plural(hashSync, "was answered by hash sync", "were answered by hash sync"))
	}
	if lost > 0 {
		return append(ways, plural(lost, "was lost", "were lost"))
	}
	return append(ways, "none was lost")
}

// differing says how many answers let in or kept out the wrong users.
func differing(wrong uint64) string {
	if wrong == 0 {
		return "none was answered wrongly"
	}
	return plural(wrong, "was answered wrongly", "were answered wrongly")
}

// wrongByCause says how many answers differ from the directory's, and why.
func wrongByCause(list []Wrong) string {
	const shown = 3
	wrong := wrongAnswers(list)
	text := differing(wrong)
	var causes []string
	var named, all uint64
	for i := range list {
		w := &list[i]
		if all += w.Count; w.Kind == otherReason || len(causes) == shown {
			continue
		}
		kind := strings.ReplaceAll(w.Kind, "-", " ")
		causes = append(causes, plural(w.Count, kind, kind+"s")+": "+w.Cause)
		named += w.Count
	}
	if named < wrong {
		causes = append(causes, Count(wrong-named)+" with other causes")
	}
	if len(causes) > 0 {
		text += " (" + strings.Join(causes, "; ") + ")"
	}
	if all > wrong {
		text += " and " + plural(all-wrong, "was rightly refused with another code", "were rightly refused with another code")
	}
	return text
}

// wrongText is a kind of wrong answer in words, with its cause.
func wrongText(w *Wrong) string {
	s := fmt.Sprintf("%s by %s: %s", strings.ReplaceAll(w.Kind, "-", " "), strings.ReplaceAll(w.Path, "hash-sync", "hash sync"), w.Cause)
	if w.Event != "" {
		half, last := Duration(w.AgeP50), Duration(w.AgeMax)
		switch {
		case w.Count == 1:
			s += fmt.Sprintf("; it came %s after that", last)
		case half == last:
			s += fmt.Sprintf("; all within %s of that", last)
		default:
			s += fmt.Sprintf("; half of them within %s of that, the last after %s", half, last)
		}
	}
	return s
}

// doubledBinds says what handing off did to the directory's counts of wrong
// passwords.
func doubledBinds(binds, accounts uint64) string {
	s := plural(binds, "bind was made twice", "binds were made twice")
	if accounts > 0 {
		s += ", which alone would have locked " + plural(accounts, "account", "accounts")
	}
	return s
}
