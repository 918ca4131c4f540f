package results

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// faults writes one sentence a fault.
func (p *page) faults(list []Fault) {
	if len(list) == 0 {
		return
	}
	p.section("faults", "")
	for i := range list {
		p.wrapped(plain, "  ", "    ", sentence(&list[i]))
	}
}

// deeds says what a kind of fault does to its target.
var deeds = map[string]string{
	"crash":          "killed %s",
	"freeze":         "froze %s",
	"stop":           "stopped %s",
	"block":          "blocked ports of %s",
	"slow-directory": "slowed %s",
}

// sentence tells what a fault did, in plain words.
func sentence(f *Fault) string {
	target := f.Target
	switch {
	case target == "connectors":
		target = "all connectors"
	case target == "" || target == "directory":
		target = "the directory"
	}
	deed, known := deeds[f.Kind]
	if !known {
		deed = "did " + strings.ReplaceAll(f.Kind, "%", "%%") + " to %s"
	}
	if f.At < 0 {
		return fmt.Sprintf("%s was not injected. (%s)", f.Name, f.Note)
	}
	if f.Kind == "block" { // which ports, and how, is only in the text
		_, rest, _ := strings.Cut(f.Text, "ports=")
		ports, rest, ok := strings.Cut(rest, ", mode=")
		if mode, _, closed := strings.Cut(rest, ")"); ok && closed && !strings.Contains(ports+mode, "%") {
			deed = "blocked ports " + strings.ReplaceAll(ports, ",", ", ") + " of %s (" + mode + ")"
		}
	}
	var s strings.Builder
	fmt.Fprintf(&s, "%s "+deed+" at %s for %s", f.Name, target, Duration(f.At), Duration(f.Duration))
	if f.Injections == 0 {
		s.WriteString(", but nothing was injected")
	}
	if f.Detect >= 0 {
		fmt.Fprintf(&s, "; the cloud noticed after %s", Duration(f.Detect))
	} else {
		s.WriteString("; the cloud did not notice")
	}
	if f.Failover >= 0 {
		fmt.Fprintf(&s, " and served the first sign-in another way after %s", Duration(f.Failover))
	}
	var served []string
	if f.HandedOff > 0 {
		served = append(served, plural(f.HandedOff, "was handed off", "were handed off"))
	}
	if f.HashSync > 0 {
		served = append(served, plural(f.HashSync, "was answered by hash sync", "were answered by hash sync"))
	}
	if f.Failed > 0 {
		served = append(served, plural(f.Failed, "was lost", "were lost"))
	} else {
		served = append(served, "none was lost")
	}
	fmt.Fprintf(&s, "; of the sign-ins, %s", and(served))
	if f.P99 > 0 {
		fmt.Fprintf(&s, ", with a response p99 of %s", Duration(f.P99))
	}
	switch {
	case !f.Healed:
		s.WriteString("; it could not be undone")
	case f.Recover == 0:
		fmt.Fprintf(&s, "; %s served again at once when it ended", target)
	case f.Recover > 0:
		fmt.Fprintf(&s, "; %s served again %s after its end", target, Duration(f.Recover))
	default:
		s.WriteString("; no recovery was seen")
	}
	s.WriteByte('.')
	if f.Note != "" {
		s.WriteString(" (" + f.Note + ")")
	}
	return s.String()
}

func (p *page) wrong(list []Wrong) {
	if len(list) == 0 {
		return
	}
	p.section("answers that differ from the directory's", "")
	for _, w := range list {
		p.wrapped(plain, "  "+right(10, Count(w.Count))+"  ", left(14, ""), fmt.Sprintf("%s by %s: %s",
			strings.ReplaceAll(w.Kind, "-", " "), strings.ReplaceAll(w.Path, "hash-sync", "hash sync"), w.Cause))
	}
}

