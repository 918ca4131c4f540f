package cloudsim

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"ptabench/cloudsim/state"
	"ptabench/observe"
	"ptabench/signed"
	"ptabench/wire"
)

// names are the connectors of contoso that are on the list.
func (c *cloud) names() string {
	c.Helper()
	var list observe.Inventory
	if err := c.observe.Get(context.Background(), "/tenants/contoso/connectors", &list); err != nil {
		c.Fatal(err)
	}
	var all []string
	for _, one := range list.Connectors {
		all = append(all, one.Name)
	}
	return strings.Join(all, " ")
}

// What the operator removes is refused at once, by whatever way it comes.
func TestRemovedByTheOperator(t *testing.T) {
	t.Parallel()
	c := start(t)
	gone, stays := c.register("connector-1"), c.register("connector-2")
	l, other := gone.attach(), stays.attach()
	for _, tc := range []struct {
		path string
		want int
	}{
		{"/tenants/nobody/connectors/connector-1", 404},
		{"/tenants/contoso/connectors/connector-3", 404},
		{"/tenants/contoso/connectors/connector-1", 204},
		{"/tenants/contoso/connectors/connector-1", 404},
	} {
		if got, text := c.ask("DELETE", tc.path, "", observeToken); got != tc.want {
			t.Errorf("DELETE %s: %d %s; expected %d", tc.path, got, text, tc.want)
		}
	}
	if got := c.call("DELETE", "/tenants/contoso/connectors/connector-2", "", ""); got != 401 {
		t.Errorf("without a token: %d", got)
	}
	if err := l.ended(); status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), "deregistered: the connector must be registered again") {
		t.Errorf("its session ended with %v", err)
	}
	c.event(observe.ConnectorLost, "deregistered")
	if e := c.event(observe.ConnectorRemoved, "operator"); e.Connector != "connector-1" || e.Tenant != "contoso" {
		t.Errorf("event %+v", e)
	}
	if _, err := gone.listen("9352"); err == nil {
		t.Error("it attaches again")
	}
	c.denied("certificate-not-current", 1)
	if got := c.names(); got != "connector-2" {
		t.Errorf("left on the list: %s", got)
	}
	other.respond.Store(check)
	c.expect(c.signIn(user, password), 200, 0, PassThrough, "connector-2", "1")
}

// A tenant has 40 connectors unless told otherwise, away or not.
func TestConnectorLimit(t *testing.T) {
	t.Parallel()
	c := start(t)
	for n := range DefaultConnectorLimit {
		c.register(fmt.Sprint("connector-", n))
	}
	_, err := c.tryRegister("contoso", "one-more", c.registrationToken("contoso"))
	if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "remove one first: 40") {
		t.Errorf("one more: %v", err)
	}
	c.denied("registration-too-many-connectors", 1)
	if _, err := c.tryRegister("contoso", "connector-7", c.registrationToken("contoso")); err != nil {
		t.Errorf("one of them again: %v", err)
	}
	if _, err := c.tryRegister("fabrikam", "one-more", c.registrationToken("fabrikam")); err != nil {
		t.Errorf("one of another tenant: %v", err)
	}
	if got := c.call("DELETE", "/tenants/contoso/connectors/connector-3", "", observeToken); got != 204 {
		t.Fatalf("removing one: %d", got)
	}
	c.register("one-more")
}

// A connector is inactive once it has missed two of its reports: by the
// interval that the cloud asks for, or the one that it says it keeps.
func TestInactive(t *testing.T) {
	now := time.Now()
	for _, tc := range []struct {
		name              string
		asked, kept, set  time.Duration
		lastSeen          time.Duration // ago
		sinceRegistration time.Duration
		want              bool
	}{
		{"two reports, by default", 0, 0, 0, 21 * time.Minute, time.Hour, true},
		{"and late", 0, 0, 0, 23 * time.Minute, time.Hour, false},
		{"just registered", 0, 0, 0, 24 * time.Hour, time.Minute, true},
		{"a short interval", time.Second, 0, 0, 2 * time.Second, time.Hour, true},
		{"a short interval and late", time.Second, 0, 0, 3 * time.Second, time.Hour, false},
		{"an interval of its own", time.Second, time.Minute, 0, 2 * time.Minute, time.Hour, true},
		{"an interval of its own and late", time.Hour, time.Minute, 0, 3 * time.Minute, 4 * time.Hour, false},
		{"a time that is set", time.Hour, time.Hour, time.Minute, 2 * time.Minute, time.Hour, false},
	} {
		c := state.Connector{Tenant: "contoso", Name: "connector-1", ID: "1",
			LastSeen: now.Add(-tc.lastSeen), RegisteredAt: now.Add(-tc.sinceRegistration)}
		srv := &server{cfg: Config{StatusInterval: tc.asked, InactiveAfter: tc.set}}
		srv.reports.last = map[string]report{"contoso/connector-1": {id: "1", Report: signed.Report{IntervalNS: int64(tc.kept)}}}
		if got := srv.active(c, now); got != tc.want {
			t.Errorf("%s: active %v", tc.name, got)
		}
	}
}

