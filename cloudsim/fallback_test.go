package cloudsim

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ptabench/cloudsim/dispatch"
	"ptabench/observe"
	"ptabench/wire"
)

// fallback sets that of contoso.
func fallback(f Fallback) func(*Config) {
	return func(cfg *Config) { cfg.Tenants[0].Fallback = f }
}

// The users of the hash store, and how it answers them. What it does not carry
// it does not know: a locked user gets in.
func pushUsers(c *cloud) {
	c.Helper()
	c.secret(password)
	c.push("contoso", hashSyncToken, account("Ann@contoso.test", password, false)+
		account("dan@contoso.test", password, true)+account("moe@contoso.test", "", false), http.StatusOK)
}

func (c *cloud) checkHashSync() {
	c.Helper()
	for _, tc := range []struct {
		user, password string
		status, code   int
	}{
		{"ann@contoso.test", password, 200, 0},
		{"ANN@contoso.test", password, 200, 0},
		{"ann@contoso.test", "not-" + password, 400, 50126},
		{"dan@contoso.test", password, 400, 50057},
		{"dan@contoso.test", "not-" + password, 400, 50057},
		{"moe@contoso.test", password, 400, 50126},
		{"nobody@contoso.test", password, 400, 50034},
	} {
		c.expect(c.signIn(tc.user, tc.password), tc.status, tc.code, HashSync, "", "0")
	}
}

// Hash sync answers while no connector is there, and steps back when one is.
func TestFallbackAutomatic(t *testing.T) {
	t.Parallel()
	c := start(t, fallback(Automatic))
	pushUsers(c)
	c.checkHashSync()
	if e := c.event(observe.FallbackBegan, "no-connector"); e.Tenant != "contoso" {
		t.Errorf("event %+v", e)
	}
	c.event(observe.BreakerOpened, "no-connector")
	if n := c.tenant("contoso"); n.HashSync != 7 || n.Accepted != 2 || n.Refused != 5 || n.Failed != 0 || n.PassThrough != 0 || n.Breaker != "open" {
		t.Errorf("counters %+v", n)
	}

	l := c.register("connector-1").attach()
	c.recover(l)
	// The last connector goes: at once, and also for those it had in hand.
	l.respond.Store(hold)
	answered := c.later(user, password)
	l.holding()
	l.reset()
	c.expect(c.await(answered), 200, 0, HashSync, "", "1")
	c.checkHashSync()
	if n := len(c.happened(observe.FallbackBegan)); n != 2 {
		t.Errorf("fallback began %d times; expected 2", n)
	}
	// The other tenant is not concerned.
	if n := c.tenant("fabrikam"); n.Received != 0 || n.HashSync != 0 {
		t.Errorf("counters of another tenant %+v", n)
	}
}

// recover signs in until pass-through answers everybody again.
func (c *cloud) recover(l *link) {
	c.Helper()
	eventually(c, "pass-through is back", func() bool {
		r := c.signIn(user, password)
		if r.status != 200 {
			c.Errorf("while it comes back: %v", r)
		}
		return len(c.happened(observe.FallbackEnded)) > 0
	})
	c.event(observe.BreakerProbing, "")
	c.event(observe.BreakerClosed, "")
	c.expect(c.signIn(user, password), 200, 0, PassThrough, l.name, "1")
	if n := c.tenant("contoso"); n.Breaker != "closed" {
		c.Errorf("counters %+v", n)
	}
}

// Without fallback a sign-in fails, and says why.
func TestFallbackOff(t *testing.T) {
	t.Parallel()
	c := start(t)
	pushUsers(c)
	q := c.request("contoso", form(user, password).Encode())
	r := c.do(q)
	c.expect(r, 503, 80001, "", "", "0")
	checkError(t, r, "temporarily_unavailable", q.Header.Get("Client-Request-Id"))
	l := c.register("connector-1").attach()
	// Nobody else would answer: everybody waits for the connector that came.
	for range 10 {
		c.expect(c.signIn(user, password), 200, 0, PassThrough, "connector-1", "1")
	}
	l.reset()
	c.event(observe.ConnectorLost, "connection-lost")
	c.expect(c.signIn(user, password), 503, 80001, "", "", "0")
	if n := len(c.happened(observe.FallbackBegan)); n != 0 {
		t.Errorf("fallback began %d times", n)
	}
}

