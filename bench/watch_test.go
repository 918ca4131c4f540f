package bench

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ptabench/bench/proc"
	"ptabench/observe"
	"ptabench/results"
)

// A fakeRole is a process whose observe listener is in this one.
type fakeRole struct {
	name, role string
	server     *httptest.Server

	mu       sync.Mutex
	id       proc.Identity
	handler  http.Handler
	events   *observe.Log
	counters any
	frozen   chan struct{} // closed when it thaws; nil when it is not frozen
}

func newFakeRole(t testing.TB, name, role string, counters any) *fakeRole {
	f := &fakeRole{name: name, role: role, counters: counters}
	f.start(16)
	f.server = httptest.NewServer(f)
	t.Cleanup(func() {
		f.server.CloseClientConnections() // event streams never end by themselves
		f.server.Close()
	})
	return f
}

// start makes it another process, with a log of its own.
func (f *fakeRole) start(size int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.id.PID++
	f.events = observe.NewLog(size)
	_, f.handler = observe.Handler("token", func() any { return f.counters }, f.events, nil)
}

func (f *fakeRole) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	handler, frozen := f.handler, f.frozen
	f.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
	handler.ServeHTTP(w, r)
}

func (f *fakeRole) say(kinds ...observe.Kind) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range kinds {
		f.events.Add(observe.Event{Kind: k})
	}
}

func (f *fakeRole) Name() string            { return f.name }
func (f *fakeRole) Role() string            { return f.role }
func (f *fakeRole) State() *os.ProcessState { return nil }
func (f *fakeRole) Sample() proc.Usage      { return proc.Usage{} }
func (f *fakeRole) Identity() proc.Identity {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.id
}

func (f *fakeRole) watched() *watched {
	return &watched{process: f, client: func() *observe.Client {
		return &observe.Client{Address: f.server.Listener.Addr().String(), Token: "token"}
	}}
}

// watching watches roles, and returns the watch and the file of its events.
func watching(t testing.TB, every time.Duration, roles ...*fakeRole) (*watch, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), results.EventsFile)
	log, err := results.CreateEventLog(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []*watched
	for _, r := range roles {
		all = append(all, r.watched())
	}
	w := newWatch(all, log, every)
	t.Cleanup(func() { w.cancel(); w.work.Wait() })
	return w, file
}

// eventually fails the test when a condition does not come to hold.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for limit := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

func kindsOf(events []observe.Event) (all []string) {
	for _, e := range events {
		all = append(all, string(e.Kind))
	}
	return all
}

func TestEventsOfEveryStartComeOnce(t *testing.T) {
	cloud := newFakeRole(t, roleCloud, roleCloud, observe.CloudCounters{})
	cloud.say("a")
	w, file := watching(t, time.Hour, cloud)
	eventually(t, "the event from before time 0", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.early) == 1
	})
	w.begin(time.Now())
	cloud.say("b")
	want := []string{"a", "b"}
	see := func(more ...string) {
		t.Helper()
		want = append(want, more...)
		eventually(t, strings.Join(want, " "), func() bool { return len(w.seen()) >= len(want) })
		if got := kindsOf(w.seen()); !slices.Equal(got, want) {
			t.Fatalf("events %v, want %v", got, want)
		}
	}
	see()
	cloud.server.CloseClientConnections() // the same process tells all of it again
	cloud.say("c")
	see("c")
	for _, start := range []string{"d", "e"} {
		cloud.start(16)
		cloud.say(observe.Kind(start), "b") // which it says for the first time
		cloud.server.CloseClientConnections()
		see(start, "b")
	}
	cloud.say("f")
	see("f")

	// The last words of one that ends for good.
	cloud.say("g")
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		w.finish(t.Context())
	}()
	see("g")
	eventually(t, "the end of the events", func() bool {
		cloud.server.CloseClientConnections()
		select {
		case <-finished:
			return true
		default:
			return false
		}
	})
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	var logged []string
	if torn, err := results.ReadLines(file, func(e results.Event) error {
		logged = append(logged, e.Kind)
		return nil
	}); err != nil || torn > 0 || !slices.Equal(logged, want) {
		t.Errorf("logged %v, want %v; %d torn, %v", logged, want, torn, err)
	}
}

