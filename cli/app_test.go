package cli

import (
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ptabench/observe"
	"ptabench/sampleapp"
)

func TestFindIssuer(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	server := httptest.NewTLSServer(nil) // any certificate will do
	server.Close()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	ready := func(r observe.Ready) []byte {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	cloud := file("cloud.json", ready(observe.Ready{Ports: map[string]string{"443": "127.0.0.1:4443"}, CAPEM: string(authority)}))
	ca := file("ca.pem", authority)
	for _, tc := range []struct {
		name                      string
		issuer, cloud, tenant, ca string
		want, wrong               string
	}{
		{name: "a cloud", cloud: cloud, tenant: "contoso", want: "https://127.0.0.1:4443/contoso/v2.0"},
		{name: "an issuer", issuer: "https://id.example", want: "https://id.example"},
		{name: "an issuer with its authority", issuer: "https://id.example", ca: ca, want: "https://id.example"},
		{name: "nothing", wrong: "--cloud with --tenant, or --issuer"},
		{name: "no tenant", cloud: cloud, wrong: "expected --tenant"},
		{name: "both", cloud: cloud, tenant: "contoso", issuer: "https://id.example", wrong: "no --issuer"},
		{name: "no such file", cloud: filepath.Join(dir, "none"), tenant: "contoso", wrong: "no such file"},
		{name: "no ready line", cloud: ca, tenant: "contoso", wrong: "ready line"},
		{name: "a directory's ready line", cloud: file("d.json", ready(observe.Ready{Ports: map[string]string{"ldaps": "x"}})), tenant: "contoso", wrong: "ready line"},
		{name: "no certificates", issuer: "https://id.example", ca: file("empty.pem", []byte("x")), wrong: "certificates in PEM"},
	} {
		cfg := sampleapp.Config{Issuer: tc.issuer}
		err := findIssuer(&cfg, tc.cloud, tc.tenant, tc.ca)
		if tc.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), tc.wrong) {
				t.Errorf("%s: %v; expected %s", tc.name, err, tc.wrong)
			}
			continue
		}
		if err != nil || cfg.Issuer != tc.want || (cfg.Roots != nil) != (tc.cloud != "" || tc.ca != "") {
			t.Errorf("%s: %+v, %v", tc.name, cfg, err)
		}
	}
}
