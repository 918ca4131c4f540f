package directory

import (
	"strings"
	"sync"
	"testing"

	client "github.com/go-ldap/ldap/v3"

	"ptabench/population"
)

func TestBind(t *testing.T) {
	r := start(t, testConfig(t))
	active := r.in(population.Active)
	upn, right, wrong := r.users.UPN(active), r.users.Password(active), r.users.WrongPassword(active)
	name := r.users.Name(active)
	refused, ok := uint16(client.LDAPResultInvalidCredentials), uint16(client.LDAPResultSuccess)

	tests := []struct {
		about, name, password string
		want                  uint16
		outcome               string
	}{
		{"right password", upn, right, ok, "success"},
		{"wrong password", upn, wrong, refused, "wrong-password"},
		{"empty password", upn, "", refused, "wrong-password"},
		{"password of another user", upn, r.users.Password(r.users.In(population.Active)[1]), refused, "wrong-password"},
		{"password in lower case", upn, strings.ToLower(right), refused, "wrong-password"},
		{"password and more", upn, right + "\x00", refused, "wrong-password"},
		{"name in upper case", strings.ToUpper(upn), right, ok, "success"},
		{"DN", "cn=" + name + ",ou=users,dc=contoso,dc=test", right, ok, "success"},
		{"DN in other case", "CN=" + strings.ToUpper(name) + ",OU=Users,DC=Contoso,DC=TEST", right, ok, "success"},
		{"DN with spaces", "cn = " + name + " , ou = users,  dc=contoso , dc=test", right, ok, "success"},
		{"DN with an escape", `cn=\75` + name[1:] + ",ou=users,dc=contoso,dc=test", right, ok, "success"},
		{"DN, wrong password", "cn=" + name + ",ou=users,dc=contoso,dc=test", wrong, refused, "wrong-password"},
		{"DN, empty password", "cn=" + name + ",ou=users,dc=contoso,dc=test", "", refused, "wrong-password"},
		{"DN in another unit", "cn=" + name + ",ou=services,dc=contoso,dc=test", right, refused, "unknown"},
		{"DN in another domain", "cn=" + name + ",ou=users,dc=fabrikam,dc=test", right, refused, "unknown"},
		{"DN of two names", "cn=" + name + "+ou=x,ou=users,dc=contoso,dc=test", right, refused, "unknown"},
		{"DN of a unit", "ou=users,dc=contoso,dc=test", right, refused, "unknown"},
		{"no DN", "cn=" + name + ",,=,", right, refused, "unknown"},
		{"account name alone", name, right, refused, "unknown"},
		{"unknown user", r.users.UnknownUPN(0), right, refused, "unknown"},
		{"unknown user, empty password", r.users.UnknownUPN(0), "", refused, "unknown"},
		{"no name but a password", "", right, refused, "unknown"},
		{"name as a filter", "*)(userPrincipalName=*", right, refused, "unknown"},
		{"name of zero bytes", "\x00\x00", right, refused, "unknown"},
		{"password of 4000 bytes", upn, strings.Repeat("x", 4000), refused, "wrong-password"},
		{"name of 4000 bytes", strings.Repeat("x", 4000), right, refused, "unknown"},
	}
	for s := population.Disabled; s <= population.AccountExpired; s++ {
		i := r.in(s)
		for about, password := range map[string]string{
			", right password": r.users.Password(i), ", wrong password": r.users.WrongPassword(i), ", empty password": "",
		} {
			tests = append(tests, struct {
				about, name, password string
				want                  uint16
				outcome               string
			}{s.String() + about, r.users.UPN(i), password, refused, s.String()})
		}
	}

	conn := r.dial()
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			before := r.counters()
			if got := bind(t, conn, tt.name, tt.password); got != tt.want {
				t.Errorf("result = %d, want %d", got, tt.want)
			}
			after := r.counters()
			for outcome := range after.Binds {
				more := uint64(0)
				if outcome == tt.outcome {
					more = 1
				}
				if after.Binds[outcome] != before.Binds[outcome]+more {
					t.Errorf("binds counted as %s = %d, want %d", outcome, after.Binds[outcome], before.Binds[outcome]+more)
				}
			}
		})
	}
	for _, i := range []int{active, r.in(population.Disabled)} {
		if strings.Contains(r.log.String(), r.users.Password(i)) {
			t.Error("a password is in the log")
		}
	}
}