// A store that lost all its users knows nobody; it is not one that never had
// any.
func TestFallbackToAnEmptiedStore(t *testing.T) {
	t.Parallel()
	c := start(t, fallback(Automatic))
	c.expect(c.signIn(user, password), 503, 80001, "", "", "0")
	pushUsers(c)
	c.push("contoso", hashSyncToken, `{"upn":"ann@contoso.test","deleted":true}{"upn":"dan@contoso.test","deleted":true}{"upn":"moe@contoso.test","deleted":true}`, http.StatusOK)
	c.expect(c.signIn(user, password), 400, 50034, HashSync, "", "0")
}

// With none-left hash sync answers when the last connector has gone, and not
// for one that is there and does not answer.
func TestFallbackNoneLeft(t *testing.T) {
	t.Parallel()
	c := start(t, fallback(NoneLeft), func(cfg *Config) { cfg.Queue.Handoff, cfg.Queue.Deadline = false, time.Second })
	pushUsers(c)
	c.checkHashSync()
	l := c.register("connector-1").attach()
	c.expect(c.signIn(user, password), 200, 0, PassThrough, "connector-1", "1")
	l.respond.Store(hold)
	c.expect(c.signIn(user, password), 503, 80002, "", "", "1")
	l.reset()
	c.event(observe.ConnectorLost, "connection-lost")
	c.checkHashSync()
}

// The operator switches a tenant whose fallback is manual, and no other.
func TestFallbackManual(t *testing.T) {
	t.Parallel()
	c := start(t, fallback(Manual))
	pushUsers(c)
	l := c.register("connector-1").attach()
	put := func(tenant, body string) int {
		return c.call("PUT", "/tenants/"+tenant+"/fallback", body, observeToken)
	}

	c.expect(c.signIn(user, password), 200, 0, PassThrough, "connector-1", "1")
	for range 2 { // twice does no harm
		if status := put("contoso", `{"on":true}`); status != 200 {
			t.Errorf("status %d", status)
		}
	}
	c.checkHashSync()
	if status := put("contoso", `{"on":false}`); status != 200 {
		t.Errorf("status %d", status)
	}
	c.expect(c.signIn(user, password), 200, 0, PassThrough, "connector-1", "1")
	c.event(observe.FallbackEnded, "operator")
	if n := len(c.happened(observe.FallbackBegan)); n != 1 {
		t.Errorf("fallback began %d times", n)
	}
	for _, tc := range []struct {
		tenant, body string
		status       int
	}{
		{"contoso", ``, 400}, {"contoso", `{}`, 400}, {"contoso", `{"on":"yes"}`, 400}, {"contoso", `true`, 400},
		{"contoso", `{"on":null}`, 400}, {"contoso", `{"x":"` + strings.Repeat("x", 2000) + `","on":true}`, 400},
		{"fabrikam", `{"on":true}`, 409}, {"nobody", `{"on":true}`, 404},
	} {
		if status := put(tc.tenant, tc.body); status != tc.status {
			t.Errorf("%s %.50s: status %d; expected %d", tc.tenant, tc.body, status, tc.status)
		}
	}
	l.reset()
	c.event(observe.ConnectorLost, "connection-lost")
	c.expect(c.signIn(user, password), 503, 80001, "", "", "0") // not by itself
}

// A tenant whose method is hash sync asks no connector.
func TestHashSyncTenant(t *testing.T) {
	t.Parallel()
	c := start(t, func(cfg *Config) { cfg.Tenants[0].Method = HashSync })
	pushUsers(c)
	l := c.register("connector-1").attach()
	c.checkHashSync()
	if n := l.taken(); n != 0 {
		t.Errorf("the connector took %d", n)
	}
	if n := c.tenant("contoso"); n.HashSync != 7 || n.Received != 7 {
		t.Errorf("counters %+v", n)
	}
}

