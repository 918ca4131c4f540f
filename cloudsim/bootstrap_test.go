package cloudsim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ptabench/bind/bindtest"
	"ptabench/connector"
	"ptabench/observe"
)

// A node is a connector that a test can end and start again.
type node struct {
	w     *world
	cfg   connector.Config
	mu    sync.Mutex
	text  bytes.Buffer // its log
	ready chan observe.Ready
	end   func()
	at    string // its observe address, once ready
}

func (n *node) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(p)
}

func (n *node) log() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

// node prepares a connector whose cloud file has a CA and the addresses of
// 8080 and 443 only.
func (w *world) node(name string) *node {
	w.t.Helper()
	var got struct{ Token string }
	if err := w.observe.Post(context.Background(), "/tenants/contoso/registration-tokens", nil, &got); err != nil {
		w.t.Fatal(err)
	}
	dir := w.t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, w.directory.CAPEM, 0o600); err != nil {
		w.t.Fatal(err)
	}
	n := &node{w: w, cfg: connector.Config{
		Name: name, Tenant: "contoso", Version: "0.1.0", Cloud: filepath.Join(dir, "cloud.json"), State: filepath.Join(dir, "state"),
		Directory: []string{"ldaps://" + w.directory.Address}, DirectoryCA: ca,
		BindDN: bindtest.ServiceDN, BindPassword: bindtest.ServicePassword, BaseDN: bindtest.BaseDN,
		Concurrency: 50, BindTimeout: 10 * time.Second, ConnectTimeout: 2 * time.Second,
		Observe: "127.0.0.1:0", ObserveToken: observeSecret, RegistrationToken: got.Token,
	}}
	n.know("8080", "443")
	return n
}

// know writes a cloud file with some of the cloud's ports.
func (n *node) know(ports ...string) {
	n.w.t.Helper()
	r := observe.Ready{CAPEM: n.w.ready.CAPEM, Ports: make(map[string]string)}
	for _, p := range ports {
		r.Ports[p] = n.w.ready.Ports[p]
	}
	text, err := json.Marshal(r)
	if err == nil {
		err = os.WriteFile(n.cfg.Cloud, text, 0o600)
	}
	if err != nil {
		n.w.t.Fatal(err)
	}
}

// start runs it until end is called or the test ends.
func (n *node) start() *node {
	ctx, cancel := context.WithCancel(context.Background())
	n.ready = make(chan observe.Ready, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- connector.Run(ctx, slog.New(slog.NewTextHandler(n, nil)), n.cfg, func(r observe.Ready) { n.ready <- r })
	}()
	n.end = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			n.w.t.Errorf("%s ended with %v", n.cfg.Name, err)
		}
		if n.w.t.Failed() {
			n.w.t.Logf("log of %s:\n%s", n.cfg.Name, n.log())
		}
	})
	n.w.t.Cleanup(n.end)
	return n
}

func (n *node) serving() *node {
	n.w.t.Helper()
	select {
	case r := <-n.ready:
		n.at = r.Ports["observe"]
	case <-time.After(waits):
		n.w.t.Fatalf("%s is not ready; its log:\n%s", n.cfg.Name, n.log())
	}
	return n
}

func (n *node) says(text string) {
	n.w.t.Helper()
	n.w.eventually("the log of "+n.cfg.Name+" says "+text, func() bool { return strings.Contains(n.log(), text) })
}

// metrics is what the connector shows Prometheus, with a line break first.
func (n *node) metrics() string {
	n.w.t.Helper()
	r, err := http.Get("http://" + n.at + "/metrics")
	if err != nil {
		n.w.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		n.w.t.Fatal(err)
	}
	return "\n" + string(text)
}

// refuse refuses connections to ports until the returned function is called.
func (w *world) refuse(ports ...string) (unblock func()) {
	w.t.Helper()
	id := "block-" + strings.Join(ports, "-")
	if err := w.observe.Put(context.Background(), "/gates/"+id, observe.Gate{ID: id, Ports: ports, Mode: observe.GateRefuse}, nil); err != nil {
		w.t.Fatal(err)
	}
	return func() {
		if err := w.observe.Delete(context.Background(), "/gates/"+id, nil); err != nil {
			w.t.Error(err)
		}
	}
}

func (w *world) listed(name string) *observe.InventoryConnector {
	w.t.Helper()
	var list observe.Inventory
	if err := w.observe.Get(context.Background(), "/tenants/contoso/connectors", &list); err != nil {
		w.t.Fatal(err)
	}
	for i := range list.Connectors {
		if list.Connectors[i].Name == name {
			return &list.Connectors[i]
		}
	}
	return &observe.InventoryConnector{}
}

