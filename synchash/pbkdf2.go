package synchash

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"
)

// pbkdf2 derives one block of a key by PBKDF2-HMAC-SHA256 (RFC 8018 section
// 5.2) from a secret of at most 64 bytes. crypto/pbkdf2 gives the same and takes
// half as long again: of its time less than half goes into compressing blocks,
// and 1,000 iterations are most of what hash sync costs the cloud.
//
// Each HMAC after the first compresses two blocks of known shape, so this saves
// what HMAC starts from (FIPS 198-1, section 6), lays the padding of SHA-256
// out once, and takes each sum out of the state.
func pbkdf2(secret, salt []byte, iterations int) [sha256.Size]byte {
	d := sha256.New().(stateful) // documented
	var pad [sha256.BlockSize]byte
	if copy(pad[:], secret) < len(secret) {
		panic("synchash: a secret longer than a block")
	}
	inner := begin(d, pad, 0x36)
	outer := begin(d, pad, 0x5c)

	// A sum and its padding, as the one block that follows a pad.
	var block [sha256.BlockSize]byte
	block[sha256.Size] = 0x80
	binary.BigEndian.PutUint64(block[sha256.BlockSize-8:], 8*(sha256.BlockSize+sha256.Size))
	space := make([]byte, 0, maxState)

	restore(d, inner)
	d.Write(salt)
	d.Write([]byte{0, 0, 0, 1}) // the number of the block of the key
	d.Sum(block[:0])

	var key [sha256.Size / 8]uint64 // as words, to be combined
	for i := range iterations {
		if i > 0 {
			restore(d, inner)
			d.Write(block[:])
			copy(block[:sha256.Size], whole(d, space))
		}
		restore(d, outer)
		d.Write(block[:])
		u := whole(d, space)
		copy(block[:sha256.Size], u)
		for j := range key {
			key[j] ^= binary.BigEndian.Uint64(u[8*j:])
		}
	}
	var out [sha256.Size]byte
	for j, word := range key {
		binary.BigEndian.PutUint64(out[8*j:], word)
	}
	return out
}

// A stateful hash is one whose state can be saved and restored, as that of
// crypto/sha256.
type stateful interface {
	hash.Hash
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}

// The saved state of SHA-256 begins with 4 bytes that say what it is; the words
// of the state follow, which after a whole message are its sum.
const (
	stateMagic = 4
	maxState   = 128 // bytes, and room to spare
)

// begin is the state after the first block of an HMAC, the key combined with a
// byte.
func begin(d stateful, pad [sha256.BlockSize]byte, with byte) []byte {
	for i := range pad {
		pad[i] ^= with
	}
	d.Reset()
	d.Write(pad[:])
	return state(d, make([]byte, 0, maxState))
}

func state(d stateful, space []byte) []byte {
	b, err := d.AppendBinary(space)
	if err != nil {
		panic("synchash: " + err.Error()) // it has no reason to
	}
	return b
}

func restore(d stateful, state []byte) {
	if err := d.UnmarshalBinary(state); err != nil {
		panic("synchash: " + err.Error()) // it is a state of the same hash
	}
}

// whole is the sum of the blocks that were written, which end in a padding.
func whole(d stateful, space []byte) []byte {
	return state(d, space)[stateMagic:][:sha256.Size]
}
