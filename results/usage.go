package results

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
)

// UsageFile has what each process used, second by second, one JSON object a
// line (Usage). Runs of before it was written have none.
const UsageFile = "usage.jsonl"

// Usage is what one process had used at one time, and what it had in hand.
type Usage struct {
	At      int64  `json:"at_ns"` // from time 0
	Process string `json:"process"`
	CPU     int64  `json:"cpu_ns"`    // user and system, of all its starts so far
	RSS     int64  `json:"rss_bytes"` // at present; 0 when it does not run
	// InFlight is how many sign-ins each connector had in hand, and Queued how
	// many waited for one, as the cloud counts them. Both are of the cloud's
	// lines alone.
	InFlight map[string]int `json:"in_flight,omitempty"`
	Queued   int            `json:"queued,omitempty"`
}

// A UsageLog writes usage.jsonl, each line at once. It is safe for concurrent
// use.
type UsageLog struct {
	mu   sync.Mutex
	file *os.File
	err  error // sticky: nothing is written behind a torn line
}

// CreateUsageLog makes a new file; one that exists is an error.
func CreateUsageLog(path string) (*UsageLog, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	return &UsageLog{file: f}, nil
}

// Append writes a line. An error stays until Close.
func (l *UsageLog) Append(u Usage) {
	line, err := json.Marshal(&u)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		if l.err = err; err == nil {
			_, l.err = l.file.Write(append(line, '\n'))
		}
	}
}

// Close closes the file and returns the first error of all.
func (l *UsageLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.file.Close(); l.err == nil {
		l.err = err
	}
	return l.err
}

// Usage hands the lines of usage.jsonl to on; there are none where the run did
// not record them. It returns how many lines were torn.
func (r *Run) Usage(on func(Usage) error) (torn int, err error) {
	return ReadLines(filepath.Join(r.Dir, UsageFile), on)
}
