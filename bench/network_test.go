package bench

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"ptabench/observe"
	"ptabench/ports"
	"ptabench/scenarios"
)

// commandsFor are those of a run of four connectors, of which the second is
// slower and the third smaller.
func commandsFor(network scenarios.Network) *commands {
	s := &scenarios.Scenario{
		Network: network, Directory: scenarios.Directory{Kind: scenarios.Embedded, Servers: 1},
		Tenants: []scenarios.Tenant{{Name: "contoso", Domains: []string{"contoso.test"}, Fallback: scenarios.FallbackOff}},
		Connectors: scenarios.Connectors{Count: 4, Concurrency: 200, Overrides: []scenarios.Override{
			{Name: "connector-2", DirectoryDelay: scenarios.Duration(50 * time.Millisecond)},
			{Name: "connector-3", Concurrency: 20},
		}},
	}
	return &commands{program: []string{"ptabench"}, scenario: s, dir: "run", secrets: newSecrets(s), meeting: &meeting{kind: network}}
}

// flagsOf returns the values that a command line gives to a flag.
func flagsOf(command []string, flag string) (values []string) {
	for i, word := range command {
		if word == flag && i+1 < len(command) {
			values = append(values, command[i+1])
		}
	}
	return values
}

// TestRealPorts: in a network of the run's own every documented port is the
// real one, and nothing is on loopback but what is watched.
func TestRealPorts(t *testing.T) {
	c := commandsFor(scenarios.Namespaces)
	cloud := c.cloud(nil).Command
	want := []string{"observe=127.0.0.1:0"}
	for _, p := range ports.Cloud() {
		want = append(want, p+"=10.98.0.1:"+p)
	}
	if got := flagsOf(cloud, "--port"); !slices.Equal(got, want) {
		t.Errorf("the cloud's ports are %q; want %q", got, want)
	}
	if got := flagsOf(cloud, "--listen"); !slices.Equal(got, []string{"10.98.0.1"}) {
		t.Errorf("the cloud listens at %q", got)
	}
	directory := c.directory(0, roleDirectory, observe.Ready{}).Command
	connector := c.connector(4, whereabouts{urls: []string{"ldaps://10.98.0.1:636"}}, "").Command
	for _, f := range []struct {
		command    []string
		flag, want string
	}{
		{directory, "--ldap", "10.98.0.1:389"},
		{directory, "--ldaps", "10.98.0.1:636"},
		{connector, "--directory", "ldaps://10.98.0.1:636"},
		{connector, "--source", "10.98.0.14"},
		{connector, "--observe", "10.98.0.14:0"},
	} {
		if got := flagsOf(f.command, f.flag); !slices.Equal(got, []string{f.want}) {
			t.Errorf("%s is %q; want %q", f.flag, got, f.want)
		}
	}
}

// TestLoopback leaves the ports to the system.
func TestLoopback(t *testing.T) {
	c := commandsFor(scenarios.Loopback)
	if got := flagsOf(c.cloud(nil).Command, "--port"); got != nil {
		t.Errorf("the cloud is told the ports %q", got)
	}
	if got := flagsOf(c.directory(0, roleDirectory, observe.Ready{}).Command, "--ldaps"); got != nil {
		t.Errorf("the directory is told the port %q", got)
	}
	spec := c.connector(2, whereabouts{}, "")
	if got := flagsOf(spec.Command, "--source"); perConnectorSources && !slices.Equal(got, []string{"127.0.0.13"}) {
		t.Errorf("a connector dials from %q", got)
	}
	if spec.Within != nil {
		t.Error("a connector starts somewhere else than on loopback")
	}
}

// TestTheSameAgain: who is started again listens where it did.
func TestTheSameAgain(t *testing.T) {
	for _, network := range []scenarios.Network{scenarios.Loopback, scenarios.Namespaces} {
		c := commandsFor(network)
		last := observe.Ready{Ports: map[string]string{"443": "127.0.0.1:40001", "hashsync": "127.0.0.1:40002", "observe": "127.0.0.1:40003"}}
		cloud := c.cloud(nil)
		for range 2 { // asking changes nothing
			got := flagsOf(cloud.Again(last), "--port")
			if want := []string{"443=127.0.0.1:40001", "hashsync=127.0.0.1:40002", "observe=127.0.0.1:40003"}; !slices.Equal(got, want) {
				t.Errorf("%s: the cloud's ports are %q; want %q", network, got, want)
			}
		}
		if first, again := cloud.Command, cloud.Again(last); flagsOf(first, "--state")[0] != flagsOf(again, "--state")[0] {
			t.Errorf("%s: the cloud gets another state directory", network)
		}
		last = observe.Ready{Ports: map[string]string{"ldap": "127.0.0.1:1389", "ldaps": "127.0.0.1:1636", "observe": "127.0.0.1:40004"}}
		directory := c.directory(0, roleDirectory, observe.Ready{})
		for _, flag := range []string{"ldap", "ldaps", "observe"} {
			if got := flagsOf(directory.Again(last), "--"+flag); !slices.Equal(got, []string{last.Ports[flag]}) {
				t.Errorf("%s: the directory's --%s is %q; want %q", network, flag, got, last.Ports[flag])
			}
		}
		if again := directory.Again(last); !slices.Contains(again, "--hash-sync-at-start=false") || slices.Contains(directory.Command, "--hash-sync-at-start=false") ||
			!slices.Equal(flagsOf(again, "--hash-sync-url"), flagsOf(directory.Command, "--hash-sync-url")) {
			t.Errorf("%s: a directory that is started again is to know the hash store and to leave it as it is: %q", network, again)
		}
		if first, again := flagsOf(directory.Command, "--bind-log"), flagsOf(directory.Again(last), "--bind-log"); len(first) != 1 || !slices.Equal(first, again) {
			t.Errorf("%s: the bind log is %q, and then %q", network, first, again)
		}
	}
}

// TestOverrides: what is different for one connector is so for that one only.
func TestOverrides(t *testing.T) {
	c := commandsFor(scenarios.Namespaces)
	var concurrency []string
	for n := 1; n <= 4; n++ {
		concurrency = append(concurrency, flagsOf(c.connector(n, whereabouts{}, "").Command, "--concurrency")...)
	}
	if want := []string{"200", "200", "20", "200"}; !slices.Equal(concurrency, want) {
		t.Errorf("concurrency %q; want %q", concurrency, want)
	}
	var got []string
	answer := http.StatusOK
	directory := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var f observe.BindFault
		if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
			t.Error(err)
		}
		text, _ := json.Marshal(f)
		got = append(got, r.Method+" "+r.URL.Path+" "+string(text))
		w.WriteHeader(answer)
	}))
	defer directory.Close()
	ready := observe.Ready{Ports: map[string]string{"observe": strings.TrimPrefix(directory.URL, "http://")}}
	c.watch = func(r observe.Ready) *observe.Client { return &observe.Client{Address: r.Ports["observe"]} }
	started := c.directory(0, roleDirectory, observe.Ready{}).Started
	if err := started(t.Context(), ready); err != nil {
		t.Fatal(err)
	}
	want := `PUT /faults/delay-connector-2 {"id":"delay-connector-2","mode":"slow","sources":["10.98.0.12"],"delay_ns":50000000}`
	if !slices.Equal(got, []string{want}) {
		t.Errorf("the directory was told %q; want %q", got, want)
	}
	answer = http.StatusBadRequest
	if err := started(t.Context(), ready); err == nil || !strings.Contains(err.Error(), "the directory's delay for connector-2") {
		t.Errorf("a directory that refuses: %v", err)
	}
}
