package synchash

import (
	"encoding/hex"
	"strings"
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

// TestPublishedChain holds everything after the NT hash against values of the
// real service that others published. They use upper-case digits.
func TestPublishedChain(t *testing.T) {
	tests := []struct{ name, nt, salt, want string }{
		{
			"DSInternals, ConvertTo-OrgIdHash, example 1", "92937945b518814341de3f726500d4ff", "60eaffd2c886b419df7a",
			"ab9c532104713157395a70da85cc8a1b418508753c6997f02341d541328ef16b",
		},
		{
			"DSInternals, ConvertTo-OrgIdHash, example 2", "92937945b518814341de3f726500d4ff", "46c0c5d9095185ce5cf8",
			"6bb7b360d9105ed5157460b343d5d143e465a59195bc9b568718268c334ea4a9",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := sum(strings.ToUpper(tt.nt), salt(t, tt.salt))
			if hex.EncodeToString(got[:]) != tt.want {
				t.Errorf("sum = %x, want %s", got, tt.want)
			}
		})
	}
}

// TestFrozenChain pins this project's own values: hash stores outlive builds.
func TestFrozenChain(t *testing.T) {
	h := Hash{Salt: salt(t, "317ee9d1dec6508fa510")}
	sum, err := hex.DecodeString("6d5449424b5c54705d72e0e50b35f34e56fee3ddbed7db6cc6e86679d80fdce0")
	if err != nil {
		t.Fatal(err)
	}
	copy(h.Sum[:], sum)
	if !h.Matches("Pa$$w0rd") {
		t.Error("the frozen hash does not match its password")
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
