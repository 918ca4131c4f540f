package population

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
)

func mustNew(t testing.TB, spec Spec) *Population {
	t.Helper()
	p, err := New(spec)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEqualSpecsMakeEqualPopulations(t *testing.T) {
	spec := Spec{
		Seed: 42, Users: 2_000, Domain: "contoso.test",
		Shares: map[State]float64{Disabled: .02, Locked: .01, PasswordExpired: .01, MustChange: .005, AccountExpired: .005},
	}
	a, b := mustNew(t, spec), mustNew(t, spec)
	for i := range a.Len() {
		if a.UPN(i) != b.UPN(i) || a.Password(i) != b.Password(i) || a.State(i) != b.State(i) {
			t.Fatalf("user %d differs between two populations of one spec", i)
		}
	}
	other := spec
	other.Seed = 43
	c := mustNew(t, other)
	sameStates := true
	for i := range a.Len() {
		if a.Password(i) == c.Password(i) {
			t.Fatalf("user %d has the same password under another seed", i)
		}
		sameStates = sameStates && a.State(i) == c.State(i)
	}
	if sameStates {
		t.Error("the states of all users are the same under another seed")
	}
}

// TestFrozen pins what a seed makes: runs of different builds are compared by
// it, and directory and load generator may be different builds.
func TestFrozen(t *testing.T) {
	p := mustNew(t, Spec{Seed: 1, Users: 100, Domain: "contoso.test", Shares: map[State]float64{Disabled: .03}})
	var all strings.Builder
	for i := range p.Len() {
		fmt.Fprintln(&all, p.UPN(i), p.Password(i), p.WrongPassword(i), p.State(i))
	}
	sum := sha256.Sum256([]byte(all.String()))
	const want = "cb7d094f44decb80007869c8a4b4deba1073f541b6d502794fb8a0b6a8f5d72d"
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("population of seed 1 = %s, want %s", got, want)
	}
}

// TestFrozenChanges pins who changed a password when, and from what: a stale
// hash store and the load generator must mean the same users.
func TestFrozenChanges(t *testing.T) {
	p := mustNew(t, Spec{Seed: 1, Users: 100, Domain: "contoso.test", Shares: map[State]float64{Disabled: .03}})
	var all strings.Builder
	for _, i := range p.Changed(p.Len()) {
		fmt.Fprintln(&all, i, p.PreviousPassword(i))
	}
	sum := sha256.Sum256([]byte(all.String()))
	const want = "dad3e717a61bf11aa25faf6a56e989f8c2dda072ad6ffb8ddd40f14c96689c37"
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("changes of seed 1 = %s, want %s", got, want)
	}
}

func TestChanged(t *testing.T) {
	spec := Spec{Seed: 5, Users: 1_000, Domain: "contoso.test", Shares: map[State]float64{Disabled: .1, MustChange: .1}}
	p := mustNew(t, spec)
	all := p.Changed(spec.Users)
	if sorted := slices.Sorted(slices.Values(all)); !slices.Equal(sorted, p.In(Active)) {
		t.Errorf("of all users %d changed, want the %d active ones", len(all), len(p.In(Active)))
	}
	if slices.IsSorted(all) {
		t.Error("users changed in the order of their numbers")
	}
	for _, n := range []int{0, 1, 37, len(all)} {
		if got := p.Changed(n); !slices.Equal(got, all[:n]) {
			t.Errorf("Changed(%d) is not the first %d of all", n, n)
		}
	}
	if got := p.Changed(-1); len(got) != 0 {
		t.Errorf("Changed(-1) = %v", got)
	}
	if again := mustNew(t, spec).Changed(spec.Users); !slices.Equal(again, all) {
		t.Error("equal specs, other changes")
	}
	spec.Seed++
	if other := mustNew(t, spec).Changed(10); slices.Equal(other, all[:10]) {
		t.Error("another seed, the same changes")
	}

	// States take users out of the order and leave the others in it.
	spec.Seed, spec.Shares = 5, nil
	rest := slices.DeleteFunc(slices.Clone(mustNew(t, spec).Changed(spec.Users)), func(i int) bool { return p.State(i) != Active })
	if !slices.Equal(rest, all) {
		t.Error("the states of some users change the order of others")
	}
}

