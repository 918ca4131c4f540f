package fault

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ptabench/scenarios"
)

// registrySystem is a system where connectors can be registered.
type registrySystem struct {
	*fakeSystem
	refusesTo string // register that connector
	admits    bool   // the newcomer
}

func (s registrySystem) Revoke(_ context.Context, connector string) error {
	s.add("revoke %s", connector)
	return nil
}

func (s registrySystem) Register(ctx context.Context, connector string) error {
	s.add("register %s", connector)
	if connector == s.refusesTo {
		return errFake
	}
	return s.process(connector).Restart(ctx)
}

func (s registrySystem) Add(_ context.Context, host string) error {
	s.add("add one on host %q", host)
	return nil
}

func (s registrySystem) Withdraw(context.Context) (admitted bool, err error) {
	s.add("withdraw it")
	return s.admits, nil
}

// TestLife carries out the faults that need somebody who registers connectors.
func TestLife(t *testing.T) {
	for _, c := range []struct {
		name, fault string
		refusesTo   string
		admits      bool
		meanwhile   func(*fakeSystem) // at 2 s
		log         []string
		record      Record
		may         []string // connectors that might still end by themselves
	}{
		{
			name: "revoke", fault: "revoke(connector-2) at 1s for 3s",
			log:    []string{"1s revoke connector-2", "4s register connector-2", "4s restart connector-2"},
			record: Record{Name: "revoke-1", Tier: TierRole, InjectedAt: time.Second, UndoneAt: 4 * time.Second, Injections: 1, Healed: true},
			may:    []string{"connector-2"},
		},
		{
			name: "revoke and no way back", fault: "revoke(connector-2) at 1s for 3s", refusesTo: "connector-2",
			log:    []string{"1s revoke connector-2", "4s register connector-2"},
			record: Record{Name: "revoke-1", Tier: TierRole, InjectedAt: time.Second, UndoneAt: Never, Injections: 1, Err: errFake},
			may:    []string{"connector-2"},
		},
		{
			name: "add a connector", fault: "add-connector(host=connector-3) at 1s for 3s",
			log:    []string{"1s add one on host \"connector-3\"", "4s withdraw it"},
			record: Record{Name: "add-connector-1", Tier: TierProcess, InjectedAt: time.Second, UndoneAt: 4 * time.Second, Injections: 1, Healed: true},
		},
		{
			name: "add a connector that is let in", fault: "add-connector(host=connector-3) at 1s for 3s", admits: true,
			log:    []string{"1s add one on host \"connector-3\"", "4s withdraw it"},
			record: Record{Name: "add-connector-1", Tier: TierProcess, InjectedAt: time.Second, UndoneAt: 4 * time.Second, Injections: 1, Healed: true, Err: errAdmitted},
		},
		{
			name: "register who has ended", fault: "block(connectors, ports=9091, mode=stall, register=on) at 1s for 3s",
			meanwhile: func(s *fakeSystem) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.process("connector-2").running = false
			},
			log: []string{"1s gate fault-1 stall [9091] for []", "4s clear fault-1", "4s register connector-2", "4s restart connector-2"},
			record: Record{Name: "block-1", Tier: TierGate, InjectedAt: time.Second, UndoneAt: 4 * time.Second, Injections: 5, Healed: true,
				Note: "new connections were accepted and reset, because others share the listener; connector-2 had ended by then, and registered again"},
			may: []string{"connector-2"},
		},
		{
			name: "nobody has ended", fault: "block(connector-1, ports=9091, mode=stall, register=on) at 1s for 3s",
			log: []string{"1s gate fault-1 stall [9091] for [127.0.0.11]", "4s clear fault-1"},
			record: Record{Name: "block-1", Tier: TierGate, InjectedAt: time.Second, UndoneAt: 4 * time.Second, Injections: 5, Healed: true,
				Note: "new connections were accepted and reset, because others share the listener"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := registrySystem{newFakeSystem(t), c.refusesTo, c.admits}
				plan, _ := planOn(t, s.fakeSystem, faultsOf(t, c.fault))
				plan.System = s
				schedule := Start(t.Context(), plan)
				time.Sleep(2 * time.Second)
				if c.meanwhile != nil {
					c.meanwhile(s.fakeSystem)
				}
				records := schedule.Wait()
				if got := s.sorted(); !slices.Equal(got, c.log) {
					t.Errorf("done:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.log, "\n"))
				}
				check(t, records[0], c.record)
				var may []string
				for _, p := range s.processes {
					if p.may {
						may = append(may, p.name)
					}
				}
				if !slices.Equal(may, c.may) {
					t.Errorf("%q might end by themselves, want %q", may, c.may)
				}
			})
		})
	}
}

