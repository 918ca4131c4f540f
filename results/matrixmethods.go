package results

import (
	"cmp"
	"math"
	"slices"
)

// What a matrix shows besides faults where a capacity was looked for: how much
// each combination carries, how fast it is at the rate that all have, and what
// a sign-in costs whom.

// capacity takes in the ends that were found, and says whether any were looked
// for.
func (c *Cell) capacity(runs []*Result) bool {
	var held, broken []float64
	for _, r := range runs {
		if r.Capacity == nil {
			continue
		}
		c.Capacity = r.Capacity.Objective
		if r.Capacity.CutShort {
			c.CutShort++
		}
		if r.Capacity.Held > 0 {
			held = append(held, r.Capacity.Held)
		}
		if r.Capacity.Broken > 0 {
			broken = append(broken, r.Capacity.Broken)
		}
	}
	c.Held, c.Broken = spread(held), spread(broken)
	return c.Capacity != ""
}

// interval is the capacity in a cell of a table: of several runs the medians.
func (c *Cell) interval() string {
	if c.Capacity == "" {
		return "-"
	}
	text := (&Capacity{Held: c.Held.Median, Broken: c.Broken.Median}).Interval()
	if c.CutShort > 0 {
		text += " *"
	}
	return text
}

// cutShortLegend explains the mark of Cell.interval.
const cutShortLegend = "* The search was cut short (capacity.within is its time): the capacity is somewhere in a wider interval than asked for."

// costRoles are in the order in which a sign-in meets them. The harness, which
// no user would have, is left out.
var costRoles = []string{"balancer", "adfs", "cloudsim", "connector", "directory", "hashsync"}

func costSpreads(runs []*Result) (all []CostSpread) {
	by := map[string][]float64{}
	for _, r := range runs {
		sum := map[string]float64{}
		for _, p := range r.Processes {
			idle := p.Role == "connector" && r.SignIns.ByPath.PassThrough == 0 // there, and not part of the method
			if p.Role != "bench" && !idle {
				sum[p.Role] += float64(p.CPUPerSignIn)
			}
		}
		for role, cpu := range sum {
			by[role] = append(by[role], cpu)
		}
	}
	for role, values := range by {
		all = append(all, CostSpread{role, spread(values)})
	}
	place := func(role string) int {
		if i := slices.Index(costRoles, role); i >= 0 {
			return i
		}
		return math.MaxInt
	}
	slices.SortFunc(all, func(a, b CostSpread) int {
		return cmp.Or(cmp.Compare(place(a.Role), place(b.Role)), cmp.Compare(a.Role, b.Role))
	})
	return all
}

// costsText says what the CPU of a sign-in is of; "" where the tables have none.
func (m *Matrix) costsText() string {
	if !slices.ContainsFunc(m.Cells, func(c Cell) bool { return len(c.Costs) > 0 }) {
		return ""
	}
	return "CPU is that of the load alone, shared among its sign-ins: of each role with what starting it again took, and without connectors that nobody asked; \"-\" is a role that had no part."
}

// methodBlocks are the tables of what was carried and what it cost; none where
// no capacity was looked for.
func (m *Matrix) methodBlocks(keys string) []block {
	objective := ""
	var roles []string
	for i := range m.Cells {
		objective = cmp.Or(objective, m.Cells[i].Capacity)
		for _, c := range m.Cells[i].Costs {
			if !slices.Contains(roles, c.Role) {
				roles = append(roles, c.Role)
			}
		}
	}
	if objective == "" {
		return nil
	}
	slices.SortStableFunc(roles, func(a, b string) int {
		return cmp.Compare(slices.Index(costRoles, a), slices.Index(costRoles, b))
	})
	carried := block{title: "the highest rate that holds " + objective + ", and the times of the load", heads: []string{keys, "held up to", "p50", "p99", "wrong"}, texts: 1}
	cost := block{title: "CPU of each sign-in", heads: append(append([]string{keys}, roles...), "all"), texts: 1}
	for i := range m.Cells {
		c := &m.Cells[i]
		carried.rows = append(carried.rows, blockRow{cells: []string{c.label(), c.interval(),
			p99Figure(c.P50).spreadText(), p99Figure(c.P99).spreadText(), countFigure(c.WrongAnswers).spreadText()}})
		cells, all := []string{c.label()}, 0.0
		for _, role := range roles {
			text := "-"
			for _, of := range c.Costs {
				if of.Role == role {
					text, all = Duration(int64(of.CPU.Median)), all+of.CPU.Median
				}
			}
			cells = append(cells, text)
		}
		cost.rows = append(cost.rows, blockRow{cells: append(cells, Duration(int64(all)))})
	}
	if slices.ContainsFunc(m.Cells, func(c Cell) bool { return c.CutShort > 0 }) {
		carried.notes = []string{cutShortLegend}
	}
	return []block{carried, cost}
}
