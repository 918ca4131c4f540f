package updater

import (
	"context"
	"io"
	"time"

	"ptabench/backoff"
)

// Bounds of how fast a program is fetched and hashed: sign-ins are in a hurry,
// an update is not.
const (
	paceBytes = 12 << 20 // a second
	paceChunk = 64 << 10
)

// paced reads no faster than paceBytes a second.
type paced struct {
	ctx   context.Context
	from  io.Reader
	began time.Time
	read  int64
}

// Read implements io.Reader.
func (p *paced) Read(b []byte) (int, error) {
	if p.began.IsZero() {
		p.began = time.Now()
	}
	due := time.Duration(float64(p.read) / paceBytes * float64(time.Second))
	if wait := due - time.Since(p.began); wait > 0 && !backoff.Sleep(p.ctx, wait) {
		return 0, p.ctx.Err()
	}
	n, err := p.from.Read(b[:min(len(b), paceChunk)])
	p.read += int64(n)
	return n, err
}
