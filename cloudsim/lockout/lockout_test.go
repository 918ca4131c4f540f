package lockout

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func open(t testing.TB, r Rule) *Book {
	t.Helper()
	b, err := New(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// The documented rule, step by step: each is an attempt with its outcome so
// long after the one before, or one that is locked out.
func TestLocks(t *testing.T) {
	t.Parallel()
	ten := func(o Outcome) (list []string) {
		for i := range 10 {
			list = append(list, fmt.Sprintf("0s %d pw%d", o, i))
		}
		return list
	}
	same := []string{"0s 3 a", "0s 3 a", "0s 3 b", "0s 3 b", "0s 3 c", "0s 3 a"}
	for _, tc := range []struct {
		name  string
		steps []string
	}{
		{"ten lock for a minute", append(ten(Wrong), "59s locked", "1s 1 right")},
		{"nine do not", append(ten(Wrong)[:9], "0s 1 right")},
		{"each that follows locks again, for longer", append(ten(Wrong), "60s 2 x", "119s locked", "1s 2 x", "239s locked", "1s 1 right", "0s 2 x", "0s 1 right")},
		{"a right one begins anew", append(append(ten(Wrong)[:9], "0s 1 right"), append(ten(Wrong)[:9], "0s 1 right")...)},
		{"an hour at most", append(ten(Wrong), strings.Split(strings.Repeat("60m 2 x,", 20)+"3599s locked,1s 1 right", ",")...)},
		{"undecided ones count for nothing", append(append(ten(Undecided), ten(Undecided)...), "0s 1 right")},
		{"repeats of the last three count once where they are seen", append(append(slices.Clone(same), same...), append(ten(WrongSeen)[:6], "0s 1 right")...)},
		{"a fourth one makes the first new", append(append(slices.Clone(same), "0s 3 d", "0s 3 a", "0s 3 b", "0s 3 c", "0s 3 d", "0s 3 a", "0s 3 b"), "0s locked")},
		{"repeats count where they are not seen", append(strings.Split(strings.Repeat("0s 2 a,", 9)+"0s 2 a", ","), "0s locked")},
		{"a repeat locks none again", append(ten(WrongSeen), "60s 3 pw9", "0s 3 pw8", "0s 3 new", "119s locked", "1s 1 right")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b, now := open(t, Usual()), began
			for i, step := range tc.steps {
				var after, what, password string
				_, _ = fmt.Sscan(step, &after, &what, &password) // the third is not always there
				d, err := time.ParseDuration(after)
				if err != nil {
					t.Fatal(err)
				}
				now = now.Add(d)
				name := []string{"ann@contoso.test", "Ann@Contoso.Test"}[i%2]
				if got, want := b.Enter(name, now), what != "locked"; got != want {
					t.Fatalf("step %d (%s): let in %v; expected %v", i, step, got, want)
				}
				if what != "locked" {
					b.Leave(name, password, Outcome(what[0]-'0'), now)
				}
			}
			if b.Enter("ben", now) != true {
				t.Error("another account is locked")
			}
		})
	}
}

// A crowd has as many guesses as a queue; who knows the password is not held
// up once it is known.
func TestCrowd(t *testing.T) {
	t.Parallel()
	b := open(t, Usual())
	in := 0
	for range 1000 {
		if b.Enter("ann", began) {
			in++
		}
	}
	if in != Failures || b.Locked() != 990 {
		t.Errorf("%d of a crowd were let in, %d not", in, b.Locked())
	}
	b.Leave("ann", "right", Right, began)
	for range 1000 {
		if !b.Enter("ann", began) {
			t.Fatal("whoever knows the password is locked out")
		}
	}
	for range 1000 + in - 1 {
		b.Leave("ann", "right", Right, began)
	}
	if len(b.held) != 0 || b.order.Len() != 0 {
		t.Errorf("%d accounts are kept in mind for nothing", len(b.held))
	}
	// After a lock one at a time.
	for range Failures {
		b.Enter("ben", began)
		b.Leave("ben", "x", Wrong, began)
	}
	later := began.Add(First)
	if !b.Enter("ben", later) || b.Enter("ben", later) {
		t.Error("after a lock: expected one at a time")
	}
}

func TestBound(t *testing.T) {
	t.Parallel()
	b := open(t, Rule{1, time.Minute})
	b.bound = 2
	for _, name := range []string{"a", "b", "c"} {
		if !b.Enter(name, began) {
			t.Fatal(name)
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		b.Leave(name, "x", Wrong, began)
	}
	if len(b.held) != 2 || b.order.Len() != 2 || b.Enter("c", began) {
		t.Errorf("%d are watched", len(b.held))
	}
}

// No book locks nobody.
func TestOff(t *testing.T) {
	t.Parallel()
	b := open(t, Rule{})
	if b != nil {
		t.Fatal("a book of a rule that locks nobody")
	}
	for range 100 {
		if !b.Enter("ann", began) {
			t.Fatal("locked")
		}
		b.Leave("ann", "x", Wrong, began)
	}
	if b.Locked() != 0 {
		t.Error("counted")
	}
}

func TestTogether(t *testing.T) {
	t.Parallel()
	b := open(t, Usual())
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 200 {
				name := fmt.Sprint("user", i%3)
				if b.Enter(name, began) {
					b.Leave(name, "x", Outcome(i%3), began)
				}
			}
		})
	}
	all.Wait()
	for at := b.order.Front(); at != nil; at = at.Next() {
		if a := at.Value.(*account); a.pending != 0 {
			t.Errorf("%+v: expected nobody inside", a)
		}
	}
}