func TestShares(t *testing.T) {
	tests := []struct {
		name   string
		users  int
		shares map[State]float64
		want   map[State]int // of the states other than active
	}{
		{"none", 10, nil, nil},
		{"rounded", 1_000, map[State]float64{Disabled: .0204, Locked: .0096}, map[State]int{Disabled: 20, Locked: 10}},
		{"at least one", 10, map[State]float64{MustChange: .0001}, map[State]int{MustChange: 1}},
		{"everybody", 3, map[State]float64{PasswordExpired: 1}, map[State]int{PasswordExpired: 3}},
		{"all by two states that round up", 3, map[State]float64{Disabled: .5, Locked: .5}, map[State]int{Disabled: 2, Locked: 1}},
		{"zero is none", 10, map[State]float64{AccountExpired: 0}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := mustNew(t, Spec{Seed: 7, Users: tt.users, Domain: "contoso.test", Shares: tt.shares})
			active := tt.users
			for s := Active + 1; s < states; s++ {
				if got := len(p.In(s)); got != tt.want[s] {
					t.Errorf("%s users = %d, want %d", s, got, tt.want[s])
				}
				active -= tt.want[s]
			}
			if got := len(p.In(Active)); got != active {
				t.Errorf("active users = %d, want %d", got, active)
			}
			for s := range states {
				last := -1
				for _, i := range p.In(s) {
					if p.State(i) != s || i <= last {
						t.Fatalf("In(%s) holds %d after %d, whose state is %s", s, i, last, p.State(i))
					}
					last = i
				}
			}
		})
	}
}

func TestValidateReportsEveryMistake(t *testing.T) {
	tests := []struct {
		name string
		spec Spec
		want []string
	}{
		{"several", Spec{Users: 0, Domain: "", Shares: map[State]float64{Disabled: -1, Locked: math.NaN()}},
			[]string{"users 0", `domain ""`, "share of disabled users -1", "share of locked users NaN"}},
		{"too many users", Spec{Users: MaxUsers + 1, Domain: "contoso.test"}, []string{"users 1000000"}},
		{"shares over one", Spec{Users: 10, Domain: "contoso.test", Shares: map[State]float64{Disabled: .6, Locked: .5}},
			[]string{"add up to 1.1"}},
		{"domain for a DN", Spec{Users: 10, Domain: "contoso.test,dc=evil"}, []string{"domain"}},
		{"domain with a space", Spec{Users: 10, Domain: "contoso test"}, []string{"domain"}},
		{"domain with an empty label", Spec{Users: 10, Domain: "contoso..test"}, []string{"domain"}},
		{"too few users", Spec{Users: 1, Domain: "contoso.test", Shares: map[State]float64{Disabled: .1, Locked: .1}},
			[]string{"too few"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.spec)
			if err == nil {
				t.Fatal("New accepted the spec")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not mention %q", err, want)
				}
			}
		})
	}
}