// A log that overflowed while nobody was connected tells how much was lost,
// and of that only what was not passed on before.
func TestLostEventsAreCountedOnce(t *testing.T) {
	cloud := newFakeRole(t, roleCloud, roleCloud, observe.CloudCounters{})
	cloud.start(4)
	cloud.say("1", "2", "3")
	w, _ := watching(t, time.Hour, cloud)
	w.begin(time.Now())
	eventually(t, "3 events", func() bool { return len(w.seen()) == 3 })

	thaw := make(chan struct{})
	cloud.mu.Lock()
	cloud.frozen = thaw
	cloud.mu.Unlock()
	cloud.server.CloseClientConnections()
	cloud.say("4", "5", "6", "7", "8", "9") // of which its log keeps the last four
	close(thaw)
	eventually(t, "the last event", func() bool {
		all := w.seen()
		return all[len(all)-1].Kind == "9"
	})
	passed, lost := 0, int64(0)
	for _, e := range w.seen() {
		if passed++; e.Kind == observe.EventsOverflowed {
			passed--
			lost += e.Count
		}
	}
	if passed+int(lost) != 9 {
		t.Errorf("%d events passed on and %d lost, of 9: %v", passed, lost, kindsOf(w.seen()))
	}
}

func TestAFrozenRoleDelaysNobody(t *testing.T) {
	frozen := newFakeRole(t, "connector-1", roleConnector, observe.AgentCounters{})
	thaw := make(chan struct{})
	frozen.frozen = thaw
	t.Cleanup(func() { close(thaw) })
	live := newFakeRole(t, "connector-2", roleConnector, observe.AgentCounters{Taken: 7})
	w, _ := watching(t, time.Millisecond, frozen, live)
	var first *reading
	eventually(t, "a first reading", func() bool {
		if all := w.readings(roleConnector); len(all) > 0 {
			first = all[0]
		}
		return first != nil
	})
	// callWithin later the frozen one would have been given up on.
	eventually(t, "a second reading", func() bool { return w.readings(roleConnector)[0] != first })
	if got := w.readings(roleConnector); len(got) != 1 || got[0].Name() != "connector-2" || got[0].connector.Taken != 7 {
		t.Errorf("readings %+v", got)
	}
}

func TestEachStartHasItsReading(t *testing.T) {
	cloud := newFakeRole(t, roleCloud, roleCloud, observe.CloudCounters{Tenants: []observe.TenantCounters{{Received: 5, Accepted: 4}}})
	w, _ := watching(t, time.Hour, cloud)
	w.read(t.Context())
	if !w.busy() {
		t.Error("one sign-in is in hand, and nobody is busy")
	}
	cloud.start(16)
	cloud.counters = observe.CloudCounters{Tenants: []observe.TenantCounters{{Received: 2, Accepted: 2}}}
	w.read(t.Context())
	w.read(t.Context())
	got := w.readings(roleCloud)
	if len(got) != 2 || got[0].cloud.Tenants[0].Received != 5 || got[1].cloud.Tenants[0].Received != 2 {
		t.Fatalf("%d readings", len(got))
	}
	if !got[0].gone() || got[1].gone() || w.busy() {
		t.Errorf("first gone %v, second gone %v, busy %v", got[0].gone(), got[1].gone(), w.busy())
	}
}

func TestEventsAreBounded(t *testing.T) {
	w, _ := watching(t, time.Hour)
	for range maxEvents + 3 {
		w.cloudEvent(observe.Event{Kind: "early"})
	}
	w.begin(time.Now())
	w.cloudEvent(observe.Event{Kind: "late"})
	all := w.seen()
	if len(all) != maxEvents+1 || all[maxEvents].Kind != observe.EventsOverflowed || all[maxEvents].Count != 4 {
		t.Errorf("%d events, the last %+v", len(all), all[len(all)-1])
	}
}

// Without roles nobody is asked, and what the harness does is still told.
func TestUnobserved(t *testing.T) {
	w, file := watching(t, time.Hour)
	w.read(t.Context())
	w.harness(results.Event{Kind: "fault-injected"})
	w.finish(t.Context())
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), "fault-injected") || len(w.readings(roleCloud)) > 0 {
		t.Errorf("logged %s, %v", text, err)
	}
}
