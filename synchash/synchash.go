// Package synchash is the documented chain by which password hash sync turns a
// password into what the cloud keeps. The sync side makes hashes on premises
// and the cloud checks passwords against them, and neither may import the
// other, so the chain has a room of its own.
package synchash

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"unicode/utf16"

	//lint:ignore SA1019 the documented chain begins with MD4
	"golang.org/x/crypto/md4"
)

// Sizes of the documented chain, in bytes, and its iterations. Source:
// Microsoft, "Implement password hash synchronization with Microsoft Entra
// Connect Sync", section on how it works.
const (
	SaltSize   = 10
	HashSize   = 32
	Iterations = 1000
)

// A Hash is what the cloud keeps of a password.
type Hash struct {
	Salt [SaltSize]byte
	Sum  [HashSize]byte
}

// New hashes a password under a random salt.
func New(password string) Hash {
	var h Hash
	rand.Read(h.Salt[:]) // never fails
	h.Sum = sum(digits(password), h.Salt)
	return h
}

// FromNTHash hashes, under a random salt, a password of which no more is known
// than what a domain controller keeps.
func FromNTHash(nt [md4.Size]byte) Hash {
	var h Hash
	rand.Read(h.Salt[:]) // never fails
	h.Sum = sum(digitsOf(nt), h.Salt)
	return h
}

// Matches reports whether the hash was made from the password. It takes about
// 130 µs whatever the answer.
func (h Hash) Matches(password string) bool {
	got := sum(digits(password), h.Salt)
	return subtle.ConstantTimeCompare(got[:], h.Sum[:]) == 1
}

// NTHash is the MD4 of the little-endian UTF-16 password: what a domain
// controller keeps.
func NTHash(password string) [md4.Size]byte {
	h := md4.New()
	h.Write(utf16LE(password))
	var nt [md4.Size]byte
	h.Sum(nt[:0])
	return nt
}

// digits is the NT hash as 32 hexadecimal digits. The description leaves their
// case open. They are upper-case: so does DSInternals feed the sync agent's own
// library to make its test values (ConvertTo-OrgIdHashNative.ps1), and the
// values that it publishes come out of no other.
func digits(password string) string { return digitsOf(NTHash(password)) }

func digitsOf(nt [md4.Size]byte) string {
	return strings.ToUpper(hex.EncodeToString(nt[:]))
}

// sum runs the rest of the chain: the digits as 64 bytes of UTF-16, then
// PBKDF2-HMAC-SHA256.
func sum(digits string, salt [SaltSize]byte) [HashSize]byte {
	return pbkdf2(utf16LE(digits), salt[:], Iterations)
}

func utf16LE(s string) []byte {
	units := utf16.Encode([]rune(s))
	b := make([]byte, 0, 2*len(units))
	for _, u := range units {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}
