package endtoend

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestUp starts a system for people, finds the sample app where it is said to
// be, and ends it as they do: then no process is left.
func TestUp(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "up", "--method", "federation", "--set", "population.users=20",
		"--set", "connectors.count=0", "--out", filepath.Join(t.TempDir(), "run"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said, lines := "", bufio.NewReader(out)
	for !strings.Contains(said, "Ctrl-C ends it.") {
		line, err := lines.ReadString('\n')
		if said += line; err != nil {
			t.Fatalf("it ended after saying\n%s", said)
		}
	}
	app := regexp.MustCompile(`(?m)^sample app +(http://\S+)$`).FindStringSubmatch(said)
	processes := regexp.MustCompile(`process (\d+)`).FindAllStringSubmatch(said, -1)
	if app == nil || len(processes) != 5 { // balancer, cloud, directory, two federation servers
		t.Fatalf("it said\n%s", said)
	}
	if !regexp.MustCompile(`(?m)^  user\d+@contoso\.test +\S+ +active$`).MatchString(said) {
		t.Errorf("no user to sign in as in\n%s", said)
	}
	at := regexp.MustCompile(`(?m)^federation +(https://\S+)$`).FindStringSubmatch(said)
	cloud := regexp.MustCompile(`(?m)^cloud +(https://\S+)$`).FindStringSubmatch(said)
	authority := regexp.MustCompile(`(?m)^authority +(\S+) `).FindStringSubmatch(said)
	if at == nil || cloud == nil || authority == nil {
		t.Fatalf("it said\n%s", said)
	}
	roots, err := os.ReadFile(authority[1])
	if err != nil {
		t.Fatal(err)
	}
	trust := &tls.Config{RootCAs: x509.NewCertPool()}
	trust.RootCAs.AppendCertsFromPEM(roots)
	browser := &http.Client{Transport: &http.Transport{TLSClientConfig: trust, DisableKeepAlives: true}}
	for _, page := range []string{cloud[1] + "common/v2.0/.well-known/openid-configuration", at[1] + "FederationMetadata/2007-06/FederationMetadata.xml"} {
		answer, err := browser.Get(page)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", page, answer.Status)
		}
	}
	answer, err := http.Get(app[1])
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || !strings.Contains(string(page), "/sign-in") {
		t.Errorf("the sample app: %v, %s", err, page)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("ended by Ctrl-C: %v, expected exit 0", err)
	}
	for _, p := range processes {
		pid, err := strconv.Atoi(p[1])
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d is still there: %v", pid, err)
		}
	}
}
