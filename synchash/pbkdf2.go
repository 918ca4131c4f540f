package synchash

import (
	"crypto/hmac"
	stdlib "crypto/pbkdf2"
	"crypto/sha256"
	"encoding/binary"
)

// pbkdf2 derives one block of a key by PBKDF2-HMAC-SHA256 (RFC 8018 section
// 5.2) from a secret of at most 64 bytes. crypto/pbkdf2 gives the same and takes
// nearly twice as long: of its time less than half goes into compressing
// blocks, and 1,000 iterations are most of what hash sync costs the cloud.
//
// Each HMAC after the first compresses two blocks of known shape, so this keeps
// what HMAC starts from (FIPS 198-1, section 6), lays the padding of SHA-256
// out once, and takes each sum out of the chaining value.
func pbkdf2(secret, salt []byte, iterations int) [sha256.Size]byte {
	if len(secret) > sha256.BlockSize {
		panic("synchash: a secret longer than a block")
	}
	if c := newCompressor(); c != nil {
		return c.pbkdf2(secret, salt, iterations)
	}
	return plainly(secret, salt, iterations)
}

// plainly is pbkdf2 by the standard library.
func plainly(secret, salt []byte, iterations int) [sha256.Size]byte {
	key, err := stdlib.Key(sha256.New, string(secret), salt, iterations, sha256.Size)
	if err != nil {
		panic("synchash: " + err.Error()) // no secret of hash sync is too short for it
	}
	return [sha256.Size]byte(key)
}

func (c *compressor) pbkdf2(secret, salt []byte, iterations int) [sha256.Size]byte {
	inner, outer := c.keyed(secret, 0x36), c.keyed(secret, 0x5c)

	// A sum and its padding, as the one block that follows a pad.
	var block [sha256.BlockSize]byte
	block[sha256.Size] = 0x80
	binary.BigEndian.PutUint64(block[sha256.BlockSize-8:], 8*(sha256.BlockSize+sha256.Size))

	mac := hmac.New(sha256.New, secret)
	mac.Write(salt)
	mac.Write([]byte{0, 0, 0, 1}) // the number of the block of the key
	key := [sha256.Size]byte(mac.Sum(nil))
	copy(block[:], key[:])

	var sum chain // of all iterations after the first
	for range iterations - 1 {
		u := inner
		c.compress(&u, &block)
		u.put(&block)
		u = outer
		c.compress(&u, &block)
		u.put(&block)
		for i := range sum {
			sum[i] ^= u[i]
		}
	}
	for i, word := range sum {
		at := key[4*i:]
		binary.BigEndian.PutUint32(at, binary.BigEndian.Uint32(at)^word)
	}
	return key
}

// keyed is the chaining value after the first block of an HMAC: the key, each
// byte of it combined with the same.
func (c *compressor) keyed(key []byte, with byte) chain {
	var block [sha256.BlockSize]byte
	copy(block[:], key)
	for i := range block {
		block[i] ^= with
	}
	value := c.first()
	c.compress(&value, &block)
	return value
}

// put writes the words at the beginning of a block.
func (v *chain) put(block *[sha256.BlockSize]byte) {
	for i, word := range v {
		binary.BigEndian.PutUint32(block[4*i:], word)
	}
}
