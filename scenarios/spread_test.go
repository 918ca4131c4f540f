package scenarios

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"ptabench/population"
)

const spread = `format: 1
name: spread
population: {users: 100, spread: zipf 1}
tenants:
  - {name: contoso, domains: [contoso.test, contoso.example]}
  - {name: fabrikam, domains: [fabrikam.test], connectors: 2}
  - {name: tailspin, domains: [tailspin.test], method: hash-sync}
connectors: {count: 5}
load: {rate: 1000/s, duration: 10s, mix: {right: 100%}}
objectives: [p99(response) < 1s of tailspin]
`

func TestSpreadOverTenants(t *testing.T) {
	s := parse(t, spread)
	roundTrip(t, s)
	domains, of := s.Domains()
	if want := []string{"contoso.test", "contoso.example", "fabrikam.test", "tailspin.test"}; !slices.Equal(domains, want) || !slices.Equal(of, []int{0, 0, 1, 2}) {
		t.Errorf("domains %v of %v", domains, of)
	}
	if p := s.PopulationSpread(); p.Exponent != 1 || !slices.Equal(p.Others, domains[1:]) {
		t.Errorf("%+v", p)
	}
	// Of 1 + 1/2 + 1/3 + 1/4 in all.
	const all = 25.0 / 12
	for tenant, want := range map[string]float64{"contoso": 1.5 / all, "fabrikam": 1.0 / 3 / all, "tailspin": 0.25 / all} {
		if got := s.ShareOf(tenant); math.Abs(got-want) > 1e-9 {
			t.Errorf("share of %s: %v, expected %v", tenant, got, want)
		}
	}
	for n, want := range []string{"contoso", "contoso", "contoso", "fabrikam", "fabrikam"} {
		if got := s.TenantOf(n + 1).Name; got != want {
			t.Errorf("connector-%d is of %s, expected %s", n+1, got, want)
		}
	}
	if from, to := s.ConnectorsOf(2); from <= to {
		t.Errorf("tailspin has connectors %d to %d", from, to)
	}
	if s.Objectives[0].Tenant != "tailspin" {
		t.Errorf("%+v", s.Objectives[0])
	}

	// Without a spread all is the first tenant's, as ever.
	s = parse(t, least)
	if domains, _ := s.Domains(); len(domains) != 1 || len(s.Loaded()) != 1 || s.TenantOf(3).Name != "contoso" || s.ShareOf("contoso") != 1 {
		t.Errorf("%v, %v", domains, s.Loaded())
	}
	if p := s.PopulationSpread(); len(p.Others) > 0 || p.Exponent != 0 {
		t.Errorf("%+v, expected %+v", p, population.Spread{})
	}
	if e := parse(t, strings.Replace(spread, "zipf 1", "even", 1)); e.Population.Spread.Exponent() != 0 || !e.Population.Spread.Over() {
		t.Errorf("%q", e.Population.Spread)
	}
}

func TestTenantsRefused(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"zipf 1", "zipf", "population.spread: zipf: expected first, even, or zipf and an exponent"},
		{"zipf 1", "zipf 9", "population.spread: zipf 9: expected first, even, or zipf"},
		{"zipf 1", "first", "objectives[0]: tailspin: expected a tenant that the load signs in to: contoso"},
		{"of tailspin", "of nobody", "objectives[0]: nobody: expected a tenant that the load signs in to: contoso, fabrikam or tailspin"},
		{"p99(response) < 1s of", "p99.99(response) < 1s of", "objectives[0]: about 1,200 sign-ins in tailspin in the load: expected at least"},
		{"connectors: 2}", "connectors: 6}", "tenants[1].connectors: 6 in all: expected no more than connectors.count, which is 5"},
		{"connectors: 2}", "connectors: 5}", ":5:5: tenants[0].connectors: the others take all of connectors.count: expected at least 1: its users sign in by pass-through"},
		{", connectors: 2}", "}", ":6:5: tenants[1].connectors: missing: expected at least 1: its users sign in by pass-through"},
		{"connectors: 2}", "connectors: 0}", ":6:60: tenants[1].connectors: 0: expected at least 1: its users sign in by pass-through"},
		{", connectors: 2}", "}\n  - {name: fourth, domains: [fourth.test], connectors: 6, method: hash-sync}", "tenants[2].connectors: 6 in all: expected no more than connectors.count, which is 5"},
		{"contoso.example]}", "contoso.example], connectors: 2}", "tenants[0].connectors: 2: expected 3, or no such line"},
	} {
		_, err := Parse("x.yaml", []byte(strings.Replace(spread, c.from, c.to, 1)), nil)
		var all Mistakes
		if !errors.As(err, &all) || len(all) != 1 || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s for %s:\n%v\nwant %s", c.to, c.from, err, c.want)
		}
	}
}

func TestCapacity(t *testing.T) {
	s := parse(t, least+"capacity: {objective: p99(response) < 200ms}\n")
	roundTrip(t, s)
	want := Capacity{Objective: "p99(response) < 200ms", From: 50, To: 20_000, Trial: 4e9, Precision: 0.1, Within: 60e9}
	if s.Capacity != want || !s.Capacity.On() || s.Capacity.Limit().Value != 200e6 {
		t.Errorf("%+v", s.Capacity)
	}
	if parse(t, least).Capacity.On() {
		t.Error("a capacity that nobody asked for")
	}
	for text, want := range map[string]string{
		"{from: 5/s}":                                            "capacity.objective: missing: expected an objective such as",
		"{objective: fast}":                                      "capacity.objective: fast: expected an objective such as p99(response) < 200ms: ",
		"{objective: failed == 0}":                               "capacity.objective: failed == 0: expected one about p99(response)",
		"{objective: p99(lag) < 1ms}":                            "capacity.objective: p99(lag) < 1ms: expected one about",
		"{objective: p99(response) == 1s}":                       "expected p99(response) with one of <, <=, >, >=",
		"{objective: max(response) < 1s in steady}":              "expected an objective about the whole of a load",
		"{objective: max(response) < 1s of contoso}":             "expected an objective about the whole of a load",
		"{objective: availability > 99%, from: 9/s, to: 8/s}":    "capacity.from: 9/s: expected at most capacity.to, which is 8/s",
		"{objective: availability > 99%, trial: 9s, within: 8s}": "capacity.within: 8s: expected at least capacity.trial, which is 9s",
	} {
		_, err := Parse("x.yaml", []byte(least+"capacity: "+text+"\n"), nil)
		var all Mistakes
		if !errors.As(err, &all) || len(all) != 1 || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n%v\nwant %s", text, err, want)
		}
	}
}

func TestCheckerIsOneOfTheMethod(t *testing.T) {
	for method, want := range map[string]string{"pass-through": "connector-1", "federation": "adfs-1", "hash-sync": "directory"} {
		s := parse(t, least+"faults: [crash(checker) at 1s for 1s as killed]\n", "tenants[0].method="+method)
		if got := s.Faults[0]; got.Target != want || got.Name != "killed" {
			t.Errorf("%s: %v", method, got)
		}
	}
}
