package state

import (
	"testing"

	"ptabench/synchash"
	"ptabench/wire"
)

// What hash sync costs a sign-in, on all CPUs at once.
func BenchmarkCheck(b *testing.B) {
	s := open(b, b.TempDir())
	list := many(10_000)
	list[7].Hash = synchash.New("right")
	if err := s.PutAccounts("contoso", list); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if s.Check("contoso", list[7].UPN, "right") != wire.Result_RESULT_ACCEPTED {
				b.Error("the right password was refused")
			}
		}
	})
}

// The look-up alone, without the hash.
func BenchmarkAccount(b *testing.B) {
	s := open(b, b.TempDir())
	list := many(10_000)
	if err := s.PutAccounts("contoso", list); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, found := s.Account("contoso", list[i%len(list)].UPN); !found {
				b.Error("an account is missing")
			}
		}
	})
}

// A push of 10,000 accounts, in batches of a thousand, each on the disk before
// the next.
func BenchmarkPut10000Accounts(b *testing.B) {
	s := open(b, b.TempDir())
	list := many(10_000)
	for b.Loop() {
		for at := 0; at < len(list); at += 1000 {
			if err := s.PutAccounts("contoso", list[at:at+1000]); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// A start with 10,000 accounts in the file.
func BenchmarkOpen10000Accounts(b *testing.B) {
	dir := b.TempDir()
	s := open(b, dir)
	if err := s.PutAccounts("contoso", many(10_000)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s = reopen(b, s, dir)
	}
}

func BenchmarkKnown(b *testing.B) {
	s := open(b, b.TempDir())
	s.remember(connector("connector-1", "0a"))
	for b.Loop() {
		if _, found := s.Known("0a"); !found {
			b.Fatal("the connector is missing")
		}
	}
}
