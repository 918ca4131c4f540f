package connector

import (
	"crypto/hpke"
	"encoding/binary"
	"errors"
)

// sealInfo binds sealing contexts to this use of them.
var sealInfo = []byte("ptabench seal 1")

// kem, kdf and aead are the cipher suite passwords are sealed with.
var (
	kem  = hpke.MLKEM768X25519()
	kdf  = hpke.HKDFSHA256()
	aead = hpke.AES256GCM()
)

var errNoContext = errors.New("no sealing context was sent")

// An opener opens the passwords of one request stream, under a key that exists
// for its session only. It belongs to the goroutine that reads the request
// stream, because passwords open only in the order they were sealed.
type opener struct {
	key       hpke.PrivateKey
	recipient *hpke.Recipient
	aad       [12]byte
}

func newOpener() (*opener, error) {
	key, err := kem.GenerateKey()
	if err != nil {
		return nil, err
	}
	return &opener{key: key}, nil
}

// sibling is an opener for another stream of the session.
func (o *opener) sibling() *opener { return &opener{key: o.key} }

// renew takes a new sealing context.
func (o *opener) renew(enc []byte) error {
	r, err := hpke.NewRecipient(enc, o.key, kdf, aead, sealInfo)
	if err == nil {
		o.recipient = r
	}
	return err
}

// open returns the password, which is the caller's.
func (o *opener) open(id uint64, attempt uint32, sealed []byte) ([]byte, error) {
	if o.recipient == nil {
		return nil, errNoContext
	}
	binary.BigEndian.PutUint64(o.aad[:8], id)
	binary.BigEndian.PutUint32(o.aad[8:], attempt)
	return o.recipient.Open(o.aad[:], sealed)
}
