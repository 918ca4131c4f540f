package cli

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

func TestUI(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	stdout, says := io.Pipe()
	ended := make(chan int, 1)
	var stderr strings.Builder
	go func() {
		ended <- Main(ctx, []string{"ui", dir, "--listen", ":0"}, strings.NewReader(""), says, &stderr)
		says.Close()
	}()
	lines := bufio.NewReader(stdout)
	address, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	base, token, ok := strings.Cut(strings.TrimSpace(address), "/?token=")
	if !ok || !strings.HasPrefix(base, "http://127.0.0.1:") {
		t.Fatalf("address %q", address)
	}
	for bearer, want := range map[string]int{token: http.StatusOK, "": http.StatusUnauthorized} {
		req, err := http.NewRequest(http.MethodGet, base+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+bearer)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != want || want == http.StatusOK && !strings.Contains(string(text), "There is no run") {
			t.Errorf("status %d, want %d, %v: %s", resp.StatusCode, want, err, text)
		}
	}
	cancel() // as by Ctrl-C
	if code := <-ended; code != exitPass {
		t.Errorf("exit %d: %s", code, stderr.String())
	}
}

func TestBadAddresses(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args []string
		said string
	}{
		{[]string{"ui", dir, "--listen", "nonsense"}, `--listen "nonsense": expected :PORT`},
		{[]string{"ui", filepath.Join(dir, "none")}, "none"},
		{[]string{"run", "crash-one", "--ui", ":99999", "--out", filepath.Join(dir, "r")}, `--ui ":99999": expected :PORT`},
	} {
		f := &fakeRunner{}
		_, stderr, code := ptabench(t, f, c.args...)
		if code != exitUsage || !strings.Contains(stderr, c.said) || len(f.made) > 0 {
			t.Errorf("%q: exit %d after %d runs: %s", c.args, code, len(f.made), stderr)
		}
	}
}
