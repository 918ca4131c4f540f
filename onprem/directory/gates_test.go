package directory

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	client "github.com/go-ldap/ldap/v3"

	"ptabench/observe"
	"ptabench/population"
)

// gateOf puts a gate and says how many connections it reached.
func (r *running) gateOf(id string, want observe.Gate) observe.GateEffect {
	r.t.Helper()
	var effect observe.GateEffect
	if err := r.observe.Put(context.Background(), "/gates/"+id, want, &effect); err != nil {
		r.t.Fatal(err)
	}
	return effect
}

func TestGates(t *testing.T) {
	r := start(t, testConfig(t))
	i := r.in(population.Active)
	works := func(conn *client.Conn) bool { return conn.Bind(r.users.UPN(i), r.users.Password(i)) == nil }

	t.Run("reset, of one peer", func(t *testing.T) {
		first, second := r.dialFrom(one), r.dialFrom(two)
		if got := r.gateOf("reset", observe.Gate{Mode: observe.GateReset, Ports: []string{"ldaps"}, Sources: []string{one}}); got.Injections != 1 {
			t.Errorf("it reset %d connections, want 1", got.Injections)
		}
		if works(first) || !works(second) {
			t.Error("the wrong connection was reset")
		}
		if _, err := r.tryFrom(one); err == nil {
			t.Error("a new connection was not reset")
		}
		if conn := r.raw("ldap"); roundTrip(conn, bindMessage(1, r.users.UPN(i), r.users.Password(i), nil), make([]byte, 14)) != nil {
			t.Error("the gate reached another port")
		}
		if got := r.end("/gates/reset"); got != 2 {
			t.Errorf("it had reset %d connections, want 2", got)
		}
		if !works(r.dialFrom(one)) {
			t.Error("a connection afterwards does not work")
		}
	})
	t.Run("refuse, of everybody", func(t *testing.T) {
		conn := r.dial()
		r.gateOf("refuse", observe.Gate{Mode: observe.GateRefuse, Ports: []string{"ldap", "ldaps"}})
		for _, port := range []string{"ldap", "ldaps"} {
			if c, err := net.Dial("tcp", r.ready.Ports[port]); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("dialling %s: %v, want it refused", port, err)
				if err == nil {
					c.Close()
				}
			}
		}
		if works(conn) {
			t.Error("a connection outlived it")
		}
		if err := r.observe.Get(t.Context(), "/gates", &[]observe.GateEffect{}); err != nil {
			t.Errorf("observing: %v", err)
		}
		r.end("/gates/refuse")
		if !works(r.dial()) {
			t.Error("a connection afterwards does not work")
		}
	})
	t.Run("stall", func(t *testing.T) {
		conn, other := r.dialFrom(one), r.dialFrom(two)
		before := r.counters().Binds["success"]
		r.gateOf("stall", observe.Gate{Mode: observe.GateStall, Ports: []string{"ldaps"}, Sources: []string{one}})
		answered := r.later(conn, i)
		if !works(other) {
			t.Error("another peer is stalled")
		}
		r.still(answered, "the bind")
		r.end("/gates/stall")
		if err := <-answered; err != nil {
			t.Errorf("the bind that was stalled: %v", err)
		}
		if got := r.counters().Binds["success"] - before; got != 2 {
			t.Errorf("%d binds, want 2", got)
		}
	})
	t.Run("with a fault", func(t *testing.T) {
		conn := r.dialFrom(one)
		r.put("/faults/hang", observe.BindFault{Mode: observe.BindHang})
		answered := r.later(conn, i)
		eventually(t, "a bind that hangs", func() bool { return r.reached("hang") == 1 })
		r.gateOf("stall", observe.Gate{Mode: observe.GateStall, Ports: []string{"ldaps"}})
		r.end("/faults/hang")
		r.still(answered, "the bind")
		r.end("/gates/stall")
		if err := <-answered; err != nil {
			t.Errorf("the bind: %v", err)
		}
	})
}

// TestEndDuringAStall holds that what a gate holds back does not keep the
// directory from ending.
func TestEndDuringAStall(t *testing.T) {
	r := start(t, testConfig(t))
	conn := r.dial()
	r.gateOf("stall", observe.Gate{Mode: observe.GateStall, Ports: []string{"ldaps"}})
	began := time.Now()
	r.stop()
	if took := time.Since(began); took > drainBound {
		t.Errorf("the end took %v, want less than the %v of sessions that do not end", took, drainBound)
	}
	if err := conn.Bind("x", "x"); err == nil {
		t.Error("the connection outlived the directory")
	}
}
