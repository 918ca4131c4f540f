// Package state is what the cloud simulator remembers over a restart: its
// keys, the connectors that registered, the registration tokens that are out,
// and the hash store. It is one file, which one simulator at a time may use.
//
// What sign-ins read (hashes, certificate serials) is held in memory too.
// Passwords never come here, and of registration tokens only their SHA-256.
package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Format is the version of the file format that this program writes. It
// refuses a newer one.
const Format = 1

// fileName is the state file within its directory.
const fileName = "state.db"

// lockPatience is how long Open waits for another simulator to let go of the
// file: one that was just killed does so as soon as the kernel gets to it.
const lockPatience = time.Second

// The buckets of the file.
var (
	metaBucket      = []byte("meta")       // format
	keysBucket      = []byte("keys")       // name to key
	connectorBucket = []byte("connectors") // tenant, 0, name to JSON record
	tokenBucket     = []byte("tokens")     // SHA-256 of a token to JSON record
	accountBucket   = []byte("accounts")   // tenant to a bucket of UPN to account
)

var formatKey = []byte("format")

// Store is the open state of one simulator. It is safe for concurrent use.
type Store struct {
	db    *bbolt.DB
	rules Rules

	// mu guards what is in memory. It is never held during a transaction.
	mu         sync.RWMutex
	connectors map[owner]Connector
	serials    map[string]owner // of current and former certificates
	seen       map[owner]bool   // whose LastSeen is newer than in the file
	accounts   map[string]*accounts

	revokedAny chan struct{} // see Revoked

	// accountWriter orders whoever writes accounts, so that memory and file
	// see the same order; connectorWriter likewise. Each is held around the
	// transaction, before mu.
	accountWriter   sync.Mutex
	connectorWriter sync.Mutex
}

// Open opens the state in a directory, and makes both if there are none.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the state directory: %w", err)
	}
	path := filepath.Join(dir, fileName)
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockPatience, FreelistType: bbolt.FreelistMapType})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("opening %s: another simulator uses it", path)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, fmt.Errorf("opening %s: this is no state file of the simulator, or it is damaged: %w", path, err)
	case err != nil:
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	s := &Store{
		db:         db,
		connectors: make(map[owner]Connector),
		serials:    make(map[string]owner),
		seen:       make(map[owner]bool),
		accounts:   make(map[string]*accounts),
		revokedAny: make(chan struct{}, 1),
	}
	if err := s.load(path); err != nil {
		return nil, errors.Join(fmt.Errorf("opening %s: %w", path, err), db.Close())
	}
	return s, nil
}

// Close lets go of the file. Nothing may be in use any more.
func (s *Store) Close() error { return s.db.Close() }

// load checks the file and reads it into memory.
func (s *Store) load(path string) error {
	if err := os.Chmod(path, 0o600); err != nil { // it holds keys, whoever made it
		return err
	}
	if err := s.db.Update(prepare); err != nil {
		return err
	}
	return s.db.View(func(tx *bbolt.Tx) error {
		if err := s.loadConnectors(tx); err != nil {
			return err
		}
		return s.loadAccounts(tx)
	})
}

// prepare checks the format of the file and makes its buckets if it is new.
func prepare(tx *bbolt.Tx) error {
	meta := tx.Bucket(metaBucket)
	if meta != nil {
		b := meta.Get(formatKey)
		if len(b) != 4 {
			return fmt.Errorf("its format is not given")
		}
		if format := binary.BigEndian.Uint32(b); format > Format {
			return fmt.Errorf("its format is %d; this program reads up to %d", format, Format)
		}
	} else if first, _ := tx.Cursor().First(); first != nil {
		return fmt.Errorf("this is a database of something else: it has no format, but %q", first)
	}
	for _, name := range [][]byte{metaBucket, keysBucket, connectorBucket, tokenBucket, accountBucket, revocationBucket, grantBucket, policyBucket, cursorBucket} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return tx.Bucket(metaBucket).Put(formatKey, binary.BigEndian.AppendUint32(nil, Format))
}

// Keep returns what is kept under a name. What is kept there first, make
// makes; nothing is kept when it returns an error.
func (s *Store) Keep(name string, make func() ([]byte, error)) ([]byte, error) {
	var kept []byte
	err := s.db.Update(func(tx *bbolt.Tx) error {
		keys := tx.Bucket(keysBucket)
		if b := keys.Get([]byte(name)); b != nil {
			kept = append([]byte(nil), b...) // b lives only as long as tx
			return nil
		}
		var err error
		if kept, err = make(); err != nil {
			return err
		}
		return keys.Put([]byte(name), kept)
	})
	if err != nil {
		return nil, fmt.Errorf("keeping the %s: %w", name, err)
	}
	return kept, nil
}
