package population

import (
	"math"
	"strings"
	"testing"
)

func TestSpreadByZipf(t *testing.T) {
	const users = 20_000
	for _, exponent := range []float64{0, 1.1, 2} {
		others := []string{"Fabrikam.test", "tailspin.test", "wingtip.test"}
		p := fromSpec(t, Spec{Seed: 7, Users: users, Domain: "contoso.test", Spread: Spread{Others: others, Exponent: exponent}})
		counted := make([]float64, 4)
		for i := range users {
			domain := p.DomainOf(i)
			counted[domain]++
			upn := p.UPN(i)
			if _, suffix, _ := strings.Cut(upn, "@"); suffix != p.Domains()[domain] {
				t.Fatalf("user %d is %s, of domain %d", i, upn, domain)
			}
			if back, ok := p.Index(strings.ToUpper(upn)); !ok || back != i {
				t.Fatalf("the index of %s: %d, %v", upn, back, ok)
			}
			if other, ok := p.Index(p.Name(i) + "@" + p.Domains()[(domain+1)%4]); ok {
				t.Fatalf("%s is there in another domain, as user %d", upn, other)
			}
		}
		sum := 0.0
		for k := range 4 {
			sum += math.Pow(float64(k+1), -exponent)
		}
		for k, n := range counted {
			want := math.Pow(float64(k+1), -exponent) / sum * users
			if math.Abs(n-want) > 5*math.Sqrt(want)+1 {
				t.Errorf("exponent %v: %v users in domain %d, expected about %.0f", exponent, n, k, want)
			}
		}
	}
}

// Where users have their domains says nothing of the rest: states and passwords
// are those of a population of one domain, and equal specs make equal ones.
func TestSpreadChangesNothingElse(t *testing.T) {
	shares := map[State]float64{Locked: 0.1}
	one := fromSpec(t, Spec{Seed: 7, Users: 300, Domain: "contoso.test", Shares: shares})
	spec := Spec{Seed: 7, Users: 300, Domain: "contoso.test", Shares: shares, Spread: Spread{Others: []string{"fabrikam.test"}, Exponent: 1}}
	two, again := fromSpec(t, spec), fromSpec(t, spec)
	for i := range 300 {
		if one.State(i) != two.State(i) || one.Password(i) != two.Password(i) || one.DomainOf(i) != 0 {
			t.Fatalf("user %d differs", i)
		}
		if two.UPN(i) != again.UPN(i) || two.UnknownUPN(i) != again.UnknownUPN(i) {
			t.Fatalf("user %d: %s and %s", i, two.UPN(i), again.UPN(i))
		}
		if i, ok := two.IndexOfName(two.Name(i)); !ok || two.Name(i) != one.Name(i) {
			t.Fatalf("user %d is not found by name", i)
		}
	}
	if n, ok := two.IndexOfName("user000301"); ok {
		t.Errorf("user000301 of 300 is user %d", n)
	}
}

func TestSpreadRefused(t *testing.T) {
	spec := Spec{Users: 10, Domain: "contoso.test", Spread: Spread{Others: []string{"CONTOSO.test", "a b"}, Exponent: -1}}
	_, err := New(spec)
	for _, want := range []string{`domain "CONTOSO.test": expected once`, `domain "a b": expected a name`, "exponent of the spread -1: expected 0 to 8"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %s", err, want)
		}
	}
}

func fromSpec(t *testing.T, spec Spec) *Population {
	t.Helper()
	p, err := New(spec)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
