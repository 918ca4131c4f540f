package state

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// grantBucket holds the tokens of administrators that registrations used up:
// SHA-256 of a token's ID to JSON record, until the token expires.
var grantBucket = []byte("grants")

// maxGrants bounds them, over all tenants.
const maxGrants = 10_000

// ErrTooManyGrants is that bound.
var ErrTooManyGrants = errors.New("as many tokens were used up as can be remembered; the first expire within minutes")

// A Grant is an administrator's signed token, which was verified: it registers
// one connector, like a registration token that was made for it.
type Grant struct {
	ID      string // of the token, unique
	Tenant  string // that it is good for
	By      string // who signed in for it
	Expires time.Time
}

// CheckGrant says whether a grant can be used, by the errors of CheckToken. It
// uses nothing up.
func (s *Store) CheckGrant(g Grant, now time.Time) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		used, found, err := findGrant(tx, g)
		if err == nil && found && !now.Before(used.At.Add(RetryTime)) {
			err = ErrTokenUsed
		}
		return err
	})
}

// RegisterBy does what Register does, by a grant in place of a token.
func (s *Store) RegisterBy(g Grant, c Connector, publicKey []byte, now time.Time) error {
	return s.register(c, now, func(tx *bbolt.Tx) error {
		if g.ID == "" || g.Tenant != c.Tenant {
			return ErrTokenTenant
		}
		return useGrant(tx, g, userOf(c.Name, publicKey), now)
	})
}

// useGrant uses a grant up, within the transaction that grants what it is for.
func useGrant(tx *bbolt.Tx, g Grant, by []byte, now time.Time) error {
	used, found, err := findGrant(tx, g)
	switch {
	case err != nil:
		return err
	case found && (!now.Before(used.At.Add(RetryTime)) || subtle.ConstantTimeCompare(used.By, by) != 1):
		return ErrTokenUsed
	case found:
		return nil
	case !now.Before(g.Expires):
		return ErrTokenExpired
	}
	bucket := tx.Bucket(grantBucket)
	left, err := pruneGrants(bucket, now)
	if err != nil {
		return err
	}
	if left >= maxGrants {
		return ErrTooManyGrants
	}
	b, err := json.Marshal(token{Tenant: g.Tenant, Expires: g.Expires, Used: true, By: by, At: now})
	if err != nil {
		return err
	}
	return bucket.Put(hashToken(g.ID), b)
}

func findGrant(tx *bbolt.Tx, g Grant) (t token, found bool, err error) {
	b := tx.Bucket(grantBucket).Get(hashToken(g.ID))
	if b == nil {
		return t, false, nil
	}
	if err := json.Unmarshal(b, &t); err != nil {
		return t, false, fmt.Errorf("reading the record of an administrator's token: %w", err)
	}
	return t, true, nil
}

// pruneGrants removes those that can't be used again in any case, and says how
// many are left.
func pruneGrants(bucket *bbolt.Bucket, now time.Time) (left int, err error) {
	var gone [][]byte
	err = bucket.ForEach(func(hash, value []byte) error {
		var t token
		if err := json.Unmarshal(value, &t); err != nil || now.After(t.Expires.Add(RetryTime)) {
			gone = append(gone, slices.Clone(hash))
			return nil
		}
		left++
		return nil
	})
	for _, hash := range gone {
		err = errors.Join(err, bucket.Delete(hash))
	}
	return left, err
}
