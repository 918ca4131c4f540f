package fault

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ptabench/observe"
	"ptabench/scenarios"
)

// publishingSystem is a system where versions can be published.
type publishingSystem struct {
	*fakeSystem
	became []observe.Update // of what is published
}

func (s publishingSystem) Publish(_ context.Context, version string, flaw scenarios.UpdateFlaw) (string, error) {
	if version == "" {
		version = "0.2.0"
	}
	s.add("publish %s %s", version, flaw)
	return version, nil
}

func (s publishingSystem) Retract() error {
	s.add("retract")
	return nil
}

func (s publishingSystem) Updates(context.Context) ([]observe.Update, error) {
	all := []observe.Update{{Connector: "connector-1", To: "0.1.9", State: observe.Updated}} // from before
	for _, u := range s.became {
		u.From, u.To, u.BeganNS = "0.1.0", "0.2.0", time.Now().UnixNano()
		all = append(all, u)
	}
	return all, nil
}

// TestPublishUpdate publishes, and judges what became of it.
func TestPublishUpdate(t *testing.T) {
	all := func(state observe.UpdateState) (became []observe.Update) {
		for _, name := range []string{"connector-1", "connector-2", "connector-3"} {
			became = append(became, observe.Update{Connector: name, State: state})
		}
		return became
	}
	one := func(state observe.UpdateState) []observe.Update { return all(state)[:1] }
	for _, c := range []struct {
		name, fault string
		became      []observe.Update
		injections  uint64
		err         string // part of it; empty for none
	}{
		{"taken up", "publish-update() at 1s for 2s", all(observe.Updated), 3, ""},
		{"taken up by two", "publish-update(version=0.2.0) at 1s for 2s", all(observe.Updated)[1:], 2, "connector-1 was not updated"},
		{"nobody noticed", "publish-update() at 1s for 2s", nil, 0, "connector-1 was not updated, connector-2 was not updated, connector-3 was not updated"},
		{"refused", "publish-update(flaw=tampered) at 1s for 2s", all(observe.RefusedUpdate), 3, ""},
		{"refused by one", "publish-update(flaw=older) at 1s for 2s", one(observe.RefusedUpdate), 1, "connector-2 did not refuse it, connector-3 did not refuse it"},
		{"forged and taken up", "publish-update(flaw=forged) at 1s for 2s", append(all(observe.RefusedUpdate), one(observe.Updated)...), 4, "connector-1 took it up"},
		{"broken and rolled back", "publish-update(flaw=broken) at 1s for 2s", one(observe.FailedUpdate), 1, ""},
		{"broken and tried by all", "publish-update(flaw=mute) at 1s for 2s", all(observe.FailedUpdate), 3, "3 connectors went back: expected 1"},
		{"broken and taken up", "publish-update(flaw=broken) at 1s for 2s", one(observe.Updated), 1, "connector-1 took it up"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakeSystem(t)
				plan, _ := planOn(t, s, faultsOf(t, c.fault))
				plan.System = publishingSystem{s, c.became}
				r := Start(t.Context(), plan).Wait()[0]
				if !r.Healed || r.Stuck || r.Injections != c.injections || r.InjectedAt != time.Second || r.UndoneAt != 3*time.Second || r.Tier != TierRole {
					t.Errorf("%+v", r)
				}
				if (r.Err == nil) != (c.err == "") || r.Err != nil && !strings.Contains(r.Err.Error(), c.err) {
					t.Errorf("error %v, want %q", r.Err, c.err)
				}
				if log := s.sorted(); len(log) != 2 || !strings.HasPrefix(log[0], "1s publish 0.2.0") || log[1] != "3s retract" {
					t.Errorf("done: %q", log)
				}
				if c.injections > 0 && !strings.Contains(r.Note, "0.1.0 -> 0.2.0") || strings.Contains(r.Note, "0.1.9") {
					t.Errorf("note: %s", r.Note)
				}
			})
		})
	}
}

// TestNobodyPublishes: a system that cannot publish says so.
func TestNobodyPublishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeSystem(t)
		plan, _ := planOn(t, s, faultsOf(t, "publish-update() at 0s for 1s"))
		r := Start(t.Context(), plan).Wait()[0]
		if r.Err == nil || !strings.Contains(r.Err.Error(), "nobody who publishes") || len(s.sorted()) > 0 {
			t.Errorf("%v, %q", r.Err, s.sorted())
		}
	})
}
