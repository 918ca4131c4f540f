package cli

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ptabench/observe"
	"ptabench/update"
)

func TestRevoke(t *testing.T) {
	cloud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer the token" || r.Method != http.MethodPost || r.URL.EscapedPath() != "/tenants/contoso/connectors/a%2Fb/revoke" {
			http.Error(w, "not known", http.StatusNotFound)
			return
		}
		observe.WriteJSON(w, http.StatusOK, map[string]any{"serial": "ab12", "list": 7})
	}))
	defer cloud.Close()
	t.Setenv("PTABENCH_OBSERVE_TOKEN", "the token")
	at := strings.TrimPrefix(cloud.URL, "http://")
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"a/b", "--observe", at}, exitPass, "connector a/b of tenant contoso is revoked: certificate ab12, revocation list 7"},
		{[]string{"other", "--observe", at}, exitUsage, "404 Not Found"},
		{[]string{"a/b"}, exitUsage, "--cloud, --observe: expected one of the two"},
		{[]string{"--observe", at}, exitUsage, "accepts 1 arg"},
	} {
		var out, errs bytes.Buffer
		code := Main(t.Context(), append([]string{"connectors", "revoke"}, tt.args...), strings.NewReader(""), &out, &errs)
		if code != tt.code || !strings.Contains(out.String()+errs.String(), tt.want) {
			t.Errorf("%q: exit %d, want %d\n%s%s", tt.args, code, tt.code, out.String(), errs.String())
		}
	}
}

// Taking back says what it did, also when that is nothing.
func TestWithdrawSays(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "linux-amd64"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(update.ManifestFile(dir, "linux-amd64"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"withdrawn: what was published for linux-amd64", "nothing was published for linux-amd64"} {
		var out, errs bytes.Buffer
		code := Main(t.Context(), []string{"update", "withdraw", "--to", dir, "--platform", "linux-amd64"}, strings.NewReader(""), &out, &errs)
		if code != exitPass || !strings.HasPrefix(out.String(), want) {
			t.Errorf("exit %d, %s%s; expected %q", code, out.String(), errs.String(), want)
		}
	}
}
