package authority

import (
	"strings"
	"sync"
	"time"
)

// sampleEvery is how often one kind of refusal is written down: whoever dials
// the ports must not fill the log, or hide in it. Counters have all.
const sampleEvery = 10 * time.Second

// A Sample thins out what is logged of refusals: the first of a kind, and then
// one each interval. Its zero value is ready.
type Sample struct {
	mu    sync.Mutex
	kinds map[Denial]*sampled // one for each denial there is
}

type sampled struct {
	at      time.Time // when it was last written down
	leftOut int       // since
}

// Say reports whether a refusal is to be written down, and if it is, how many
// of its kind were left out before it.
func (s *Sample) Say(kind Denial, now time.Time) (leftOut int, say bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kinds[kind]
	if k == nil {
		if s.kinds == nil {
			s.kinds = make(map[Denial]*sampled)
		}
		s.kinds[kind] = &sampled{at: now}
		return 0, true
	}
	if now.Sub(k.at) < sampleEvery {
		k.leftOut++
		return 0, false
	}
	leftOut = k.leftOut
	*k = sampled{at: now}
	return leftOut, true
}

// Probe reports whether a handshake failed for want of any certificate, which
// every connector shows: somebody looked whether the port is open, as 'ptabench
// setup' does. crypto/tls has no error value for it.
func Probe(err error) bool {
	return err != nil && strings.Contains(err.Error(), "client didn't provide a certificate")
}