func TestParseRule(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Rule{"on": Usual(), "off": {}, "5/30s": {5, 30 * time.Second}, "1000/1h": {1000, time.Hour}} {
		r, err := ParseRule(text)
		if again, wrong := ParseRule(r.String()); err != nil || r != want || wrong != nil || again != r {
			t.Errorf("%s: %+v, %v; again %+v, %v", text, r, err, again, wrong)
		}
	}
	for _, text := range []string{"", "yes", "10", "10/", "/60s", "0/60s", "0/0s", "-1/60s", "1001/60s", "10/999ms", "10/61m", "10/-1s", "10/60", "10/60s/", "1e1/60s"} {
		if r, err := ParseRule(text); err == nil {
			t.Errorf("%q: %v; expected an error", text, r)
		}
	}
}

// What a sign-in with the right password pays.
func BenchmarkRight(b *testing.B) {
	book := open(b, Usual())
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if book.Enter("user000001@contoso.test", began) {
				book.Leave("user000001@contoso.test", "secret", Right, began)
			}
		}
	})
}

// Whoever guesses has no more guesses for the ways to write a name that a
// directory takes for the same: OpenLDAP and Samba do most of these.
func TestSpellings(t *testing.T) {
	t.Parallel()
	spellings := []string{"straße@contoso.test", " straße@contoso.test", "straße @contoso.test  ", "STRASSE@Contoso.Test", "ſtrasse@contoso.test",
		"ｓtraße@contoso.test", "strasse\u00a0@contoso.test", "s\u200btrasse@contoso.test", "st\u00adrasse@contoso.test", "stra\u1e9ee@contoso.test"}
	b := open(t, Usual())
	for i, name := range spellings {
		if !b.Enter(name, began) {
			t.Fatalf("%+q: the %dth guess is locked out", name, i+1)
		}
		b.Leave(name, fmt.Sprint("wrong", i), Wrong, began)
	}
	for _, name := range append(spellings, "strasse@contoso.test") {
		if b.Enter(name, began) {
			t.Errorf("%+q: let in after %d guesses", name, len(spellings))
		}
	}
	for _, other := range []string{"strase@contoso.test", "zoë@contoso.test", "zoe@contoso.test"} {
		if !b.Enter(other, began) {
			t.Errorf("%s is locked for another", other)
		}
	}
}

func BenchmarkEnter(b *testing.B) {
	for _, name := range []string{"user000001@contoso.test", "zoë@contoso.test"} {
		b.Run(name, func(b *testing.B) {
			book := open(b, Usual())
			for range b.N {
				book.Enter(name, began)
				book.Leave(name, "right", Right, began)
			}
		})
	}
}
