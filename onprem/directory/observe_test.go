package directory

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

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

func TestObserveRefusals(t *testing.T) {
	r := start(t, testConfig(t))
	tests := []struct {
		about, method, path, token, body string
		want                             int
	}{
		{"no token", "GET", "/counters", "", "", 401},
		{"wrong token", "PUT", "/faults/x", "x", `{"mode":"hang"}`, 401},
		{"wrong token, gates", "PUT", "/gates/x", "x", `{"mode":"reset","ports":["ldap"]}`, 401},
		{"wrong token, hash store", "PUT", "/hash-store/x", "x", `{"changed":1}`, 401},
		{"no mode", "PUT", "/faults/x", testToken, `{}`, 400},
		{"negative delay", "PUT", "/faults/x", testToken, `{"mode":"slow","delay_ns":-1}`, 400},
		{"delay of a day", "PUT", "/faults/x", testToken, `{"mode":"slow","delay_ns":86400000000000}`, 400},
		{"no fault", "PUT", "/faults/x", testToken, ``, 400},
		{"unknown field", "PUT", "/faults/x", testToken, `{"mode":"slow","delay_ms":1}`, 400},
		{"oversized", "PUT", "/faults/x", testToken, `{"mode":"slow","delay_ns":` + strings.Repeat(" ", maxBody) + `1}`, 400},
		{"port of the cloud", "PUT", "/gates/x", testToken, `{"mode":"reset","ports":["443"]}`, 400},
		{"observe port", "PUT", "/gates/x", testToken, `{"mode":"reset","ports":["observe"]}`, 400},
		{"no hash sync", "PUT", "/hash-store/x", testToken, `{"changed":1}`, 409},
		{"fault that is not set", "DELETE", "/faults/x", testToken, "", 404},
		{"gate that is not set", "DELETE", "/gates/x", testToken, "", 404},
		{"hash fault that is not set", "DELETE", "/hash-store/x", testToken, "", 404},
		{"no ID", "PUT", "/faults/", testToken, `{"mode":"hang"}`, 404},
		{"unknown path", "GET", "/users", testToken, "", 404},
		{"the delay of old", "PUT", "/delay", testToken, `{"delay_ns":1}`, 404},
		{"wrong method", "POST", "/faults/x", testToken, `{"mode":"hang"}`, 405},
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
