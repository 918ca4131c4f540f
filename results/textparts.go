package results

import (
	"slices"
	"unicode/utf8"
)

// What only some runs have, as text and as Markdown: figures of several
// tenants, and the search for a capacity.

// mostTenants are listed, those with the most sign-ins first.
const mostTenants = 20

// TenantsShown are the tenants that outputs list, those with the most sign-ins
// first, and how many more there are.
func TenantsShown(list []Tenant) (shown []Tenant, more int) {
	shown = slices.Clone(list)
	slices.SortStableFunc(shown, func(a, b Tenant) int { return int(min(max(int64(b.Sent)-int64(a.Sent), -1), 1)) })
	if len(shown) > mostTenants {
		return shown[:mostTenants], len(shown) - mostTenants
	}
	return shown, 0
}

func (p *page) tenants(list []Tenant) {
	if len(list) == 0 {
		return
	}
	shown, more := TenantsShown(list)
	name := 12
	for i := range shown {
		name = min(max(name, utf8.RuneCountInString(shown[i].Name)), 24)
	}
	const column = 9
	row := func(title string, cells []string) string {
		line := left(name, title)
		for _, c := range cells {
			line += right(column, c)
		}
		return line
	}
	p.section("tenants", ("  " + row("", TenantHeads()))[len("tenants"):])
	for i := range shown {
		t := &shown[i]
		p.line("  ", row(t.Name, t.Cells()))
	}
	if more > 0 {
		p.line("  and ", Count(uint64(more)), " more in ", ResultFile)
	}
	for i := range shown {
		if ways := shown[i].Ways(); ways != "" {
			p.wrapped(dim, "  ", "    ", ways)
		}
	}
}

func (p *page) capacity(c *Capacity) {
	if c == nil {
		return
	}
	p.section("capacity", "")
	p.wrapped(bold, "  ", "    ", c.Text())
	if c.Note != "" {
		p.wrapped(plain, "  ", "    ", c.Note)
	}
	for i := range c.Trials {
		t := &c.Trials[i]
		state := p.ink(green, mark(Pass))
		if !t.Held {
			state = p.ink(red, mark(Fail))
		}
		cells := t.Cells()
		line := "  " + state + right(12, cells[0])
		line += right(12, cells[2]) + "  " + cells[3] + " answered"
		if t.Lost > 0 {
			line += ", " + cells[4] + " lost"
		}
		p.line(line + ", lag p99 " + cells[5])
		if t.Why != "" {
			p.wrapped(dim, "      ", "      ", t.Why)
		}
	}
}

func (m *markdown) tenants(list []Tenant) {
	if len(list) == 0 {
		return
	}
	shown, more := TenantsShown(list)
	m.heading(3, "Tenants")
	m.table(append([]string{"tenant"}, TenantHeads()...), 1, len(shown), func(i int) []string {
		return append([]string{escapedName(shown[i].Name)}, shown[i].Cells()...)
	})
	if more > 0 {
		m.line()
		m.line("and ", Count(uint64(more)), " more")
	}
	var ways []string
	for i := range shown {
		if text := shown[i].Ways(); text != "" {
			ways = append(ways, escapedText(text))
		}
	}
	if len(ways) > 0 {
		m.line()
		m.bullets(ways)
	}
}

func (m *markdown) capacity(c *Capacity) {
	if c == nil {
		return
	}
	m.heading(3, "Capacity")
	m.line(escapedText(c.Text()))
	if c.Note != "" {
		m.line()
		m.line(escapedText(c.Note))
	}
	m.line()
	last := len(TrialHeads()) - 1
	m.tableOf(TrialHeads(), func(i int) bool { return i != 1 && i != last }, len(c.Trials), func(i int) []string {
		cells := c.Trials[i].Cells()
		cells[last] = escapedText(cells[last])
		return cells
	})
}
