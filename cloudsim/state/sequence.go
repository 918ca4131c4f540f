package state

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"
)

// Next counts up from 1, by name, over all starts of the simulator.
func (s *Store) Next(name string) (n uint64, err error) {
	err = s.db.Update(func(tx *bbolt.Tx) error {
		key, meta := []byte("sequence "+name), tx.Bucket(metaBucket)
		if b := meta.Get(key); b != nil {
			if len(b) != 8 {
				return fmt.Errorf("%d bytes: expected 8", len(b))
			}
			n = binary.BigEndian.Uint64(b)
		}
		n++
		return meta.Put(key, binary.BigEndian.AppendUint64(nil, n))
	})
	if err != nil {
		return 0, fmt.Errorf("counting the %s: %w", name, err)
	}
	return n, nil
}
