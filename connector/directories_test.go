package connector

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"ptabench/bind/bindtest"
	"ptabench/wire"
)

// A connector of two directory servers answers while one of them is left, tells
// the cloud of neither, and says who answered.
func TestServersOfADirectory(t *testing.T) {
	c, first, second := newFakeCloud(t), bindtest.NewDirectory(t, users()), bindtest.NewDirectory(t, users())
	cfg := settings(t, c, first.Server)
	if err := os.WriteFile(cfg.DirectoryCA, append(append([]byte{}, first.CAPEM...), second.CAPEM...), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.Directory = append(cfg.Directory, "ldaps://"+second.Address)
	cfg.ServerTimeout = time.Second
	r := start(t, cfg)
	r.serving()
	s := c.session(1)
	id := uint64(0)
	signIn := func(what string, want wire.Result) {
		t.Helper()
		id++
		s.give(given{id: id, user: ann, password: annSecret})
		expectResult(t, c, id, want)
		if t.Failed() {
			t.Fatal(what)
		}
	}
	signIn("both there", wire.Result_RESULT_ACCEPTED)

	release := first.Hang()
	defer release()
	for range 5 {
		signIn("the first hangs", wire.Result_RESULT_ACCEPTED)
	}
	got := r.counters()
	if len(got.DirectoryServers) != 2 || got.DirectoryMoves == 0 {
		t.Fatalf("%d servers and %d moves, want 2 and some: %+v", len(got.DirectoryServers), got.DirectoryMoves, got)
	}
	a, b := got.DirectoryServers[0], got.DirectoryServers[1]
	if a.Server != first.Address || a.InService || a.Silences == 0 || a.Moved != got.DirectoryMoves || a.Binds <= a.BindReplies {
		t.Errorf("the server that hangs: %+v", a)
	}
	if b.Server != second.Address || !b.InService || b.Outages != 0 || b.Binds != 5 || b.BindReplies != 5 || b.Dialect != "attributes" {
		t.Errorf("the other: %+v", b)
	}
	if got.Binds != a.Binds+b.Binds || !got.DirectoryReachable {
		t.Errorf("%d binds in all, reachable %v; want %d and true", got.Binds, got.DirectoryReachable, a.Binds+b.Binds)
	}
	for _, want := range []string{
		fmt.Sprintf("ptabench_connector_directory_server_in_service{server=%q} 0", first.Address),
		fmt.Sprintf("ptabench_connector_directory_server_binds_total{server=%q} 5", second.Address),
	} {
		if text := r.metricsText(); !strings.Contains(text, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}

	second.Stop()
	release()
	deadline := time.Now().Add(patience)
	for !r.counters().DirectoryServers[0].InService {
		if time.Now().After(deadline) {
			t.Fatal("the first is not back")
		}
		time.Sleep(10 * time.Millisecond)
	}
	signIn("the second down", wire.Result_RESULT_ACCEPTED)
}
