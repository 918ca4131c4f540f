package slapd

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"ptabench/onprem/directory"
	"ptabench/population"
)

// format is that of what is written below; what was provisioned with another is
// not used.
const format = "1"

// A tree is what is in the database.
//
//	dc=contoso,dc=test
//	├── ou=users      cn=user000001 ...
//	├── ou=services   cn=ptabench-connector
//	└── ou=policies   cn=default
type tree struct {
	users   *population.Population
	base    string
	service string
	root    string // who may change users while slapd serves
}

func newTree(setup directory.Setup) tree {
	base := "dc=" + strings.ReplaceAll(setup.Users.Domain(), ".", ",dc=")
	return tree{users: setup.Users, base: base, service: "cn=" + setup.ServiceName + ",ou=services," + base, root: "cn=root," + base}
}

func (t tree) dn(user int) string {
	return "cn=" + ldap.EscapeDN(t.users.UniqueName(user)) + ",ou=users," + t.base
}

// userSchema is the attribute that users are found by. OpenLDAP's own schema of
// it, msuser, has no matching rule for it, so it could not be searched for.
const userSchema = `attributetype ( 1.2.840.113556.1.4.656
	NAME 'userPrincipalName'
	EQUALITY caseIgnoreMatch
	SUBSTR caseIgnoreSubstringsMatch
	SYNTAX 1.3.6.1.4.1.1466.115.121.1.15
	SINGLE-VALUE )
objectclass ( 1.3.6.1.4.1.4203.666.11.4242.1
	NAME 'userPrincipal'
	SUP top AUXILIARY
	MAY userPrincipalName )
`

// maxAge is the age at which passwords expire, in seconds. It is longer than
// anybody keeps a cache, and shorter than those that are to be expired are old.
const maxAge = 15 * 365 * 86400

// policy locks nobody out for wrong passwords: a load test has many, and the
// counts of one run would be another one's answers.
func (t tree) policy() string {
	return fmt.Sprintf("pwdMaxAge %d, pwdMustChange TRUE, pwdLockout TRUE", maxAge)
}

// config is slapd.conf, without TLS, which only a server that serves needs.
// With a hash of the password of root it has what only that needs too.
func (t tree) config(p paths, rootHash string) string {
	serve := rootHash != ""
	var b strings.Builder
	write := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	for _, schema := range []string{"core", "cosine", "inetorgperson"} {
		write("include /etc/ldap/schema/%s.schema", schema)
	}
	write("include %s", p.schema)
	write("modulepath /usr/lib/ldap")
	write("moduleload back_mdb")
	write("moduleload ppolicy")
	write("loglevel none")
	if serve {
		write("moduleload back_monitor")
		write("pidfile %s", p.pid)
		write("sizelimit 100")
		// A connection of a pool may be idle for long, and says so itself when it is
		// not wanted.
		write("idletimeout 0")
	}
	write("")
	write("database mdb")
	write("suffix %s", t.base)
	write("directory %s", p.data)
	// Sparse: what is not used takes no room.
	write("maxsize %d", max(1<<30, int64(t.users.Len())*16<<10))
	write("dbnosync") // it can be provisioned again
	for _, index := range []string{"objectClass", "cn", "userPrincipalName"} {
		write("index %s eq", index)
	}
	if serve {
		write("rootdn %q", t.root)
		write("rootpw %s", rootHash)
	}
	write("access to attrs=userPassword by anonymous auth by * none")
	write("access to * by dn.exact=%q read by self read by * none", t.service)
	write("overlay ppolicy")
	write("ppolicy_default cn=default,ou=policies,%s", t.base)
	write("ppolicy_use_lockout") // says that an account is locked, in the control
	if serve {
		write("")
		write("database monitor")
		write("access to * by dn.exact=%q read by * none", t.service)
	}
	return b.String()
}

// tls is the rest of a server's configuration, which stands before that.
func (t tree) tls(ca, cert, key string) string {
	return fmt.Sprintf("TLSCACertificateFile %s\nTLSCertificateFile %s\nTLSCertificateKeyFile %s\nTLSProtocolMin 3.3\n", ca, cert, key)
}

// write writes all entries as LDIF.
func (t tree) write(w *bytes.Buffer) {
	entry := func(dn string, pairs ...string) {
		line(w, "dn", dn)
		for i := 0; i < len(pairs); i += 2 {
			line(w, pairs[i], pairs[i+1])
		}
		w.WriteByte('\n')
	}
	first, _, _ := strings.Cut(t.users.Domain(), ".")
	entry(t.base, "objectClass", "dcObject", "objectClass", "organization", "dc", first, "o", first)
	for _, ou := range []string{"users", "services", "policies"} {
		entry("ou="+ou+","+t.base, "objectClass", "organizationalUnit", "ou", ou)
	}
	entry("cn=default,ou=policies,"+t.base,
		"objectClass", "pwdPolicy", "objectClass", "organizationalRole", "cn", "default",
		"pwdAttribute", "userPassword", "pwdMaxAge", fmt.Sprint(maxAge), "pwdMustChange", "TRUE", "pwdLockout", "TRUE")
	now := time.Now()
	changed := generalized(now)
	// Nobody knows the password that this is the hash of; see setPassword.
	entry(t.service, "objectClass", "inetOrgPerson", "cn", cnOf(t.service), "sn", "service",
		"userPassword", hash(string(salt()), salt()), "pwdChangedTime", changed)
	for i := range t.users.Len() {
		name := t.users.UniqueName(i)
		pairs := []string{
			"objectClass", "inetOrgPerson", "objectClass", "userPrincipal", "cn", name, "sn", name,
			"userPrincipalName", t.users.UPN(i), "userPassword", hash(t.users.Password(i), salt()),
		}
		has, changed := state(t.users.State(i), now)
		if has.name != "" {
			pairs = append(pairs, has.name, has.value)
		}
		entry(t.dn(i), append(pairs, "pwdChangedTime", changed)...)
	}
}

type attribute struct{ name, value string }

// state is how ppolicy knows a state: by an attribute, if by any, and by when the
// password was changed.
func state(s population.State, now time.Time) (has attribute, changed string) {
	changed = generalized(now)
	switch s {
	case population.Disabled:
		has = attribute{"pwdAccountLockedTime", "000001010000Z"} // for good: slapo-ppolicy(5)
	case population.Locked:
		has = attribute{"pwdAccountLockedTime", changed}
	case population.PasswordExpired:
		changed = generalized(now.AddDate(-20, 0, 0))
	case population.MustChange:
		has = attribute{"pwdReset", "TRUE"}
	case population.AccountExpired:
		has = attribute{"pwdEndTime", generalized(now.AddDate(0, 0, -1))}
	}
	return has, changed
}

func cnOf(dn string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(dn, "cn="), ",")
	return name
}

func generalized(t time.Time) string { return t.UTC().Format("20060102150405Z") }

// line writes a line of LDIF. In base64, because a value may be anything.
func line(w io.Writer, name, value string) {
	if name == "changetype" || name == "replace" { // these are words of LDIF itself
		fmt.Fprintf(w, "%s: %s\n", name, value)
		return
	}
	fmt.Fprintf(w, "%s:: %s\n", name, base64.StdEncoding.EncodeToString([]byte(value)))
}

// hash is a salted SHA-1 as OpenLDAP keeps it by default.
func hash(password string, salt []byte) string {
	sum := sha1.Sum(append([]byte(password), salt...))
	return "{SSHA}" + base64.StdEncoding.EncodeToString(append(sum[:], salt...))
}
