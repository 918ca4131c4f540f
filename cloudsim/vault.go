package cloudsim

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync/atomic"
)

// vault keeps passwords unreadable while they wait in a queue, under a key that
// lives as long as the process and never leaves it. Sealing for a connector
// comes at dispatch, when it is known which one.
type vault struct {
	aead  cipher.AEAD
	count atomic.Uint64 // nonces used
}

func newVault() (*vault, error) {
	var key [32]byte
	rand.Read(key[:]) // never fails
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("making the queue's key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("making the queue's key: %w", err)
	}
	return &vault{aead: aead}, nil
}

// hide returns the password sealed, its nonce in front.
func (v *vault) hide(password string) []byte {
	n := v.aead.NonceSize()
	hidden := make([]byte, n+len(password), n+len(password)+v.aead.Overhead())
	binary.BigEndian.PutUint64(hidden, v.count.Add(1))
	copy(hidden[n:], password)
	return v.aead.Seal(hidden[:n], hidden[:n], hidden[n:], nil) // in place
}

// reveal appends the password of what hide returned to dst.
func (v *vault) reveal(dst, hidden []byte) []byte {
	n := v.aead.NonceSize()
	password, err := v.aead.Open(dst, hidden[:n], hidden[n:], nil)
	if err != nil {
		panic("cloudsim: the queue's own seal does not open") // memory was corrupted
	}
	return password
}
