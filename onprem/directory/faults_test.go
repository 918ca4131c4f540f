package directory

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	client "github.com/go-ldap/ldap/v3"

	"ptabench/observe"
	"ptabench/population"
)

// Two connectors, by where they dial from.
const one, two = "127.0.0.21", "127.0.0.22"

// long is a delay that no test waits for, so that a bind is either held or not,
// whatever the machine's load.
const long = 5 * time.Minute

func (r *running) put(path string, want any) uint64 {
	r.t.Helper()
	var effect observe.FaultEffect
	if err := r.observe.Put(context.Background(), path, want, &effect); err != nil {
		r.t.Fatal(err)
	}
	if id := path[strings.LastIndexByte(path, '/')+1:]; effect.ID != id {
		r.t.Errorf("put %s, in effect is %q", path, effect.ID)
	}
	return effect.Injections
}

// end deletes twice, and returns how far what was set had reached.
func (r *running) end(path string) uint64 {
	r.t.Helper()
	var effect observe.FaultEffect
	if err := r.observe.Delete(context.Background(), path, &effect); err != nil {
		r.t.Fatal(err)
	}
	if err := r.observe.Delete(context.Background(), path, nil); err == nil || !strings.Contains(err.Error(), "404") {
		r.t.Errorf("deleting %s again: %v", path, err)
	}
	return effect.Injections
}

// reached is how far a fault that is set has reached.
func (r *running) reached(id string) uint64 {
	r.t.Helper()
	var effects []observe.FaultEffect
	if err := r.observe.Get(context.Background(), "/faults", &effects); err != nil {
		r.t.Fatal(err)
	}
	for _, e := range effects {
		if e.ID == id {
			return e.Injections
		}
	}
	r.t.Fatalf("fault %s is not set", id)
	return 0
}

// later binds while the test goes on.
func (r *running) later(conn *client.Conn, user int) chan error {
	answered := make(chan error, 1)
	go func() { answered <- conn.Bind(r.users.UPN(user), r.users.Password(user)) }()
	return answered
}

func (r *running) still(answered chan error, what string) {
	r.t.Helper()
	select {
	case err := <-answered:
		r.t.Errorf("%s was not held: %v", what, err)
	default:
	}
}

func TestSlow(t *testing.T) {
	r := start(t, testConfig(t))
	i := r.in(population.Active)
	held, other, free := r.dialFrom(one), r.dialFrom(two), r.service()

	r.put("/faults/slow-1", observe.BindFault{Mode: observe.BindSlow, DelayNS: int64(long), Sources: []string{one}})
	answered := r.later(held, i)
	eventually(t, "a slow bind", func() bool { return r.reached("slow-1") == 1 })

	// Neither other operations, nor the service account, nor other peers wait.
	if _, err := find(free, base, client.ScopeWholeSubtree, "(cn=user000001)"); err != nil {
		t.Errorf("searching meanwhile: %v", err)
	}
	if err := r.dialFrom(one).Bind(r.ready.Info["service_dn"], testPassword); err != nil {
		t.Errorf("the service account meanwhile: %v", err)
	}
	if got := bind(t, other, r.users.UPN(i), r.users.Password(i)); got != client.LDAPResultSuccess {
		t.Errorf("another peer: result %d", got)
	}
	r.still(answered, "the bind")

	// Ending the fault frees who waits, and who comes later does not wait.
	if got := r.end("/faults/slow-1"); got != 1 {
		t.Errorf("it had slowed %d binds, want 1", got)
	}
	if err := <-answered; err != nil {
		t.Errorf("the slow bind: %v", err)
	}
	if got := bind(t, held, r.users.UPN(i), r.users.Password(i)); got != client.LDAPResultSuccess {
		t.Errorf("a bind afterwards: result %d", got)
	}
	if c := r.counters(); c.Delayed != 1 || c.Binds["success"] != 3 {
		t.Errorf("delayed %d, success %d, want 1 and 3", c.Delayed, c.Binds["success"])
	}
}