func TestIndexIsTheInverseOfUPN(t *testing.T) {
	p := mustNew(t, Spec{Seed: 1, Users: 12_345, Domain: "Contoso.Test"})
	for i := range p.Len() {
		for _, upn := range []string{p.UPN(i), strings.ToUpper(p.UPN(i))} {
			if got, ok := p.Index(upn); !ok || got != i {
				t.Fatalf("Index(%q) = %d, %v, want %d", upn, got, ok, i)
			}
		}
	}
	if p.UPN(0) != "user000001@contoso.test" {
		t.Errorf("UPN(0) = %q", p.UPN(0))
	}
	for _, upn := range []string{
		"", "@", "user000001", "user000001@", "@contoso.test", "user000000@contoso.test",
		"user012346@contoso.test", "user1@contoso.test", "user+00001@contoso.test", "user-00001@contoso.test",
		"user0x0001@contoso.test", "user00_001@contoso.test", " user000001@contoso.test", "user000001@contoso.test ",
		"user000001@fabrikam.test", "user000001@contoso.test@contoso.test", p.UnknownUPN(0), p.UnknownUPN(12_345),
	} {
		if i, ok := p.Index(upn); ok {
			t.Errorf("Index(%q) = %d, want none", upn, i)
		}
	}
}

func TestNameOfTheLastUser(t *testing.T) {
	p := mustNew(t, Spec{Users: MaxUsers, Domain: "contoso.test"})
	if got := p.Name(MaxUsers - 1); got != "user999999" {
		t.Errorf("Name = %q", got)
	}
	if i, ok := p.Index(p.UPN(MaxUsers - 1)); !ok || i != MaxUsers-1 {
		t.Errorf("Index = %d, %v", i, ok)
	}
}

func TestPasswords(t *testing.T) {
	p := mustNew(t, Spec{Seed: 3, Users: 20_000, Domain: "contoso.test"})
	seen := make(map[string]bool, 3*p.Len())
	for i := range p.Len() {
		for _, password := range []string{p.Password(i), p.WrongPassword(i), p.PreviousPassword(i)} {
			if len(password) != 27 || !strings.HasPrefix(password, "p#7") {
				t.Fatalf("user %d: a password of an unexpected form, %d characters", i, len(password))
			}
			if seen[password] {
				t.Fatalf("user %d: a password that another user has, or two that are equal", i)
			}
			seen[password] = true
		}
	}
}

func TestPasswordsAreTheSameFromManyGoroutines(t *testing.T) {
	p := mustNew(t, Spec{Seed: 3, Users: 100, Domain: "contoso.test"})
	want := make([]string, p.Len())
	for i := range want {
		want[i] = p.Password(i) + p.WrongPassword(i)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i, both := range want {
				if p.Password(i)+p.WrongPassword(i) != both {
					t.Errorf("user %d: another password than before", i)
				}
			}
		})
	}
	all.Wait()
}

func TestStateNames(t *testing.T) {
	for s := range states {
		got, err := ParseState(s.String())
		if err != nil || got != s {
			t.Errorf("ParseState(%q) = %v, %v", s.String(), got, err)
		}
	}
	for _, bad := range []string{"", "Active", "gone", "state 9"} {
		if _, err := ParseState(bad); err == nil {
			t.Errorf("ParseState(%q) accepted it", bad)
		}
	}
	if got := State(200).String(); got != "state 200" {
		t.Errorf("String of no state = %q", got)
	}
	if want := []string{"active", "disabled", "locked", "expired", "must-change", "account-expired"}; !reflect.DeepEqual(stateNames[:], want) {
		t.Errorf("names of states = %q, want %q: scenarios and results spell them", stateNames, want)
	}
}

func BenchmarkUPN(b *testing.B) {
	p := mustNew(b, Spec{Users: 10_000, Domain: "contoso.test"})
	b.ReportAllocs()
	for i := 0; b.Loop(); i = (i + 1) % p.Len() {
		_ = p.UPN(i)
	}
}

func BenchmarkIndex(b *testing.B) {
	p := mustNew(b, Spec{Users: 10_000, Domain: "contoso.test"})
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := p.Index("user004711@contoso.test"); !ok {
			b.Fatal("not found")
		}
	}
}

func BenchmarkPassword(b *testing.B) {
	p := mustNew(b, Spec{Users: 10_000, Domain: "contoso.test"})
	b.ReportAllocs()
	for i := 0; b.Loop(); i = (i + 1) % p.Len() {
		_ = p.Password(i)
	}
}
