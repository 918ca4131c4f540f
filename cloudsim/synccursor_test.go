package cloudsim

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"ptabench/cloudsim/state"
)

// sync asks the hash sync port, and expects an HTTP status.
func (c *cloud) sync(method, tenant, what, token, body string, status int) []byte {
	c.Helper()
	r, err := http.NewRequest(method, "https://"+c.ready.Ports["hashsync"]+"/"+tenant+"/hashsync/"+what, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	a := c.do(r)
	if a.status != status {
		c.Errorf("%s %s: %v; expected %d", method, what, a, status)
	}
	return a.body
}

// TestSyncCursor: what an agent sends is taken with its place or not at all, and
// the cloud says where it is.
func TestSyncCursor(t *testing.T) {
	t.Parallel()
	c := start(t, fallback(Automatic))
	c.secret(password)
	head := func(from, to state.Cursor) string {
		b, err := json.Marshal(syncedRange{from, to})
		if err != nil {
			t.Fatal(err)
		}
		return string(b) + "\n"
	}
	zero, first := state.Cursor{}, state.Cursor{Source: "a", Passwords: 1, Standings: 1, Complete: true}
	second := state.Cursor{Source: "a", Passwords: 1, Standings: 2, Complete: true}
	good := account("bob@contoso.test", password, false)
	at := func(want state.Cursor, text []byte) {
		t.Helper()
		var is state.Cursor
		if err := json.Unmarshal(text, &is); err != nil || is != want {
			t.Errorf("cursor %s, %v; want %+v", text, err, want)
		}
	}
	for _, tc := range []struct {
		name, tenant, token, body string
		status                    int
		reason                    string
	}{
		{"another token", "contoso", "wrong", head(zero, first) + good, 401, "hash-sync-token"},
		{"unknown tenant", "nobody", hashSyncToken, head(zero, first) + good, 404, "unknown-tenant"},
		{"no range", "contoso", hashSyncToken, "", 400, "malformed-hash-sync"},
		{"a list for a range", "contoso", hashSyncToken, "[]" + good, 400, "malformed-hash-sync"},
		{"no source", "contoso", hashSyncToken, head(zero, zero) + good, 400, "malformed-hash-sync"},
		{"a long source", "contoso", hashSyncToken, head(zero, state.Cursor{Source: strings.Repeat("x", 201)}) + good, 400, "malformed-hash-sync"},
		{"an unknown part", "contoso", hashSyncToken, head(zero, first) + `{"upn":"bob@contoso.test","part":"some"}`, 400, "malformed-hash-sync"},
		{"from elsewhere", "contoso", hashSyncToken, head(first, second) + good, 409, "stale-hash-sync"},
	} {
		before := c.counters().Denied[tc.reason]
		text := c.sync(http.MethodPost, tc.tenant, "changes", tc.token, tc.body, tc.status)
		if tc.status == http.StatusConflict {
			at(zero, text)
		}
		c.denied(tc.reason, before+1)
	}
	c.sync(http.MethodGet, "contoso", "cursor", "wrong", "", 401)
	at(zero, c.sync(http.MethodGet, "contoso", "cursor", hashSyncToken, "", 200))

	c.sync(http.MethodPost, "contoso", "changes", hashSyncToken, head(zero, first)+good, 200)
	at(first, c.sync(http.MethodGet, "contoso", "cursor", hashSyncToken, "", 200))
	c.expect(c.signIn("bob@contoso.test", password), 200, 0, HashSync, "", "0")
	c.sync(http.MethodPost, "contoso", "changes", hashSyncToken, head(first, second)+`{"upn":"bob@contoso.test","disabled":true,"part":"standing"}`, 200)
	c.expect(c.signIn("bob@contoso.test", password), 400, 50057, HashSync, "", "0")
	at(second, c.sync(http.MethodPost, "contoso", "changes", hashSyncToken, head(first, second)+good, 409))
	c.expect(c.signIn("bob@contoso.test", password), 400, 50057, HashSync, "", "0")
}