// No connector reaches its directory: each sign-in is tried at both, then hash
// sync answers; after enough of them the breaker opens and nobody waits any
// more, and it closes when the directory is back.
func TestDirectoryUnreachable(t *testing.T) {
	t.Parallel()
	c := start(t, fallback(Automatic), func(cfg *Config) { cfg.Queue.Threshold = 3 })
	pushUsers(c)
	one, two := c.register("connector-1").attach(), c.register("connector-2").attach()
	one.respond.Store(always(wire.Result_RESULT_DIRECTORY_UNREACHABLE))
	two.respond.Store(always(wire.Result_RESULT_DIRECTORY_UNREACHABLE))
	for range 3 {
		c.expect(c.signIn(user, password), 200, 0, HashSync, "", "2")
	}
	c.event(observe.FallbackBegan, "directory-unreachable")
	if e := c.event(observe.HandedOff, "directory-unreachable"); e.Connector != "connector-1" {
		t.Errorf("event %+v", e)
	}
	c.event(observe.BreakerOpened, "directory-unreachable")
	if n := c.connector("connector-2"); n.PathFailures != 3 || n.Answered != 0 {
		t.Errorf("counters %+v", n)
	}
	eventually(t, "a sign-in does not wait for the directory", func() bool {
		r := c.signIn(user, password)
		return r.status == 200 && r.header.Get(headerAttempts) == "0"
	})
	one.respond.Store(check)
	two.respond.Store(check)
	c.recover(one)
}

// Connectors that say that they do not reach their directory are not asked.
func TestDirectoryStatus(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		fallback     Fallback
		status, code int
		by           Method
	}{{Off, 503, 80007, ""}, {Automatic, 200, 0, HashSync}} {
		t.Run(string(tc.fallback), func(t *testing.T) {
			c := start(t, fallback(tc.fallback), func(cfg *Config) { cfg.Queue.Probe = time.Hour })
			pushUsers(c)
			one, two := c.register("connector-1").attach(), c.register("connector-2").attach()
			one.status(false, false)
			c.event(observe.ConnectorStatus, "directory-unreachable")
			c.expect(c.signIn(user, password), 200, 0, PassThrough, "connector-2", "1")
			two.status(false, false)
			c.event(observe.BreakerOpened, "directory-unreachable")
			c.expect(c.signIn(user, password), tc.status, tc.code, tc.by, "", "0")
			two.status(true, false)
			c.event(observe.ConnectorStatus, "directory-reachable")
			eventually(t, "connector-2 is asked again", func() bool {
				return c.signIn(user, password).header.Get(headerConnector) == "connector-2"
			})
			if one.taken() != 0 {
				t.Error("connector-1 was asked")
			}
		})
	}
}