func TestRefuse(t *testing.T) {
	cfg := testConfig(t)
	r := start(t, cfg)
	i := r.in(population.Active)
	upn, right, wrong := r.users.UPN(i), r.users.Password(i), r.users.WrongPassword(i)
	refused, other := r.dialFrom(one), r.dialFrom(two)
	r.put("/faults/hang", observe.BindFault{Mode: observe.BindHang, Sources: []string{one}}) // a refusal does not wait
	r.put("/faults/refuse", observe.BindFault{Mode: observe.BindRefuse, Sources: []string{one, "::ffff:" + one}})
	for name, password := range map[string]string{upn: right, strings.ToUpper(upn): wrong, r.users.UnknownUPN(1): wrong, r.ready.Info["service_dn"]: testPassword} {
		if got := bind(t, refused, name, password); got != client.LDAPResultUnavailable {
			t.Errorf("%s: result %d, want %d", name, got, client.LDAPResultUnavailable)
		}
	}
	if got := bind(t, other, upn, right); got != client.LDAPResultSuccess {
		t.Errorf("another peer: result %d", got)
	}
	// Who is refused so is nobody, and no bind to the account.
	if _, err := find(refused, base, client.ScopeWholeSubtree, "(cn=user000001)"); !client.IsErrorWithCode(err, client.LDAPResultInsufficientAccessRights) {
		t.Errorf("searching after a refusal: %v", err)
	}
	c := r.counters()
	if c.Unavailable != 4 || c.Service != 0 || c.Delayed != 0 {
		t.Errorf("unavailable %d, service %d, delayed %d, want 4, 0 and 0", c.Unavailable, c.Service, c.Delayed)
	}
	if success, bad := r.byUser(); success != 1 || bad != 0 {
		t.Errorf("binds of users: %d and %d refused, want 1 and 0", success, bad)
	}
	if got := r.end("/faults/refuse"); got != 4 {
		t.Errorf("it had refused %d binds, want 4", got)
	}
	r.end("/faults/hang")
	if got := bind(t, refused, upn, right); got != client.LDAPResultSuccess {
		t.Errorf("a bind afterwards: result %d", got)
	}
}

func TestHang(t *testing.T) {
	r := start(t, testConfig(t))
	i, locked := r.in(population.Active), r.in(population.Locked)
	r.put("/faults/hang-1", observe.BindFault{Mode: observe.BindHang, Sources: []string{one}})
	r.put("/faults/hang-2", observe.BindFault{Mode: observe.BindHang, Sources: []string{one, two}})
	first, second, bad := r.later(r.dialFrom(one), i), r.later(r.dialFrom(two), i), r.later(r.dialFrom(two), locked)
	account := make(chan error, 1)
	conn := r.dialFrom(one)
	go func() { account <- conn.Bind(r.ready.Info["service_dn"], testPassword) }()
	eventually(t, "binds that hang", func() bool { return r.reached("hang-1") == 2 && r.reached("hang-2") == 4 })
	if got := bind(t, r.dial(), r.users.UPN(i), r.users.Password(i)); got != client.LDAPResultSuccess {
		t.Errorf("a third peer: result %d", got)
	}

	// What two faults hold waits for both.
	r.end("/faults/hang-2")
	if err := <-second; err != nil {
		t.Errorf("a bind that hung: %v", err)
	}
	if err := <-bad; !client.IsErrorWithCode(err, client.LDAPResultInvalidCredentials) {
		t.Errorf("a bind that hung and is refused: %v", err)
	}
	r.still(first, "the bind")
	r.still(account, "the service account's bind")
	if got := r.end("/faults/hang-1"); got != 2 {
		t.Errorf("it had held %d binds, want 2", got)
	}
	if err := <-first; err != nil {
		t.Errorf("a bind that hung: %v", err)
	}
	if err := <-account; err != nil {
		t.Errorf("the service account's bind: %v", err)
	}
	if _, err := find(conn, base, client.ScopeWholeSubtree, "(cn=user000001)"); err != nil {
		t.Errorf("searching on the connection that hung: %v", err)
	}
}