func (p *page) ledgers(l *Ledgers) {
	if len(l.Checks) == 0 {
		return
	}
	broken := slices.DeleteFunc(slices.Clone(l.Checks), func(c LedgerCheck) bool { return c.Holds })
	state := p.ink(green, "balanced: "+plural(uint64(len(l.Checks)), "equation holds", "equations hold"))
	if !l.Balanced {
		state = p.ink(red, fmt.Sprintf("not balanced: %d of %d equations do not hold", len(broken), len(l.Checks)))
	}
	p.section("ledgers   ", state)
	for _, book := range []struct {
		of      string
		entries map[string]uint64
		shown   []string
	}{
		{"harness", l.Harness, []string{"sent", "accepted", "refused", "failed", "unknown"}},
		{"cloud", l.Cloud, []string{"received", "attempts", "handed_off", "pass_through", "hash_sync"}},
		{"connectors", l.Connectors, []string{"taken", "binds", "answers"}},
		{"directory", l.Directory, []string{"binds", "searches"}},
	} {
		if of := entries(book.entries, book.shown); of != "" {
			p.wrapped(plain, "  "+left(12, book.of), left(14, ""), of)
		}
	}
	for _, c := range broken {
		figures := Count(c.Left) + " " + c.Op + " " + Count(c.Right)
		p.wrapped(red, "  "+mark(Fail)+" ", "    ", c.Text+": "+figures)
		if c.Note != "" {
			p.wrapped(dim, "    ", "    ", c.Note)
		}
	}
	p.named("missing", l.Missing)
	p.named("doubled", l.Doubled)
}

// entries is a ledger on one line.
func entries(book map[string]uint64, shown []string) string {
	var parts []string
	for _, name := range shown {
		if n, ok := book[name]; ok {
			parts = append(parts, Count(n)+" "+strings.ReplaceAll(name, "_", " "))
		}
	}
	return strings.Join(parts, ", ")
}

// named lists the first of some sign-ins.
func (p *page) named(what string, ids []string) {
	const shown = 4
	for i, id := range ids {
		if i == shown {
			p.line("    ", fmt.Sprintf("and %d more in result.json", len(ids)-shown))
			return
		}
		p.line("  ", p.ink(red, what), ": ", id)
	}
}

func (p *page) costs(r *Result) {
	if len(r.Processes) > 0 {
		name := 11
		for _, c := range r.Processes {
			name = max(name, utf8.RuneCountInString(c.Name))
		}
		const figures = 16 + 12 + 15 + 9
		p.section("cost", right(max(width-figures, 4+name)-len("cost"), "")+
			right(16, "CPU a sign-in")+right(12, "CPU")+right(15, "peak memory")+right(9, "starts"))
		row := func(name string, each, cpu int64, memory, starts string) {
			p.line("  ", left(width-2-figures, name),
				right(16, Duration(each)), right(12, Duration(cpu)), right(15, memory), right(9, starts))
		}
		var each, cpu int64
		for _, c := range r.Processes {
			row(c.Name, c.CPUPerSignIn, c.CPU, Bytes(c.RSSMax), Count(uint64(max(c.Starts, 0))))
			each, cpu = each+c.CPUPerSignIn, cpu+c.CPU
		}
		if len(r.Processes) > 1 {
			row("all", each, cpu, "", "")
		}
	}
	if m := r.Machine; m.CPUs > 0 {
		p.section("machine   ", "")
		p.wrapped(plain, "  ", "  ", fmt.Sprintf("%s, %s, %s of memory, %s/%s %s, %s", m.CPUModel,
			plural(uint64(m.CPUs), "CPU", "CPUs"), Bytes(m.Memory), m.OS, m.Arch, m.Kernel, m.Go))
	}
}

// notes writes the warnings as footnotes, and how to repeat the run.
func (p *page) notes(r *Result) {
	if len(r.Warnings) > 0 {
		p.section("notes", "")
		for i, w := range r.Warnings {
			p.wrapped(yellow, fmt.Sprintf("  [%d] ", i+1), "      ", w)
		}
	}
	if r.Command != "" {
		p.section("repeat", "")
		p.line("  ", r.Command) // whole, to be copied
	}
}
