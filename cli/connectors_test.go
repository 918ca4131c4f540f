package cli

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ptabench/observe"
)

func TestConnectors(t *testing.T) {
	now := time.Now()
	list := observe.Inventory{Tenant: "contoso", AtNS: now.UnixNano(), Connectors: []observe.InventoryConnector{
		{Name: "connector-1", Version: "0.1.0", State: observe.StateActive, ExpiresNS: now.Add(100 * time.Hour).UnixNano(), SignIns: 12, ShareRatio: 1,
			LastReport: &observe.InventoryReport{AtNS: now.UnixNano(), DirectoryReachable: true}},
	}}
	cloud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer the token":
			http.Error(w, "the observe token is missing or wrong", http.StatusUnauthorized)
		case r.URL.Path != "/tenants/contoso/connectors":
			http.Error(w, "not known", http.StatusNotFound)
		default:
			observe.WriteJSON(w, http.StatusOK, list)
		}
	}))
	defer cloud.Close()
	address := strings.TrimPrefix(cloud.URL, "http://")
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	ready := `{"ports":{"observe":"` + address + `"}}`
	alone, with := write("cloud.json", ready), write("cloud.json", ready)
	if err := os.WriteFile(filepath.Join(filepath.Dir(with), "observe.token"), []byte("the token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const table = "NAME         VERSION  STATE                CERTIFICATE      LAST REPORT  SIGN-INS  FAILURES  SHARE\n" +
		"connector-1  0.1.0    active, not serving  expires in 4 d   0 s ago      12        0         100.0%\n"
	for _, tt := range []struct {
		name, token string
		args        []string
		code        int
		out, err    string
	}{
		{"by file, token beside it", "", []string{"--cloud", with}, exitPass, table, ""},
		{"by address, token from the environment", "the token", []string{"--observe", address, "--tenant", "contoso"}, exitPass, table, ""},
		{"wrong token", "another", []string{"--cloud", alone}, exitUsage, "", "401 Unauthorized: the observe token is missing or wrong"},
		{"no token", "", []string{"--cloud", alone}, exitUsage, "", "PTABENCH_OBSERVE_TOKEN: expected the observe token there or in a file beside the cloud's"},
		{"no token for an address", "", []string{"--observe", address}, exitUsage, "", "PTABENCH_OBSERVE_TOKEN: expected"},
		{"another tenant", "", []string{"--cloud", with, "--tenant", "a/b"}, exitUsage, "", "404 Not Found"},
		{"neither", "", nil, exitUsage, "", "--cloud, --observe: expected one of the two"},
		{"both", "", []string{"--cloud", with, "--observe", address}, exitUsage, "", "--cloud, --observe: expected one of the two"},
		{"a format nobody knows", "", []string{"--cloud", with, "--format", "xml"}, exitUsage, "", "--format xml: expected text or json"},
		{"no such file", "", []string{"--cloud", with + "-not"}, exitUsage, "", "--cloud: "},
		{"no address", "x", []string{"--observe", "here"}, exitUsage, "", `--observe "here": expected host:port`},
		{"not a ready line", "x", []string{"--cloud", write("cloud.json", "{}")}, exitUsage, "", "ports: expected observe"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("PTABENCH_OBSERVE_TOKEN", tt.token)
			var out, errs bytes.Buffer
			code := Main(t.Context(), append([]string{"connectors"}, tt.args...), strings.NewReader(""), &out, &errs)
			if code != tt.code || squeeze(out.String()) != squeeze(tt.out) || !strings.Contains(errs.String(), tt.err) {
				t.Errorf("exit %d, want %d\n%s\nwant\n%s\n%s\nwant %s", code, tt.code, out.String(), tt.out, errs.String(), tt.err)
			}
			if strings.Contains(out.String()+errs.String(), "the token\n") {
				t.Error("the token is in what it says")
			}
		})
	}
	t.Setenv("PTABENCH_OBSERVE_TOKEN", "the token")
	var out, errs bytes.Buffer
	if code := Main(t.Context(), []string{"connectors", "--observe", address, "--format", "json"}, strings.NewReader(""), &out, &errs); code != exitPass {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	var short bytes.Buffer
	if code := Main(t.Context(), []string{"connectors", "--observe", address, "--json"}, strings.NewReader(""), &short, &errs); code != exitPass || short.String() != out.String() {
		t.Errorf("--json: exit %d, %s; expected what --format json says", code, short.String())
	}
	var got observe.Inventory
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || len(got.Connectors) != 1 || got.Connectors[0].Name != "connector-1" || got.AtNS != list.AtNS {
		t.Errorf("got %+v, %v", got, err)
	}
}

// squeeze leaves one space between words: how wide columns are is tested where
// they are made.
func squeeze(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = strings.Join(strings.Fields(l), " ")
	}
	return strings.Join(lines, "\n")
}
