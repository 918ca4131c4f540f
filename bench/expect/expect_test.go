package expect

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ptabench/bench/check"
	"ptabench/bench/fault"
	"ptabench/observe"
	"ptabench/scenarios"
)

// fakeSystem is two connectors that count one thing of each kind a second, and
// a cloud that gives the first one a sign-in a second by the fast path. It is
// looked at in the time of a bubble.
type fakeSystem struct {
	t    *testing.T
	dir  string
	zero time.Time

	mu       sync.Mutex
	down     time.Duration // connector-2 has ended at that time of the run; 0 for never
	restarts time.Duration // and was started again then
	cloudErr error
	newcomer string
	started  int
	stopped  int
	noStart  error
	reached  []string
}

func (s *fakeSystem) at() time.Duration { return time.Since(s.zero) }

func (s *fakeSystem) Look(context.Context) Look {
	n := uint64(s.at() / time.Second)
	counted := observe.AgentCounters{Renewals: n, Reports: map[string]uint64{"443": n}, Bootstraps: map[string]uint64{"failed": 2 * n},
		SignallingPort: "9352", ResponsePort: "10105"}
	l := Look{Err: s.cloudErr, Listed: map[string]observe.InventoryConnector{
		"connector-1": {Name: "connector-1", State: observe.StateActive, Serving: true}},
		Connectors: []Connector{{Name: "connector-1", Runs: true, Start: 1, Counted: counted, Fresh: true}}}
	two := Connector{Name: "connector-2", Runs: true, Start: 2, Counted: counted, Fresh: true}
	if s.down > 0 && s.at() >= s.down {
		two.Runs, two.Fresh = false, false
		two.Counted.Renewals = uint64(s.down / time.Second)
		if s.restarts > 0 && s.at() >= s.restarts {
			two = Connector{Name: "connector-2", Runs: true, Start: 3, Fresh: true, Counted: observe.AgentCounters{Renewals: 1}}
		}
	} else {
		l.Listed["connector-2"] = observe.InventoryConnector{Name: "connector-2", State: observe.StateActive, Serving: true}
	}
	l.Connectors = append(l.Connectors, two)
	l.Cloud.Connectors = []observe.ConnectorCounters{{Name: "connector-1", Attached: true, Pushed: n}, {Name: "connector-2", Attached: two.Runs}}
	return l
}

func (s *fakeSystem) Reach(_ context.Context, host, port string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reached = append(s.reached, host+" "+port)
	if port == "9090" {
		return "", errors.New("no socket")
	}
	return scenarios.ReachSilent, nil
}

func (s *fakeSystem) SignIn(ctx context.Context, _ string) (string, error) {
	<-ctx.Done() // it takes as long as it may
	return scenarios.SignInFails, nil
}

func (s *fakeSystem) AdminSignIn(context.Context, string) (string, error) {
	return scenarios.SignInAnswered, nil
}

func (s *fakeSystem) StartNewcomer(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started++
	if s.noStart == nil {
		s.newcomer = scenarios.NewcomerWaits
	}
	return s.noStart
}

func (s *fakeSystem) Newcomer() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newcomer
}

func (s *fakeSystem) StopNewcomer(context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped++
	s.newcomer = ""
}

func (s *fakeSystem) LogFile(process string) string { return filepath.Join(s.dir, process+".log") }

func (s *fakeSystem) write(process, text string) {
	f, err := os.OpenFile(s.LogFile(process), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		s.t.Error(err)
	}
}

// watched runs a row from 10 s to 14 s whose end is at 20 s, and returns what
// was seen of each expectation.
func watched(t *testing.T, s *fakeSystem, injected error, during func(), lines ...string) []check.Seen {
	t.Helper()
	f := scenarios.Fault{Name: "row", Kind: scenarios.Block, Target: "connectors", At: 10e9, For: 4e9}
	for _, line := range lines {
		e, err := scenarios.ParseExpectation(line)
		if err != nil {
			t.Fatal(err)
		}
		f.Expect = append(f.Expect, e)
	}
	sc := &scenarios.Scenario{Load: scenarios.Load{Duration: 20e9}}
	s.t, s.dir, s.zero = t, t.TempDir(), time.Now()
	s.write("newcomer", "of an earlier row\n")
	w := Start(t.Context(), sc, s, []scenarios.Fault{f, {Name: "silent", At: 16e9, For: 1e9}}, s.zero)
	time.Sleep(10 * time.Second)
	rec := fault.Record{Fault: f, Name: "row", InjectedAt: 10e9, UndoneAt: fault.Never, Err: injected}
	w.Changed(rec)
	rec.UndoneAt = 14e9
	w.Changed(rec) // says nothing new
	if during != nil {
		time.Sleep(3 * time.Second)
		during()
	}
	return w.Wait()["row"]
}

