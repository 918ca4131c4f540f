package setup_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ptabench/observe"
	"ptabench/onprem/directory"
	"ptabench/population"
	"ptabench/setup"
	"ptabench/setup/ask"
	"ptabench/setup/cloud"
	"ptabench/setup/cloud/cloudtest"
	"ptabench/setup/install"
)

// program stands for ptabench: it registers, deregisters and runs as a
// connector does, as far as whoever installs one can see. It writes down what
// it did, and the token that it got.
const program = `#!/bin/sh
dir=$(dirname "$(dirname "$0")")
echo "$2 $PTABENCH_REGISTRATION_TOKEN" >>"$dir/../did"
case "$2" in
register) test -e "$dir/../refuse" && { echo "ptabench: connector register: the token is used" >&2; exit 3; }; touch "$dir/state/identity.pem" ;;
deregister) rm "$dir/state/identity.pem" ;;
--config) test -e "$dir/../crash" && { echo '{"level":"ERROR","msg":"ended","error":"the directory refuses"}' >&2; exit 3; }
  echo '{"role":"connector"}'
  test -e "$dir/../brief" && { until test -e "$dir/../end"; do sleep 0.02; done; exit 3; }
  exec sleep 300 ;;
esac
`

// world is a cloud, a directory and a host.
type world struct {
	t     *testing.T
	cloud *cloudtest.Cloud
	home  string // of the connector's directory
	host  install.Host
	base  setup.Answers // complete, for pass-through
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, cloud: cloudtest.New(t), home: t.TempDir()}
	w.host.Program = filepath.Join(t.TempDir(), "ptabench")
	w.write(w.host.Program, program, 0o755)
	url, caPEM := serveDirectory(t)
	w.base = setup.Answers{
		Cloud: w.cloud.File, Administrator: cloudtest.Administrator, Tenant: cloudtest.Tenant,
		SignIn: setup.Password, AdministratorPassword: cloudtest.Password,
		Directory: url, DirectoryCA: filepath.Join(t.TempDir(), "ca.pem"),
		DirectoryPassword: servicePassword,
		Method:            "pass-through", Name: "dc1", Dir: filepath.Join(w.home, "connector"),
	}
	w.write(w.base.DirectoryCA, caPEM, 0o600)
	return w
}

func (w *world) write(file, text string, mode os.FileMode) {
	w.t.Helper()
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		w.t.Fatal(err)
	}
}

// attach lets the cloud list the connector once it has registered.
func (w *world) attach() {
	w.cloud.AttachOnce("dc1", func() bool { return strings.Contains(w.did(), "register") })
}

func (w *world) did() string {
	text, _ := os.ReadFile(filepath.Join(w.home, "did"))
	return string(text)
}

const servicePassword = "the service account's"

// serveDirectory serves the test directory until the test ends.
func serveDirectory(t *testing.T) (url, caPEM string) {
	ctx, cancel := context.WithCancel(context.Background())
	ended, ready := make(chan error, 1), make(chan observe.Ready, 1)
	go func() {
		ended <- directory.Run(ctx, slog.New(slog.DiscardHandler), directory.Config{Name: "directory", State: t.TempDir(),
			LDAP: "127.0.0.1:0", LDAPS: "127.0.0.1:0", Observe: "127.0.0.1:0", ServicePassword: servicePassword,
			HashSync:   directory.HashSync{Keep: true},
			Population: population.Spec{Users: 10, Seed: 1, Domain: "contoso.test"},
		}, func(r observe.Ready) { ready <- r })
	}()
	t.Cleanup(func() { cancel(); <-ended })
	select {
	case r := <-ready:
		return "ldaps://" + r.Ports["ldaps"], r.CAPEM
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
		return "", ""
	}
}

// run is the wizard with an asker, or nil for none.
func (w *world) run(ctx context.Context, a setup.Answers, asker ask.Asker, open func(context.Context, string)) (string, error) {
	var out bytes.Buffer
	err := setup.Run(ctx, setup.Config{Answers: a, Asker: asker, Out: &out, Host: w.host, Call: "ptabench", Open: open, Timeout: 30 * time.Second})
	w.t.Cleanup(func() { w.stop(a.Dir) })
	return out.String(), err
}

// stop ends the connector that a wizard left in the background.
func (w *world) stop(dir string) {
	if c, err := install.At(dir, w.host); err == nil {
		_ = c.StopBackground(context.Background())
	}
}

