package synchash

import (
	"crypto/hmac"
	stdlib "crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"math/rand/v2"
	"testing"
)

// TestPBKDF2 holds the derivation against the standard library's on random
// input of every length that it takes.
func TestPBKDF2(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	bytes := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	for length := range sha256.BlockSize + 1 {
		for _, iterations := range []int{1, 2, 3, 1 + random.IntN(50), Iterations} {
			secret, salt := bytes(length), bytes(random.IntN(3*sha256.BlockSize))
			want, err := stdlib.Key(sha256.New, string(secret), salt, iterations, sha256.Size)
			if err != nil {
				t.Fatal(err)
			}
			for name, got := range map[string][sha256.Size]byte{
				"fast": pbkdf2(secret, salt, iterations), "plain": plainly(secret, salt, iterations),
			} {
				if got != [sha256.Size]byte(want) {
					t.Errorf("%s: pbkdf2(%x, %x, %d) = %x, want %x", name, secret, salt, iterations, got, want)
				}
			}
		}
	}
}

// TestFastPath: hash sync would still be right without it, and take twice as long.
func TestFastPath(t *testing.T) {
	if newCompressor() == nil {
		t.Error("crypto/sha256 keeps its chaining value elsewhere than wordsOf looks")
	}
}

// A hash that is not made as expected is not touched.
func TestWordsOfOtherHashes(t *testing.T) {
	for _, other := range []hash.Hash{sha512.New(), sha1.New(), hmac.New(sha256.New, nil)} {
		if wordsOf(other) != nil {
			t.Errorf("%T: taken for SHA-256", other)
		}
	}
}

func TestPBKDF2OfLongSecret(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a secret was cut")
		}
	}()
	pbkdf2(make([]byte, sha256.BlockSize+1), nil, 1)
}

// BenchmarkPBKDF2 is the derivation beside the standard library's.
func BenchmarkPBKDF2(b *testing.B) {
	secret, salt := make([]byte, 64), make([]byte, SaltSize)
	b.Run("by=synchash", func(b *testing.B) {
		for b.Loop() {
			pbkdf2(secret, salt, Iterations)
		}
	})
	b.Run("by=crypto", func(b *testing.B) {
		for b.Loop() {
			if _, err := stdlib.Key(sha256.New, string(secret), salt, Iterations, HashSize); err != nil {
				b.Fatal(err)
			}
		}
	})
}
