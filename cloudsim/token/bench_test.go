package token

import (
	"crypto/ecdsa"
	"crypto/rand"
	"testing"
)

// The two signatures alone: the floor of what Mint can cost.
func BenchmarkTwoSignatures(b *testing.B) {
	s, _ := open(b, b.TempDir())
	digest := make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		for range 2 {
			if _, err := ecdsa.SignASN1(rand.Reader, s.key, digest); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkMint(b *testing.B) {
	s, _ := open(b, b.TempDir())
	is := s.Issuer(host, "contoso")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := is.Mint(client, "user000001@contoso.test", OpenID, noon); err != nil {
			b.Fatal(err)
		}
	}
}

// What there is besides the signatures.
func BenchmarkPayload(b *testing.B) {
	s, _ := open(b, b.TempDir())
	is := s.Issuer(host, "contoso")
	b.ReportAllocs()
	for b.Loop() {
		var payload [1024]byte
		is.common(payload[:0], client, "user000001@contoso.test", noon)
	}
}

func BenchmarkString(b *testing.B) {
	var buf [256]byte
	plain := "user000001@contoso.test"
	hostile := "\x1f\"\\\xff" + plain
	for name, s := range map[string]string{"plain": plain, "hostile": hostile} {
		b.Run("text="+name, func(b *testing.B) {
			for b.Loop() {
				appendString(buf[:0], s)
			}
		})
	}
}
