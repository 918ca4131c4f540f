package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// MaxConnectors bounds the connectors of one tenant, whatever the rules say.
// The documented product allows 40; more are of interest here.
const MaxConnectors = 1000

// What the rules can refuse.
var (
	ErrTooManyConnectors = errors.New("the tenant has as many connectors as it may, active or not; remove one first")
	ErrHostTaken         = errors.New("the tenant has a connector on this host already, and may have one: give it another --host-name, or start the cloud with --several-per-host")
)

// A Connector is one that registered. Its name is unique within its tenant;
// registering again under it replaces the record.
type Connector struct {
	ID           string    `json:"id"`
	Tenant       string    `json:"tenant"`
	Name         string    `json:"name"`
	Version      string    `json:"version"` // of its software
	HostName     string    `json:"host_name,omitempty"`
	Serial       string    `json:"serial"` // of its certificate, lower-case hexadecimal
	NotAfter     time.Time `json:"not_after"`
	RegisteredAt time.Time `json:"registered_at"`
	RenewedAt    time.Time `json:"renewed_at,omitzero"`
	// LastSeen is when it last had a session or reported its status.
	LastSeen time.Time `json:"last_seen,omitzero"`
	// FormerSerial is that of the certificate before the last renewal, which is
	// good too: until FormerUntil, once that is known.
	FormerSerial   string    `json:"former_serial,omitempty"`
	FormerNotAfter time.Time `json:"former_not_after,omitzero"`
	FormerUntil    time.Time `json:"former_until,omitzero"`
	RevokedAt      time.Time `json:"revoked_at,omitzero"` // zero while it is not
}

// owner is what a connector is told apart by.
type owner struct{ tenant, name string }

func (o owner) key() []byte { return []byte(o.tenant + "\x00" + o.name) }

// Register records a connector and uses up the registration token, both or
// neither. It replaces the connector of that name, whose certificate is then
// revoked and no longer known. The errors of CheckToken apply, and ErrTooManyConnectors.
// The same name and public key may use a token again for RetryTime: who asks
// twice never got the first answer.
func (s *Store) Register(token string, c Connector, publicKey []byte, now time.Time) error {
	return s.register(c, now, func(tx *bbolt.Tx) error {
		return useToken(tx, c.Tenant, token, userOf(c.Name, publicKey), now)
	})
}

// register records a connector in the transaction in which use uses up what
// permits it.
func (s *Store) register(c Connector, now time.Time, use func(*bbolt.Tx) error) error {
	if c.Tenant == "" || c.Name == "" || c.Serial == "" {
		return fmt.Errorf("registering a connector: tenant, name and serial are needed")
	}
	s.connectorWriter.Lock()
	defer s.connectorWriter.Unlock()
	at := owner{c.Tenant, c.Name}
	if err := s.admits(at, c.HostName); err != nil {
		return fmt.Errorf("registering a connector: %w", err)
	}
	s.mu.RLock()
	replaced, found := s.connectors[at]
	s.mu.RUnlock()
	err := s.db.Update(func(tx *bbolt.Tx) error {
		if err := use(tx); err != nil {
			return err
		}
		if found && replaced.Serial != c.Serial {
			if err := s.revokeConnector(tx, replaced, Superseded, now); err != nil {
				return err
			}
		}
		return putConnector(tx, c)
	})
	if err != nil {
		return fmt.Errorf("registering a connector: %w", err)
	}
	s.remember(c)
	return nil
}

// admits says whether the rules let one more connector in. One that registers
// again takes its own place.
func (s *Store) admits(at owner, host string) error {
	limit := s.rules.Limit
	if limit == 0 {
		limit = MaxConnectors
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, found := s.connectors[at]
	n := 0
	for o, c := range s.connectors {
		if o.tenant != at.tenant || o == at {
			continue
		}
		n++
		if s.rules.OnePerHost && host != "" && strings.EqualFold(host, c.HostName) {
			return fmt.Errorf("%w: host %s has connector %s", ErrHostTaken, host, o.name)
		}
	}
	if !found && n >= limit {
		return fmt.Errorf("%w: %d", ErrTooManyConnectors, limit)
	}
	return nil
}

// Known returns the connector whose certificate, current or former, has the
// serial. Accepts says whether a former one is still good.
func (s *Store) Known(serial string) (Connector, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	at, found := s.serials[serial]
	if !found {
		return Connector{}, false
	}
	return s.connectors[at], true
}

// Connectors returns those of a tenant by name.
func (s *Store) Connectors(tenant string) []Connector {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []Connector
	for at, c := range s.connectors {
		if at.tenant == tenant {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b Connector) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// remember puts into memory what is in the file; connectorWriter is held, or
// the store is not in use yet.
func (s *Store) remember(c Connector) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := owner{c.Tenant, c.Name}
	if old := s.connectors[at]; old.ID == c.ID && old.LastSeen.After(c.LastSeen) {
		c.LastSeen = old.LastSeen // seen while the record was written
	}
	unsaved := s.seen[at]
	s.forget(at)
	if unsaved {
		s.seen[at] = true
	}
	s.connectors[at] = c
	s.serials[c.Serial] = at
	if c.FormerSerial != "" {
		s.serials[c.FormerSerial] = at
	}
}

func putConnector(tx *bbolt.Tx, c Connector) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return tx.Bucket(connectorBucket).Put(owner{c.Tenant, c.Name}.key(), b)
}

func (s *Store) loadConnectors(tx *bbolt.Tx) error {
	return tx.Bucket(connectorBucket).ForEach(func(key, value []byte) error {
		var c Connector
		if err := json.Unmarshal(value, &c); err != nil {
			return fmt.Errorf("connector %q: %w", key, err)
		}
		s.remember(c)
		return nil
	})
}
