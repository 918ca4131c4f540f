package connector

import (
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ptabench/bind/bindtest"
	"ptabench/connector/revocation"
)

// fakeLists is port 80 of a fake cloud.
type fakeLists struct {
	mu      sync.Mutex
	number  int64
	asked   int
	blocked bool
	// validity of a list, from when it is asked for; an hour unless told otherwise.
	validity time.Duration
	revoked  []*big.Int
}

// serverSerial is the serial number of the fake cloud's certificate.
var serverSerial = big.NewInt(2)

// serveLists opens port 80, and returns where the list is.
func (c *fakeCloud) serveLists() string {
	c.lists.validity = time.Hour
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		l := &c.lists
		l.mu.Lock()
		defer l.mu.Unlock()
		l.asked++
		if l.blocked {
			panic(http.ErrAbortHandler)
		}
		l.number++
		template := &x509.RevocationList{Number: big.NewInt(l.number), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(l.validity)}
		for _, serial := range l.revoked {
			template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
				x509.RevocationListEntry{SerialNumber: serial, RevocationTime: time.Now()})
		}
		der, err := x509.CreateRevocationList(rand.Reader, template, c.ca, c.caKey)
		if err != nil {
			c.t.Error(err)
		}
		_, _ = w.Write(der)
	}))
	c.t.Cleanup(server.Close)
	c.ports["80"] = server.Listener.Addr().String()
	return server.URL + "/crl/ca.crl"
}

func (l *fakeLists) change(f func(*fakeLists)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l)
}

// A revoked certificate of the cloud is refused on every port, before anything
// is sent.
func TestRevokedCloud(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	cfg := settings(t, c, d.Server)
	c.lists.change(func(l *fakeLists) { l.revoked = []*big.Int{serverSerial} })
	r := start(t, cfg)
	eventually(t, "it says why it does not register", func() bool {
		return strings.Contains(r.log.String(), revocation.ErrRevoked.Error()+": serial 2")
	})
	if len(c.registered) != 0 {
		t.Error("the token was sent to a cloud whose certificate is revoked")
	}
	for _, at := range []string{"9090"} {
		if len(c.open[at]) == 0 {
			t.Errorf("port %s was not tried", at)
		}
	}
}

// Without any list nothing is sent to the cloud, unless the setting says so.
func TestNoList(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	c.lists.change(func(l *fakeLists) { l.blocked = true })
	cfg := settings(t, c, d.Server)
	r := start(t, cfg)
	eventually(t, "it says why it does not register", func() bool {
		return strings.Contains(r.log.String(), "port 80 ("+c.ports["80"]+") has given no good one since 20")
	})
	if len(c.registered) != 0 {
		t.Error("it registered")
	}
	c.lists.change(func(l *fakeLists) { l.blocked = false })
	r.serving() // by itself

	for _, mode := range []revocation.Mode{revocation.Soft, revocation.Off} {
		c.lists.change(func(l *fakeLists) { l.blocked = true; l.asked = 0 })
		cfg := settings(t, c, d.Server)
		cfg.Revocation = mode
		r := start(t, cfg).serving()
		n := r.counters().Revocation
		c.lists.change(func(l *fakeLists) {
			if n.Mode != string(mode) || (n.Warned > 0) != (mode == revocation.Soft) || (l.asked > 0) != (mode == revocation.Soft) {
				t.Errorf("%s: %+v, asked %d times", mode, n, l.asked)
			}
		})
		r.stop()
		err := <-r.ended // it asks for a list no more
		r.ended <- err
	}
}

// A session outlives the list by which it was begun. The next one needs a
// list that is valid, and comes about once there is one.
func TestListRunsOut(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	cfg := settings(t, c, d.Server)
	c.lists.change(func(l *fakeLists) { l.validity = 2 * time.Second })
	r := start(t, cfg).serving()
	s := c.session(1)
	if info, err := os.Stat(filepath.Join(cfg.State, "revocation.crl")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the kept list: %v, %v", info, err)
	}
	c.lists.change(func(l *fakeLists) { l.blocked = true })
	eventually(t, "the list runs out", func() bool { return r.counters().Revocation.LeftNS < 0 })
	s.give(given{id: 1, user: ann, password: annSecret})
	if got := c.result(1).String(); got != "RESULT_ACCEPTED" {
		t.Errorf("on the session that stands: %s", got)
	}
	s.end()
	eventually(t, "the next session is refused", func() bool {
		return r.counters().Revocation.Refused["no-list"] > 0 && strings.Contains(r.log.String(), "ran out on 20")
	})
	c.mu.Lock()
	sessions := len(c.sessions)
	c.mu.Unlock()
	if sessions != 1 {
		t.Errorf("%d sessions; expected none without a list", sessions)
	}
	c.lists.change(func(l *fakeLists) { l.blocked, l.validity = false, time.Hour })
	c.session(2).give(given{id: 2, user: ann, password: annSecret})
	if got := c.result(2).String(); got != "RESULT_ACCEPTED" {
		t.Errorf("with a new list: %s", got)
	}
	checkRevocationMetrics(t, r)
}

func checkRevocationMetrics(t *testing.T, r *running) {
	t.Helper()
	text := r.metricsText()
	for _, want := range []string{
		`ptabench_connector_revocation_refused_total{reason="no-list"} `, `ptabench_connector_revocation_list_faults_total{fault="unreachable"} `,
		"ptabench_connector_revocation_lists_total ", "ptabench_connector_revocation_list_age_seconds ",
		"ptabench_connector_revocation_list_left_seconds 3", "ptabench_connector_revocation_warned_total 0\n",
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("/metrics lacks %q", want)
		}
	}
}
