package cloudsim_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ptabench/observe"
)

// A connector is revoked while users sign in: nobody is lost, the others carry
// on, and it is given nothing more and ends.
func TestRevokeUnderSignIns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ends = map[string]string{"connector-1": "must be registered again"}
	w.serve()
	for i := range 3 {
		w.connect(fmt.Sprintf("connector-%d", i+1), "")
	}
	w.attached(3)

	ctx, stop := context.WithCancel(context.Background())
	var users sync.WaitGroup
	defer users.Wait()
	defer stop()
	var signedIn atomic.Int64
	for range 8 {
		users.Go(func() {
			for ctx.Err() == nil {
				if err := w.signIn(); err != nil {
					t.Errorf("a sign-in: %v", err)
				}
				signedIn.Add(1)
			}
		})
	}
	more := func(n int64) {
		t.Helper()
		until := signedIn.Load() + n
		w.eventually("users sign in", func() bool { return signedIn.Load() >= until })
	}
	for i := range 3 {
		name := fmt.Sprintf("connector-%d", i+1)
		w.eventually(name+" is given sign-ins", func() bool { return w.attempts(name) > 0 })
	}
	if err := w.observe.Post(ctx, "/tenants/contoso/connectors/connector-1/revoke", nil, nil); err != nil {
		t.Fatal(err)
	}
	w.eventually("it is lost", func() bool { return len(w.happened(observe.ConnectorLost, "connector-1")) > 0 })
	if e := w.happened(observe.ConnectorLost, "connector-1")[0]; e.Cause != "revoked" {
		t.Errorf("lost: %+v", e)
	}
	before := w.attempts("connector-1")
	more(100)
	stop()
	users.Wait()
	if after := w.attempts("connector-1"); after != before {
		t.Errorf("it was given %d sign-ins after it was revoked", after-before)
	}
	w.attached(2)
}

// runsOut is when the list that is published now does.
func (w *world) runsOut() time.Time {
	w.t.Helper()
	r, err := http.Get("http://" + w.ready.Ports["80"] + "/crl/ca.crl")
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Body.Close()
	der, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := x509.ParseRevocationList(der)
	if err != nil {
		w.t.Fatal(err)
	}
	return l.NextUpdate
}

// While port 80 is blocked a connector goes on with the list that it has, and
// with its session for longer. Once the list has run out it begins no session
// until the port is open again, and then by itself.
func TestPort80Blocked(t *testing.T) {
	for _, mode := range []observe.GateMode{observe.GateRefuse, observe.GateStall} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.cfg.CRLValidity = 6 * time.Second
			w.serve()
			w.connect("connector-1", "")
			w.attached(1)
			defer func() {
				if t.Failed() {
					t.Logf("log of the connector:\n%s", w.log.String())
				}
			}()
			ctx := context.Background()
			gate := func(id string, mode observe.GateMode, ports ...string) {
				t.Helper()
				if err := w.observe.Put(ctx, "/gates/"+id, observe.Gate{Ports: ports, Mode: mode}, nil); err != nil {
					t.Fatal(err)
				}
			}
			clear := func(id string) {
				t.Helper()
				if err := w.observe.Delete(ctx, "/gates/"+id, nil); err != nil {
					t.Fatal(err)
				}
			}
			// lose has the connector lose its session and need another.
			lose := func() {
				t.Helper()
				lost := len(w.happened(observe.ConnectorLost, ""))
				gate("requests", observe.GateReset, "9350", "9352", "5671")
				w.eventually("the session is lost", func() bool { return len(w.happened(observe.ConnectorLost, "")) > lost })
				clear("requests")
			}

			ends := w.runsOut() // not before the connector's
			gate("80", mode, "80")
			lose()
			w.attached(1) // with the list that it has
			w.eventually("it asks for another list in vain", func() bool { return strings.Contains(w.log.String(), "fault=unreachable") })
			sessions := w.counters().Connectors[0].Sessions
			w.eventually("the last list runs out", func() bool { return time.Now().After(ends) })
			if err := w.signIn(); err != nil {
				t.Errorf("by the session that stands: %v", err)
			}
			if got := w.counters().Connectors[0].Sessions; got != sessions {
				t.Errorf("%d sessions; expected the one that stood", got)
			}
			lose()
			for _, want := range []string{"ran out on 20", "and port 80 (" + w.ready.Ports["80"] + ") has given no good one since 20"} {
				w.eventually("it says why it does not attach: "+want, func() bool { return strings.Contains(w.log.String(), want) })
			}
			w.attached(0)
			clear("80")
			w.attached(1)
			if err := w.signIn(); err != nil {
				t.Errorf("once port 80 is open again: %v", err)
			}
		})
	}
}
