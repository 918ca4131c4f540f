package results

import "fmt"

// RecordSize is the length of one record of the file samples, in bytes.
const RecordSize = 64

// The classes of error of a sign-in without a definite answer, as in
// Sample.Error. They are part of the run format: append only, with a new
// Format.
const (
	ErrorTimeout  uint8 = iota + 1 // the client stopped waiting
	ErrorRefused                   // connection refused
	ErrorReset                     // connection reset, broken pipe
	ErrorEOF                       // connection closed before the answer
	ErrorTLS                       // handshake or certificate
	ErrorDNS                       // name not resolved
	ErrorCanceled                  // the run ended first
	ErrorOther                     // an answer that could not be understood, and the rest
)

// errorClasses names the classes of error, in the order of their constants.
var errorClasses = [...]string{"timeout", "refused", "reset", "eof", "tls", "dns", "canceled", "other"}

// ErrorClasses returns the names of the classes of error, that of ErrorTimeout
// first.
func ErrorClasses() []string { return errorClasses[:] }

// Header is the second line of the file samples: what one must know of the run
// to make sense of its sign-ins when nothing else was written.
type Header struct {
	Format     int      `json:"format"`      // set by CreateSamples
	RecordSize int      `json:"record_size"` // set by CreateSamples
	Scenario   string   `json:"scenario"`
	Seed       uint64   `json:"seed"`
	StartedAt  string   `json:"started_at"` // RFC 3339, of time 0
	Duration   int64    `json:"duration_ns"`
	Planned    uint64   `json:"planned"`    // sign-ins the schedule has from time 0 on
	Timeout    int64    `json:"timeout_ns"` // how long a client waits for its answer
	Command    string   `json:"command"`    // repeats the run
	Version    string   `json:"version"`
	Machine    Machine  `json:"machine"`
	Intents    []string `json:"intents"`
	Connectors []string `json:"connectors"`
	Errors     []string `json:"errors"` // set by CreateSamples
	// Federation are the federation servers, Tenants those that the load signs
	// in to, where there are several.
	Federation []string `json:"federation,omitempty"`
	Tenants    []string `json:"tenants,omitempty"`
}

// check reports why the header cannot lead a file of samples.
func (h *Header) check() error {
	switch {
	case h.RecordSize != RecordSize:
		return fmt.Errorf("record_size %d: format %d has %d", h.RecordSize, Format, RecordSize)
	case len(h.Intents) == 0 || len(h.Intents) > 256:
		return fmt.Errorf("intents: %d names, expected 1 to 256", len(h.Intents))
	case len(h.Connectors) > 255:
		return fmt.Errorf("connectors: %d names, expected at most 255", len(h.Connectors))
	case len(h.Federation) > 255:
		return fmt.Errorf("federation: %d names, expected at most 255", len(h.Federation))
	case len(h.Tenants) > 255:
		return fmt.Errorf("tenants: %d names, expected at most 255", len(h.Tenants))
	case len(h.Errors) > 255:
		return fmt.Errorf("errors: %d names, expected at most 255", len(h.Errors))
	case h.Duration < 0:
		return fmt.Errorf("duration_ns %d: expected 0 or more", h.Duration)
	}
	return nil
}

// admits reports what in s this header gives no meaning to, "" when all is
// well. Reader and writer share it, so that what is written can be read.
func (h *Header) admits(s *Sample) string {
	switch {
	case int(s.Intent) >= len(h.Intents):
		return fmt.Sprintf("intent %d: the header names %d", s.Intent, len(h.Intents))
	case s.Outcome > OutcomeUnknown:
		return fmt.Sprintf("outcome %d: expected at most %d", s.Outcome, OutcomeUnknown)
	case s.Path > PathFederation:
		return fmt.Sprintf("path %d: expected at most %d", s.Path, PathFederation)
	case s.Judgement > OtherReason:
		return fmt.Sprintf("judgement %d: expected at most %d", s.Judgement, OtherReason)
	case s.Path == PathFederation && int(s.Server) > len(h.Federation):
		return fmt.Sprintf("server %d: the header names %d federation servers", s.Server, len(h.Federation))
	case s.Path != PathFederation && int(s.Server) > len(h.Connectors):
		return fmt.Sprintf("server %d: the header names %d connectors", s.Server, len(h.Connectors))
	case int(s.Tenant) > len(h.Tenants):
		return fmt.Sprintf("tenant %d: the header names %d", s.Tenant, len(h.Tenants))
	case int(s.Error) > len(h.Errors):
		return fmt.Sprintf("error %d: the header names %d", s.Error, len(h.Errors))
	}
	return ""
}
