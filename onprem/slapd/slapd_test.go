package slapd

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"net"
	"os"
	"strings"
	"testing"

	"ptabench/onprem/directory"
	"ptabench/population"
)

func setupOf(t *testing.T, spec population.Spec) directory.Setup {
	t.Helper()
	users, err := population.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	return directory.Setup{Users: users, ServiceName: "ptabench-connector", ServicePassword: "secret"}
}

// TestEntries: each state is what ppolicy knows it as, and no password is there
// but as a hash.
func TestEntries(t *testing.T) {
	shares := map[population.State]float64{}
	for state := population.Active + 1; state <= population.AccountExpired; state++ {
		shares[state] = 0.1
	}
	setup := setupOf(t, population.Spec{Users: 10, Seed: 1, Domain: "corp.contoso.test", Shares: shares})
	var ldif bytes.Buffer
	newTree(setup).write(&ldif)
	entries := map[string]map[string]string{}
	for _, text := range strings.Split(strings.TrimSpace(ldif.String()), "\n\n") {
		entry := map[string]string{}
		for _, line := range strings.Split(text, "\n") {
			name, value, ok := strings.Cut(line, ":: ")
			decoded, err := base64.StdEncoding.DecodeString(value)
			if !ok || err != nil {
				t.Fatalf("line %q: %v", line, err)
			}
			entry[name] = string(decoded)
		}
		entries[entry["dn"]] = entry
	}
	special := []string{"pwdAccountLockedTime", "pwdReset", "pwdEndTime"}
	wants := map[population.State]string{
		population.Disabled: "pwdAccountLockedTime", population.Locked: "pwdAccountLockedTime", population.MustChange: "pwdReset", population.AccountExpired: "pwdEndTime",
	}
	users := setup.Users
	for i := range users.Len() {
		entry := entries["cn="+users.Name(i)+",ou=users,dc=corp,dc=contoso,dc=test"]
		if entry["userPrincipalName"] != users.UPN(i) {
			t.Fatalf("user %d: %v", i, entry)
		}
		if !matches(entry["userPassword"], users.Password(i)) || matches(entry["userPassword"], users.WrongPassword(i)) {
			t.Errorf("user %d: the hash is not that of the password", i)
		}
		for _, name := range special {
			if (entry[name] != "") != (wants[users.State(i)] == name) {
				t.Errorf("user %d, %v: %s is %q", i, users.State(i), name, entry[name])
			}
		}
		if forever := entry["pwdAccountLockedTime"] == "000001010000Z"; forever != (users.State(i) == population.Disabled) {
			t.Errorf("user %d, %v: locked since %q", i, users.State(i), entry["pwdAccountLockedTime"])
		}
		if old := entry["pwdChangedTime"] < "2012"; old != (users.State(i) == population.PasswordExpired) {
			t.Errorf("user %d, %v: password of %s", i, users.State(i), entry["pwdChangedTime"])
		}
	}
}

func matches(hash, password string) bool {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(hash, "{SSHA}"))
	if err != nil || len(raw) <= sha1.Size {
		return false
	}
	sum := sha1.Sum(append([]byte(password), raw[sha1.Size:]...))
	return bytes.Equal(sum[:], raw[:sha1.Size])
}

// TestTake: the port that was chosen stays free for slapd, and nobody else gets
// it meanwhile.
func TestTake(t *testing.T) {
	address, free, err := take("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", address) // as slapd does, with SO_REUSEADDR
	if err != nil {
		t.Fatal(err)
	}
	free()
	if _, _, err := take(address); err == nil {
		t.Error("takes a port where somebody listens")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if again, free, err := take(address); err != nil || again != address {
		t.Errorf("a port that was asked for: %s, %v", again, err)
	} else {
		free()
	}
}

func TestState(t *testing.T) {
	if _, err := newPaths(t.TempDir() + "/with space"); err == nil || !strings.Contains(err.Error(), "expected a path without spaces") {
		t.Errorf("%v", err)
	}
	dir := t.TempDir() + "/a/b"
	if _, err := newPaths(dir); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
}