// Who is away for 10 days leaves the list; who is attached does not.
func TestDroppedAfterTenDays(t *testing.T) {
	t.Parallel()
	c := start(t, func(cfg *Config) { cfg.Clock = 1_000_000 }) // 10 days in 864 ms
	there := c.register("connector-1").attach()
	away := c.register("connector-2")
	if e := c.event(observe.ConnectorRemoved, "inactive"); e.Connector != "connector-2" {
		t.Errorf("event %+v", e)
	}
	if got := c.names(); got != "connector-1" {
		t.Errorf("left on the list: %s", got)
	}
	if _, err := away.listen("9352"); err == nil {
		t.Error("it attaches again")
	}
	there.close()
	eventually(t, "the other one is dropped too", func() bool { return c.names() == "" })
}

// The cloud ends a session when the certificate does, not before and not much
// later.
func TestExpiryEndsTheSession(t *testing.T) {
	t.Parallel()
	c := start(t, func(cfg *Config) { cfg.CertificateLifetime = 2 * time.Second })
	a := c.register("connector-1")
	l := a.attach()
	err := l.ended()
	if status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), "certificate-expired: the connector must be registered again") {
		t.Errorf("ended with %v", err)
	}
	c.event(observe.ConnectorLost, "certificate-expired")
	if _, err := a.listen("9352"); err == nil {
		t.Error("it attaches again")
	}
	c.denied("certificate-expired", 1)
}

// A session that names its predecessor takes over from it; one that names
// another connector's, or none, replaces it.
func TestSuccession(t *testing.T) {
	t.Parallel()
	c := start(t)
	a, b := c.register("connector-1"), c.register("connector-2")
	old, foreign := a.attach(), b.attach()
	old.respond.Store(hold)
	foreign.close()
	eventually(t, "connector-2 is gone", func() bool { return !c.connector("connector-2").Attached })
	answered := make(chan *reply, 1)
	go func() { answered <- c.signIn(user, password) }()
	g := old.holding()

	next := a.begin(func(h *wire.Hello) { h.Succeeds = old.welcome.GetSession() })
	if n := c.connector("connector-1"); !n.Attached || n.Sessions != 1 {
		t.Errorf("before the successor stands: %+v", n)
	}
	next.respond.Store(check)
	next.answer("10101")
	eventually(t, "the successor is attached", func() bool { return c.connector("connector-1").Sessions == 2 })
	c.event(observe.ConnectorStatus, "draining")
	c.expect(c.signIn(user, password), 200, 0, PassThrough, "connector-1", "1")
	if next.taken() != 1 {
		t.Errorf("the successor was given %d sign-ins; expected 1", next.taken())
	}
	old.reply(g, wire.Result_RESULT_ACCEPTED) // what it had in hand it still answers
	c.expect(<-answered, 200, 0, PassThrough, "connector-1", "1")
	old.closeSend()
	if err := old.ended(); err == nil || strings.Contains(err.Error(), "replaced") {
		t.Errorf("the predecessor ended with %v", err)
	}
	c.event(observe.ConnectorLost, "succeeded")
	if n := c.tenant("contoso"); n.HandedOff != 0 || !c.connector("connector-1").Attached {
		t.Errorf("%d handed off, connector %+v", n.HandedOff, c.connector("connector-1"))
	}

	replaces := a.begin(func(h *wire.Hello) { h.Succeeds = "of nobody" })
	if err := next.ended(); !strings.Contains(err.Error(), "replaced") {
		t.Errorf("ended with %v; expected replaced", err)
	}
	replaces.close()
}

// A clock that is too far off is refused by name.
func TestClockSkew(t *testing.T) {
	t.Parallel()
	c := start(t)
	a := c.register("connector-1")
	off := func(d time.Duration) func(*wire.Hello) {
		return func(h *wire.Hello) { h.ConnectorTimeNs = time.Now().Add(d).UnixNano() }
	}
	for _, d := range []time.Duration{12 * time.Minute, -12 * time.Minute} {
		_, err := a.listen("9352", off(d))
		if status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "the clocks of connector and cloud differ by 12m0s") {
			t.Errorf("off by %v: %v", d, err)
		}
	}
	c.denied("clock-skew", 2)
	for _, d := range []time.Duration{9 * time.Minute, -9 * time.Minute} {
		a.begin(off(d)).close()
	}
}

// The list of connectors, and who was removed from it, outlive the simulator.
func TestListSurvivesARestart(t *testing.T) {
	t.Parallel()
	c := start(t)
	a, gone := c.register("connector-1"), c.register("connector-2")
	a.attach()
	if got := c.call("DELETE", "/tenants/contoso/connectors/connector-2", "", observeToken); got != 204 {
		t.Fatalf("removing one: %d", got)
	}
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	again := start(t, func(cfg *Config) { cfg.State = c.cfg.State })
	if got := again.names(); got != "connector-1" {
		t.Errorf("on the list: %s", got)
	}
	var list observe.Inventory
	if err := again.observe.Get(context.Background(), "/tenants/contoso/connectors", &list); err != nil {
		t.Fatal(err)
	}
	if one := list.Connectors[0]; one.LastSeenNS == 0 || one.State != observe.StateInactive {
		t.Errorf("recorded %+v; expected when it was last seen, and not that it is active: nobody has heard of it", one)
	}
	if _, err := (&agent{cloud: again, name: gone.name, certificate: gone.certificate}).listen("9352"); err == nil {
		t.Error("the removed one attaches")
	}
	(&agent{cloud: again, name: a.name, certificate: a.certificate}).attach()
	if err := again.observe.Get(context.Background(), "/tenants/contoso/connectors", &list); err != nil || list.Connectors[0].State != observe.StateActive {
		t.Errorf("%v, once it came back: %+v", err, list.Connectors[0])
	}
}
