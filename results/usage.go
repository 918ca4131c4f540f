package results

import "path/filepath"

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

// A UsageLog writes usage.jsonl.
type UsageLog struct{ *lineLog }

// CreateUsageLog makes a new file; one that exists is an error.
func CreateUsageLog(path string) (*UsageLog, error) {
	l, err := createLineLog(path)
	if err != nil {
		return nil, err
	}
	return &UsageLog{l}, nil
}

// Append writes a line. An error stays until Close.
func (l *UsageLog) Append(u Usage) { _ = l.append(&u) }

// Usage hands the lines of usage.jsonl to on; there are none where the run did
// not record them. It returns how many lines were torn.
func (r *Run) Usage(on func(Usage) error) (torn int, err error) {
	return ReadLines(filepath.Join(r.Dir, UsageFile), on)
}
