package authority

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"
)

// A flood of one kind costs a line each interval, and hides no other kind.
func TestSample(t *testing.T) {
	var s Sample
	lines, leftOut := 0, 0
	for i := range 1000 { // one each 25 ms
		if n, say := s.Say(DeniedHandshake, noon.Add(time.Duration(i)*25*time.Millisecond)); say {
			lines, leftOut = lines+1, leftOut+n
		}
	}
	if lines != 3 || leftOut != 2*399 {
		t.Errorf("%d lines of 25 s, %d left out; expected 3 and 798", lines, leftOut)
	}
	if n, say := s.Say(DeniedTokenUsed, noon); !say || n != 0 {
		t.Errorf("the first of another kind: %v, %d left out", say, n)
	}
}

// Whoever shows no certificate is a probe; one that shows a wrong one is not.
func TestProbe(t *testing.T) {
	now := func() time.Time { return noon }
	a, other := newTestAuthority(t, memory{}, now), newTestAuthority(t, memory{}, now)
	foreign := issued(t, other, connector1, time.Hour)
	var got []bool
	creds := a.ConnectorCredentials(func(string) bool { return true }, func(_ Denial, _ net.Addr, err error) { got = append(got, Probe(err)) })
	if err := handshakeWith(t, creds, a, nil); err == nil {
		t.Error("no certificate, and no error")
	}
	if err := handshakeWith(t, creds, a, &foreign); err == nil {
		t.Error("another's certificate, and no error")
	}
	if len(got) != 2 || !got[0] || got[1] {
		t.Errorf("probes: %v; expected the first alone", got)
	}
}

// Registrations that are refused are all counted, and sampled in the log.
func TestRefusedRegistrationsAreSampled(t *testing.T) {
	var text bytes.Buffer
	denied := 0
	r := &Registration{Now: func() time.Time { return noon }, Log: slog.New(slog.NewTextHandler(&text, nil)),
		Denied: func(Denial, Claims) { denied++ }}
	for range 100 {
		if r.deny(connector1, errors.New("whatever")) == nil {
			t.Fatal("no error")
		}
	}
	if n := strings.Count(text.String(), "registration denied"); n != 1 || denied != 100 {
		t.Errorf("%d lines, %d counted; expected 1 and 100", n, denied)
	}
}
