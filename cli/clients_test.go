package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseClients(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("good", strings.Repeat("s", 16)+"\n")
	clients, err := parseClients([]string{"web=https://app.example/a?x=1", "mine=http://localhost", "web=https://app.example/b"}, []string{"web=" + good})
	if err != nil || len(clients) != 2 || len(clients[0].Redirects) != 2 || clients[0].Redirects[0] != "https://app.example/a?x=1" ||
		clients[0].Devices || !clients[1].Devices {
		t.Errorf("%+v, %v", clients, err)
	}
	for _, tc := range []struct{ client, secret, want string }{
		{"web", "", "--client"}, {"=https://app.example", "", "--client"}, {"web=", "", "--client"},
		{"web=https://app.example", "other=" + good, "--client-secret-file"},
		{"web=https://app.example", "web", "--client-secret-file"},
		{"web=https://app.example", "web=" + filepath.Join(dir, "none"), "no such file"},
		{"web=https://app.example", "web=" + file("short", "short"), "16 bytes or more"},
		{"web=https://app.example", "web=" + file("lines", strings.Repeat("s", 16)+"\nx"), "one line"},
	} {
		var secrets []string
		if tc.secret != "" {
			secrets = []string{tc.secret}
		}
		if _, err := parseClients([]string{tc.client}, secrets); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s %s: %v; expected %s", tc.client, tc.secret, err, tc.want)
		}
	}
}
