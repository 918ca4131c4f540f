package state

import (
	"encoding/json"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// policyBucket holds what administrators chose: tenant to JSON record.
var policyBucket = []byte("policies")

// A Policy is how the users of a tenant sign in, as an administrator chose it.
type Policy struct {
	Method             string    `json:"method"`
	HashSyncBackup     bool      `json:"hash_sync_backup,omitempty"`
	FederationMetadata string    `json:"federation_metadata,omitempty"` // its address
	PassiveEndpoint    string    `json:"passive_endpoint,omitempty"`    // that it named
	By                 string    `json:"by"`                            // who chose it
	At                 time.Time `json:"at"`
}

// PutPolicy keeps a tenant's policy, in place of any other.
func (s *Store) PutPolicy(tenant string, p Policy) error {
	b, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("keeping the policy of tenant %s: %w", tenant, err)
	}
	err = s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(policyBucket).Put([]byte(tenant), b) })
	if err != nil {
		return fmt.Errorf("keeping the policy of tenant %s: %w", tenant, err)
	}
	return nil
}

// Policy is the one that is kept of a tenant, if an administrator ever chose.
func (s *Store) Policy(tenant string) (p Policy, found bool, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(policyBucket).Get([]byte(tenant))
		if b == nil {
			return nil
		}
		found = true
		return json.Unmarshal(b, &p)
	})
	if err != nil {
		return p, false, fmt.Errorf("reading the policy of tenant %s: %w", tenant, err)
	}
	return p, found, nil
}
