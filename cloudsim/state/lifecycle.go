package state

import (
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// Grace is how long the certificate before a renewal is still taken once the
// new one was used: what was dialled with it just then may arrive.
const Grace = time.Minute

// Rules say who may join the connectors of a tenant. The zero value sets no
// bound but MaxConnectors.
type Rules struct {
	Limit      int  // connectors of one tenant, those that are not active included; 0 for MaxConnectors
	OnePerHost bool // two of one tenant may not name the same host
}

// What can be wrong with a renewal.
var (
	ErrNotCurrent = errors.New("the certificate is not that of a registered connector")
	ErrSuperseded = errors.New("the certificate was renewed before, and its successor is in use")
)

// Accepts reports whether the connector may show the certificate of that
// serial. Whoever has verified the certificate knows that it has not expired.
func (c *Connector) Accepts(serial string, now time.Time) bool {
	if !c.RevokedAt.IsZero() {
		return false
	}
	switch serial {
	case c.Serial:
		return true
	case c.FormerSerial:
		return serial != "" && (c.FormerUntil.IsZero() || now.Before(c.FormerUntil))
	}
	return false
}

// SetRules is called before the store is in use.
func (s *Store) SetRules(r Rules) { s.rules = r }

// Renew gives the connector that showed a certificate the next one. The one
// that it showed stays good beside it. Who asks again before it used the new
// one never got that, and gets another.
func (s *Store) Renew(shown, serial string, notAfter time.Time, version string, now time.Time) (Connector, error) {
	s.connectorWriter.Lock()
	defer s.connectorWriter.Unlock()
	c, found := s.Known(shown)
	switch {
	case !found || !c.Accepts(shown, now):
		return Connector{}, ErrNotCurrent
	case shown == c.Serial:
		c.FormerSerial, c.FormerNotAfter, c.FormerUntil = shown, c.NotAfter, time.Time{}
	case !c.FormerUntil.IsZero():
		return Connector{}, ErrSuperseded
	}
	c.Serial, c.NotAfter, c.Version, c.RenewedAt = serial, notAfter, version, now
	if err := s.update(c); err != nil {
		return Connector{}, fmt.Errorf("renewing a certificate: %w", err)
	}
	return c, nil
}

// Used notes that a connector has shown a certificate: the one before, which
// it was renewed from, is good for Grace from then on.
func (s *Store) Used(serial string, now time.Time) error {
	if c, found := s.Known(serial); !found || !c.supersedes(serial) {
		return nil
	}
	s.connectorWriter.Lock()
	defer s.connectorWriter.Unlock()
	c, found := s.Known(serial)
	if !found || !c.supersedes(serial) {
		return nil
	}
	c.FormerUntil = now.Add(Grace)
	if err := s.update(c); err != nil {
		return fmt.Errorf("noting the use of a certificate: %w", err)
	}
	return nil
}

func (c *Connector) supersedes(serial string) bool {
	return c.Serial == serial && c.FormerSerial != "" && c.FormerUntil.IsZero()
}

// Remove forgets a connector, whose certificates are then revoked and not known
// any more.
// It reports false when there is none of that name, or it has another ID than
// the one given; no ID means any.
func (s *Store) Remove(tenant, name, id string, now time.Time) (Connector, bool, error) {
	s.connectorWriter.Lock()
	defer s.connectorWriter.Unlock()
	at := owner{tenant, name}
	s.mu.RLock()
	c, found := s.connectors[at]
	s.mu.RUnlock()
	if !found || id != "" && id != c.ID {
		return Connector{}, false, nil
	}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		if err := s.revokeConnector(tx, c, Ceased, now); err != nil {
			return err
		}
		return tx.Bucket(connectorBucket).Delete(at.key())
	})
	if err != nil {
		return Connector{}, false, fmt.Errorf("removing a connector: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(at)
	return c, true, nil
}

// Seen notes in memory when a connector was last heard of; SaveSeen puts it
// into the file.
func (s *Store) Seen(tenant, name, id string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, found := s.connectors[owner{tenant, name}]; found && c.ID == id && at.After(c.LastSeen) {
		c.LastSeen = at
		s.connectors[owner{tenant, name}] = c
		s.seen[owner{tenant, name}] = true
	}
}

// SaveSeen keeps what Seen noted since the last time.
func (s *Store) SaveSeen() error {
	s.connectorWriter.Lock()
	defer s.connectorWriter.Unlock()
	s.mu.Lock()
	var changed []Connector
	for at := range s.seen {
		changed = append(changed, s.connectors[at])
	}
	clear(s.seen)
	s.mu.Unlock()
	if len(changed) == 0 {
		return nil
	}
	err := s.db.Update(func(tx *bbolt.Tx) error {
		for _, c := range changed {
			if err := putConnector(tx, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keeping when connectors were seen: %w", err)
	}
	return nil
}

// update changes a connector's record, in the file and then in memory;
// connectorWriter is held.
func (s *Store) update(c Connector) error {
	if err := s.db.Update(func(tx *bbolt.Tx) error { return putConnector(tx, c) }); err != nil {
		return err
	}
	s.remember(c)
	return nil
}

// forget takes a connector out of memory; mu is held.
func (s *Store) forget(at owner) {
	c, found := s.connectors[at]
	if !found {
		return
	}
	delete(s.serials, c.Serial)
	delete(s.serials, c.FormerSerial)
	delete(s.connectors, at)
	delete(s.seen, at)
}