// A batch of hash sync is taken whole or not at all, from whoever has the
// token.
func TestHashSync(t *testing.T) {
	t.Parallel()
	c := start(t, fallback(Automatic))
	good := account("bob@contoso.test", password, false)
	const secret = "c2VjcmV0IHNhbHQgb2YgYWNjb3VudA"
	c.secret(password, secret, "wrong-hash-sync-token")
	for _, tc := range []struct {
		name, tenant, token, body string
		status                    int
		reason                    string
	}{
		{"no token", "contoso", "", good, 401, "hash-sync-token"},
		{"another token", "contoso", "wrong-hash-sync-token", good, 401, "hash-sync-token"},
		{"the observe token", "contoso", observeToken, good, 401, "hash-sync-token"},
		{"unknown tenant", "nobody", hashSyncToken, good, 404, "unknown-tenant"},
		{"no JSON", "contoso", hashSyncToken, good + secret + "\n", 400, "malformed-hash-sync"},
		{"cut off", "contoso", hashSyncToken, good + `{"upn":"eve@contoso.test","salt":"` + secret, 400, "malformed-hash-sync"},
		{"no base64", "contoso", hashSyncToken, good + `{"upn":"eve@contoso.test","salt":"` + secret + `!","hash":"x"}`, 400, "malformed-hash-sync"},
		{"another type", "contoso", hashSyncToken, good + `{"upn":["` + secret + `"]}`, 400, "malformed-hash-sync"},
		{"a list", "contoso", hashSyncToken, "[" + good + "]", 400, "malformed-hash-sync"},
		{"null", "contoso", hashSyncToken, good + "null\n", 400, "malformed-hash-sync"},
		{"no name", "contoso", hashSyncToken, good + account("", password, false), 400, "malformed-hash-sync"},
		{"a long name", "contoso", hashSyncToken, good + account(strings.Repeat("x", 321), password, false), 400, "malformed-hash-sync"},
		{"salt alone", "contoso", hashSyncToken, good + `{"upn":"eve@contoso.test","salt":"AAAAAAAAAAAAAA=="}`, 400, "malformed-hash-sync"},
		{"a short hash", "contoso", hashSyncToken, good + `{"upn":"eve@contoso.test","salt":"AAAAAAAAAAAAAA==","hash":"AAAA"}`, 400, "malformed-hash-sync"},
		{"deleted with a hash", "contoso", hashSyncToken, good + strings.Replace(good, `"deleted":false`, `"deleted":true`, 1), 400, "malformed-hash-sync"},
		{"deleted without a name", "contoso", hashSyncToken, good + `{"deleted":true}`, 400, "malformed-hash-sync"},
		{"too much", "contoso", hashSyncToken, good + strings.Repeat(" ", 1<<20) + good, 413, "oversized-hash-sync"},
	} {
		before := c.counters().Denied[tc.reason]
		if text := c.push(tc.tenant, tc.token, tc.body, tc.status); strings.Contains(text, secret) {
			t.Errorf("%s: the answer quotes what was sent: %s", tc.name, text)
		}
		c.denied(tc.reason, before+1)
		// That a user is not in an empty store says nothing of the user.
		c.expect(c.signIn("bob@contoso.test", password), 503, 80001, "", "", "0")
	}
	if text := c.push("contoso", hashSyncToken, good, 200); strings.TrimSpace(text) != `{"accepted":1}` {
		t.Errorf("answer %s", text)
	}
	c.expect(c.signIn("bob@contoso.test", password), 200, 0, HashSync, "", "0")
	// The later push counts.
	c.push("contoso", hashSyncToken, account("BOB@contoso.test", "another-password-of-bob", false), 200)
	c.secret("another-password-of-bob")
	c.expect(c.signIn("bob@contoso.test", password), 400, 50126, HashSync, "", "0")
	c.expect(c.signIn("bob@contoso.test", "another-password-of-bob"), 200, 0, HashSync, "", "0")
	// The accounts of one tenant are no other's.
	c.expect(c.signIn("bob@fabrikam.test", "another-password-of-bob"), 503, 80001, "", "", "0")
	c.expect(c.signIn("eve@contoso.test", password), 400, 50034, HashSync, "", "0")
	c.push("contoso", hashSyncToken, "", 200)
	// Who is deleted is as who never was, and may come back.
	if text := c.push("contoso", hashSyncToken, account("eve@contoso.test", password, false)+`{"upn":"Bob@contoso.test","deleted":true}`, 200); strings.TrimSpace(text) != `{"accepted":2}` {
		t.Errorf("answer %s", text)
	}
	c.expect(c.signIn("bob@contoso.test", "another-password-of-bob"), 400, 50034, HashSync, "", "0")
	c.push("contoso", hashSyncToken, good, 200)
	c.expect(c.signIn("bob@contoso.test", password), 200, 0, HashSync, "", "0")
}

func TestHashSyncWithoutToken(t *testing.T) {
	t.Parallel()
	c := start(t, func(cfg *Config) { cfg.HashSyncToken = "" })
	for _, token := range []string{"", " ", hashSyncToken} {
		c.push("contoso", token, account("bob@contoso.test", password, false), 401)
	}
	c.denied("hash-sync-token", 3)
}

