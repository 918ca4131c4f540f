package cloudsim_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"ptabench/connector"
	"ptabench/observe"
)

// comesUp waits for a connector to attach, or for the error that ends it.
func (w *world) comesUp(attached chan struct{}, ended chan error) error {
	w.t.Helper()
	select {
	case <-attached:
		return nil
	case err := <-ended:
		ended <- err
		return err
	case <-time.After(waits):
		w.t.Fatalf("the connector neither attaches nor ends; log:\n%s", w.log.String())
		return nil
	}
}

// endsFor waits for a connector to end, and expects it to say that it must be
// registered again.
func (w *world) endsFor(why string, ended chan error) {
	w.t.Helper()
	select {
	case err := <-ended:
		for _, want := range []string{why, "must be registered again", "PTABENCH_REGISTRATION_TOKEN"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				w.t.Errorf("it ended with %v; expected %q", err, want)
			}
		}
	case <-time.After(waits):
		w.t.Fatalf("it does not end; log:\n%s", w.log.String())
	}
}

func (w *world) revoke(name string) {
	w.t.Helper()
	if err := w.observe.Post(context.Background(), "/tenants/contoso/connectors/"+name+"/revoke", nil, nil); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(name string) {
	w.t.Helper()
	if err := w.observe.Delete(context.Background(), "/tenants/contoso/connectors/"+name, nil); err != nil {
		w.t.Fatal(err)
	}
}

// A connector that was revoked, removed or registered anew elsewhere while it
// was away is told so when it comes back, and ends rather than trying for ever.
// With a new token it registers again, though its certificate has not expired.
func TestGoneWhileAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	for name, away := range map[string]func(connector.Config){
		"revoked": func(connector.Config) { w.revoke("revoked") },
		"removed": func(connector.Config) { w.remove("removed") },
		"replaced": func(cfg connector.Config) {
			cfg.State, cfg.RegistrationToken = t.TempDir(), w.token()
			attached, ended, stop := w.run(cfg)
			if err := w.comesUp(attached, ended); err != nil {
				t.Fatal(err)
			}
			stop()
			<-ended
		},
	} {
		cfg := w.connectorSettings(name)
		attached, ended, stop := w.run(cfg)
		if err := w.comesUp(attached, ended); err != nil {
			t.Fatal(err)
		}
		stop()
		<-ended
		away(cfg)

		cfg.RegistrationToken = ""
		_, ended, stop = w.run(cfg)
		w.endsFor("revoked, removed, or registered anew elsewhere", ended)
		stop()

		cfg.RegistrationToken = w.token()
		attached, ended, stop = w.run(cfg)
		if err := w.comesUp(attached, ended); err != nil {
			t.Errorf("%s: with a new token: %v", name, err)
		}
		stop()
		<-ended
	}
	var n observe.CloudCounters
	if err := w.observe.Get(context.Background(), "/counters", &n); err != nil {
		t.Fatal(err)
	}
	if n.Denied["status-connector-gone"] < 3 {
		t.Errorf("denied %v; expected the reports to be counted", n.Denied)
	}
}

// A session that its connector's revocation or removal ends is its last.
func TestGoneWhileAttached(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	for _, tc := range []struct {
		name string
		end  func(name string)
		want string
	}{
		{"connector-1", w.revoke, "revoked, removed, or"},
		{"connector-2", w.remove, "the cloud has removed this connector"},
	} {
		attached, ended, stop := w.run(w.connectorSettings(tc.name))
		if err := w.comesUp(attached, ended); err != nil {
			t.Fatal(err)
		}
		tc.end(tc.name)
		w.endsFor(tc.want, ended)
		stop()
	}
}
