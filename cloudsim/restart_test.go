package cloudsim

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ptabench/observe"
)

// A restart changes the ports and nothing else.
func TestRestart(t *testing.T) {
	t.Parallel()
	c := start(t, fallback(Automatic))
	pushUsers(c)
	token := c.registrationToken("contoso")
	a := c.register("connector-1")
	a.attach()
	keys := c.do(get(t, c.url("/contoso/discovery/v2.0/keys")))
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}

	again := start(t, fallback(Automatic), func(cfg *Config) { cfg.State = c.cfg.State })
	if again.ready.CAPEM != c.ready.CAPEM {
		t.Error("another certificate authority")
	}
	if got := again.do(get(t, again.url("/contoso/discovery/v2.0/keys"))); string(got.body) != string(keys.body) {
		t.Error("another key set")
	}
	again.checkHashSync()
	l := (&agent{cloud: again, name: a.name, certificate: a.certificate}).attach()
	again.recover(l)
	if _, err := again.tryRegister("contoso", "connector-2", token); err != nil {
		t.Errorf("a token from before: %v", err)
	}
	for name, want := range map[string]string{"ca.pem": again.ready.CAPEM, "cloud.json": ""} {
		b, err := os.ReadFile(filepath.Join(c.cfg.State, name))
		if err != nil {
			t.Fatal(err)
		}
		if want == "" {
			var r observe.Ready
			if err := json.Unmarshal(b, &r); err != nil || r.Ports["443"] != again.ready.Ports["443"] {
				t.Errorf("cloud.json: %v, ports %v", err, r.Ports)
			}
		} else if string(b) != want {
			t.Errorf("%s: %s", name, b)
		}
	}
}

func get(t *testing.T, at string) *http.Request {
	t.Helper()
	q, err := http.NewRequest(http.MethodGet, at, nil)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// What keeps a simulator from starting is said, and nothing is left open.
func TestDoesNotStart(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	running := start(t)
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"a port that is taken", func(cfg *Config) { cfg.Ports = map[string]string{"10120": taken.Addr().String()} }, "port 10120: "},
		{"a state that is in use", func(cfg *Config) { cfg.State, cfg.ObserveToken = running.cfg.State, "" }, "another simulator"},
		{"a state that is a file", func(cfg *Config) {
			cfg.State = filepath.Join(cfg.State, "file")
			mustWrite(t, cfg.State)
		}, "state: "},
		{"a cloud.json that is a directory", func(cfg *Config) { mustWrite(t, filepath.Join(cfg.State, "cloud.json", "x")) }, "publishing cloud.json: "},
		{"a sign-in log that cannot be", func(cfg *Config) { cfg.SignInLog = filepath.Join(cfg.State, "none", "x") }, "sign-in log: "},
		{"a configuration that cannot be", func(cfg *Config) { cfg.Tenants = nil }, "tenant: none"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := settings(t)
			tc.change(&cfg)
			err := Run(context.Background(), slog.New(slog.DiscardHandler), cfg, func(observe.Ready) { t.Error("it was ready") })
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v; expected %q", err, tc.want)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(running.cfg.State, "observe.token")); err == nil {
		t.Error("one that did not start wrote its observe token over that of the one that runs")
	}
}

// A simulator that is to keep its ports has them again after a restart, but
// one that something else has meanwhile.
func TestKeepsItsPorts(t *testing.T) {
	t.Parallel()
	keep := func(cfg *Config) { cfg.KeepPorts = true }
	c := start(t, keep)
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", c.ready.Ports["9090"])
	if err == nil { // or a stranger has it: as good
		defer taken.Close()
	}
	again := start(t, keep, func(cfg *Config) { cfg.State = c.cfg.State })
	same := 0
	for port, at := range c.ready.Ports {
		if again.ready.Ports[port] == at {
			same++
		}
	}
	// Strangers may have got one or another of them meanwhile.
	if same < len(c.ready.Ports)*3/4 || again.ready.Ports["9090"] == c.ready.Ports["9090"] {
		t.Errorf("%d of %d ports are the same: %v, before %v", same, len(c.ready.Ports), again.ready.Ports, c.ready.Ports)
	}
	if log := again.log.String(); !strings.Contains(log, "the last port is in use") {
		t.Error("no warning of the port that was in use")
	}
}

