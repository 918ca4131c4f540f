package samba

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ptabench/onprem/directory"
	"ptabench/population"
	"ptabench/synchash"
)

func TestValidAddresses(t *testing.T) {
	for _, c := range []struct{ ldap, ldaps, want string }{
		{"127.0.0.1:0", "127.0.0.1:0", ""},
		{"127.0.0.1:389", "localhost:636", ""},
		{"10.98.0.1:389", "10.98.0.1:636", ""},
		{"127.0.0.1:0", "10.98.0.1:0", ""},
		{"127.0.0.1:1389", "127.0.0.1:0", `ldap "127.0.0.1:1389": port 1389: expected 389, or 0 for it`},
		{"127.0.0.1:0", "127.0.0.1:389", `ldaps "127.0.0.1:389": port 389: expected 636, or 0 for it`},
		{"10.98.0.1:0", "10.98.0.2:0", `expected the same address`},
		{"0.0.0.0:0", "127.0.0.1:0", `ldap "0.0.0.0:0": expected one address, not all`},
		{"127.0.0.1:0", "[::1]:636", `ldaps "[::1]:636": expected an IPv4 address`},
		{"127.0.0.1:0", "dc1.contoso.test:636", `expected an IPv4 address`},
	} {
		if err := validAddresses(c.ldap, c.ldaps); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s and %s: %v, expected %q", c.ldap, c.ldaps, err, c.want)
		}
	}
}

// TestShortened: however deep a run directory is, Samba's sockets have addresses
// that fit, and nothing stays when it has ended.
func TestShortened(t *testing.T) {
	deep := filepath.Join(t.TempDir(), strings.Repeat("deep/", 40))
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	near, forget, err := shortened(deep)
	if err != nil {
		t.Fatal(err)
	}
	if len(near) > longestState {
		t.Errorf("%s has %d bytes, expected at most %d", near, len(near), longestState)
	}
	if err := os.WriteFile(filepath.Join(near, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(deep, "file")); err != nil {
		t.Error("it leads elsewhere:", err)
	}
	forget()
	if _, err := os.Lstat(filepath.Dir(near)); !os.IsNotExist(err) {
		t.Errorf("what is left: %v", err)
	}
	if near, _, err := shortened("/srv/run"); near != "/srv/run" || err != nil {
		t.Errorf("a short path: %s, %v, expected it as it is", near, err)
	}
}

// TestCandidates are loopback addresses that are no network's and no broadcast,
// the same for a state directory each time.
func TestCandidates(t *testing.T) {
	seen := map[string]bool{}
	for n := range 2000 {
		host := candidate("/state", n)
		ip := net.ParseIP(host).To4()
		if !ip.IsLoopback() || ip[1] < 64 || ip[1] > 127 || ip[3] == 0 || ip[3] == 255 {
			t.Fatal(host)
		}
		if host != candidate("/state", n) {
			t.Fatal("differs from time to time")
		}
		seen[host] = true
	}
	if len(seen) < 1900 {
		t.Errorf("2000 candidates are %d addresses", len(seen))
	}
}

// TestClaim needs ports below 1024 and nobody who listens on all addresses
// there.
func TestClaim(t *testing.T) {
	if err := portsFree(candidate(t.TempDir(), 0)); err != nil {
		if os.Getenv("PTABENCH_REQUIRE_DIRECTORY_TESTS") == "" {
			t.Skipf("PTABENCH_REQUIRE_DIRECTORY_TESTS is set where this must run: %v", err)
		}
		t.Fatal(err)
	}
	state, any := t.TempDir(), "127.0.0.1:0"
	first, release, err := claim(t.Context(), state, any, any)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := claimOne(ctx, first, 10*time.Millisecond); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("claimed twice: %v", err)
	}
	release()
	again, release, err := claim(t.Context(), state, any, net.JoinHostPort(first, portLDAPS))
	if err != nil || again != first {
		t.Errorf("asked for %s: %s, %v", first, again, err)
	}
	release()
	l, err := net.Listen("tcp", net.JoinHostPort(first, portLDAPS))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := claimOne(ctx, first, 10*time.Millisecond); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a port is taken: %v", err)
	}
}

func TestDomain(t *testing.T) {
	for name, want := range map[string]string{
		"contoso.test":                 "CONTOSO DC1 CONTOSO.TEST DC=contoso,DC=test",
		"averyverylongcompany.example": "AVERYVERYLONGCO DC1 AVERYVERYLONGCOMPANY.EXAMPLE DC=averyverylongcompany,DC=example",
		"dc1.contoso.test":             "DC1 DC2 DC1.CONTOSO.TEST DC=dc1,DC=contoso,DC=test",
	} {
		users, err := population.New(population.Spec{Users: 1, Domain: name})
		if err != nil {
			t.Fatal(err)
		}
		d := newDomain(directory.Setup{Users: users, ServiceName: "service"})
		if got := fmt.Sprintln(d.netBIOS, d.host, d.realm, d.base); strings.TrimSpace(got) != want {
			t.Errorf("%s: %s, expected %s", name, got, want)
		}
	}
}

// TestAccounts: each state is what Active Directory knows it as, and of
// passwords there are hashes.
func TestAccounts(t *testing.T) {
	shares := map[population.State]float64{}
	for state := population.Active + 1; state <= population.AccountExpired; state++ {
		shares[state] = 0.1
	}
	users, err := population.New(population.Spec{Users: 10, Seed: 1, Domain: "contoso.test", Shares: shares})
	if err != nil {
		t.Fatal(err)
	}
	all := newDomain(directory.Setup{Users: users, ServiceName: "service"}).accounts()
	if len(all) != 11 || all[0].Name != "service" {
		t.Fatalf("%d accounts, the first is %s", len(all), all[0].Name)
	}
	for i, a := range all[1:] {
		sum := synchash.NTHash(users.Password(i))
		if a.Name != users.Name(i) || a.SAM != a.Name || a.UPN != users.UPN(i) || a.NT != hex.EncodeToString(sum[:]) {
			t.Errorf("user %d: %v", i, a)
		}
		state := users.State(i)
		for attribute, out := range map[string]bool{
			"lockoutTime 0": state != population.Locked, "accountExpires " + forever: state != population.AccountExpired,
		} {
			attribute, value, _ := strings.Cut(attribute, " ")
			if (a.Attributes[attribute] == value) != out {
				t.Errorf("user %d, %v: %s is %q", i, state, attribute, a.Attributes[attribute])
			}
		}
		if (a.Attributes["userAccountControl"] == "514") != (state == population.Disabled) ||
			(a.Attributes["pwdLastSet"] == "0") != (state == population.MustChange) ||
			(a.Attributes["pwdLastSet"] == longAgo) != (state == population.PasswordExpired) {
			t.Errorf("user %d, %v: %v", i, state, a.Attributes)
		}
	}
}
