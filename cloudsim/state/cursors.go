package state

import (
	"encoding/json"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

// cursorBucket maps a tenant to the JSON of its cursor.
var cursorBucket = []byte("sync cursors")

// A Cursor says how far a tenant's accounts were synced: of which source, and up
// to which of its changes. The store keeps it, in the transaction that takes the
// accounts, so an agent that was killed goes on where the store is, and nothing
// is lost or sent again.
type Cursor struct {
	Source string `json:"source"` // the database that numbers the changes; another one begins again
	// The changes that were carried: of passwords, and of whether accounts are
	// disabled, which may travel less often.
	Passwords uint64 `json:"passwords"`
	Standings uint64 `json:"standings"`
	Complete  bool   `json:"complete"` // everything was carried once
}

// ErrElsewhere says that the cursor was not where whoever moves it believes.
var ErrElsewhere = errors.New("the cursor is elsewhere")

// Cursor is a tenant's; zero when nothing was ever synced with one.
func (s *Store) Cursor(tenant string) (c Cursor, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		c, err = cursorIn(tx, tenant)
		return err
	})
	return c, err
}

func cursorIn(tx *bbolt.Tx, tenant string) (c Cursor, err error) {
	text := tx.Bucket(cursorBucket).Get([]byte(tenant))
	if text == nil {
		return c, nil
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("the sync cursor of %q: %w", tenant, err)
	}
	return c, nil
}

// Advance is PutAccounts that also moves the tenant's cursor, from where it must
// be: else it does nothing, and its error is ErrElsewhere. The batch may be
// empty.
func (s *Store) Advance(tenant string, from, to Cursor, batch []Account) error {
	if tenant == "" {
		return fmt.Errorf("advancing a sync: tenant: none given")
	}
	text, err := json.Marshal(to)
	if err != nil {
		return fmt.Errorf("advancing a sync: %w", err)
	}
	return s.putAccounts(tenant, batch, func(tx *bbolt.Tx) error {
		is, err := cursorIn(tx, tenant)
		if err != nil {
			return err
		}
		if is != from {
			return fmt.Errorf("%w: %+v: expected %+v", ErrElsewhere, is, from)
		}
		return tx.Bucket(cursorBucket).Put([]byte(tenant), text)
	})
}