// call is a request to the observe port, with a body and a token, and returns
// the status.
func (c *cloud) call(method, path, body, token string) int {
	c.Helper()
	status, _ := c.ask(method, path, body, token)
	return status
}

func (c *cloud) ask(method, path, body, token string) (int, string) {
	c.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, "http://"+c.ready.Ports["observe"]+path, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.observe.HTTP.Do(r)
	if err != nil {
		c.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// Fallback and pass-through take turns under overload. That is one fallback,
// until pass-through has answered alone for a while.
func TestFallbackDoesNotFlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, err := newVault()
		if err != nil {
			t.Fatal(err)
		}
		events := observe.NewLog(100)
		cfg := settings(t)
		tenant := newTenant(Tenant{Name: "contoso", Method: PassThrough, Fallback: Automatic}, cfg.Queue, time.Now(), v, anyHash{}, events)
		expect := func(when string, kinds ...observe.Kind) {
			t.Helper()
			var got []observe.Kind
			for _, e := range kept(t, events) {
				if e.Kind == observe.FallbackBegan || e.Kind == observe.FallbackEnded {
					got = append(got, e.Kind)
				}
			}
			if !slices.Equal(got, kinds) {
				t.Errorf("%s: events %v; expected %v", when, got, kinds)
			}
		}
		c := dispatch.NewConnector("connector-1", 1, &session{server: &server{cfg: cfg}, tenant: tenant})
		attach := func() { tenant.locked(func(now time.Duration) { tenant.queue.Attach(now, c) }) }
		// byHash and passed are sign-ins that either path answered.
		byHash := func() {
			if a := tenant.signIn(1, "ann@contoso.test", password); a.by != HashSync {
				t.Fatalf("answered by %q; expected the hash store", a.by)
			}
		}
		byHash()
		expect("at the first answer", observe.FallbackBegan)
		attach()
		passed := func() {
			t.Helper()
			id := tenant.queue.Counters().Attempts + 100
			go func() {
				time.Sleep(time.Millisecond)
				tenant.locked(func(now time.Duration) {
					tenant.queue.Answer(now, c, dispatch.Answer{ID: id, Attempt: 1})
				})
			}()
			if a := tenant.signIn(id, "ann@contoso.test", password); a.by != PassThrough {
				t.Fatalf("answered by %q; expected pass-through", a.by)
			}
		}
		for range 5 { // probes close the breaker
			passed()
		}
		for range 50 { // overload: one in hand, and the queue is full for the others
			passed()
			tenant.hashed.Store(int64(tenant.now()))
			time.Sleep(fallbackSettles / 2)
		}
		expect("while they take turns", observe.FallbackBegan)
		time.Sleep(fallbackSettles)
		expect("before pass-through answers again", observe.FallbackBegan)
		passed()
		expect("alone for a while", observe.FallbackBegan, observe.FallbackEnded)
		tenant.locked(func(now time.Duration) { tenant.queue.Detach(now, c, "reset") })
		byHash()
		expect("again", observe.FallbackBegan, observe.FallbackEnded, observe.FallbackBegan)
	})
}

// kept reads a log of events, as far as it goes.
func kept(t *testing.T, events *observe.Log) (list []observe.Event) {
	t.Helper()
	_, handler := observe.Handler(observeToken, nil, events, nil)
	gone, leave := context.WithCancel(context.Background())
	leave()
	q := httptest.NewRequestWithContext(gone, http.MethodGet, "/events", nil)
	q.Header.Set("Authorization", "Bearer "+observeToken)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, q)
	for in := json.NewDecoder(w.Body); in.More(); {
		var e observe.Event
		if err := in.Decode(&e); err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

// anyHash is a hash store that accepts everybody.
type anyHash struct{}

func (anyHash) Check(string, string, string) wire.Result { return wire.Result_RESULT_ACCEPTED }
func (anyHash) Synced(string) bool                       { return true }
