package state

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

// TokenLifetime is how long a registration token may be used.
const TokenLifetime = time.Hour

// RetryTime is how long a token that was used may be used again by whoever used
// it: the answer may have been lost on its way, and with it the certificate.
const RetryTime = 5 * time.Minute

// maxTokens bounds the tokens that are out of one tenant. So many of another's
// must not be in its way.
const maxTokens = 1000

// What can be wrong with a registration token.
var (
	ErrTokenUnknown = errors.New("the registration token is not known")
	ErrTokenUsed    = errors.New("the registration token was used before")
	ErrTokenExpired = errors.New("the registration token has expired")
	ErrTokenTenant  = errors.New("the registration token is for another tenant")
)

// token is what is kept of a registration token, under its hash. A used one is
// kept until it would have expired, to say so to whoever tries again.
type token struct {
	Tenant  string    `json:"tenant"`
	Expires time.Time `json:"expires"`
	Used    bool      `json:"used,omitempty"`
	// By and At say who used it first and when: a hash of name and public key.
	By []byte    `json:"by,omitempty"`
	At time.Time `json:"at,omitzero"`
}

// userOf is who uses a token: the name and the key that the certificate is for.
func userOf(name string, publicKey []byte) []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%d:%s", len(name), name)
	h.Write(publicKey)
	return h.Sum(nil)
}

// hashToken is all that is kept of a token. One hash of 128 random bits needs
// no salt, and a look-up by it says nothing by its timing about the token.
func hashToken(text string) []byte {
	h := sha256.Sum256([]byte(text))
	return h[:]
}

// IssueToken makes a registration token for one connector of a tenant. The
// caller holds the only copy.
func (s *Store) IssueToken(tenant string, now time.Time) (string, error) {
	if tenant == "" {
		return "", fmt.Errorf("issuing a registration token: tenant: none given")
	}
	text := rand.Text()
	record, err := json.Marshal(token{Tenant: tenant, Expires: now.Add(TokenLifetime)})
	if err != nil {
		return "", err
	}
	err = s.db.Update(func(tx *bbolt.Tx) error {
		left, err := pruneTokens(tx, tenant, now)
		if err != nil {
			return err
		}
		if left >= maxTokens {
			return fmt.Errorf("%d are out, the most there may be; one expires after %v", left, TokenLifetime)
		}
		return tx.Bucket(tokenBucket).Put(hashToken(text), record)
	})
	if err != nil {
		return "", fmt.Errorf("issuing a registration token: %w", err)
	}
	return text, nil
}

// pruneTokens removes those that expired a while ago, and says how many a
// tenant has left. They stay for one more lifetime, so that trying one says why
// not.
func pruneTokens(tx *bbolt.Tx, tenant string, now time.Time) (left int, err error) {
	bucket := tx.Bucket(tokenBucket)
	var gone [][]byte
	err = bucket.ForEach(func(hash, value []byte) error {
		var t token
		if err := json.Unmarshal(value, &t); err != nil || now.After(t.Expires.Add(TokenLifetime)) {
			gone = append(gone, slices.Clone(hash))
			return nil
		}
		if t.Tenant == tenant {
			left++
		}
		return nil
	})
	for _, hash := range gone {
		err = errors.Join(err, bucket.Delete(hash))
	}
	return left, err
}

// CheckToken says whether a token can be used, by one of the errors above. It
// uses nothing up. A token that was used a short while ago passes: only with
// the public key can it be told whether that was the same connector.
func (s *Store) CheckToken(tenant, text string, now time.Time) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		_, err := findToken(tx, tenant, text, now)
		return err
	})
}

// useToken uses a token up, within the transaction that grants what it is for.
// Who used it before may do so again for RetryTime.
func useToken(tx *bbolt.Tx, tenant, text string, by []byte, now time.Time) error {
	t, err := findToken(tx, tenant, text, now)
	if err != nil {
		return err
	}
	if t.Used {
		if subtle.ConstantTimeCompare(t.By, by) != 1 {
			return ErrTokenUsed
		}
		return nil
	}
	t.Used, t.By, t.At = true, by, now
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return tx.Bucket(tokenBucket).Put(hashToken(text), b)
}

func findToken(tx *bbolt.Tx, tenant, text string, now time.Time) (token, error) {
	b := tx.Bucket(tokenBucket).Get(hashToken(text))
	if b == nil {
		return token{}, ErrTokenUnknown
	}
	var t token
	if err := json.Unmarshal(b, &t); err != nil {
		return token{}, fmt.Errorf("reading the record of a registration token: %w", err)
	}
	switch {
	case t.Tenant != tenant:
		return token{}, ErrTokenTenant
	case t.Used && !now.Before(t.At.Add(RetryTime)):
		return token{}, ErrTokenUsed
	case !now.Before(t.Expires):
		return token{}, ErrTokenExpired
	}
	return t, nil
}
