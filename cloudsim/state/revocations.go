package state

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// ErrNoConnector is returned for a connector that never registered.
var ErrNoConnector = errors.New("the tenant has no such connector")

// A RevocationReason is why a certificate was revoked, as the number that a
// revocation list gives it (RFC 5280, 5.3.1).
type RevocationReason int

// The reasons.
const (
	Superseded RevocationReason = 4 // a new registration under the same name
	Ceased     RevocationReason = 5 // the connector was removed, or removed itself
	Withdrawn  RevocationReason = 9 // an operator's decision
)

// A Revocation is a certificate that is not to be believed any more.
type Revocation struct {
	Serial   string           `json:"serial"` // lower-case hexadecimal
	At       time.Time        `json:"at"`
	NotAfter time.Time        `json:"not_after"` // of the certificate
	Reason   RevocationReason `json:"reason"`
}

// revocationBucket maps serials to JSON records; listNumberKey, among the
// keys, is the number of the last list.
var (
	revocationBucket = []byte("revocations")
	listNumberKey    = []byte("revocation list number")
)

// Revoke withdraws the certificate of a connector for good. It reports false,
// and changes nothing, when that was done before. Only a new registration
// makes the connector good again, with another certificate.
func (s *Store) Revoke(tenant, name string, now time.Time) (c Connector, revoked bool, err error) {
	s.connectorWriter.Lock()
	defer s.connectorWriter.Unlock()
	s.mu.RLock()
	c, found := s.connectors[owner{tenant, name}]
	s.mu.RUnlock()
	if !found {
		return c, false, fmt.Errorf("revoking %s of %s: %w", name, tenant, ErrNoConnector)
	}
	if !c.RevokedAt.IsZero() {
		return c, false, nil
	}
	c.RevokedAt = now
	err = s.db.Update(func(tx *bbolt.Tx) error {
		if err := s.revokeConnector(tx, c, Withdrawn, now); err != nil {
			return err
		}
		return putConnector(tx, c)
	})
	if err != nil {
		return c, false, fmt.Errorf("revoking %s of %s: %w", name, tenant, err)
	}
	s.remember(c)
	return c, true, nil
}

// Withdrawn reports whether a certificate is that of a connector that was
// revoked and has not registered since.
func (s *Store) Withdrawn(serial string) bool {
	c, found := s.Known(serial)
	return found && !c.RevokedAt.IsZero()
}

// Revoked is sent something whenever a certificate has been revoked, of however
// many. One reader may be there.
func (s *Store) Revoked() <-chan struct{} { return s.revokedAny }

// NextList returns a number for a revocation list, greater than any before,
// and what belongs into it, by serial. Certificates that ended before the time
// given are forgotten: nobody believes them anyway.
func (s *Store) NextList(endedBefore time.Time) (number uint64, revoked []Revocation, err error) {
	err = s.db.Update(func(tx *bbolt.Tx) error {
		revoked = nil
		keys := tx.Bucket(keysBucket)
		if b := keys.Get(listNumberKey); len(b) == 8 {
			number = binary.BigEndian.Uint64(b)
		}
		number++
		if err := keys.Put(listNumberKey, binary.BigEndian.AppendUint64(nil, number)); err != nil {
			return err
		}
		var ended [][]byte
		bucket := tx.Bucket(revocationBucket)
		err := bucket.ForEach(func(key, value []byte) error {
			var r Revocation
			if err := json.Unmarshal(value, &r); err != nil {
				return fmt.Errorf("revocation %q: %w", key, err)
			}
			if r.NotAfter.Before(endedBefore) {
				ended = append(ended, bytes.Clone(key))
				return nil
			}
			revoked = append(revoked, r)
			return nil
		})
		for _, key := range ended {
			err = errors.Join(err, bucket.Delete(key))
		}
		return err
	})
	if err != nil {
		return 0, nil, fmt.Errorf("numbering a revocation list: %w", err)
	}
	return number, revoked, nil
}

// revokeConnector revokes every certificate that a connector has, except those
// that were before.
func (s *Store) revokeConnector(tx *bbolt.Tx, c Connector, why RevocationReason, now time.Time) error {
	if c.FormerSerial != "" {
		former := Revocation{Serial: c.FormerSerial, At: now, NotAfter: c.FormerNotAfter, Reason: why}
		if err := s.putRevocation(tx, former); err != nil {
			return err
		}
	}
	return s.putRevocation(tx, Revocation{Serial: c.Serial, At: now, NotAfter: c.NotAfter, Reason: why})
}

func (s *Store) putRevocation(tx *bbolt.Tx, r Revocation) error {
	bucket := tx.Bucket(revocationBucket)
	if bucket.Get([]byte(r.Serial)) != nil {
		return nil
	}
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	tx.OnCommit(func() {
		select {
		case s.revokedAny <- struct{}{}:
		default: // it has not been seen to yet
		}
	})
	return bucket.Put([]byte(r.Serial), b)
}
