package endtoend

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"ptabench/results"
)

// theirs is somebody's own directory: an OpenLDAP that the runs know nothing of
// but what a scenario says.
type theirs struct {
	*actor
	dir, users, scenario string
	admin                *ldap.Conn
}

const (
	theirAccount = "the reader's own: 4711"
	theirPeople  = 40
	theirRate    = 20 // a second, at most
)

func theirPassword(i int) string { return fmt.Sprintf("Geheimnis %d, süß", i) }

func newTheirs(t *testing.T) *theirs {
	t.Helper()
	d := &theirs{dir: t.TempDir()}
	d.users, d.scenario = filepath.Join(d.dir, "users.csv"), filepath.Join(d.dir, "mine.yaml")
	list := "upn,password\n"
	for i := range theirPeople {
		list += fmt.Sprintf("person%d@corp.example,%q\n", i, theirPassword(i))
	}
	d.write(t, d.users, list)
	t.Setenv("PTABENCH_DIRECTORY_PASSWORD", theirAccount)
	state := filepath.Join(d.dir, "theirs")
	d.actor = launch(t, nil, "directory", "--kind", "slapd", "--state", state, "--users-file", d.users, "--cache", "").await(t)
	d.write(t, d.scenario, fmt.Sprintf(`format: 1
name: mine
directory:
  kind: external
  external: {url: %q, ca: %q, account: %q, base: %q, users: %q, max_rate: %d/s, confirm: "approved by the owner"}
tenants: [{name: corp, domains: [corp.example], fallback: off}]
connectors: {count: 2}
load: {rate: %[6]d/s, arrivals: constant, warmup: 1s, duration: 3s, mix: {right: 80%%, wrong: 10%%, unknown: 10%%}}
objectives: [failed == 0, unknown == 0]
`, d.url(), filepath.Join(state, "ca.pem"), d.Info["service_dn"], d.Info["base_dn"], d.users, theirRate))

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(d.CAPEM))
	var err error
	if d.admin, err = ldap.DialURL(d.url(), ldap.DialWithTLSConfig(&tls.Config{RootCAs: roots})); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.admin.Close() })
	if err := d.admin.Bind(d.Info["service_dn"], theirAccount); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *theirs) url() string { return "ldaps://" + d.Ports["ldaps"] }

func (d *theirs) write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What slapd calls what it counts.
const (
	binds       = "cn=Bind,cn=Operations,cn=Monitor"
	connections = "cn=Total,cn=Connections,cn=Monitor"
)

