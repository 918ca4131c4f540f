package cloudsim

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ptabench/observe"
	"ptabench/signed"
	"ptabench/update"
)

// published has a simulator serve what is published in a directory.
func published(t *testing.T) (dir string, set func(*Config)) {
	t.Helper()
	dir = t.TempDir()
	key, err := update.MakeKey(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, bytes.Repeat([]byte("program "), 1000), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := update.Publish(dir, update.Release{Binary: program, Version: "9.9.9", Key: key}, time.Now()); err != nil {
		t.Fatal(err)
	}
	return dir, func(cfg *Config) { cfg.UpdateDir, cfg.UpdateKey = dir, filepath.Join(dir, "key.pub") }
}

func TestUpdateFiles(t *testing.T) {
	dir, set := published(t)
	c := start(t, set)
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, port := range []string{"443", "8080"} {
		for _, tt := range []struct {
			method, path string
			status       int
			body         string // empty for any
			denied       string
		}{
			{"GET", "/update/manifest?platform=" + update.Platform(), 200, read(update.ManifestFile(dir, update.Platform())), ""},
			{"GET", "/update/" + update.Platform() + "/9.9.9", 200, read(update.BinaryFile(dir, update.Platform(), "9.9.9")), ""},
			{"GET", "/update/manifest?platform=plan9-mips", 404, "", ""},
			{"GET", "/update/" + update.Platform() + "/9.9.8", 404, "", ""},
			{"GET", "/update/manifest", 400, "", "update-malformed"},
			{"GET", "/update/manifest?platform=..", 400, "", "update-malformed"},
			{"GET", "/update/" + update.Platform() + "/manifest.jws", 400, "", "update-malformed"},
			{"GET", "/update/" + update.Platform() + "/..%2f..%2fkey", 400, "", "update-malformed"},
			{"GET", "/update/key", 404, "", "unknown-path"},
			{"POST", "/update/manifest", 405, "", "wrong-method"},
		} {
			before := c.counters().Denied[tt.denied]
			q, err := http.NewRequest(tt.method, "https://"+c.ready.Ports[port]+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r, err := c.users.Do(q)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(r.Body)
			r.Body.Close()
			if r.StatusCode != tt.status || tt.body != "" && string(body) != tt.body || strings.Contains(string(body), "PRIVATE") {
				t.Errorf("port %s: %s %s: %s, %d bytes", port, tt.method, tt.path, r.Status, len(body))
			}
			if tt.denied != "" {
				c.denied(tt.denied, before+1)
			}
		}
	}
}

// say posts a message about an update.
func (c *cloud) say(tenant string, text []byte) (status int, body string) {
	c.Helper()
	r, err := c.users.Post("https://"+c.ready.Ports["8080"]+"/"+tenant+"/connectors/update", "application/jose", bytes.NewReader(text))
	if err != nil {
		c.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		c.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// message is signed by a connector.
func (a *agent) message(change ...func(*signed.UpdateMessage)) []byte {
	a.Helper()
	m := &signed.UpdateMessage{Tenant: "contoso", SentAt: time.Now(), Step: signed.UpdateLease, From: "0.1.0", To: "0.2.0"}
	for _, f := range change {
		f(m)
	}
	text, err := signed.SignUpdate(m, a.certificate)
	if err != nil {
		a.Fatal(err)
	}
	return text
}

// TestUpdateMessages has one of two connectors get the lease, and refuses what
// is not said by one of them.
func TestUpdateMessages(t *testing.T) {
	_, set := published(t)
	c := start(t, set)
	one, two, removed := c.register("connector-1"), c.register("connector-2"), c.register("connector-3")
	if err := c.observe.Delete(context.Background(), "/tenants/contoso/connectors/connector-3", nil); err != nil {
		t.Fatal(err)
	}
	first := one.message()
	if status, body := c.say("contoso", first); status != 200 || !strings.Contains(body, `"granted":true`) {
		t.Fatalf("%d %s", status, body)
	}
	if status, body := c.say("contoso", two.message()); status != 200 || !strings.Contains(body, `"holder":"connector-1"`) {
		t.Fatalf("%d %s", status, body)
	}
	// It is attached by no session, whatever it says.
	if _, body := c.say("contoso", one.message(func(m *signed.UpdateMessage) { m.Step = signed.UpdateConfirm })); !strings.Contains(body, `"granted":true`) || strings.Contains(body, "healthy") {
		t.Fatalf("confirmed: %s", body)
	}
	report, err := signed.SignReport(&signed.Report{Tenant: "contoso", SentAt: time.Now()}, one.certificate)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, tenant string
		text         []byte
		status       int
		reason       string
	}{
		{"a copy", "contoso", first, http.StatusConflict, "update-replayed"},
		{"nonsense", "contoso", []byte("{}"), http.StatusBadRequest, "update-malformed"},
		{"another document", "contoso", report, http.StatusBadRequest, "update-malformed"},
		{"altered", "contoso", bytes.Replace(one.message(), []byte("."), []byte(".e30g"), 1), http.StatusForbidden, "update-bad-signature"},
		{"for another tenant", "fabrikam", one.message(), http.StatusBadRequest, "update-wrong-tenant"},
		{"of another tenant", "fabrikam", one.message(func(m *signed.UpdateMessage) { m.Tenant = "fabrikam" }), http.StatusForbidden, "update-unknown-connector"},
		{"of one that is removed", "contoso", removed.message(), http.StatusGone, "update-connector-gone"},
		{"by a clock that is wrong", "contoso", one.message(func(m *signed.UpdateMessage) { m.SentAt = time.Now().Add(time.Hour) }), http.StatusBadRequest, "update-clock-skew"},
		{"oversized", "contoso", bytes.Repeat([]byte("A"), signed.MaxUpdateMessage+1), http.StatusRequestEntityTooLarge, "update-oversized"},
		{"no such tenant", "nobody", one.message(), http.StatusNotFound, "unknown-tenant"},
	} {
		before := c.counters().Denied[tt.reason]
		if status, body := c.say(tt.tenant, tt.text); status != tt.status {
			t.Errorf("%s: %d %s; expected %d", tt.name, status, body, tt.status)
		}
		c.denied(tt.reason, before+1)
	}
	if status, _ := c.say("contoso", one.message(func(m *signed.UpdateMessage) { m.Step, m.Reason = signed.UpdateFailed, "it does not start" })); status != 200 {
		t.Errorf("failed: %d", status)
	}
	if _, body := c.say("contoso", two.message()); !strings.Contains(body, "it failed at connector-1") {
		t.Errorf("after it failed: %s", body)
	}
	var all observe.Updates
	if err := c.observe.Get(context.Background(), "/updates", &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Updates) != 1 || all.Updates[0].State != observe.FailedUpdate || all.Updates[0].NotServingNS == 0 {
		t.Errorf("%+v", all.Updates)
	}
}
