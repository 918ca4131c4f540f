package cloudsim

import (
	"context"
	"encoding/json"
	"net"
	"reflect"
	"strings"
	"testing"

	"ptabench/observe"
)

// The observe port says and does nothing for those without its token, apart
// from metrics.
func TestObserveToken(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.secret("not-the-observe-token")
	for _, token := range []string{"", "not-the-observe-token", hashSyncToken} {
		for _, call := range [][2]string{
			{"GET", "/counters"}, {"GET", "/events"}, {"GET", "/gates"}, {"PUT", "/gates/x"}, {"DELETE", "/gates/x"},
			{"POST", "/tenants/contoso/registration-tokens"}, {"PUT", "/tenants/contoso/fallback"}, {"GET", "/nothing"},
		} {
			if status, text := c.ask(call[0], call[1], `{}`, token); status != 401 || strings.Contains(text, "tenants") {
				t.Errorf("%v with token %q: %d %s", call, token, status, text)
			}
		}
	}
	for path, want := range map[string]int{"/tenants/contoso/registration-tokens": 201, "/tenants/nobody/registration-tokens": 404} {
		if status := c.call("POST", path, "", observeToken); status != want {
			t.Errorf("POST %s: %d", path, status)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	c := start(t, fallback(Automatic))
	pushUsers(c)
	c.expect(c.signIn(user, password), 200, 0, HashSync, "", "0")
	l := c.register("connector-1").attach()
	c.recover(l)
	c.do(c.request("contoso", "")) // refused
	status, text := c.ask("GET", "/metrics", "", "")
	if status != 200 {
		t.Fatalf("status %d: %s", status, text)
	}
	for _, line := range []string{
		`ptabench_cloud_sign_ins_total{outcome="refused",tenant="contoso"} 0`,
		`ptabench_cloud_sign_ins_total{outcome="failed",tenant="fabrikam"} 0`,
		`ptabench_cloud_connector_attached{connector="connector-1",tenant="contoso"} 1`,
		`ptabench_cloud_connector_in_flight{connector="connector-1",tenant="contoso"} 0`,
		`ptabench_cloud_breaker_open{tenant="contoso"} 0`,
		`ptabench_cloud_denied_total{reason="missing-parameter"} 1`,
		`ptabench_cloud_queued{tenant="contoso"} 0`,
		"go_goroutines ", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("metrics have no line %s", line)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// Gates are put and deleted by ID; nonsense changes nothing.
func TestGates(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.register("connector-1").attach()
	for _, tc := range []struct {
		name, id, body string
	}{
		{"nothing", "x", ``},
		{"no JSON", "x", `stall`},
		{"another type", "x", `{"ports":"443","mode":"stall"}`},
		{"no ports", "x", `{"mode":"stall"}`},
		{"no mode", "x", `{"ports":["443"]}`},
		{"unknown mode", "x", `{"ports":["443"],"mode":"drop"}`},
		{"unknown port", "x", `{"ports":["443","81"],"mode":"stall"}`},
		{"the observe port", "x", `{"ports":["observe"],"mode":"refuse"}`},
		{"a name for a source", "x", `{"ports":["443"],"mode":"stall","sources":["localhost"]}`},
		{"a long id", strings.Repeat("i", 129), `{"ports":["443"],"mode":"stall"}`},
		{"too much", "x", `{"ports":["443"],"mode":"stall","sources":["` + strings.Repeat("1", 70<<10) + `"]}`},
	} {
		if status, text := c.ask("PUT", "/gates/"+tc.id, tc.body, observeToken); status != 400 || !strings.HasPrefix(text, "gate") {
			t.Errorf("%s: %d %s", tc.name, status, text)
		}
	}
	if status := c.call("DELETE", "/gates/x", "", observeToken); status != 404 {
		t.Errorf("deleting what is not set: %d", status)
	}
	if status := c.call("POST", "/gates/x", `{}`, observeToken); status != 405 {
		t.Errorf("POST: %d", status)
	}
	effects := func() (list []observe.GateEffect) {
		t.Helper()
		_, text := c.ask("GET", "/gates", "", observeToken)
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return list
	}
	if got := effects(); len(got) != 0 {
		t.Errorf("gates %+v", got)
	}

	ctx := context.Background()
	c.users.CloseIdleConnections()
	var effect observe.GateEffect
	// The ID in the address counts, whatever the body says.
	gate := observe.Gate{ID: "other", Ports: []string{"443"}, Mode: observe.GateRefuse}
	if err := c.observe.Put(ctx, "/gates/users", gate, &effect); err != nil || effect.ID != "users" {
		t.Fatalf("%+v, %v", effect, err)
	}
	if got := effects(); !reflect.DeepEqual(got, []observe.GateEffect{effect}) {
		t.Errorf("gates %+v; expected %+v", got, effect)
	}
	if conn, err := net.Dial("tcp", c.ready.Ports["443"]); err == nil {
		conn.Close()
		t.Error("a refused port accepts")
	}
	if err := c.observe.Delete(ctx, "/gates/users", &effect); err != nil {
		t.Fatal(err)
	}
	c.expect(c.signIn(user, password), 200, 0, PassThrough, "connector-1", "1")
	if e := c.event(observe.GateSet, "users"); e.AtNS == 0 {
		t.Errorf("event %+v", e)
	}
	c.event(observe.GateCleared, "users")
}

// Connectors that a stalled gate cuts off are lost by their heartbeats, and
// come back when it is cleared.
func TestStalledRequests(t *testing.T) {
	t.Parallel()
	c := start(t, func(cfg *Config) { cfg.Heartbeat, cfg.HeartbeatMisses = 1e8, 10 })
	a := c.register("connector-1")
	l := a.attach()
	gate := observe.Gate{Ports: requestPorts, Sources: []string{"127.0.0.1"}, Mode: observe.GateStall}
	if err := c.observe.Put(context.Background(), "/gates/stall", gate, nil); err != nil {
		t.Fatal(err)
	}
	c.event(observe.ConnectorLost, "heartbeat")
	c.expect(c.signIn(user, password), 503, 80001, "", "", "0")
	l.close()
	if err := c.observe.Delete(context.Background(), "/gates/stall", nil); err != nil {
		t.Fatal(err)
	}
	a.attach()
	c.expect(c.signIn(user, password), 200, 0, PassThrough, "connector-1", "1")
}
