package churn

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ptabench/observe"
	"ptabench/population"
	"ptabench/results"
)

func testPopulation(t *testing.T) *population.Population {
	t.Helper()
	p, err := population.New(population.Spec{Seed: 3, Users: 50, Domain: "contoso.test"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// driverAt has steps of one user at given times, in ms.
func driverAt(t *testing.T, user int, steps ...step) *Driver {
	d := New(testPopulation(t), nil, nil)
	d.zero = time.Unix(1000, 0)
	for i := range steps {
		steps[i].began *= time.Millisecond
		if steps[i].done != never {
			steps[i].done *= time.Millisecond
		}
	}
	d.of[user] = steps
	return d
}

// TestBetween: while an event is under way an account may be either.
func TestBetween(t *testing.T) {
	first, second, third := population.Account{}, population.Account{Version: 1}, population.Account{State: population.Disabled, Version: 1}
	d := driverAt(t, 7,
		step{kind: population.ChangePassword, began: 100, done: 110, after: second},
		step{kind: population.Disable, began: 200, done: never, after: third})
	for _, tt := range []struct {
		from, to time.Duration
		want     []population.Account
	}{
		{-50, 50, []population.Account{first}},
		{50, 99, []population.Account{first}},
		{50, 100, []population.Account{first, second}},
		{105, 106, []population.Account{first, second}},
		{110, 150, []population.Account{first, second}},
		{111, 150, []population.Account{second}},
		{50, 205, []population.Account{first, second, third}},
		{300, 400, []population.Account{second, third}},
	} {
		var got []population.Account
		d.Between(7, d.zero.Add(tt.from*time.Millisecond), d.zero.Add(tt.to*time.Millisecond), func(a population.Account) bool {
			got = append(got, a)
			return true
		})
		if !slices.Equal(got, tt.want) {
			t.Errorf("%d to %d ms: %v, want %v", tt.from, tt.to, got, tt.want)
		}
	}
	if got := d.Version(7); got != 1 {
		t.Errorf("version %d", got)
	}
	if kind, at, ok := d.Last(7, 250*time.Millisecond); !ok || kind != population.Disable || at != 250*time.Millisecond {
		t.Errorf("last %s at %v, %v", kind, at, ok)
	}
	if _, _, ok := d.Last(7, 50*time.Millisecond); ok {
		t.Error("there is an event before the first")
	}
}

// fakeDirectory takes events. It forgets to answer every third, and once says
// that it is not available.
type fakeDirectory struct {
	mu    sync.Mutex
	asked int
	seqs  []uint64
}

func (f *fakeDirectory) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var c observe.AccountChange
	_ = json.NewDecoder(r.Body).Decode(&c)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	switch {
	case strings.HasPrefix(c.User, "user000013"):
		http.Error(w, "not this one", http.StatusBadRequest)
		return
	case f.asked == 2:
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	if len(f.seqs) == 0 || f.seqs[len(f.seqs)-1] != c.Seq {
		f.seqs = append(f.seqs, c.Seq)
	}
	if f.asked%3 == 0 {
		panic(http.ErrAbortHandler)
	}
	observe.WriteJSON(w, http.StatusOK, observe.AppliedChange{Seq: c.Seq})
}

// TestRun: each event happens once at every directory, in order, whatever is
// lost on the way; one that is refused has not happened.
func TestRun(t *testing.T) {
	people := testPopulation(t)
	plan := []population.Planned{
		{At: 0, Kind: population.ChangePassword, User: 1}, {At: time.Millisecond, Kind: population.Lock, User: 12},
		{At: 2 * time.Millisecond, Kind: population.Disable, User: 2}, {At: 3 * time.Millisecond, Kind: population.ChangePassword, User: 1},
	}
	d := New(people, plan, map[population.EventKind]uint64{population.Disable: 3})
	var directories []*fakeDirectory
	var servers []func() *observe.Client
	for range 2 {
		f := &fakeDirectory{}
		server := httptest.NewServer(f)
		defer server.Close()
		directories = append(directories, f)
		servers = append(servers, func() *observe.Client { return &observe.Client{Address: server.Listener.Addr().String()} })
	}
	zero := time.Now()
	err := d.Run(t.Context(), zero, servers)
	if err == nil || !strings.Contains(err.Error(), "event 2, lock of user000013@contoso.test") || !strings.Contains(err.Error(), "not this one") {
		t.Errorf("error %v", err)
	}
	for i, f := range directories {
		if !slices.Equal(f.seqs, []uint64{1, 3, 4}) {
			t.Errorf("directory %d had the events %v", i, f.seqs)
		}
	}
	n := d.Counts()
	if n.Planned != 4 || n.Asked[population.Disable] != 4 || n.Left[population.Disable] != 3 || n.Asked[population.Lock] != 1 || n.Refused != 1 || n.Applied[population.ChangePassword] != 2 || n.Applied[population.Disable] != 1 || n.Applied[population.Lock] != 0 {
		t.Errorf("counts %+v", n)
	}
	if d.Version(1) != 2 || d.now(12) != people.Account(12) || d.now(2).State != population.Disabled {
		t.Errorf("version %d; %+v; %+v", d.Version(1), d.now(12), d.now(2))
	}
	if user, ok := d.Recent(5); !ok || user != 1 {
		t.Errorf("recent %d, %v", user, ok)
	}
}

// TestRunEnds: with the context, also while nobody answers.
func TestRunEnds(t *testing.T) {
	d := New(testPopulation(t), []population.Planned{{Kind: population.Lock, User: 1}, {At: time.Hour, Kind: population.Lock, User: 2}}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	dead := httptest.NewServer(nil)
	address := dead.Listener.Addr().String()
	dead.Close()
	if err := d.Run(ctx, time.Now(), []func() *observe.Client{func() *observe.Client { return &observe.Client{Address: address} }}); err != nil {
		t.Error(err)
	}
	if n := d.Counts(); n.Unknown != 1 {
		t.Errorf("counts %+v", n)
	}
	accounts := 0
	d.Between(1, time.Now(), time.Now(), func(population.Account) bool { accounts++; return true })
	if accounts != 2 {
		t.Errorf("an account of which nobody knows may be %d", accounts)
	}
}

// TestStale: an answer that an event made wrong is told by it, and taken out of
// what is told otherwise.
func TestStale(t *testing.T) {
	d := driverAt(t, 7, step{kind: population.Disable, began: 100, done: 110, after: population.Account{State: population.Disabled}})
	intents := []string{"right", "unknown"}
	w := NewStale(d, intents, true)
	var plain results.WrongCount
	for _, s := range []results.Sample{
		{User: 7, Done: 310e6, Judgement: results.WrongAccept, Path: results.PathHashSync},
		{User: 7, Done: 510e6, Judgement: results.WrongAccept, Path: results.PathHashSync},
		{User: 7, Done: 510e6, Judgement: results.Right},
		{User: 7, Done: 50e6, Judgement: results.WrongAccept, Path: results.PathHashSync},             // before it
		{User: 8, Done: 510e6, Judgement: results.WrongAccept, Path: results.PathHashSync},            // of another
		{User: 7, Done: 510e6, Judgement: results.WrongAccept, Path: results.PathHashSync, Intent: 1}, // of nobody
		{User: 7, Done: 510e6, Judgement: results.WrongAccept, Path: results.PathPassThrough},
	} {
		w.Count(&s)
		plain.Count(&s)
	}
	list := w.Explain(plain.ByCause(intents))
	total := uint64(0)
	for _, one := range list {
		total += one.Count
	}
	if total != 6 {
		t.Errorf("of 6 wrong answers %d are told", total)
	}
	find := func(path, event string) results.Wrong {
		i := slices.IndexFunc(list, func(o results.Wrong) bool { return o.Path == path && o.Event == event })
		if i < 0 {
			t.Fatalf("none by %s of %q in %+v", path, event, list)
		}
		return list[i]
	}
	if one := find("hash-sync", "disable"); one.Count != 2 || one.AgeMax != 400e6 || one.AgeP50 < 199e6 || one.AgeP50 > 201e6 || !strings.Contains(one.Cause, "had not carried yet") {
		t.Errorf("%+v", one)
	}
	if one := find("pass-through", "disable"); one.Count != 1 {
		t.Errorf("%+v", one)
	}
	w.agent = false
	list = w.Explain(plain.ByCause(intents))
	if one := find("hash-sync", "disable"); one.Count != 2 || !strings.Contains(one.Cause, "nobody carries") {
		t.Errorf("without an agent: %+v", one)
	}
}