func TestBindByPlainLDAP(t *testing.T) {
	r := start(t, testConfig(t))
	conn, err := client.DialURL("ldap://" + r.ready.Ports["ldap"])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	i := r.in(population.Active)
	if got := bind(t, conn, r.users.UPN(i), r.users.Password(i)); got != client.LDAPResultSuccess {
		t.Errorf("right password: result %d", got)
	}
	if got := bind(t, conn, r.users.UPN(i), r.users.WrongPassword(i)); got != client.LDAPResultInvalidCredentials {
		t.Errorf("wrong password: result %d", got)
	}
}

func TestServiceAccount(t *testing.T) {
	r := start(t, testConfig(t))
	conn := r.dial()
	for _, tt := range []struct {
		about, name, password string
		want                  uint16
	}{
		{"by DN", "cn=ptabench-connector,ou=services,dc=contoso,dc=test", testPassword, client.LDAPResultSuccess},
		{"by DN in other case", "CN=PTABENCH-Connector, OU=Services, DC=contoso, DC=test", testPassword, client.LDAPResultSuccess},
		{"by name", "ptabench-connector@contoso.test", testPassword, client.LDAPResultSuccess},
		{"wrong password", r.ready.Info["service_dn"], "x" + testPassword, client.LDAPResultInvalidCredentials},
		{"empty password", r.ready.Info["service_dn"], "", client.LDAPResultInvalidCredentials},
	} {
		if got := bind(t, conn, tt.name, tt.password); got != tt.want {
			t.Errorf("%s: result %d, want %d", tt.about, got, tt.want)
		}
	}
	c := r.counters()
	if c.Service != 5 {
		t.Errorf("binds of the service account = %d, want 5", c.Service)
	}
	for outcome, n := range c.Binds {
		if n != 0 {
			t.Errorf("user binds counted as %s = %d, want none", outcome, n)
		}
	}
}

// TestConcurrentBinds holds that answers are not mixed up between connections,
// and that no bind is counted twice or not at all.
func TestConcurrentBinds(t *testing.T) {
	r := start(t, testConfig(t))
	const connections, each = 64, 20
	var work sync.WaitGroup
	for c := range connections {
		conn := r.dial()
		work.Go(func() {
			for n := range each {
				i := (c*each + n) % r.users.Len()
				password, want := r.users.Password(i), uint16(client.LDAPResultSuccess)
				if n%2 == 1 {
					password = r.users.WrongPassword(i)
				}
				if n%2 == 1 || r.users.State(i) != population.Active {
					want = client.LDAPResultInvalidCredentials
				}
				_, err := conn.SimpleBind(client.NewSimpleBindRequest(r.users.UPN(i), password, nil))
				if (err == nil) != (want == client.LDAPResultSuccess) {
					t.Errorf("bind %d of connection %d: %v, want result %d", n, c, err, want)
				}
			}
		})
	}
	work.Wait()

	counters := r.counters()
	var total uint64
	for _, n := range counters.Binds {
		total += n
	}
	if total != connections*each {
		t.Errorf("binds counted = %d, want %d", total, connections*each)
	}
	if counters.Open != connections || counters.Accepted != connections {
		t.Errorf("connections open %d, accepted %d, want %d", counters.Open, counters.Accepted, connections)
	}
	success, refused := r.byUser()
	if success != counters.Binds["success"] || refused != total-counters.Binds["success"] {
		t.Errorf("binds by user: %d and %d refused; by outcome: %d of %d", success, refused, counters.Binds["success"], total)
	}
}

func TestAuthorityIsVerified(t *testing.T) {
	r, other := start(t, testConfig(t)), start(t, testConfig(t))
	if conn, err := client.DialURL("ldaps://"+r.ready.Ports["ldaps"], client.DialWithTLSConfig(other.trust())); err == nil {
		conn.Close()
		t.Error("a client that trusts another authority connected")
	}
	for _, name := range []string{"127.0.0.1", "localhost", "::1"} {
		config := r.trust()
		config.ServerName = name
		conn, err := client.DialURL("ldaps://"+r.ready.Ports["ldaps"], client.DialWithTLSConfig(config))
		if err != nil {
			t.Errorf("connecting as %s: %v", name, err)
			continue
		}
		conn.Close()
	}
}
