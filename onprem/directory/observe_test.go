package directory

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	client "github.com/go-ldap/ldap/v3"

	"ptabench/observe"
	"ptabench/population"
)

// byUser adds up the binds of all users.
func (r *running) byUser() (success, refused uint64) {
	r.t.Helper()
	var list []observe.UserBinds
	if err := r.observe.Get(context.Background(), "/binds", &list); err != nil {
		r.t.Fatal(err)
	}
	for _, u := range list {
		success, refused = success+u.Success, refused+u.Refused
	}
	return success, refused
}

func TestBindsByUser(t *testing.T) {
	r := start(t, testConfig(t))
	conn := r.dial()
	active, locked := r.in(population.Active), r.in(population.Locked)
	for range 3 {
		bind(t, conn, r.users.UPN(active), r.users.Password(active))
	}
	bind(t, conn, r.users.UPN(active), r.users.WrongPassword(active))
	bind(t, conn, r.users.UPN(locked), r.users.Password(locked))
	bind(t, conn, r.users.UnknownUPN(0), "x")

	var got []observe.UserBinds
	if err := r.observe.Get(context.Background(), "/binds", &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]observe.UserBinds{
		r.users.UPN(active): {User: r.users.UPN(active), Success: 3, Refused: 1},
		r.users.UPN(locked): {User: r.users.UPN(locked), Refused: 1},
	}
	if len(got) != len(want) {
		t.Errorf("got %d users, want %d", len(got), len(want))
	}
	for _, u := range got {
		if u != want[u.User] {
			t.Errorf("got %+v, want %+v", u, want[u.User])
		}
	}
	if c := r.counters(); c.Binds["unknown"] != 1 || c.Binds["locked"] != 1 || c.Binds["success"] != 3 || c.Binds["wrong-password"] != 1 {
		t.Errorf("by outcome: %v", c.Binds)
	}
}

// TestDelay puts a delay that no test waits for, so that a bind is either held
// or not, whatever the machine's load.
func TestDelay(t *testing.T) {
	r := start(t, testConfig(t))
	ctx := context.Background()
	i := r.in(population.Active)
	held, free := r.dial(), r.service()

	var effect observe.Delay
	if err := r.observe.Put(ctx, "/delay", observe.Delay{DelayNS: int64(5 * time.Minute)}, &effect); err != nil {
		t.Fatal(err)
	}
	if effect.DelayNS != int64(5*time.Minute) {
		t.Errorf("delay in effect = %d ns", effect.DelayNS)
	}
	var work sync.WaitGroup
	answered := make(chan error, 1)
	work.Go(func() { answered <- held.Bind(r.users.UPN(i), r.users.Password(i)) })
	held.SetTimeout(time.Minute)
	eventually(t, "a delayed bind", func() bool { return r.counters().Delayed == 1 })

	// Neither other operations nor the service account wait.
	if _, err := find(free, base, client.ScopeWholeSubtree, "(cn=user000001)"); err != nil {
		t.Errorf("searching meanwhile: %v", err)
	}
	r.service()
	select {
	case err := <-answered:
		t.Errorf("the bind was not held: %v", err)
	default:
	}

	// Ending the delay frees who waits, and who comes later does not wait.
	if err := r.observe.Delete(ctx, "/delay", nil); err != nil {
		t.Fatal(err)
	}
	work.Wait()
	if err := <-answered; err != nil {
		t.Errorf("the delayed bind: %v", err)
	}
	if got := bind(t, r.dial(), r.users.UPN(i), r.users.Password(i)); got != client.LDAPResultSuccess {
		t.Errorf("a bind after the delay: result %d", got)
	}
	if c := r.counters(); c.Delayed != 1 || c.Binds["success"] != 2 {
		t.Errorf("delayed %d, success %d, want 1 and 2", c.Delayed, c.Binds["success"])
	}
}

func TestDelayTimes(t *testing.T) {
	tests := []struct {
		name        string
		base, added time.Duration
		later       time.Duration // when the added delay changes, if it does
		changed     time.Duration
		want        time.Duration
	}{
		{"none", 0, 0, 0, 0, 0},
		{"base", time.Second, 0, 0, 0, time.Second},
		{"added to base", time.Second, 2 * time.Second, 0, 0, 3 * time.Second},
		{"ended meanwhile", 0, time.Minute, 3 * time.Second, 0, 3 * time.Second},
		{"ended meanwhile, base stays", 5 * time.Second, time.Minute, 3 * time.Second, 0, 5 * time.Second},
		{"prolonged meanwhile", 0, 5 * time.Second, 3 * time.Second, 10 * time.Second, 10 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDelay(tt.base)
				d.put(tt.added)
				if tt.later > 0 {
					time.AfterFunc(tt.later, func() { d.put(tt.changed) })
				}
				began := time.Now()
				d.wait(t.Context())
				if got := time.Since(began); got != tt.want {
					t.Errorf("waited %v, want %v", got, tt.want)
				}
			})
		})
	}
	t.Run("cut short", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			newDelay(time.Minute).wait(ctx)
			if got := time.Since(began); got != time.Second {
				t.Errorf("waited %v", got)
			}
		})
	})
}

func TestObserveRefusals(t *testing.T) {
	r := start(t, testConfig(t))
	tests := []struct {
		about, method, path, token, body string
		want                             int
	}{
		{"no token", "GET", "/counters", "", "", 401},
		{"wrong token", "PUT", "/delay", "x", `{"delay_ns":1}`, 401},
		{"negative delay", "PUT", "/delay", testToken, `{"delay_ns":-1}`, 400},
		{"delay of a day", "PUT", "/delay", testToken, `{"delay_ns":86400000000000}`, 400},
		{"no delay", "PUT", "/delay", testToken, ``, 400},
		{"unknown field", "PUT", "/delay", testToken, `{"delay_ms":1}`, 400},
		{"oversized", "PUT", "/delay", testToken, `{"delay_ns":` + strings.Repeat(" ", 4096) + `1}`, 400},
		{"unknown path", "GET", "/users", testToken, "", 404},
		{"wrong method", "POST", "/delay", testToken, `{"delay_ns":1}`, 405},
		{"metrics need none", "GET", "/metrics", "", "", 200},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			req, err := http.NewRequest(tt.method, "http://"+r.ready.Ports["observe"]+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if tt.token != "" {
				req.Header.Set("Authorization", "Bearer "+tt.token)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != tt.want {
				t.Errorf("status %d, want %d", resp.StatusCode, tt.want)
			}
		})
	}
}

func TestMetrics(t *testing.T) {
	r := start(t, testConfig(t))
	i := r.in(population.Active)
	conn := r.service()
	bind(t, conn, r.users.UPN(i), r.users.Password(i))
	bind(t, conn, r.users.UPN(i), r.users.WrongPassword(i))
	bind(t, conn, r.users.UPN(i), r.users.WrongPassword(i))
	resp, err := http.Get("http://" + r.ready.Ports["observe"] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`ptabench_directory_binds_total{outcome="success"} 1`,
		`ptabench_directory_binds_total{outcome="wrong-password"} 2`,
		`ptabench_directory_binds_total{outcome="must-change"} 0`,
		`ptabench_directory_service_binds_total 1`,
		`ptabench_directory_open_connections 1`,
	} {
		if !strings.Contains(string(text), want+"\n") {
			t.Errorf("metrics lack %s", want)
		}
	}
	if strings.Contains(string(text), r.users.Password(i)) {
		t.Error("metrics hold a password")
	}
}
