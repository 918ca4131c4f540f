package population

import (
	"math"
	"reflect"
	"testing"
	"time"
)

func testPopulation(t *testing.T) *Population {
	t.Helper()
	p, err := New(Spec{Seed: 3, Users: 500, Domain: "contoso.test", Shares: map[State]float64{Disabled: .1, Locked: .1}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPlan: a plan is that of its seed, keeps its rates, and each of its events
// fits the account as those before it left it.
func TestPlan(t *testing.T) {
	p := testPopulation(t)
	rates := map[EventKind]float64{ChangePassword: 20, Disable: 5, Enable: 2, Lock: 3, Unlock: 1, Expire: 1, ExpireAccount: 1, RenewAccount: 1}
	const length = 30 * time.Second
	plan, left, err := p.Plan(rates, length, 1)
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := p.Plan(rates, length, 1)
	if err != nil || !reflect.DeepEqual(plan, again) {
		t.Errorf("the same plan is another one (%v)", err)
	}
	if other, _, _ := p.Plan(rates, length, 2); reflect.DeepEqual(plan, other) {
		t.Error("another seed makes the same plan")
	}
	accounts, counts := make(map[int]Account), make(map[EventKind]float64)
	last := time.Duration(0)
	for _, e := range plan {
		a, found := accounts[e.User]
		if !found {
			a = p.Account(e.User)
		}
		if a, err = a.After(e.Kind); err != nil {
			t.Fatal(err)
		}
		accounts[e.User] = a
		if e.At < last || e.At >= length {
			t.Fatalf("an event at %v after one at %v, of %v", e.At, last, length)
		}
		last = e.At
		counts[e.Kind]++
	}
	for _, kind := range []EventKind{ChangePassword, Disable, Enable, Lock} {
		want := rates[kind] * length.Seconds()
		if math.Abs(counts[kind]-want) > 5*math.Sqrt(want) {
			t.Errorf("%v of %s, want about %v", counts[kind], kind, want)
		}
	}
	if left[RenewAccount] == 0 || len(left) > 1 { // of accounts that expire as often
		t.Errorf("left out: %v", left)
	}
	// Of 400 who are active each is disabled once; what is asked for beyond that
	// is known.
	plan, left, err = p.Plan(map[EventKind]float64{Disable: 100}, length, 1)
	if asked := len(plan) + int(left[Disable]); err != nil || len(plan) != 400 || math.Abs(float64(asked)-3000) > 5*math.Sqrt(3000) {
		t.Errorf("%d planned and %v left out (%v), want 400 and about 2600", len(plan), left, err)
	}
	for _, wrong := range []map[EventKind]float64{{"delete": 1}, {Lock: -1}, {Lock: math.NaN()}, {Lock: 1e6}} {
		if _, _, err := p.Plan(wrong, length, 1); err == nil {
			t.Errorf("rates %v make a plan", wrong)
		}
	}
}

// TestVersions: each change is to a password that nobody had, and the former one
// is the one before.
func TestVersions(t *testing.T) {
	p := testPopulation(t)
	seen := map[string]bool{p.PreviousPassword(7): true, p.WrongPassword(7): true}
	for v := range uint32(20) {
		password := p.VersionOf(7, v)
		if seen[password] {
			t.Errorf("version %d was there before", v)
		}
		seen[password] = true
		if v > 0 && p.FormerOf(7, v) != p.VersionOf(7, v-1) {
			t.Errorf("before version %d was another one", v)
		}
	}
	if p.VersionOf(7, 0) != p.Password(7) || p.FormerOf(7, 0) != p.PreviousPassword(7) {
		t.Error("version 0 is not the first password")
	}
	if _, err := (Account{State: Disabled}).After(Lock); err == nil {
		t.Error("a disabled account was locked")
	}
}
