package results

import "fmt"

// maxTimedTenants bounds the tenants that have response times of their own:
// each histogram is 270 kB. The counts of all are kept.
const maxTimedTenants = 64

// Tenant is one tenant's part of the load.
type Tenant struct {
	Name         string `json:"name"`
	Sent         uint64 `json:"sent"`
	Accepted     uint64 `json:"accepted"`
	Refused      uint64 `json:"refused"`
	Failed       uint64 `json:"failed"`
	Unknown      uint64 `json:"unknown"`
	Unsent       uint64 `json:"unsent"`
	WrongAnswers uint64 `json:"wrong_answers"` // wrong accepts and wrong refusals
	ByPath       ByPath `json:"by_path"`
	// Response has no samples for the tenants from the 65th on.
	Response Percentiles `json:"response_ns"`
}

// A tenantCount counts the sign-ins of one tenant.
type tenantCount struct {
	outcomes [OutcomeUnknown + 1]uint64
	paths    [PathFederation + 1]uint64
	wrong    uint64
	response *Histogram // nil past maxTimedTenants
}

func newTenantCounts(names []string) []tenantCount {
	list := make([]tenantCount, len(names))
	for i := range min(len(list), maxTimedTenants) {
		list[i].response = NewHistogram()
	}
	return list
}

func (t *tenantCount) count(s *Sample, response int64) {
	t.outcomes[s.Outcome]++
	if s.decided() {
		t.paths[s.Path]++
	}
	if s.Judgement == WrongAccept || s.Judgement == WrongRefusal {
		t.wrong++
	}
	if t.response != nil && s.Outcome != OutcomeUnsent {
		t.response.Record(response)
	}
}

// tenantFigures are in the order of the header.
func (r *Recorder) tenantFigures() []Tenant {
	var list []Tenant
	for i := range r.tenants {
		c := &r.tenants[i]
		t := Tenant{
			Name:     r.header.Tenants[i],
			Accepted: c.outcomes[OutcomeAccepted], Refused: c.outcomes[OutcomeRefused],
			Failed: c.outcomes[OutcomeFailed], Unknown: c.outcomes[OutcomeUnknown], Unsent: c.outcomes[OutcomeUnsent],
			WrongAnswers: c.wrong,
			ByPath:       ByPath{PassThrough: c.paths[PathPassThrough], HashSync: c.paths[PathHashSync], Federation: c.paths[PathFederation]},
		}
		t.Sent = t.Accepted + t.Refused + t.Failed + t.Unknown
		if c.response != nil {
			t.Response = c.response.Percentiles()
		}
		list = append(list, t)
	}
	return list
}

// Lost counts the sign-ins without a definite answer.
func (t *Tenant) Lost() uint64 { return t.Failed + t.Unknown }

// TenantHeads names what Tenant.Cells gives.
func TenantHeads() []string {
	return []string{"sent", "lost", "wrong", "p50", "p99", "max"}
}

// Cells are a tenant's figures as people read them.
func (t *Tenant) Cells() []string {
	times := []string{"-", "-", "-"}
	if t.Response.Samples > 0 {
		times = []string{Duration(t.Response.P50), Duration(t.Response.P99), Duration(t.Response.Max)}
	}
	return append([]string{Count(t.Sent), Count(t.Lost()), Count(t.WrongAnswers)}, times...)
}

// Ways says by which paths a tenant's sign-ins were decided; "" when none was.
func (t *Tenant) Ways() string {
	var parts []string
	for _, p := range t.ByPath.list() {
		if p.count > 0 {
			parts = append(parts, Count(p.count)+" by "+p.name)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: %s.", t.Name, and(parts))
}

// A pathCount is how many sign-ins one path decided.
type pathCount struct {
	name  string
	count uint64
}

func (b *ByPath) list() []pathCount {
	return []pathCount{{"pass-through", b.PassThrough}, {"hash sync", b.HashSync}, {"federation", b.Federation}}
}
