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

// MaxConnectors bounds the connectors of one tenant. The documented product
// allows 40; more are of interest here.
const MaxConnectors = 1000

// ErrTooManyConnectors is returned for one more than MaxConnectors.
var ErrTooManyConnectors = errors.New("the tenant has as many connectors as it may")

// A Connector is one that registered. Its name is unique within its tenant;
// registering again under it replaces the record.
type Connector struct {
	ID           string    `json:"id"`
	Tenant       string    `json:"tenant"`
	Name         string    `json:"name"`
	Version      string    `json:"version"` // of its software
	Serial       string    `json:"serial"`  // of its certificate, lower-case hexadecimal
	NotAfter     time.Time `json:"not_after"`
	RegisteredAt time.Time `json:"registered_at"`
}

// owner is what a connector is told apart by.
type owner struct{ tenant, name string }

func (o owner) key() []byte { return []byte(o.tenant + "\x00" + o.name) }

// Register records a connector and uses up the registration token, both or
// neither. It replaces the connector of that name, whose certificate is then
// no longer known. The errors of CheckToken apply, and ErrTooManyConnectors.
// The same name and public key may use a token again for RetryTime: who asks
// twice never got the first answer.
func (s *Store) Register(token string, c Connector, publicKey []byte, now time.Time) error {
	if c.Tenant == "" || c.Name == "" || c.Serial == "" {
		return fmt.Errorf("registering a connector: tenant, name and serial are needed")
	}
	s.connectorWriter.Lock()
	defer s.connectorWriter.Unlock()
	at := owner{c.Tenant, c.Name}
	if s.full(at) {
		return fmt.Errorf("registering a connector: %w: %d", ErrTooManyConnectors, MaxConnectors)
	}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		if err := useToken(tx, c.Tenant, token, userOf(c.Name, publicKey), now); err != nil {
			return err
		}
		return putConnector(tx, c)
	})
	if err != nil {
		return fmt.Errorf("registering a connector: %w", err)
	}
	s.remember(c)
	return nil
}

// full reports whether one more connector would be too many for its tenant.
func (s *Store) full(at owner) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if _, found := s.connectors[at]; found {
		return false
	}
	n := 0
	for o := range s.connectors {
		if o.tenant == at.tenant {
			n++
		}
	}
	return n >= MaxConnectors
}

// Known returns the connector whose current certificate has the serial.
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
	delete(s.serials, s.connectors[at].Serial)
	s.connectors[at] = c
	s.serials[c.Serial] = at
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
