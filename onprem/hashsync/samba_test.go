package hashsync

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"ptabench/observe"
	"ptabench/onprem/child"
	"ptabench/onprem/directory"
	"ptabench/onprem/samba"
	"ptabench/population"
)

// newDomainController is a Samba that runs, of some users. Where there can be
// none it skips the test, unless that must not be.
func newDomainController(t *testing.T, users int) *premises {
	const requireAll = "PTABENCH_REQUIRE_DIRECTORY_TESTS"
	p := &premises{t: t, state: t.TempDir()}
	cfg := directory.Config{
		Name: "directory", State: p.state, LDAP: "127.0.0.1:0", LDAPS: "127.0.0.1:0", Observe: "127.0.0.1:0",
		Population: population.Spec{Seed: 7, Users: users, Domain: "contoso.test",
			Shares: map[population.State]float64{population.Disabled: .1, population.Locked: .1, population.MustChange: .1}},
		ServicePassword: "the service account's own: 4711", ObserveToken: observeToken,
	}
	if dir, err := os.UserCacheDir(); err == nil {
		cfg.Cache = filepath.Join(dir, "ptabench", "directories") // a domain takes seconds to make
	}
	_, err := child.Find(ldbSearch, "package ldb-tools")
	if err = errors.Join(err, cfg.ValidateFor(samba.Server{})); err != nil {
		if os.Getenv(requireAll) != "" {
			t.Fatal(err)
		}
		t.Skipf("%s is set where this must run: %v", requireAll, err)
	}
	if p.users, err = population.New(cfg.Population); err != nil {
		t.Fatal(err)
	}
	p.ready = run(t, func(ctx context.Context, ready func(observe.Ready)) error {
		return directory.RunServer(ctx, slog.New(slog.DiscardHandler), cfg, samba.Server{}, ready)
	}).ready
	return p
}

// tool changes the domain as its administrator does.
func (p *premises) tool(args ...string) {
	p.t.Helper()
	args = append(args, "-H", p.ready.Info["sam_ldb"], "--configfile="+p.ready.Info["smb_conf"])
	if _, err := child.Output(p.t.Context(), nil, "samba-tool", args...); err != nil {
		p.t.Fatal(err)
	}
}

// killedRun runs the agent twice and ends it with a batch on its way: one that the
// cloud then does not take, and one that it took, but the answer was lost.
func killedRun(t *testing.T, c *fakeCloud, cfg Config) {
	t.Helper()
	for _, kill := range []struct{ before, after bool }{{before: true}, {after: true}} {
		ctx, cancel := context.WithCancel(t.Context())
		var killed atomic.Bool
		end := func(kills bool) bool {
			if kills {
				killed.Store(true)
				cancel()
			}
			return kills
		}
		c.before = func(int) int {
			if end(kill.before) {
				return 503
			}
			return 0
		}
		c.after = func(int) bool { return end(kill.after) }
		err := serving(cfg)(ctx, func(observe.Ready) { t.Error("it is ready, with a batch that it has no answer to") })
		cancel()
		if err != nil || !killed.Load() {
			t.Fatalf("ended with a batch on its way: %v; error %v", killed.Load(), err)
		}
	}
	c.before, c.after = nil, nil
}

// TestSamba: out of a real domain controller's database all of it first, then
// what its administrator changes, and nothing else; by an agent that is killed
// in the middle of either.
func TestSamba(t *testing.T) {
	p, c := newDomainController(t, 30), newFakeCloud(t)
	cfg := p.config(c)
	cfg.Source, cfg.Samba = "samba", p.ready.Info["samba"]
	cfg.Interval, cfg.Batch = 500*time.Millisecond, 8 // a question takes a process, and most of a processor
	killedRun(t, c, cfg)
	r := run(t, serving(cfg))
	if wrong := p.differs(c) + c.takenTwice(nil); wrong != "" {
		t.Fatalf("when it is ready: %s", wrong)
	}
	if n := c.size(); n != p.users.Len()+1 {
		t.Errorf("%d accounts, want the users and the service account: %d", n, p.users.Len()+1)
	}

	active := p.users.In(population.Active)
	changed, disabled, deleted, renamed, whileDown, deletedDown, again := active[0], active[1], active[2], active[3], active[4], active[5], active[6]
	enabled := p.users.In(population.Disabled)[0]
	const other, third = "Another one: 4712", "A third one: 4713"
	name := func(user int) string { return p.users.UniqueName(user) }
	has := func(user int) synced { a, _ := c.account(p.users.UPN(user)); return a }
	gone := func(user int) bool { _, is := c.account(p.users.UPN(user)); return !is }
	renamedUPN := "new-name-of-" + p.users.UPN(renamed)

	p.tool("user", "setpassword", name(changed), "--newpassword="+other)
	eventually(t, "the new password is in the cloud", func() bool { return has(changed).hash.Matches(other) })
	if has(changed).hash.Matches(p.users.Password(changed)) {
		t.Error("the old password is in the cloud too")
	}
	p.tool("user", "disable", name(disabled))
	p.tool("user", "delete", name(deleted))
	p.tool("user", "rename", name(renamed), "--upn="+renamedUPN)
	eventually(t, "the cloud knows who is disabled", func() bool { return has(disabled).disabled })
	eventually(t, "who is deleted has left the cloud", func() bool { return gone(deleted) })
	eventually(t, "who was renamed is in the cloud by the new name alone", func() bool {
		a, is := c.account(renamedUPN)
		return is && gone(renamed) && a.hash.Matches(p.users.Password(renamed))
	})
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	p.tool("user", "setpassword", name(whileDown), "--newpassword="+third)
	p.tool("user", "enable", name(enabled))
	p.tool("user", "delete", name(deletedDown))
	p.tool("user", "delete", name(again))
	p.tool("user", "create", name(again), third) // another account, of the same name
	cfg.Batch = 4
	killedRun(t, c, cfg)
	r = run(t, serving(cfg))
	for what, is := range map[string]bool{
		"password": has(whileDown).hash.Matches(third), "enabled again": !has(enabled).disabled, "deleted": gone(deletedDown),
		"deleted, and made again": has(again).hash.Matches(third) && !has(again).disabled,
	} {
		if !is {
			t.Errorf("what changed while the agent was down did not travel: %s", what)
		}
	}
	if n := counters(t, r); n.Full != 0 {
		t.Errorf("what the cloud had already was read again: %+v", n)
	}
	travelled := map[string]bool{renamedUPN: true}
	for _, user := range []int{changed, disabled, whileDown, enabled, again} {
		travelled[p.users.UPN(user)] = true
		if n := has(user).taken; n > 2 { // at first, and for what changed
			t.Errorf("%s travelled %d times", p.users.UPN(user), n)
		}
	}
	if wrong := c.takenTwice(travelled); wrong != "" {
		t.Error(wrong)
	}
	// Nobody is missing who was not deleted.
	want := []string{renamedUPN}
	for i := range p.users.Len() {
		if !slices.Contains([]int{deleted, deletedDown, renamed}, i) {
			want = append(want, p.users.UPN(i))
		}
	}
	for _, upn := range want {
		if _, is := c.account(upn); !is {
			t.Errorf("%s is missing", upn)
		}
	}
	if n := c.size(); n != len(want)+1 {
		t.Errorf("%d accounts in the cloud, want %d", n, len(want)+1)
	}
}
