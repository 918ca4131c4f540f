package hashsync

import (
	"context"
	"errors"
	"time"
)

// A source is a directory that numbers its changes.
type source interface {
	// where says which database it is that numbers them, and the number of the
	// last. Numbers of another database mean nothing in this one.
	where(ctx context.Context) (database string, highest uint64, err error)
	// changes lists the accounts whose last change has a number above after, up
	// to through, which is upTo or, where there are more than about so many,
	// less. Their order is of no account.
	changes(ctx context.Context, after, upTo uint64, limit int) (list []change, through uint64, err error)
	close()
}

// A change is an account as it was found. The hash is a secret: it is kept in
// memory, for as long as it is being sent.
type change struct {
	upn      string
	nt       [16]byte
	hasHash  bool
	disabled bool
	deleted  bool
	at       time.Time // of the last change of anything
	password time.Time // when the password was set
}

// errGiveUp is of what asking again does not mend: somebody has to.
var errGiveUp = errors.New("given up")