func mustWrite(t *testing.T, name string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Without an observe token one is made, for its owner alone.
func TestOwnObserveToken(t *testing.T) {
	t.Parallel()
	c := start(t, func(cfg *Config) { cfg.ObserveToken = "" })
	name := filepath.Join(c.cfg.State, "observe.token")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	token := strings.TrimSpace(string(b))
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 || len(token) < 26 { // 128 bits in base 32
		t.Errorf("token %q, %v, %v", token, info.Mode(), err)
	}
	if status := c.call("GET", "/counters", "", ""); status != 401 {
		t.Errorf("without a token: %d", status)
	}
	if status := c.call("GET", "/counters", "", token); status != 200 {
		t.Errorf("with the token: %d", status)
	}
	if strings.Contains(c.log.String(), token) {
		t.Error("the token is in the log")
	}
}

// A simulator on every address knows by which port a connector came.
func TestListenOnEveryAddress(t *testing.T) {
	t.Parallel()
	c := start(t, func(cfg *Config) {
		cfg.Listen = "0.0.0.0"
		cfg.Ports = map[string]string{"443": "127.0.0.3:0", "observe": "127.0.0.1:0"}
	})
	for port, at := range c.ready.Ports { // dial what is served everywhere by loopback
		_, p, err := net.SplitHostPort(at)
		if err != nil {
			t.Fatal(err)
		}
		if port != "443" {
			c.ready.Ports[port] = net.JoinHostPort("127.0.0.1", p)
		}
	}
	c.register("connector-1").attach()
	c.expect(c.signIn(user, password), 200, 0, PassThrough, "connector-1", "1") // 127.0.0.3 is in the certificate

	// Nobody is sent to an address that is every address.
	everywhere := start(t, func(cfg *Config) {
		cfg.Listen = "0.0.0.0"
		cfg.Ports = map[string]string{"observe": "127.0.0.1:0"}
	})
	_, p, err := net.SplitHostPort(everywhere.ready.Ports["443"])
	if err != nil {
		t.Fatal(err)
	}
	everywhere.ready.Ports["443"] = net.JoinHostPort("127.0.0.1", p)
	var says struct {
		Issuer    string
		Authorize string `json:"authorization_endpoint"`
	}
	answer := everywhere.do(get(t, everywhere.url("/contoso/v2.0/.well-known/openid-configuration")))
	if err := json.Unmarshal(answer.body, &says); err != nil || says.Issuer != everywhere.url("/contoso/v2.0") ||
		says.Authorize != everywhere.url("/contoso/oauth2/v2.0/authorize") {
		t.Errorf("discovery: %v, %+v", err, says)
	}
}

// The sign-in log has a line for each sign-in answered, whatever the name.
func TestSignInLog(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "sign-ins.csv")
	began := time.Now()
	log := func(cfg *Config) { cfg.SignInLog = name }
	// A simulator was killed in the middle of a line.
	header := strings.Join(signInLogHeader, ",")
	if err := os.WriteFile(name, []byte(header+"\n1,a,contoso,\"torn"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := start(t, log, fallback(Automatic))
	pushUsers(c)
	c.expect(c.signIn("ann@contoso.test", password), 200, 0, HashSync, "", "0")
	c.recover(c.register("connector-1").attach())
	hostile := []string{`a,b@contoso.test`, `"quoted"@contoso.test`, `=cmd|' /C calc'!A0@contoso.test`, ` blank @contoso.test`,
		`\.@contoso.test`, `ü€𝄞@contoso.test`, `';--@contoso.test`, "\u2028@contoso.test", `#@contoso.test`}
	var work sync.WaitGroup
	for _, h := range hostile {
		work.Go(func() { c.signIn(h, "not-"+password) })
	}
	work.Wait()
	c.do(c.request("contoso", "")) // is no sign-in
	n := c.tenant("contoso")
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	again := start(t, log, func(cfg *Config) { cfg.State = c.cfg.State })
	again.expect(again.signIn("ann@contoso.test", password), 503, 80001, "", "", "0")
	if err := again.stop(); err != nil {
		t.Fatal(err)
	}

	if header != "at_ns,client_request_id,tenant,user,outcome,code,path,connector,attempts" {
		t.Errorf("header %s", header)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	// Every part begins with the header on a line of its own, also after a torn one.
	parts := strings.Split(string(text), header+"\n")
	if len(parts) != 4 || parts[0] != "" || parts[1] != "1,a,contoso,\"torn\n" {
		t.Fatalf("the log has the parts %q", parts)
	}
	in := csv.NewReader(strings.NewReader(parts[2] + parts[3]))
	in.FieldsPerRecord = len(signInLogHeader)
	found, outcomes, lines := make(map[string]string), make(map[string]uint64), uint64(0)
	var last []string
	for {
		row, err := in.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var at int64
		if _, err := fmt.Sscan(row[0], &at); err != nil || at < began.UnixNano() || at > time.Now().UnixNano() {
			t.Errorf("row %v: time", row)
		}
		if line, _ := in.FieldPos(0); uint64(line) != lines+1 {
			t.Errorf("row %v is at line %d: a row spans lines", row, line)
		}
		lines++
		outcomes[row[4]]++
		found[row[3]] = strings.Join(row[4:], ",")
		last = row
	}
	if lines != n.Received+1 || outcomes["accepted"] != n.Accepted || outcomes["refused"] != n.Refused || outcomes["failed"] != 1 {
		t.Errorf("%d lines, %v; expected one each of %+v and one more", lines, outcomes, n)
	}
	for _, h := range hostile {
		if found[h] != "refused,50126,pass-through,connector-1,1" {
			t.Errorf("%q: %q", h, found[h])
		}
	}
	if strings.Join(last[2:], ",") != "contoso,ann@contoso.test,failed,80001,none,,0" || !strings.HasPrefix(last[1], "0190b2c4-0000-8000-8000-") {
		t.Errorf("the last line is %v", last)
	}
}