// From a CA and two addresses a connector finds everything, by 8080 or else by
// 443, and signs users in.
func TestBootstrapFindsTheRest(t *testing.T) {
	for _, tt := range []struct{ blocked, by string }{{"", "8080"}, {"8080", "443"}, {"443", "8080"}} {
		t.Run("without "+tt.blocked, func(t *testing.T) {
			w := newWorld(t)
			w.serve()
			unblock := func() {}
			if tt.blocked != "" {
				unblock = w.refuse(tt.blocked)
			}
			n := w.node("connector-1").start().serving()
			n.says(`msg=bootstrap connector=connector-1 tenant=contoso port=` + tt.by)
			unblock()
			if err := w.signIn(); err != nil {
				t.Error(err)
			}
			if !strings.Contains(n.metrics(), "\n"+`ptabench_connector_bootstraps_total{outcome="accepted"} 1`+"\n") {
				t.Error("the document is not counted")
			}
		})
	}
}

// With both ports blocked a new connector says so and waits.
func TestNewConnectorWithoutBootstrap(t *testing.T) {
	w := newWorld(t)
	w.serve()
	unblock := w.refuse("8080", "443")
	n := w.node("connector-1").start()
	n.says("no bootstrap on port 8080 nor 443: a new connector cannot start; trying again")
	n.says("port 8080 (" + w.ready.Ports["8080"])
	n.says("port 443 (" + w.ready.Ports["443"])
	if got := w.listed("connector-1"); got.Name != "" {
		t.Errorf("it registered: %+v", got)
	}
	unblock()
	n.serving()

	stopped := w.node("connector-2")
	w.refuse("8080", "443")
	stopped.start().says("trying again")
	stopped.end() // it ends when told to, without an error
}

// With both ports blocked a running connector goes on, and one that is started
// again goes on with what it kept.
func TestConnectorGoesOnWithoutBootstrap(t *testing.T) {
	w := newWorld(t)
	w.cfg.BootstrapInterval = 20 * time.Millisecond
	w.serve()
	n := w.node("connector-1").start().serving()
	unblock := w.refuse("8080", "443")
	n.says("no bootstrap: going on with the last")
	w.attached(1)
	n.end()
	n.start().serving().says("no bootstrap: going on with what is known from before")
	unblock()
	if err := w.signIn(); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(filepath.Join(n.cfg.State, "bootstrap.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("what is kept: %v, %v; want mode 600", info, err)
	}
}

// A cloud that is started again on other ports is found by what stayed where it
// was: 8080.
func TestCloudMovesButBootstrap(t *testing.T) {
	w := newWorld(t)
	end := w.serve()
	first := w.ready
	w.node("connector-1").start().serving()
	end()
	w.cfg.Ports = map[string]string{"8080": first.Ports["8080"]}
	w.serve()
	if w.ready.Ports["9350"] == first.Ports["9350"] {
		t.Fatalf("the cloud is still at %s", first.Ports["9350"])
	}
	w.attached(1)
	if err := w.signIn(); err != nil {
		t.Error(err)
	}
}

func TestMinimumVersion(t *testing.T) {
	w := newWorld(t)
	w.cfg.MinConnectorVersion = "0.2.0"
	end := w.serve()
	n := w.node("connector-1").start().serving()
	n.says("the cloud asks for a later version of this connector, which goes on until it is updated")
	n.end()
	end()
	w.cfg.RequireMinVersion = true
	w.serve()
	n.know("8080", "443")
	err := connector.Run(t.Context(), slog.New(slog.DiscardHandler), n.cfg, func(observe.Ready) { t.Error("ready") })
	if err == nil || !strings.Contains(err.Error(), "version 0.1.0: expected 0.2.0 or later: the cloud demands a later version") {
		t.Errorf("it ended with %v", err)
	}
}

// Reports come by 443, and by 8080 while that is down.
func TestStatusReports(t *testing.T) {
	w := newWorld(t)
	w.cfg.StatusInterval = 20 * time.Millisecond
	w.serve()
	n := w.node("connector-1").start().serving()
	w.attached(1)
	if err := w.signIn(); err != nil {
		t.Fatal(err)
	}
	w.eventually("the inventory has the sign-in", func() bool {
		r := w.listed("connector-1").LastReport
		return r != nil && r.Authentications == 1
	})
	got := w.listed("connector-1")
	if r := got.LastReport; got.State != observe.StateActive || !got.Serving || got.SignIns != 1 || got.ShareRatio != 1 ||
		got.Version != "0.1.0" || got.Host == "" || r.Successful != 1 || !r.DirectoryReachable || r.UptimeNS <= 0 || got.ExpiresNS == 0 {
		t.Errorf("got %+v, report %+v", got, r)
	}
	if strings.Contains(n.metrics(), `outcome="sent-8080"`) {
		t.Error("a report was sent by 8080 while 443 was up")
	}
	for _, line := range []string{"pta_authentications_total 1", "pta_successful_authentications_total 1", "pta_failed_authentications_total 0", "pta_authentication_errors_total 0",
		"# HELP pta_authentications_total # PTA authentications: sign-ins answered."} {
		if !strings.Contains(n.metrics(), "\n"+line+"\n") {
			t.Errorf("the metrics do not have %q", line)
		}
	}
	unblock := w.refuse("443")
	defer unblock()
	began := time.Now()
	w.eventually("a report comes by 8080", func() bool {
		r := w.listed("connector-1").LastReport
		return r.AtNS > began.UnixNano() && strings.Contains(n.metrics(), `outcome="sent-8080"`)
	})
}
