package results

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

func (p *page) wrong(list []Wrong) {
	if len(list) == 0 {
		return
	}
	p.section("answers that differ from the directory's", "")
	const shown = 12
	for i, w := range list {
		if i == shown {
			p.line(right(12, "and"), "  ", fmt.Sprintf("%d more in %s", len(list)-i, ResultFile))
			return
		}
		p.wrapped(plain, "  "+right(10, Count(w.Count))+"  ", left(14, ""), wrongText(&w))
	}
}

func (p *page) changes(text string) {
	if text == "" {
		return
	}
	p.section("changes   ", "")
	p.wrapped(plain, "  ", "  ", text)
}

func (p *page) ledgers(l *Ledgers) {
	if len(l.Checks) == 0 {
		return
	}
	broken := l.broken()
	state := p.ink(green, ledgersText(l))
	if !l.Balanced {
		state = p.ink(red, ledgersText(l))
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
		{"federation", l.Federation, []string{"received", "accepted", "refused", "failed"}},
	} {
		if of := entries(book.entries, book.shown); of != "" {
			p.wrapped(plain, "  "+left(12, book.of), left(14, ""), of)
		}
	}
	for _, c := range broken {
		p.wrapped(red, "  "+mark(Fail)+" ", "    ", checkText(&c))
		if c.Note != "" {
			p.wrapped(dim, "    ", "    ", c.Note)
		}
	}
	for _, c := range l.waived() {
		p.wrapped(yellow, "  - ", "    ", "waived: "+checkText(&c))
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
			parts = append(parts, Count(n)+" "+BookWord(name))
		}
	}
	return strings.Join(parts, ", ")
}

// BookWord is an entry of a ledger in words. What the cloud's book calls handed
// off are attempts, and so not the sign-ins answered after a handoff.
func BookWord(name string) string {
	if name == "handed_off" {
		return "handoffs"
	}
	return strings.ReplaceAll(name, "_", " ")
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
		p.wrapped(plain, "  ", "  ", machineText(&m))
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
