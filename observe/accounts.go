package observe

// An AccountChange is posted to a directory at /accounts, to have something
// happen to an account.
type AccountChange struct {
	// Seq numbers the changes of whoever sends them, from 1 up: one that is sent
	// again because its answer was lost is not applied again. 0 numbers nothing.
	Seq  uint64 `json:"seq,omitempty"`
	User string `json:"user"` // user principal name
	Kind string `json:"kind"` // change-password, disable, enable, lock, unlock, expire, must-change, account-expire, account-renew
}

// AppliedChange is what a directory made of it.
type AppliedChange struct {
	Seq     uint64 `json:"seq,omitempty"`
	USN     uint64 `json:"usn"`   // update sequence number
	AtNS    int64  `json:"at_ns"` // when it happened
	State   string `json:"state"` // of the account, from then on
	Version uint32 `json:"version"`
}

// HashSyncCounters is what the hash sync agent counted since it started.
type HashSyncCounters struct {
	Cycles   uint64 `json:"cycles"`   // of reading what changed, ended
	Failed   uint64 `json:"failed"`   // of those, cut short: they go on where they were
	Read     uint64 `json:"read"`     // accounts read from the source
	Sent     uint64 `json:"sent"`     // accounts that the cloud took
	Same     uint64 `json:"same"`     // accounts that changed in nothing that is carried
	Withheld uint64 `json:"withheld"` // accounts sent without a hash, because their password is not carried
	Batches  uint64 `json:"batches"`  // that the cloud took
	Retries  uint64 `json:"retries"`  // of batches
	Full     uint64 `json:"full"`     // syncs of everything
	// The cursor is the number of the last change that the cloud has, by tenant.
	Cursors map[string]uint64 `json:"cursors"`
	Highest uint64            `json:"highest"` // number of the last change that the source is known to have
	// OldestNS is how old the oldest change is that the source has and the cloud
	// does not, as when the source was last asked; 0 when there is none.
	OldestNS int64 `json:"oldest_unsynced_ns"`
	// OldestMaxNS is the oldest that any change became before the cloud had it.
	OldestMaxNS int64 `json:"oldest_unsynced_ns_max"`
	// Since counts from the last complete cycle: everything older is in the cloud.
	SinceNS int64 `json:"since_complete_ns"`
}
