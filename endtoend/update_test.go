package endtoend

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ptabench/observe"
)

// A started role of a test, with the ready line it gave.
type started struct {
	t     *testing.T
	cmd   *exec.Cmd
	ready observe.Ready
	log   string // file
	stdin *os.File
}

// startRole starts a role as the harness does: its ready line comes by fd 3,
// and it ends with the test.
func startRole(t *testing.T, dir, name string, args ...string) *started {
	t.Helper()
	r := &started{t: t, log: filepath.Join(dir, name+".log")}
	log, err := os.OpenFile(r.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	readyRead, readyWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer readyRead.Close()
	stdinRead, stdinWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.stdin = stdinWrite
	r.cmd = exec.Command(program, args...)
	r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr, r.cmd.ExtraFiles = stdinRead, log, log, []*os.File{readyWrite}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = stdinRead.Close()
	_ = readyWrite.Close()
	t.Cleanup(func() {
		r.end()
		if t.Failed() {
			text, _ := os.ReadFile(r.log)
			t.Logf("%s:\n%s", name, text)
		}
	})
	_ = readyRead.SetReadDeadline(time.Now().Add(30 * time.Second))
	if err := json.NewDecoder(readyRead).Decode(&r.ready); err != nil {
		t.Fatalf("%s: no ready line: %v", name, err)
	}
	return r
}

// end asks the role to end as its parent's end does, and waits.
func (r *started) end() {
	_ = r.stdin.Close()
	timer := time.AfterFunc(20*time.Second, func() { _ = r.cmd.Process.Kill() })
	defer timer.Stop()
	_ = r.cmd.Wait() // it may have been killed on purpose
}

// kill ends it without a chance to do anything.
func (r *started) kill() {
	_ = r.cmd.Process.Signal(syscall.SIGKILL)
	_ = r.cmd.Wait()
}

// TestUpdate takes one real connector, the only one of its tenant, through an
// update that does not come up and one that does, while somebody signs in all
// the time.
func TestUpdate(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	for name, value := range map[string]string{"OBSERVE_TOKEN": "observer", "HASHSYNC_TOKEN": "syncer", "DIRECTORY_PASSWORD": "service"} {
		t.Setenv("PTABENCH_"+name, value)
	}
	if e := ptabench(t, "update", "key", file("key")); e.code != 0 {
		t.Fatal("no key")
	}
	cloud := startRole(t, dir, "cloudsim", "cloudsim", "--state", file("cloud"), "--tenant", "name=contoso,domain=contoso.test,fallback=off",
		"--update-dir", file("updates"), "--update-key", file("key.pub"), "--update-every", "200ms", "--lockout", "off")
	directory := startRole(t, dir, "directory", "directory", "--state", file("directory"), "--users", "10", "--seed", "1", "--domain", "contoso.test")
	client := &observe.Client{Address: cloud.ready.Ports["observe"], Token: "observer"}
	var token struct{ Token string }
	if err := client.Post(t.Context(), "/tenants/contoso/registration-tokens", nil, &token); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PTABENCH_REGISTRATION_TOKEN", token.Token)
	connector := func() *started {
		return startRole(t, dir, "connector-1", "connector", "--cloud", filepath.Join(file("cloud"), "cloud.json"), "--state", file("connector"),
			"--directory", "ldaps://"+directory.ready.Ports["ldaps"], "--directory-ca", filepath.Join(file("directory"), "ca.pem"),
			"--bind-dn", directory.ready.Info["service_dn"], "--base-dn", directory.ready.Info["base_dn"],
			"--update-deadline", "20s")
	}
	c := connector()
	publish := func(version string, more ...string) {
		t.Helper()
		if e := ptabench(t, append([]string{"update", "publish", "--version", version, "--to", file("updates"), "--key", file("key")}, more...)...); e.code != 0 {
			t.Fatalf("%s is not published", version)
		}
	}
	// update is the last that became of a version.
	update := func(version string, state observe.UpdateState) (found observe.Update) {
		t.Helper()
		eventually(t, version+" "+string(state), func() bool {
			var all observe.Updates
			if err := client.Get(t.Context(), "/updates", &all); err != nil {
				t.Fatal(err)
			}
			for _, u := range all.Updates {
				if u.To == version && u.State == state {
					found = u
					return true
				}
			}
			return false
		})
		return found
	}
	users := signInAllTheTime(t, cloud.ready)

	broken := file("broken")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\nexit 1\n# "+strings.Repeat("x", 100)), 0o755); err != nil {
		t.Fatal(err)
	}
	publish("0.8.0", "--binary", broken)
	failed := update("0.8.0", observe.FailedUpdate)
	if !strings.Contains(failed.Reason, "ended by itself") || failed.NotServingNS != 0 {
		t.Errorf("an update that does not come up: %+v", failed)
	}
	publish("0.9.0")
	if u := update("0.9.0", observe.Updated); u.From != c.ready.Version {
		t.Errorf("the update: %+v", u)
	} else {
		t.Logf("not serving for %v", time.Duration(u.NotServingNS))
	}
	runs, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", c.cmd.Process.Pid))
	if err == nil && filepath.Base(runs) != "ptabench-0.9.0" { // elsewhere there is no /proc
		t.Errorf("the process runs %s", runs)
	}
	eventually(t, "version 0.9.0 in the list of connectors", func() bool {
		e := ptabench(t, "connectors", "--cloud", filepath.Join(file("cloud"), "cloud.json"))
		return strings.Contains(e.stdout, "0.9.0") && strings.Contains(e.stdout, "0.8.0 failed")
	})
	// Counters go on over the update, at the address that was said once.
	own := &observe.Client{Address: c.ready.Ports["observe"], Token: "observer"}
	signedIn := users.stop()
	var counters observe.AgentCounters
	eventually(t, "every answer in the connector's counters", func() bool {
		// More than that where a busy machine had one asked for again.
		return own.Get(t.Context(), "/counters", &counters) == nil && counters.Answers >= uint64(signedIn)
	})
	if counters.Answers > uint64(signedIn)+3 {
		t.Errorf("%d answers to %d sign-ins", counters.Answers, signedIn)
	}

	// The program that was installed becomes the version that was kept.
	c.kill()
	again := connector()
	if again.ready.Version != "0.9.0" {
		t.Errorf("started again it is version %s", again.ready.Version)
	}
}

// users sign in one after the other until they are stopped.
type users struct {
	cancel context.CancelFunc
	done   chan int
}

// signInAllTheTime has sign-ins answered, each of them by the connector: a wrong
// password is a definite answer.
func signInAllTheTime(t *testing.T, cloud observe.Ready) *users {
	ctx, cancel := context.WithCancel(t.Context())
	u := &users{cancel, make(chan int, 1)}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(cloud.CAPEM)) {
		t.Fatal("the cloud's ready line has no certificate")
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	go func() {
		n := 0
		for ctx.Err() == nil {
			form := "grant_type=password&client_id=x&scope=openid&username=user000001%40contoso.test&password=wrong"
			answer, err := client.Post("https://"+cloud.Ports["443"]+"/contoso/oauth2/v2.0/token", "application/x-www-form-urlencoded", bytes.NewBufferString(form))
			if err != nil {
				t.Errorf("sign-in %d: %v", n+1, err)
				break
			}
			text, _ := io.ReadAll(answer.Body)
			_ = answer.Body.Close()
			if answer.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "AADSTS50126") {
				t.Errorf("sign-in %d: %s: %s", n+1, answer.Status, text)
				break
			}
			n++
		}
		u.done <- n
	}()
	return u
}

func (u *users) stop() int {
	u.cancel()
	return <-u.done
}