// TestHangFindsTheLeft holds that a client that gave up is not kept, with or
// without a word, and that its bind counts: it was taken.
func TestHangFindsTheLeft(t *testing.T) {
	for _, port := range []string{"ldap", "ldaps"} {
		t.Run(port, func(t *testing.T) {
			r := start(t, testConfig(t))
			i := r.in(population.Active)
			r.put("/faults/hang", observe.BindFault{Mode: observe.BindHang})
			request := bindMessage(1, r.users.UPN(i), r.users.Password(i), nil)
			unbind := []byte{0x30, 5, 2, 1, 2, opUnbind, 0}
			for n, sent := range [][]byte{request, append(request, unbind...), append(request, request...)} {
				conn := r.raw(port)
				if _, err := conn.Write(sent); err != nil {
					t.Fatal(err)
				}
				eventually(t, "a bind that hangs", func() bool { return r.reached("hang") >= uint64(n+1) })
				conn.Close()
				eventually(t, "the session's end", func() bool { return r.counters().Open == 0 })
			}
			if c := r.counters(); c.Binds["success"] != 4 { // the third sent two
				t.Errorf("binds %v, want 4", c.Binds)
			}
			if log := r.log.String(); strings.Contains(log, "ERROR") || strings.Contains(log, "WARN") {
				t.Errorf("the log: %s", log)
			}
		})
	}
}

// TestHeldBindsAreBounded takes the bound as reached and holds that one more
// loses its connection.
func TestHeldBindsAreBounded(t *testing.T) {
	c := newCounts(1)
	f := newFaults(0, newSessions(c))
	if _, err := f.put(observe.BindFault{ID: "x", Mode: observe.BindHang}); err != nil {
		t.Fatal(err)
	}
	f.held.Store(maxHeld)
	conn := &closed{}
	s := &session{raw: conn, Conn: conn}
	f.wait(t.Context(), s, f.now.Load(), user)
	if !conn.was.Load() {
		t.Error("the connection of one too many stays")
	}
	if n, err := s.Write([]byte("answer")); n != 6 || err != nil {
		t.Errorf("writing to who was cut off: %d, %v", n, err)
	}
	if got := f.held.Load(); got != maxHeld {
		t.Errorf("%d held, want %d", got, maxHeld)
	}
}

// TestHangEndsWithTheDirectory holds that a directory that ends answers what it
// held.
func TestHangEndsWithTheDirectory(t *testing.T) {
	r := start(t, testConfig(t))
	r.put("/faults/hang", observe.BindFault{Mode: observe.BindHang})
	answered := r.later(r.dial(), r.in(population.Active))
	eventually(t, "a bind that hangs", func() bool { return r.reached("hang") == 1 })
	r.stop()
	if err := <-answered; err != nil {
		t.Errorf("the bind: %v", err)
	}
}

func TestCrowded(t *testing.T) {
	r := start(t, testConfig(t))
	i := r.in(population.Active)
	var oldest []*client.Conn
	alive := func(conn *client.Conn) bool { return conn.Bind(r.users.UPN(i), r.users.Password(i)) == nil }
	for range 3 {
		oldest = append(oldest, r.dialFrom(one))
	}
	other := []*client.Conn{r.dialFrom(two), r.dialFrom(two)}
	newest := []*client.Conn{r.dialFrom(one), r.dialFrom(one)}

	if got := r.put("/faults/crowded", observe.BindFault{Mode: observe.BindCrowded, Connections: 3, Sources: []string{one}}); got != 2 {
		t.Errorf("it closed %d connections at once, want 2", got)
	}
	for n, conn := range newest {
		if alive(conn) {
			t.Errorf("connection %d of the newest lives", n)
		}
	}
	for n, conn := range append(oldest, other...) {
		if !alive(conn) {
			t.Errorf("connection %d of the oldest or another peer is closed", n)
		}
	}
	if _, err := r.tryFrom(one); err == nil {
		t.Error("one more connected")
	}
	other = append(other, r.dialFrom(two))
	if got := r.reached("crowded"); got != 3 {
		t.Errorf("it closed %d connections, want 3", got)
	}

	// Another limit, of all peers, takes no more than is there.
	if got := r.put("/faults/all", observe.BindFault{Mode: observe.BindCrowded, Connections: 6}); got != 0 {
		t.Errorf("a limit that is just kept closed %d", got)
	}
	if _, err := r.tryFrom(two); err == nil {
		t.Error("one more than all may be connected")
	}
	// Room is for who comes first.
	oldest[1].Close()
	eventually(t, "room", func() bool { conn, err := r.tryFrom(one); return err == nil && alive(conn) })
	for _, conn := range append(other, oldest[0]) {
		if !alive(conn) {
			t.Error("a connection that was not too many is closed")
		}
	}
	r.end("/faults/crowded")
	r.end("/faults/all")
	for range 4 {
		if !alive(r.dialFrom(one)) {
			t.Error("a connection afterwards is closed")
		}
	}
}

