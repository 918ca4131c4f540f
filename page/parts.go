package page

import "ptabench/results"

// capacityView is the search for a capacity.
type capacityView struct {
	Text, Note string
	Heads      []string
	Trials     []rowView
}

// tenants are the tenants of a load on several, those with the most to do.
func (v *view) tenants(list []results.Tenant) {
	shown, more := results.TenantsShown(list)
	for i := range shown {
		t := &shown[i]
		v.Tenants = append(v.Tenants, rowView{Name: t.Name, Cells: t.Cells(), Bad: t.Lost() > 0 || t.WrongAnswers > 0})
		if ways := t.Ways(); ways != "" {
			v.TenantWays = append(v.TenantWays, ways)
		}
	}
	if more > 0 {
		v.MoreTenants = results.Count(uint64(more)) + " more are in " + results.ResultFile + "."
	}
}

func (v *view) capacity(c *results.Capacity) {
	if c == nil {
		return
	}
	v.Capacity = &capacityView{Text: c.Text(), Note: c.Note, Heads: results.TrialHeads()[1:]}
	for i := range c.Trials {
		t := &c.Trials[i]
		cells := t.Cells()
		v.Capacity.Trials = append(v.Capacity.Trials, rowView{Name: cells[0], Cells: cells[1:], Bad: !t.Held})
	}
}