// asked is how often it was asked for what, by the names of its own operations,
// and how many connections it was sent.
func (d *theirs) asked(t *testing.T) map[string]int {
	t.Helper()
	found, err := d.admin.Search(ldap.NewSearchRequest("cn=Monitor", ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
		"(|(objectClass=monitorOperation)(cn=Total))", []string{"monitorOpCompleted", "monitorCounter"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, e := range found.Entries {
		text := e.GetAttributeValue("monitorOpCompleted") + e.GetAttributeValue("monitorCounter")
		if counts[e.DN], err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s: %v", e.DN, err)
		}
	}
	if counts[binds] == 0 || counts[connections] == 0 {
		t.Fatalf("it counts %v", counts)
	}
	return counts
}

// held is everything in it that can be read, but when a password was wrong:
// every directory that locks accounts keeps that.
func (d *theirs) held(t *testing.T) string {
	t.Helper()
	found, err := d.admin.Search(ldap.NewSearchRequest(d.Info["base_dn"], ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", []string{"*", "+"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Entries) < theirPeople {
		t.Fatalf("%d entries", len(found.Entries))
	}
	var lines []string
	for _, e := range found.Entries {
		for _, a := range e.Attributes {
			if a.Name != "pwdFailureTime" {
				lines = append(lines, fmt.Sprintf("%s %s %q", e.DN, a.Name, a.Values))
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestExternalDirectory: somebody's own directory is asked about sign-ins, at
// the rate that is allowed, and nothing else becomes of it; and nothing at all
// when not everything is as its owner said.
func TestExternalDirectory(t *testing.T) {
	needDirectories(t, "slapd", "slapadd")
	d := newTheirs(t)
	t.Run("refused", d.testRefused)

	t.Run("tried", d.testTried)

	was, before := d.held(t), d.asked(t)
	_, r, dir := run(t, d.scenario, "--skip-ceiling", "--i-may-load", d.url())
	after := d.asked(t)
	if is := d.held(t); is != was {
		t.Errorf("it was changed:\n%s\n\nwas:\n%s", is, was)
	}
	for dn, n := range after {
		what, _, _ := strings.Cut(strings.TrimPrefix(dn, "cn="), ",")
		if slices.Contains([]string{"Add", "Modify", "Delete", "Modrdn", "Extended"}, what) && n > before[dn] {
			t.Errorf("%d times it was asked to %s", n-before[dn], what)
		}
	}
	if r.Verdict == results.Fail || r.Verdict == results.Aborted || !r.Ledgers.Balanced {
		t.Errorf("verdict %s: %v, %+v", r.Verdict, r.Reasons, r.Ledgers.Checks)
	}
	s := r.SignIns
	if s.Accepted == 0 || s.ByCode["50126"] == 0 || s.ByCode["50034"] == 0 || s.WrongAccepts+s.WrongRefusals+s.OtherReason+s.Failed+s.Unknown > 0 {
		t.Errorf("%+v", s)
	}
	// 4 s with the warm-up; a connection is a bind of the account's, and a name
	// that nobody has is none.
	most := 4*theirRate + after[connections] - before[connections]
	if n := after[binds] - before[binds]; n < int(s.Accepted) || n > most {
		t.Errorf("%d binds, expected %d to %d", n, s.Accepted, most)
	}
	if _, err := os.Stat(filepath.Join(dir, "state", "directory")); err == nil {
		t.Error("a directory was started")
	}
	d.findNoSecrets(t, dir)
}

// testRefused: whatever is wrong is said at once, before anything is started or
// the directory is asked anything.
func (d *theirs) testRefused(t *testing.T) {
	asked := d.asked(t)
	readable, stranger := filepath.Join(d.dir, "readable.csv"), filepath.Join(d.dir, "strangers.csv")
	d.write(t, readable, "a@corp.example,Sesame#1\n")
	if err := os.Chmod(readable, 0o644); err != nil {
		t.Fatal(err)
	}
	d.write(t, stranger, "a@elsewhere.example,Sesame#1\n")
	suite := filepath.Join(d.dir, "suite.yaml")
	d.write(t, suite, "format: 1\nname: ours\nruns: [{scenario: mine.yaml}]\n")

	const users, limit = "directory.external.users=", "expected at most 20/s, as directory.external.max_rate has it"
	allowed := []string{"--i-may-load", d.url()}
	noFlag := "--i-may-load: missing: expected " + d.url()
	for name, c := range map[string]struct {
		args []string // of run
		want []string
	}{
		"no flag":              {nil, []string{noFlag}},
		"another address":      {[]string{"--i-may-load", "ldaps://127.0.0.1:636"}, []string{"--i-may-load: ldaps://127.0.0.1:636: expected " + d.url()}},
		"readable by others":   {append(slices.Clone(allowed), "--set", users+readable), []string{"mode 0644 lets others read passwords, expected 0600"}},
		"of no tenant":         {append(slices.Clone(allowed), "--set", users+stranger), []string{"strangers.csv:1: users of elsewhere.example: expected users of corp.example"}},
		"too high a rate":      {append(slices.Clone(allowed), "--set", "load.rate=21/s"), []string{"load.rate: 21/s: " + limit}},
		"too high a capacity":  {append(slices.Clone(allowed), "--set", "capacity={objective: p99(response) < 1s, from: 1/s, to: 30/s}"), []string{"capacity.to: 30/s: " + limit}},
		"from too high a rate": {append(slices.Clone(allowed), "--set", "capacity={objective: p99(response) < 1s, from: 30/s}"), []string{"capacity.from: 30/s: " + limit}},
		"what is not theirs": {append(slices.Clone(allowed), "--set", "faults=[crash(directory) at 1s for 1s]", "--set", "hash_sync={}", "--set", "population.events={lock: 1/s}"),
			[]string{"nothing of it is touched", "hash_sync: given for an external directory", "population.events: given for an external directory"}},
		"everything": {[]string{"--i-may-load", "ldaps://dc2", "--set", users + readable, "--set", "directory.external.ca=/no/such.pem", "--set", "directory.external.confirm=", "--set", "load.rate=21/s",
			"--set", "capacity={objective: p99(response) < 1s, to: 30/s}", "--set", "tenants[0].fallback=automatic"},
			[]string{"--i-may-load: ldaps://dc2", "mode 0644", "/no/such.pem", "directory.external.confirm: ", "load.rate: 21/s", "capacity.to: 30/s", "tenants[0].fallback: automatic"}},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(d.dir, "refused")
			e := ptabench(t, slices.Concat([]string{"run", d.scenario, "--out", out}, c.args)...)
			d.refused(t, e, out, c.want)
		})
	}
	out := filepath.Join(d.dir, "refused")
	d.refused(t, ptabench(t, "matrix", d.scenario, "--vary", "seed=1,2", "--out", out), out, []string{noFlag})
	d.refused(t, ptabench(t, "suite", suite, "--out", out), out, []string{noFlag})
	t.Setenv("PTABENCH_DIRECTORY_PASSWORD", "")
	d.refused(t, ptabench(t, "run", d.scenario, "--out", out, "--i-may-load", d.url()), out, []string{"PTABENCH_DIRECTORY_PASSWORD: not set"})

	if now := d.asked(t); now[connections] != asked[connections] || now[binds] != asked[binds] {
		t.Errorf("it was asked: %v, before: %v", now, asked)
	}
}

// testTried: what only the directory can tell is found out by one user, before
// anything is started and anybody else's password is sent.
func (d *theirs) testTried(t *testing.T) {
	wrong, strange := filepath.Join(d.dir, "wrong.csv"), filepath.Join(d.dir, "strange.pem")
	d.write(t, wrong, "person1@corp.example,Sesame#1\nperson2@corp.example,Sesame#1\n")
	stranger := httptest.NewTLSServer(http.NotFoundHandler())
	defer stranger.Close()
	d.write(t, strange, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: stranger.Certificate().Raw})))
	before := d.asked(t)
	out := filepath.Join(d.dir, "refused")
	allowed := []string{"run", d.scenario, "--out", out, "--skip-ceiling", "--i-may-load", d.url()}
	for name, c := range map[string]struct{ set, want string }{
		"wrong base":      {"directory.external.base=dc=nowhere,dc=example", "directory.external.base: dc=nowhere,dc=example: "},
		"wrong authority": {"directory.external.ca=" + strange, "directory.external.url: " + d.url() + ": "},
		"wrong account":   {"directory.external.account=cn=nobody,dc=corp,dc=example", "PTABENCH_DIRECTORY_PASSWORD: the password of directory.external.account cn=nobody"},
		"wrong password":  {"directory.external.users=" + wrong, "the password of person1@corp.example, the first who is active: "},
	} {
		t.Run(name, func(t *testing.T) {
			d.refused(t, ptabench(t, append(slices.Clone(allowed), "--set", c.set)...), out, []string{c.want})
		})
	}
	dead := "ldaps://127.0.0.1:9"
	d.refused(t, ptabench(t, "run", d.scenario, "--out", out, "--i-may-load", dead, "--set", "directory.external.url="+dead), out, []string{"directory.external.url: " + dead + ": "})
	if n := d.asked(t)[binds] - before[binds]; n > 2*5 {
		t.Errorf("%d binds, expected two at most for each", n)
	}
}

func (d *theirs) refused(t *testing.T, e ended, out string, want []string) {
	t.Helper()
	if e.code != 3 {
		t.Errorf("exit %d, expected 3", e.code)
	}
	for _, want := range want {
		if !strings.Contains(e.stderr, want) {
			t.Errorf("no word of %q", want)
		}
	}
	if strings.Contains(e.stderr, "Sesame#1") {
		t.Error("a password is said")
	}
	if _, err := os.Stat(out); err == nil {
		t.Errorf("%s is there", out)
		_ = os.RemoveAll(out)
	}
}

// findNoSecrets looks for their passwords in every file of a run.
func (d *theirs) findNoSecrets(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		for _, secret := range []string{"Geheimnis", theirAccount} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s holds a password", path)
			}
		}
		return err
	})
	if err != nil || files < 10 {
		t.Errorf("searched %d files, %v", files, err)
	}
}