// unchanged fails the test when anything was changed or left behind.
func (w *world) unchanged() {
	w.t.Helper()
	if text, _ := w.cloud.Method(); !strings.Contains(text, `"none"`) {
		w.t.Errorf("sign-in method %s: expected what it was", text)
	}
	if _, err := os.Stat(w.base.Dir); !errors.Is(err, os.ErrNotExist) {
		w.t.Errorf("%s is still there", w.base.Dir)
	}
}

func TestEveryAnswerByFlag(t *testing.T) {
	browser := func(_ context.Context, address string) {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		go func() { // as a browser would, apart from the wizard
			if answer, err := client.Get(address); err == nil {
				answer.Body.Close()
			}
			client.CloseIdleConnections()
		}()
	}
	for _, test := range []struct {
		name   string
		change func(*setup.Answers)
		open   func(context.Context, string)
		method string
		did    string
		says   []string
	}{
		{"password", func(*setup.Answers) {}, nil, `{"method":"pass-through","hash_sync_backup":true}`, "register the-access-token",
			[]string{"ptabench test directory, domain contoso.test", "name@contoso.test", "attached to the cloud", "connector install --from", "--host-name dc1-2"}},
		{"device code", func(a *setup.Answers) { a.SignIn = setup.DeviceCode }, nil, `"pass-through"`, "register the-access-token", []string{"BCDF-GHJK", "/device"}},
		{"browser", func(a *setup.Answers) { a.SignIn = setup.Browser }, browser, `"pass-through"`, "register the-access-token", []string{"/authorize?"}},
		{"without backup", func(a *setup.Answers) { a.HashSyncBackup = ask.No }, nil, `"hash_sync_backup":false`, "register", nil},
		{"test user", func(a *setup.Answers) {
			a.TestUser, a.TestPassword = "user000001@contoso.test", passwordOf(t)
		}, nil, `"pass-through"`, "register", []string{"bound as the test user user000001@contoso.test"}},
		{"hash sync", func(a *setup.Answers) { a.Method, a.Directory = "hash-sync", "" }, nil, `{"method":"hash-sync","hash_sync_backup":false}`, "", []string{"hash-sync"}},
		{"federation", func(a *setup.Answers) {
			a.Method, a.FederationMetadata = "federation", "https://adfs.contoso.test/metadata"
		}, nil, `{"method":"federation","hash_sync_backup":true,"federation_metadata":"https://adfs.contoso.test/metadata"}`, "", nil},
		{"not configured", func(a *setup.Answers) { a.Method = "none" }, nil, `"none"`, "", []string{"Leave sign-in"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a := w.base
			test.change(&a)
			w.attach()
			out, err := w.run(t.Context(), a, nil, test.open)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if method, _ := w.cloud.Method(); !strings.Contains(method, test.method) {
				t.Errorf("method %s: expected %s", method, test.method)
			}
			if did := w.did(); !strings.HasPrefix(did, test.did) || test.did == "" && did != "" {
				t.Errorf("the connector did %q, expected %q", did, test.did)
			}
			for _, want := range test.says {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
			for _, secret := range []string{cloudtest.Password, cloudtest.AccessToken, servicePassword} {
				if strings.Contains(out, secret) {
					t.Errorf("the secret %q is in\n%s", secret, out)
				}
			}
		})
	}
}

func passwordOf(t *testing.T) string {
	users, err := population.New(population.Spec{Users: 10, Seed: 1, Domain: "contoso.test"})
	if err != nil {
		t.Fatal(err)
	}
	return users.Password(0)
}

func TestWhatIsMissingIsSaidAtOnce(t *testing.T) {
	w := newWorld(t)
	_, err := w.run(t.Context(), setup.Answers{Method: "pass-through", Name: "dc1", SignIn: setup.Password, TestUser: "u@contoso.test"}, nil, nil)
	if err == nil {
		t.Fatal("no error")
	}
	for _, flag := range []string{"--cloud", "--administrator", "--administrator-password-file", "--directory", "--directory-ca", "--directory-password-file", "--test-password-file"} {
		if !strings.Contains(err.Error(), flag+":") {
			t.Errorf("no %s in: %v", flag, err)
		}
	}
}

// TestMissingWithoutMethod: who has not said the method learns what the usual one
// needs, and not one round later.
func TestMissingWithoutMethod(t *testing.T) {
	w := newWorld(t)
	_, err := w.run(t.Context(), setup.Answers{Name: "dc1"}, nil, nil)
	for _, flag := range []string{"--cloud", "--administrator", "--method", "--directory", "--directory-ca", "--directory-password-file"} {
		if err == nil || !strings.Contains(err.Error(), flag+":") {
			t.Errorf("no %s in: %v", flag, err)
		}
	}
}

func TestNothingHalfDone(t *testing.T) {
	for _, test := range []struct {
		name  string
		world func(w *world, a *setup.Answers)
		want  string // in the error
		did   string // last
	}{
		{"wrong administrator's password", func(_ *world, a *setup.Answers) { a.AdministratorPassword = "wrong" }, "AADSTS50126: Your name or password isn't right.", ""},
		{"refused device code", func(w *world, a *setup.Answers) { a.SignIn = setup.DeviceCode; w.cloud.Refuse("access_denied") }, "refused", ""},
		{"device code that ran out", func(w *world, a *setup.Answers) { a.SignIn = setup.DeviceCode; w.cloud.Refuse("expired_token") }, "ran out", ""},
		{"wrong directory password", func(_ *world, a *setup.Answers) { a.DirectoryPassword = "wrong" }, "result 49", ""},
		{"wrong base", func(_ *world, a *setup.Answers) { a.BaseDN = "dc=fabrikam,dc=test" }, "--base-dn", ""},
		{"directory by another authority", func(w *world, a *setup.Answers) { a.DirectoryCA = w.cloud.CAFile }, "does not vouch", ""},
		{"directory in use", func(w *world, a *setup.Answers) {
			a.Dir = w.home
			w.write(filepath.Join(w.home, "somebody's"), "", 0o600)
		}, "expected an empty directory", ""},
		{"registration refused", func(w *world, _ *setup.Answers) { w.write(filepath.Join(w.home, "refuse"), "", 0o600) }, "the token is used", "register"},
		{"connector that ends", func(w *world, _ *setup.Answers) { w.write(filepath.Join(w.home, "crash"), "", 0o600) }, "the directory refuses", "deregister"},
		{"method refused", func(w *world, _ *setup.Answers) { w.cloud.RefuseMethod() }, "that method is not to be had", "deregister"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.attach()
			if strings.HasPrefix(test.name, "connector that ends") {
				w.cloud = cloudtest.New(t)
				w.base.Cloud = w.cloud.File
			}
			a := w.base
			test.world(w, &a)
			out, err := w.run(t.Context(), a, nil, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("%v; expected %q\n%s", err, test.want, out)
			}
			w.unchanged()
			lines := strings.Fields(w.did())
			if test.did == "" && len(lines) > 0 || test.did != "" && !strings.Contains(w.did(), test.did) {
				t.Errorf("the connector did %q, expected %q", w.did(), test.did)
			}
		})
	}
}