// TestNobodyRegisters: a system that cannot register connectors says so and
// nothing is touched.
func TestNobodyRegisters(t *testing.T) {
	for _, line := range []string{"revoke(connector-1) at 0s for 1s", "add-connector() at 0s for 1s", "block(connector-1, ports=9091, mode=stall, register=on) at 0s for 1s"} {
		synctest.Test(t, func(t *testing.T) {
			s := newFakeSystem(t)
			plan, _ := planOn(t, s, faultsOf(t, line))
			r := Start(t.Context(), plan).Wait()[0]
			if r.Err == nil || !strings.Contains(r.Err.Error(), "nobody who registers connectors") || len(s.sorted()) > 0 {
				t.Errorf("%s: %v, %q", line, r.Err, s.sorted())
			}
		})
	}
}

// TestEither takes the kernel where it is to be had, and else the gate.
func TestEither(t *testing.T) {
	none := errors.New("none")
	for _, c := range []struct {
		mode   scenarios.BlockMode
		by     scenarios.Means
		kernel error
		tier   Tier
		gate   string
	}{
		{scenarios.Drop, scenarios.ByEither, nil, TierKernel, ""},
		{scenarios.Reject, scenarios.ByEither, nil, TierKernel, ""},
		{scenarios.Drop, scenarios.ByEither, none, TierGate, "stall"},
		{scenarios.Reject, scenarios.ByEither, none, TierGate, "refuse"},
		{scenarios.Drop, "", none, TierKernel, ""},
		{scenarios.Drop, scenarios.ByKernel, none, TierKernel, ""},
		{scenarios.Stall, "", nil, TierGate, "stall"},
	} {
		leaf, tier, err := newLeaf(scene{fault: scenarios.Fault{Kind: scenarios.Block, Target: "connectors", Ports: []string{"9350"}, Mode: c.mode, By: c.by},
			kernel: func() error { return c.kernel }})
		if err != nil || tier != c.tier {
			t.Errorf("%s by %q: tier %s, %v; want %s", c.mode, c.by, tier, err, c.tier)
		}
		if g, ok := leaf.(*gated); c.gate != "" && (!ok || string(g.gate.Mode) != c.gate) {
			t.Errorf("%s by %q: %+v; want a gate that does %s", c.mode, c.by, leaf, c.gate)
		}
	}
}

// TestEitherWithoutKernel: the gate that stands in for the kernel names whom it
// means, the newcomer too where one is expected, so that it counts whom it hits.
func TestEitherWithoutKernel(t *testing.T) {
	for expected, want := range map[string]string{
		"lost == 0":          "0s gate fault-1 refuse [9090] for [127.0.0.11 127.0.0.12 127.0.0.13]",
		"newcomer == serves": "0s gate fault-1 refuse [9090] for [127.0.0.11 127.0.0.12 127.0.0.13 127.0.0.1r]",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newFakeSystem(t) // its addresses end as names do
			plan, _ := planOn(t, s, faultsOf(t, "block(connectors, ports=9090, mode=reject, by=either) at 0s for 1s"))
			e, err := scenarios.ParseExpectation(expected)
			if err != nil {
				t.Fatal(err)
			}
			plan.Faults[0].Expect = []scenarios.Expectation{e}
			plan.kernel = func() error { return errFake }
			Start(t.Context(), plan).Wait()
			if got := s.sorted(); len(got) == 0 || got[0] != want {
				t.Errorf("%s: done %q, want first %q", expected, got, want)
			}
		})
	}
}