func TestWhatIsSeen(t *testing.T) {
	for _, c := range []struct {
		line  string
		value float64
		word  string
	}{
		// Looks are at 9.8, 12, 13.8 and 15.8 s.
		{"renewals(connector-1) == 0 in row", 6, ""},
		{"renewals(connectors) == 0 in on", 8, ""},
		{"reports_by_443(connector-1) == 0", 1, ""},
		{"reports_by_8080(connector-1) == 0", 0, ""},
		{"bootstraps_failed(connector-1) == 0 in after", 4, ""},
		{"attached(connectors) == 0", 2, ""},
		{"serving(connector-2) == 0", 1, ""},
		{"running(connectors) == 0", 2, ""},
		{"state(connector-1) == active", 0, "active"},
		{"path(connector-1) == none", 0, "pushed"},
		{"path(connector-2) == none", 0, "none"},
		{"signalling_port(connector-1) == none", 0, "9352"},
		{"fast_port(connector-1) == none", 0, "none"},
		{"response_port(connector-2) == none", 0, "10105"},
		{"reach(443) == answers", 0, "silent"},
		{"sign_in(connector-1) == answered", 0, "fails"},
		{"newcomer == serves", 0, "waits"},
		{"newcomer == waits in after", 0, "serves"},
		{"says(newcomer) ~ anything", 0, "it cannot\n"},
	} {
		t.Run(c.line, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &fakeSystem{}
				seen := watched(t, s, nil, func() {
					s.write("newcomer", "it cannot\n")
					time.Sleep(1500 * time.Millisecond) // past the end of the fault
					s.mu.Lock()
					defer s.mu.Unlock()
					if s.newcomer != "" {
						s.newcomer = scenarios.NewcomerServes
					}
				}, c.line)
				if len(seen) != 1 || !seen[0].Known || seen[0].Value != c.value || seen[0].Word != c.word {
					t.Errorf("%+v; want %v %q", seen, c.value, c.word)
				}
				if s.started != s.stopped || strings.Contains(c.line, "newcomer") != (s.started == 1) {
					t.Errorf("%d newcomers were started, and %d ended", s.started, s.stopped)
				}
				if strings.HasPrefix(c.line, "reach") && !slices.Equal(s.reached, []string{"connector-1 443"}) {
					t.Errorf("reached %q", s.reached)
				}
			})
		})
	}
}

// A connector that ended counts up to its last reading, and one that was
// started again from nothing.
func TestConnectorsThatEnd(t *testing.T) {
	for _, c := range []struct {
		restarts time.Duration
		line     string
		value    float64
		word     string
	}{
		{0, "renewals(connector-2) == 0 in row", 3, ""},
		{0, "running(connectors) == 0", 1, ""},
		{0, "serving(connectors) == 0", 1, ""},
		{0, "state(connector-2) == active", 0, "removed"},
		{0, "response_port(connector-2) == none", 0, "none"},
		{15 * time.Second, "renewals(connector-2) == 0 in after", 1, ""},
		{15 * time.Second, "renewals(connector-2) == 0 in row", 4, ""},
		{15 * time.Second, "running(connectors) == 0 in after", 2, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			seen := watched(t, &fakeSystem{down: 12500 * time.Millisecond, restarts: c.restarts}, nil, nil, c.line)
			if !seen[0].Known || seen[0].Value != c.value || seen[0].Word != c.word {
				t.Errorf("%s: %+v; want %v %q", c.line, seen, c.value, c.word)
			}
		})
	}
}

// What cannot be seen is said to be unknown, and why.
func TestUnseen(t *testing.T) {
	for _, c := range []struct {
		name     string
		system   *fakeSystem
		injected error
		line     string
		want     string
	}{
		{"not injected", &fakeSystem{}, errors.New("refused"), "running(connectors) == 2", "the fault was not injected"},
		{"no cloud", &fakeSystem{cloudErr: errors.New("no cloud")}, nil, "serving(connectors) == 2", "no cloud"},
		{"no path without it", &fakeSystem{cloudErr: errors.New("no cloud")}, nil, "path(connector-1) == none", "no cloud"},
		{"no probe", &fakeSystem{}, nil, "reach(9090) == silent", "no socket"},
		{"no newcomer", &fakeSystem{noStart: errors.New("no token")}, nil, "newcomer == serves", "no token"},
		{"no log", &fakeSystem{}, nil, "says(connector-1) ~ anything", "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				seen := watched(t, c.system, c.injected, nil, c.line)
				if seen[0].Known || !strings.Contains(seen[0].Why, c.want) {
					t.Errorf("%+v; want one that is not known: %s", seen, c.want)
				}
			})
		})
	}
}

// What sign-ins say is left to who has them, and a run that ends early leaves
// the rest unseen and no newcomer behind.
func TestLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if seen := watched(t, &fakeSystem{}, nil, nil, "lost == 0", "share(connector-1) == 0%"); !seen[0].FromSamples || !seen[1].FromSamples {
			t.Errorf("%+v", seen)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSystem{t: t, dir: t.TempDir(), zero: time.Now()}
		e, err := scenarios.ParseExpectation("newcomer == serves")
		if err != nil {
			t.Fatal(err)
		}
		f := scenarios.Fault{Name: "row", Kind: scenarios.Block, Target: "connectors", At: 1e9, For: 4e9, Expect: []scenarios.Expectation{e}}
		ctx, cancel := context.WithCancel(t.Context())
		w := Start(ctx, &scenarios.Scenario{Load: scenarios.Load{Duration: 20e9}}, s, []scenarios.Fault{f}, s.zero)
		time.Sleep(time.Second)
		w.Changed(fault.Record{Name: "row", UndoneAt: fault.Never})
		time.Sleep(time.Second)
		cancel()
		seen := w.Wait()["row"]
		if seen[0].Known || seen[0].Why != "the run ended first" || s.started != 1 || s.stopped != 1 {
			t.Errorf("%+v, %d started, %d ended", seen, s.started, s.stopped)
		}
	})
}
