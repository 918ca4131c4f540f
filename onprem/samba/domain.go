package samba

import (
	"encoding/hex"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"ptabench/onprem/directory"
	"ptabench/population"
	"ptabench/synchash"
)

// format is that of what is written below; what was provisioned with another is
// not used.
const format = "1"

// A domain is what is in the directory: users and the service account, all in
// CN=Users.
type domain struct {
	users   *population.Population
	realm   string
	netBIOS string
	host    string
	base    string
	service string
}

func newDomain(setup directory.Setup) domain {
	name := setup.Users.Domain()
	first, _, _ := strings.Cut(name, ".")
	d := domain{
		users: setup.Users, realm: strings.ToUpper(name), netBIOS: strings.ToUpper(first[:min(len(first), longest)]), host: "DC1",
		base: "DC=" + strings.ReplaceAll(name, ".", ",DC="), service: setup.ServiceName,
	}
	if d.netBIOS == d.host {
		d.host = "DC2"
	}
	return d
}

// provision is how samba-tool is told to make the domain in dir.
func (d domain) provision(dir, ip string) []string {
	return []string{
		"domain", "provision", "--configfile=/dev/null", "--targetdir=" + dir, "--realm=" + d.realm, "--domain=" + d.netBIOS,
		"--server-role=dc", "--use-rfc2307", "--dns-backend=NONE", "--host-name=" + d.host, "--host-ip=" + ip,
		"--option=interfaces=lo", "--option=bind interfaces only=yes",
	}
}

// config is smb.conf. Only the directory runs; the certificate is not needed to
// work on the files.
func (d domain) config(p paths, host, ca, cert, key string) string {
	var b strings.Builder
	set := func(name, value string) { fmt.Fprintf(&b, "\t%s = %s\n", name, value) }
	b.WriteString("[global]\n")
	set("netbios name", d.host)
	set("realm", d.realm)
	set("workgroup", d.netBIOS)
	set("server role", "active directory domain controller")
	set("server services", "ldap")
	// With a mask, Samba takes an address that no interface has by itself; and the
	// mask must leave something of it.
	set("interfaces", host+"/8")
	set("bind interfaces only", "yes")
	set("disable netbios", "yes")
	for name, dir := range map[string]string{
		"private dir": "private", "state directory": "state", "cache directory": "cache", "lock directory": "", "binddns dir": "bind-dns",
	} {
		set(name, filepath.Join(p.data, dir))
	}
	set("pid directory", p.run)
	set("ncalrpc dir", filepath.Join(p.run, "ncalrpc"))
	set("logging", "file")
	set("log level", "0")
	set("ldb:nosync", "true") // it can be provisioned again
	if cert != "" {
		set("tls enabled", "yes")
		set("tls cafile", ca)
		set("tls certfile", cert)
		set("tls keyfile", key)
	}
	return b.String()
}

// Times as Active Directory has them: 100 ns since 1601, and negative for spans.
const (
	never       = "-9223372036854775808"
	tick        = 100 * time.Nanosecond
	ticksADay   = int64(24 * time.Hour / tick)
	forever     = "9223372036854775807" // where it is a time
	longAgo     = "125000000000000000"  // in 1997, longer ago than passwords last
	accountTime = 11_644_473_600        // seconds from 1601 to 1970
)

// settings are those of the domain. Nobody is locked out for wrong passwords: a
// load test has many, and the counts of one run would be another one's answers.
// Who is locked stays so. Passwords last longer than anybody keeps a cache.
func (d domain) settings() map[string]string {
	return map[string]string{
		"lockoutThreshold": "0", "lockoutDuration": never, "minPwdAge": "0",
		"maxPwdAge": strconv.FormatInt(-20*365*ticksADay, 10),
	}
}

// An account is a line of what the script reads.
type account struct {
	Name       string            `json:"name"`
	SAM        string            `json:"sam,omitempty"`
	UPN        string            `json:"upn,omitempty"`
	NT         string            `json:"nt,omitempty"` // hexadecimal; a change without it leaves the password
	Attributes map[string]string `json:"attributes,omitempty"`
	Change     bool              `json:"change,omitempty"` // of one that is there, in what is given
}

// plainName is what may be an account name of old, as it is.
var plainName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,20}$`)

func (d domain) accounts() []account {
	now := timestamp(time.Now())
	// Nobody knows the password of this one; see the change at each start.
	service := account{
		Name: d.service, SAM: d.service, UPN: d.service + "@" + d.users.Domain(), NT: nt(strconv.FormatInt(time.Now().UnixNano(), 36)),
		Attributes: map[string]string{"userAccountControl": "512", "pwdLastSet": now},
	}
	all := make([]account, 0, d.users.Len()+1)
	all = append(all, service)
	for i := range d.users.Len() {
		a := account{Name: d.users.UniqueName(i), UPN: d.users.UPN(i), NT: nt(d.users.Password(i))}
		if a.SAM = a.Name; !plainName.MatchString(a.Name) {
			a.SAM = fmt.Sprintf("account%07d", i)
		}
		a.Attributes = state(d.users.State(i), now, true)
		all = append(all, a)
	}
	return all
}

// change is what makes an account so.
func (d domain) change(want directory.Change) account {
	a := account{Name: d.users.UniqueName(want.User), Attributes: state(want.State, timestamp(time.Now()), want.Password != ""), Change: true}
	if want.Password != "" {
		a.NT = nt(want.Password)
	}
	return a
}

// state is how Active Directory knows a state of an account whose password is
// of now, or as old as it was.
func state(s population.State, now string, renewed bool) map[string]string {
	a := map[string]string{"userAccountControl": "512", "lockoutTime": "0", "accountExpires": forever}
	if renewed {
		a["pwdLastSet"] = now
	}
	switch s {
	case population.Disabled:
		a["userAccountControl"] = "514"
	case population.Locked:
		a["lockoutTime"] = now
	case population.PasswordExpired:
		a["pwdLastSet"] = longAgo
	case population.MustChange:
		a["pwdLastSet"] = "0"
	case population.AccountExpired:
		a["accountExpires"] = longAgo
	}
	return a
}

func timestamp(t time.Time) string {
	return strconv.FormatInt((t.Unix()+accountTime)*int64(time.Second/tick), 10)
}

func nt(password string) string {
	sum := synchash.NTHash(password)
	return hex.EncodeToString(sum[:])
}