// TestInterrupt ends the wizard while it waits for the connector to attach.
func TestInterrupt(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var waiting sync.WaitGroup
	waiting.Go(func() {
		for ctx.Err() == nil {
			if strings.Contains(w.did(), "--config") {
				cancel()
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	out, err := w.run(ctx, w.base, nil, nil)
	cancel()
	waiting.Wait()
	if err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Fatalf("%v\n%s", err, out)
	}
	w.unchanged()
	if !strings.Contains(w.did(), "deregister") {
		t.Errorf("the connector did %q: expected to be deregistered", w.did())
	}
}

// watched calls seen once a text was written to it. One goroutine writes.
type watched struct {
	bytes.Buffer
	text string
	seen func()
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if w.seen != nil && strings.Contains(w.String(), w.text) {
		w.seen()
		w.seen = nil
	}
	return n, err
}

// TestForegroundEndsByItself has a connector end long after all is configured:
// that stays as it is.
func TestForegroundEndsByItself(t *testing.T) {
	w := newWorld(t)
	w.attach()
	w.write(filepath.Join(w.home, "brief"), "", 0o600)
	out := &watched{text: "runs until Ctrl-C", seen: func() { w.write(filepath.Join(w.home, "end"), "", 0o600) }}
	err := setup.Run(t.Context(), setup.Config{Answers: w.base, Out: out, Host: w.host, Call: "ptabench", Timeout: 30 * time.Second, Foreground: true})
	if err == nil || !strings.Contains(err.Error(), "ended by itself") {
		t.Fatalf("%v\n%s", err, out)
	}
	if method, _ := w.cloud.Method(); !strings.Contains(method, "pass-through") {
		t.Errorf("method %s", method)
	}
	if _, err := os.Stat(w.base.Dir); err != nil || strings.Contains(w.did(), "deregister") {
		t.Errorf("%v; the connector did %q", err, w.did())
	}
}

// typed is what somebody types, a line for each question.
func typed(lines ...string) io.Reader { return strings.NewReader(strings.Join(lines, "\n") + "\n") }

func TestQuestionsLineByLine(t *testing.T) {
	blank := func(w *world) []string {
		return []string{
			w.base.Cloud, cloudtest.Administrator, // Connect to the cloud
			"", "3", cloudtest.Password, // tenant as guessed; by password
			w.base.Directory, w.base.DirectoryCA, // Connect to the directory
			"", servicePassword, "", "", // account and base as the directory says; no test user
			"2", "", // User sign-in
			"dc1", // name
		}
	}
	for _, test := range []struct {
		name    string
		lines   func(w *world) []string
		want    string // in the error; empty for none
		changes bool
	}{
		{"all of them", func(w *world) []string { return append(blank(w), "y") }, "", true},
		{"declined", func(w *world) []string { return append(blank(w), "n") }, "not confirmed", false},
		{"the input ends", func(w *world) []string { return blank(w)[:6] }, "the input has ended", false},
		{"mistakes are asked for again", func(w *world) []string {
			l := blank(w)
			l = append(l[:3:3], append([]string{"9", "3", "wrong", "", "", cloudtest.Password}, l[5:]...)...)
			return append(l, "y")
		}, "", true},
		{"a wrong test user's password costs no other", func(w *world) []string {
			l := blank(w)
			return append(append(l[:10:10], "user000001@contoso.test", "wrong", "", "", "", "", passwordOf(t)), append(l[11:], "y")...)
		}, "", true},
		{"another authority is asked for again", func(w *world) []string {
			return append([]string{w.cloud.Address, w.base.DirectoryCA, cloudtest.Administrator, w.base.Cloud, ""}, append(blank(w)[2:], "y")...)
		}, "", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.attach()
			var prompts bytes.Buffer
			lines := ask.NewLines(typed(test.lines(w)...), &prompts)
			defer lines.Close()
			out, err := w.run(t.Context(), setup.Answers{Dir: w.base.Dir}, lines, nil)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Fatalf("%v; expected %q\n%s%s", err, test.want, prompts.String(), out)
			}
			if !test.changes {
				w.unchanged()
			} else if method, _ := w.cloud.Method(); !strings.Contains(method, "pass-through") {
				t.Errorf("method %s", method)
			}
		})
	}
}

func TestDoNotConfigure(t *testing.T) {
	w := newWorld(t)
	const before = `{"method":"hash-sync","hash_sync_backup":false}`
	w.cloud.SetMethod(before)
	a := w.base
	a.Method = string(cloud.None)
	out, err := w.run(t.Context(), a, nil, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if method, times := w.cloud.Method(); times != 0 || method != before {
		t.Errorf("the method was set %d times, and is %s", times, method)
	}
	for _, want := range []string{"as it is: Password hash synchronization", "left as it was: password hash synchronization"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestNameInUse(t *testing.T) {
	w := newWorld(t)
	w.cloud.Attach("dc1")
	out, err := w.run(t.Context(), w.base, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "on host "+cloudtest.Host) || !strings.Contains(err.Error(), "--replace") {
		t.Fatalf("%v\n%s", err, out)
	}
	w.unchanged()
	if w.did() != "" {
		t.Errorf("the connector did %q", w.did())
	}
	a := w.base
	a.Replace = true
	if out, err = w.run(t.Context(), a, nil, nil); err != nil || !strings.Contains(out, "replaces connector dc1 of host "+cloudtest.Host) {
		t.Errorf("with --replace: %v\n%s", err, out)
	}
}

// TestConnectorStays sets the method where the connector is installed already.
func TestConnectorStays(t *testing.T) {
	w := newWorld(t)
	w.attach()
	a := w.base
	a.HostName = cloudtest.Host
	if out, err := w.run(t.Context(), a, nil, nil); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	did := w.did()
	a.HashSyncBackup = ask.No
	a.Directory, a.DirectoryCA, a.DirectoryPassword = "", "", ""
	out, err := w.run(t.Context(), a, nil, nil)
	if err != nil || !strings.Contains(out, "Connector dc1 of this host stays") {
		t.Errorf("%v\n%s", err, out)
	}
	if method, times := w.cloud.Method(); times != 2 || !strings.Contains(method, `"hash_sync_backup":false`) {
		t.Errorf("the method was set %d times, and is %s", times, method)
	}
	if strings.Count(w.did(), "register") != 1 {
		t.Errorf("the connector did %q, and before %q", w.did(), did)
	}
}
