package cloudsim

import (
	"crypto/hpke"
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// sealInfo binds a sealing context to this protocol.
const sealInfo = "ptabench seal 1"

// sealer seals passwords for one connector session. Its HPKE context is kept
// open, because opening one costs as much as a thousand messages, and replaced
// when it is old or much used. It belongs to the session's sender goroutine.
type sealer struct {
	key      hpke.PublicKey
	maxAge   time.Duration
	maxCount int

	context *hpke.Sender
	opened  time.Time
	count   int

	aad   [12]byte // of the last seal; here so that it needs no memory of its own
	plain []byte   // scratch for a password, cleared after each
}

func newSealer(kem uint32, key []byte, maxAge time.Duration, maxCount int) (*sealer, error) {
	if kem > math.MaxUint16 {
		return nil, fmt.Errorf("hpke_kem %#x: expected 16 bits", kem)
	}
	k, err := hpke.NewKEM(uint16(kem))
	if err != nil {
		return nil, fmt.Errorf("hpke_kem %#04x: %w", kem, err)
	}
	public, err := k.NewPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("hpke_public_key: %w", err)
	}
	return &sealer{key: public, maxAge: maxAge, maxCount: maxCount}, nil
}

// roll opens a new context if one is due and returns what the connector needs
// to open it too, nil if the present one goes on.
func (s *sealer) roll(now time.Time) (enc []byte, err error) {
	if s.context != nil && s.count < s.maxCount && now.Sub(s.opened) < s.maxAge {
		return nil, nil
	}
	enc, s.context, err = hpke.NewSender(s.key, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(sealInfo))
	if err != nil {
		return nil, fmt.Errorf("opening a sealing context: %w", err)
	}
	s.opened, s.count = now, 0
	return enc, nil
}

// room is how many passwords go under one context from the next roll on. The
// present one may have none left, and then roll replaces it.
func (s *sealer) room() int {
	if left := s.maxCount - s.count; s.context != nil && left > 0 {
		return left
	}
	return s.maxCount
}

// seal seals a password for one attempt of a sign-in.
func (s *sealer) seal(id uint64, attempt uint32, password []byte) ([]byte, error) {
	binary.BigEndian.PutUint64(s.aad[:8], id)
	binary.BigEndian.PutUint32(s.aad[8:], attempt)
	s.count++
	return s.context.Seal(s.aad[:], password)
}

// reseal seals for the connector what the vault has hidden.
func (s *sealer) reseal(v *vault, id uint64, attempt uint32, hidden []byte) ([]byte, error) {
	s.plain = v.reveal(s.plain[:0], hidden)
	defer clear(s.plain)
	return s.seal(id, attempt, s.plain)
}