// TestPutAgain holds that the same fault is put once, and another one takes its
// place.
func TestPutAgain(t *testing.T) {
	r := start(t, testConfig(t))
	i := r.in(population.Active)
	slow := observe.BindFault{Mode: observe.BindSlow, DelayNS: int64(long), Sources: []string{two, one, two}}
	r.put("/faults/x", slow)
	answered := r.later(r.dialFrom(one), i)
	eventually(t, "a slow bind", func() bool { return r.reached("x") == 1 })
	slow.Sources = []string{one, two}
	if got := r.put("/faults/x", slow); got != 1 {
		t.Errorf("put again it had slowed %d binds, want 1", got)
	}
	r.still(answered, "the bind")
	if got := r.put("/faults/x", observe.BindFault{Mode: observe.BindSlow, DelayNS: 1}); got > 1 {
		t.Errorf("the new one had slowed %d binds", got)
	}
	if err := <-answered; err != nil {
		t.Errorf("the bind: %v", err)
	}
	if got := r.end("/faults/x"); got != 1 {
		t.Errorf("the new one had slowed %d binds, want 1: the one that waited", got)
	}
}

func TestImpossibleFaults(t *testing.T) {
	f := newFaults(0, newSessions(newCounts(1)))
	for want, fault := range map[string]observe.BindFault{
		`mode ""`:                      {ID: "x"},
		`mode "stop"`:                  {ID: "x", Mode: "stop"},
		"id: 0 characters":             {Mode: observe.BindHang},
		"id: 129 characters":           {ID: strings.Repeat("x", 129), Mode: observe.BindHang},
		"delay_ns 0":                   {ID: "x", Mode: observe.BindSlow},
		"delay_ns 600000000001":        {ID: "x", Mode: observe.BindSlow, DelayNS: int64(maxDelay) + 1},
		"delay_ns 1: expected with":    {ID: "x", Mode: observe.BindHang, DelayNS: 1},
		"connections 0":                {ID: "x", Mode: observe.BindCrowded},
		"connections 2: expected with": {ID: "x", Mode: observe.BindRefuse, Connections: 2},
		`sources: "connector-1"`:       {ID: "x", Mode: observe.BindRefuse, Sources: []string{one, "connector-1"}},
		"sources: 4097":                {ID: "x", Mode: observe.BindRefuse, Sources: make([]string, maxSources+1)},
	} {
		if _, err := f.put(fault); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", fault.Mode, err, want)
		}
	}
	_, err := f.put(observe.BindFault{ID: "x", Mode: "stop", DelayNS: -1, Connections: 3, Sources: []string{"y"}})
	if err == nil || strings.Count(err.Error(), "expected") != 4 {
		t.Errorf("four mistakes: %v", err)
	}
	if n := len(f.effects()); n != 0 {
		t.Errorf("%d faults are set", n)
	}
	for n := range maxFaults + 1 {
		_, err = f.put(observe.BindFault{ID: strings.Repeat("x", n+1), Mode: observe.BindHang})
	}
	if err == nil || !strings.Contains(err.Error(), "64 faults") {
		t.Errorf("one too many: %v", err)
	}
}

