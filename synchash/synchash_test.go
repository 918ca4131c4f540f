package synchash

import (
	"encoding/hex"
	"testing"
)

func TestNTHash(t *testing.T) {
	tests := []struct {
		name, password, want string
	}{
		// MS-NLMP, section 4.2.2.1.2, NTOWFv1.
		{"MS-NLMP", "Password", "a4f49c406510bdcab6824ee7c30fd852"},
		// Samba, passlib and hashcat all publish these two.
		{"passlib", "password", "8846f7eaee8fb117ad06bdd830b7586c"},
		{"empty", "", "31d6cfe0d16ae931b73c59d7e0c089c0"},
		// DSInternals, ConvertTo-NTHash, example 2.
		{"DSInternals", "Pa$$w0rd", "92937945b518814341de3f726500d4ff"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := NTHash(tt.password)
			if hex.EncodeToString(got[:]) != tt.want {
				t.Errorf("NTHash(%q) = %x, want %s", tt.password, got, tt.want)
			}
		})
	}
}

func TestUTF16(t *testing.T) {
	tests := []struct{ in, want string }{
		{"aB", "61004200"},
		{"ü", "fc00"},
		{"€", "ac20"},
		{"😀", "3dd800de"}, // a surrogate pair, U+1F600
		{"\xff", "fdff"},  // not UTF-8: the replacement character
		{"", ""},
	}
	for _, tt := range tests {
		if got := hex.EncodeToString(utf16LE(tt.in)); got != tt.want {
			t.Errorf("utf16LE(%q) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

// TestPublishedChain holds the whole chain against values that DSInternals
// publishes, which are those of the sync agent's own library. Hash stores
// outlive builds, so it pins this project's too.
func TestPublishedChain(t *testing.T) {
	const password = "Pa$$w0rd" // its NT hash is in both examples, and above
	tests := []struct{ name, salt, want string }{
		{"ConvertTo-OrgIdHash, example 1", "60eaffd2c886b419df7a", "ab9c532104713157395a70da85cc8a1b418508753c6997f02341d541328ef16b"},
		{"ConvertTo-OrgIdHash, example 2", "46c0c5d9095185ce5cf8", "6bb7b360d9105ed5157460b343d5d143e465a59195bc9b568718268c334ea4a9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := sum(digits(password), salt(t, tt.salt))
			if hex.EncodeToString(got[:]) != tt.want {
				t.Errorf("sum = %x, want %s", got, tt.want)
			}
			if !(Hash{Salt: salt(t, tt.salt), Sum: got}).Matches(password) {
				t.Error("the hash does not match its password")
			}
		})
	}
}

func TestMatches(t *testing.T) {
	h := New("p#7RIGHT")
	for password, want := range map[string]bool{
		"p#7RIGHT": true, "p#7right": false, "p#7RIGHT ": false, "": false, "p#7WRONG": false,
	} {
		if h.Matches(password) != want {
			t.Errorf("Matches(%q) = %v, want %v", password, !want, want)
		}
	}
	if (Hash{}).Matches("") {
		t.Error("the zero hash matches the empty password")
	}
}

func TestFromNTHash(t *testing.T) {
	h := FromNTHash(NTHash("p#7RIGHT"))
	if !h.Matches("p#7RIGHT") || h.Matches("p#7WRONG") {
		t.Error("the hash made of an NT hash does not match the password of that, or another")
	}
}

func TestNewSaltsEachHash(t *testing.T) {
	a, b := New("same"), New("same")
	if a.Salt == b.Salt || a.Sum == b.Sum {
		t.Error("two hashes of one password share their salt or sum")
	}
}

func salt(t *testing.T, s string) (salt [SaltSize]byte) {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != SaltSize {
		t.Fatalf("salt %q: %v", s, err)
	}
	return [SaltSize]byte(b)
}

func BenchmarkMatches(b *testing.B) {
	h := New("p#7ABCDEFGHIJKLMNOPQRSTUVWX")
	b.ReportAllocs()
	for b.Loop() {
		if !h.Matches("p#7ABCDEFGHIJKLMNOPQRSTUVWX") {
			b.Fatal("no match")
		}
	}
}
