package federation

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// How metadata is read.
const (
	// Lifetime is how long metadata is good before it is read anew. A key that is
	// not in it has it read at once, so this is how long a key that the server has
	// taken back is still believed.
	Lifetime = time.Hour
	// patience is how long a server may take to describe itself.
	patience = 5 * time.Second
	// retry is how long after a failure it is not asked again. Meanwhile metadata
	// that was read before goes on to be good.
	retry = time.Second
	// retryOld is that for metadata that is merely old: whoever asks waits for it.
	retryOld = time.Minute
	// For unknown keys: anybody can sign by one, and who signs for the server must
	// not be asked by everybody's leave.
	readsPerSecond = 1
	readsAtOnce    = 4
)

// A Trust is a federation server that is believed, by the address of its
// metadata. Nothing is read until it is needed: the server may come up later.
// It is safe for concurrent use.
type Trust struct {
	address string
	client  func() (*http.Client, error)
	now     func() time.Time

	known atomic.Pointer[reading] // nil until it was read once
	mu    sync.Mutex              // guards what follows
	going *flight                 // a read that is under way; nil for none
	// failed is when the last read failed, and why; zero when it did not.
	failed  time.Time
	failure error
	pace    *rate.Limiter // of reads for unknown keys
	reads   uint64
}

type reading struct {
	metadata *Metadata
	at       time.Time
}

// flight is one read, for all who wait for it.
type flight struct {
	done chan struct{}
	err  error // once done is closed
}

// NewTrust believes the server whose metadata is at an address. The client is
// made anew for each read, and closed after it, so that authorities may be
// added meanwhile; now is the clock, nil for the usual one.
func NewTrust(address string, client func() (*http.Client, error), now func() time.Time) *Trust {
	if now == nil {
		now = time.Now
	}
	return &Trust{address: address, client: client, now: now, pace: rate.NewLimiter(readsPerSecond, readsAtOnce)}
}

// Address is that of the metadata.
func (t *Trust) Address() string { return t.address }

// Known is the metadata as it was last read, nil when it never was.
func (t *Trust) Known() *Metadata {
	if have := t.known.Load(); have != nil {
		return have.metadata
	}
	return nil
}

// Reads is how often the server was asked.
func (t *Trust) Reads() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.reads
}

// Metadata is the metadata, read if it was not yet, or is old. What was read
// before is good until it can be read again.
func (t *Trust) Metadata(ctx context.Context) (*Metadata, error) {
	have := t.known.Load()
	if have != nil && t.now().Sub(have.at) < Lifetime {
		return have.metadata, nil
	}
	err := t.read(ctx, have, retryOld)
	if now := t.known.Load(); now != nil {
		return now.metadata, nil
	}
	return nil, err
}

// Again reads the metadata anew, for a key that is not in what was read before,
// and says whether there is something newer now. It does so as often as the
// bound on that allows.
func (t *Trust) Again(ctx context.Context, than *Metadata) (*Metadata, bool) {
	if have := t.known.Load(); have != nil && have.metadata == than {
		t.mu.Lock()
		allowed := t.going != nil || t.pace.AllowN(t.now(), 1)
		t.mu.Unlock()
		if allowed {
			_ = t.read(ctx, have, retry) // what there is, is good then
		}
	}
	now := t.Known()
	return now, now != nil && now != than
}

// read reads the metadata, or waits for whoever does already. Nothing is read
// when somebody else has read since old was, nor so soon after a failure; where
// there is nothing old, a second is soon.
func (t *Trust) read(ctx context.Context, old *reading, soon time.Duration) error {
	if old == nil {
		soon = retry
	}
	t.mu.Lock()
	if t.known.Load() != old {
		t.mu.Unlock()
		return nil
	}
	if f := t.going; f != nil {
		t.mu.Unlock()
		if old != nil && t.now().Sub(old.at) >= Lifetime {
			return nil // the old is good enough to those who did not begin it
		}
		select {
		case <-f.done:
			return f.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := t.failure; err != nil && t.now().Sub(t.failed) < soon {
		t.mu.Unlock()
		return err
	}
	f := &flight{done: make(chan struct{})}
	t.going = f
	t.reads++
	t.mu.Unlock()

	// Not by the context of whoever happened to be first: others wait.
	bound, stop := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer stop()
	m, err := t.fetch(bound)
	t.mu.Lock()
	if t.failure = err; err != nil {
		t.failed = t.now()
	} else {
		t.known.Store(&reading{m, t.now()})
	}
	t.going, f.err = nil, err
	t.mu.Unlock()
	close(f.done)
	return err
}

func (t *Trust) fetch(ctx context.Context) (*Metadata, error) {
	client, err := t.client()
	if err != nil {
		return nil, fmt.Errorf("fetching the federation metadata: %w", err)
	}
	defer client.CloseIdleConnections()
	return Fetch(ctx, client, t.address)
}

// Fetch gets the metadata at an https address.
func Fetch(ctx context.Context, client *http.Client, at string) (*Metadata, error) {
	if err := CheckAddress(at); err != nil {
		return nil, err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	r, err := client.Do(q)
	if err != nil {
		return nil, fmt.Errorf("fetching the federation metadata: %w", err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetching the federation metadata: %s answered %s", at, r.Status)
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, MaxMetadata+1))
	if err != nil {
		return nil, fmt.Errorf("fetching the federation metadata: %w", err)
	}
	return ParseMetadata(text)
}

// Believe takes an assertion for good, or says why not. A signature by an
// unknown key has the metadata read again: the server's key may be new.
func (t *Trust) Believe(ctx context.Context, v *Validator, d *Document) (*Assertion, *Refusal) {
	m, err := t.Metadata(ctx)
	if err != nil {
		return nil, &Refusal{NoMetadata, err.Error()}
	}
	a, r := v.validate(d, m)
	if r != nil && (r.Reason == UnknownKey || r.Reason == ForeignIssuer) {
		if newer, is := t.Again(ctx, m); is {
			a, r = v.validate(d, newer)
		}
	}
	return a, r
}