func TestWaitTimes(t *testing.T) {
	slow := func(id string, d time.Duration, sources ...string) observe.BindFault {
		return observe.BindFault{ID: id, Mode: observe.BindSlow, DelayNS: int64(d), Sources: sources}
	}
	tests := []struct {
		name  string
		base  time.Duration
		first []observe.BindFault
		then  map[time.Duration]observe.BindFault // put after so long; deleted where it has no mode
		who   who
		want  time.Duration
	}{
		{name: "nothing", who: user, want: 0},
		{name: "base", base: time.Second, who: user, want: time.Second},
		{name: "base, service account", base: time.Second, who: service},
		{name: "slow", base: time.Second, first: []observe.BindFault{slow("a", 2*time.Second)}, who: user, want: 3 * time.Second},
		{name: "two that are slow", first: []observe.BindFault{slow("a", 2*time.Second), slow("b", 3*time.Second)}, who: user, want: 5 * time.Second},
		{name: "slow, service account", first: []observe.BindFault{slow("a", time.Second)}, who: service},
		{name: "slow for others", first: []observe.BindFault{slow("a", time.Second, two)}, who: user},
		{name: "ended meanwhile", first: []observe.BindFault{slow("a", time.Minute)},
			then: map[time.Duration]observe.BindFault{3 * time.Second: {ID: "a"}}, who: user, want: 3 * time.Second},
		{name: "ended meanwhile, base stays", base: 5 * time.Second, first: []observe.BindFault{slow("a", time.Minute)},
			then: map[time.Duration]observe.BindFault{3 * time.Second: {ID: "a"}}, who: user, want: 5 * time.Second},
		{name: "prolonged meanwhile", first: []observe.BindFault{slow("a", 5*time.Second)},
			then: map[time.Duration]observe.BindFault{3 * time.Second: slow("a", 10*time.Second)}, who: user, want: 10 * time.Second},
		{name: "put while base is waited for", base: 5 * time.Second,
			then: map[time.Duration]observe.BindFault{3 * time.Second: slow("a", 10*time.Second)}, who: user, want: 15 * time.Second},
		{name: "hangs until it is over", base: time.Second, first: []observe.BindFault{{ID: "a", Mode: observe.BindHang}, slow("b", time.Second)},
			then: map[time.Duration]observe.BindFault{7 * time.Second: {ID: "a"}}, who: user, want: 7 * time.Second},
		{name: "hangs, then is slow", first: []observe.BindFault{{ID: "a", Mode: observe.BindHang}, slow("b", 9*time.Second)},
			then: map[time.Duration]observe.BindFault{7 * time.Second: {ID: "a"}}, who: user, want: 9 * time.Second},
		{name: "hangs, service account", first: []observe.BindFault{{ID: "a", Mode: observe.BindHang}},
			then: map[time.Duration]observe.BindFault{7 * time.Second: {ID: "a"}}, who: service, want: 7 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCounts(1)
				f := newFaults(tt.base, newSessions(c))
				change := func(b observe.BindFault) {
					if b.Mode == "" {
						f.delete(b.ID)
					} else if _, err := f.put(b); err != nil {
						t.Error(err)
					}
				}
				for _, b := range tt.first {
					change(b)
				}
				for after, b := range tt.then {
					time.AfterFunc(after, func() { change(b) })
				}
				began := time.Now()
				f.wait(t.Context(), &session{source: netip.MustParseAddr(one)}, f.now.Load(), tt.who)
				if got := time.Since(began); got != tt.want {
					t.Errorf("waited %v, want %v", got, tt.want)
				}
				if got := f.held.Load(); got != 0 {
					t.Errorf("%d are counted as held", got)
				}
			})
		})
	}
	t.Run("cut short", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			f := newFaults(time.Minute, newSessions(newCounts(1)))
			f.wait(ctx, &session{}, f.now.Load(), user)
			if got := time.Since(began); got != time.Second {
				t.Errorf("waited %v", got)
			}
		})
	})
}

// closed is a connection that knows whether it was closed, and can do no more.
type closed struct {
	net.Conn
	was atomic.Bool
}

func (c *closed) Close() error {
	c.was.Store(true)
	return nil
}
