package revocation

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A bad list is refused and counted; the one that is kept serves on.
func TestBadLists(t *testing.T) {
	a, other, namesake := newAuthority(t, "cloud"), newAuthority(t, "fabrikam"), newAuthority(t, "cloud")
	later := noon.Add(40 * time.Minute) // when it is given
	next := a.list(8, later, time.Hour)
	flipped := bytes.Clone(next)
	flipped[len(flipped)-1] ^= 1
	body := func(der []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", later.Format(http.TimeFormat))
			_, _ = w.Write(der)
		}
	}
	extended := func(e, entry *pkix.Extension) []byte {
		template := &x509.RevocationList{Number: big.NewInt(8), ThisUpdate: later, NextUpdate: later.Add(time.Hour)}
		if e != nil {
			template.ExtraExtensions = []pkix.Extension{*e}
		}
		if entry != nil {
			template.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: big.NewInt(1), RevocationTime: later, ExtraExtensions: []pkix.Extension{*entry}}}
		}
		return a.make(template)
	}
	delta := &pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 7}}
	indirect := &pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 29}, Critical: true, Value: []byte{0x30, 0}}
	for _, tc := range []struct {
		name  string
		serve http.HandlerFunc
		want  Fault
	}{
		{"broken off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, Unreachable},
		{"not found", http.NotFound, HTTPStatus},
		{"an error with a list", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write(next)
		}, HTTPStatus},
		{"elsewhere", http.RedirectHandler(other.at, http.StatusFound).ServeHTTP, Redirected},
		{"elsewhere for good", http.RedirectHandler("/crl/other.crl", http.StatusMovedPermanently).ServeHTTP, Redirected},
		{"oversized", body(make([]byte, maxList+1)), TooLarge},
		{"garbage", body([]byte("<html>sign in to this network</html>")), Malformed},
		{"nothing", body(nil), Malformed},
		{"cut off", body(next[:len(next)-5]), Malformed},
		{"a certificate", body(a.cert.Raw), Malformed},
		{"a delta", body(extended(delta, nil)), Malformed},
		{"an indirect entry", body(extended(nil, indirect)), Malformed},
		{"of another authority", body(other.list(8, later, time.Hour)), WrongIssuer},
		{"of a namesake", body(namesake.list(8, later, time.Hour)), BadSignature},
		{"changed on the way", body(flipped), BadSignature},
		{"an older number", body(a.list(6, later, time.Hour)), RolledBack},
		{"the same number, older", body(a.list(7, noon.Add(-time.Minute), 24*time.Hour)), RolledBack},
		{"run out", body(a.list(8, noon, 39*time.Minute)), RunOut},
		{"of the future", body(a.list(8, later.Add(MaxSkew+time.Second), time.Hour)), ClockSkew},
	} {
		t.Run(tc.name, func(t *testing.T) {
			at := &clock{at: noon}
			a.publish(a.list(7, noon, time.Hour, 42), noon)
			c := newChecker(t, Hard, t.TempDir(), at.now)
			good, revoked := a.cloud(41, a.at), a.cloud(42, a.at)
			if err := c.Verify(good); err != nil {
				t.Fatal(err)
			}
			elsewhere := other.requests()
			a.answer(tc.serve)
			at.pass(later.Sub(noon))
			c.nudge()
			eventually(t, "the fault is counted", func() bool { return c.Counters().Faults[string(tc.want)] == 1 })
			if n := c.Counters(); len(n.Faults) != 1 || n.Number != "7" || n.Lists != 1 {
				t.Errorf("counters %+v", n)
			}
			if err := c.Verify(good); err != nil {
				t.Errorf("the kept list: %v", err)
			}
			if err := c.Verify(revoked); !errors.Is(err, ErrRevoked) {
				t.Errorf("the kept list, revoked: %v", err)
			}
			if other.requests() != elsewhere {
				t.Error("it went elsewhere")
			}
		})
	}
}

// Clocks may be apart by MaxSkew, either way, at any validity; beyond that the
// error says what is wrong.
func TestClockSkew(t *testing.T) {
	for _, tc := range []struct {
		ahead time.Duration // of this host's clock
		dated bool
		want  string // empty when it is tolerated
	}{
		{0, true, ""},
		{MaxSkew - 2*time.Second, true, ""},
		{-MaxSkew + 2*time.Second, true, ""},
		{-MaxSkew + 2*time.Second, false, ""},
		{MaxSkew + 2*time.Second, true, "this host's clock is 10m2s ahead of the cloud's: expected at most 10m0s"},
		{-MaxSkew - 2*time.Second, true, "this host's clock is 10m3s behind the cloud's: expected at most 10m0s"},
		{-MaxSkew - 2*time.Second, false, "10m2s ahead of this host's clock: expected at most 10m0s"},
		{2 * time.Minute, false, "ran out on 2026-01-02T12:01:00Z"}, // nobody says that the clock is wrong
	} {
		a := newAuthority(t, "cloud")
		date := noon
		if !tc.dated {
			date = time.Time{}
		}
		a.publish(a.list(7, noon, time.Minute), date)
		at := &clock{at: noon.Add(tc.ahead)}
		c := newChecker(t, Hard, t.TempDir(), at.now)
		err := c.Verify(a.cloud(41, a.at))
		if tc.want == "" {
			if err != nil {
				t.Errorf("%v: %v", tc.ahead, err)
				continue
			}
			// The list is as old as it is by the cloud's clock.
			if n := c.Counters(); tc.dated && time.Duration(n.AgeNS).Abs() > time.Second {
				t.Errorf("%v: the list is %v old", tc.ahead, time.Duration(n.AgeNS))
			}
		} else if err == nil || !errors.Is(err, ErrNoList) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v, dated %v: %v; expected %q", tc.ahead, tc.dated, err, tc.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	a := newAuthority(f, "cloud")
	f.Add(a.list(1, noon, time.Hour))
	f.Add(a.list(2, noon, time.Hour, 1, 2, 3))
	f.Fuzz(func(t *testing.T, der []byte) {
		if l, err := parse(der, a.cert); err == nil && (l.number == nil || !l.nextUpdate.After(l.thisUpdate)) {
			t.Errorf("a list without number or end is taken: %x", der)
		}
	})
}
