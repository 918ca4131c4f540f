package directory

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	client "github.com/go-ldap/ldap/v3"

	"ptabench/population"
	"ptabench/synchash"
)

// serviceName is the account name of the connectors' service account.
const serviceName = "ptabench-connector"

// syncName is that of the sync account, which alone may ask what changed and
// read hashes of passwords.
const syncName = "ptabench-sync"

// A node is an entry of the tree: the number of a user, or one of the few
// others.
type node int

const (
	noNode node = -1 - iota
	domainNode
	usersNode
	servicesNode
	serviceNode
	syncNode // only where somebody was told its password
)

// A tree is the entries of the directory. Nothing of it is stored: each entry
// is computed from its node, so that a million users cost no memory.
//
//	dc=contoso,dc=test
//	├── ou=users      cn=user000001 ...
//	└── ou=services   cn=ptabench-connector, cn=ptabench-sync
type tree struct {
	users   *population.Population
	changes *changes
	base    string   // its DN
	labels  []string // of the domain
	since   time.Time
	syncs   bool // there is a sync account
}

func newTree(users *population.Population, since time.Time) *tree {
	labels := strings.Split(users.Domain(), ".")
	return &tree{users: users, changes: newChanges(users, since), base: "dc=" + strings.Join(labels, ",dc="), labels: labels, since: since}
}

// dn is the distinguished name of a node.
func (t *tree) dn(n node) string {
	switch n {
	case domainNode:
		return t.base
	case usersNode:
		return "ou=users," + t.base
	case servicesNode:
		return "ou=services," + t.base
	case serviceNode:
		return "cn=" + serviceName + ",ou=services," + t.base
	case syncNode:
		return "cn=" + syncName + ",ou=services," + t.base
	}
	return "cn=" + client.EscapeDN(t.users.Name(int(n))) + ",ou=users," + t.base
}

func (t *tree) parent(n node) node {
	switch n {
	case domainNode:
		return noNode
	case usersNode, servicesNode:
		return domainNode
	case serviceNode, syncNode:
		return servicesNode
	}
	return usersNode
}

// under reports whether a node is below another, or is it.
func (t *tree) under(n, top node) bool {
	for n != noNode && n != top {
		n = t.parent(n)
	}
	return n == top
}

// find returns the node that a distinguished name names, in whatever letter
// case, spacing and escaping (RFC 4514), noNode if there is none.
func (t *tree) find(dn string) (node, error) {
	parsed, err := client.ParseDN(dn)
	if err != nil {
		return noNode, fmt.Errorf("reading a distinguished name: %w", err)
	}
	rdns := parsed.RDNs
	if len(rdns) < len(t.labels) {
		return noNode, nil
	}
	own := len(rdns) - len(t.labels)
	for i, label := range t.labels {
		if !isRDN(rdns[own+i], "dc", label) {
			return noNode, nil
		}
	}
	switch {
	case own == 0:
		return domainNode, nil
	case own == 1 && isRDN(rdns[0], "ou", "users"):
		return usersNode, nil
	case own == 1 && isRDN(rdns[0], "ou", "services"):
		return servicesNode, nil
	case own == 2 && isRDN(rdns[1], "ou", "services") && isRDN(rdns[0], "cn", serviceName):
		return serviceNode, nil
	case own == 2 && t.syncs && isRDN(rdns[1], "ou", "services") && isRDN(rdns[0], "cn", syncName):
		return syncNode, nil
	case own == 2 && isRDN(rdns[1], "ou", "users") && len(rdns[0].Attributes) == 1 &&
		strings.EqualFold(rdns[0].Attributes[0].Type, "cn"):
		return t.named(rdns[0].Attributes[0].Value), nil
	}
	return noNode, nil
}

func isRDN(rdn *client.RelativeDN, attr, value string) bool {
	return len(rdn.Attributes) == 1 &&
		strings.EqualFold(rdn.Attributes[0].Type, attr) && strings.EqualFold(rdn.Attributes[0].Value, value)
}

// account returns the node of a user principal name.
func (t *tree) account(upn string) node {
	if i, ok := t.users.Index(upn); ok {
		return node(i)
	}
	if name, domain, ok := strings.Cut(upn, "@"); ok && strings.EqualFold(domain, t.users.Domain()) {
		return t.service(name)
	}
	return noNode
}

// named returns the node of an account name, whatever the domain of its user
// principal name is.
func (t *tree) named(name string) node {
	if i, ok := t.users.IndexOfName(name); ok {
		return node(i)
	}
	return t.service(name)
}

// service returns the node of the name of an account that is no user's.
func (t *tree) service(name string) node {
	switch {
	case strings.EqualFold(name, serviceName):
		return serviceNode
	case t.syncs && strings.EqualFold(name, syncName):
		return syncNode
	}
	return noNode
}

// byName is the index: the entries whose naming attribute has a value. It is
// not ok for any other attribute.
func (t *tree) byName(attr, value string) (found []node, ok bool) {
	var n node
	switch attr {
	case "userprincipalname":
		n = t.account(value)
	case "samaccountname", "cn":
		n = t.named(value)
	default:
		return nil, false
	}
	if n != noNode {
		return []node{n}, true
	}
	return nil, true
}

// An entry is what a search can see of a node.
type entry []attribute

type attribute struct {
	name   string
	values []string
	// operational attributes are returned only when asked for by name or "+".
	operational bool
}

func (e entry) values(lowerName string) []string {
	for i := range e {
		if strings.EqualFold(e[i].name, lowerName) {
			return e[i].values
		}
	}
	return nil
}

// The bits and values of AD's account attributes (MS-ADTS, sections 2.2.16 and
// 3.1.1.4.5.17).
const (
	normalAccount   = 0x200
	accountDisabled = 0x2
	computedLocked  = 0x10
	computedExpired = 0x800000
	neverExpires    = 9223372036854775807
	day             = 24 * time.Hour
	longPast        = 400 * day
	passwordSetBack = 30 * day
)

// filetime is AD's way to write a time: 100 ns since 1601.
func filetime(t time.Time) int64 {
	const from1601to1970 = 11_644_473_600 // seconds
	return (t.Unix()+from1601to1970)*10_000_000 + int64(t.Nanosecond()/100)
}

// entry computes the attributes of a node.
func (t *tree) entry(n node) entry {
	dn := attribute{name: "distinguishedName", values: []string{t.dn(n)}}
	switch n {
	case domainNode:
		return entry{
			{name: "objectClass", values: []string{"top", "domain", "domainDNS"}},
			{name: "dc", values: t.labels[:1]}, dn,
		}
	case usersNode, servicesNode:
		ou := "users"
		if n == servicesNode {
			ou = "services"
		}
		return entry{
			{name: "objectClass", values: []string{"top", "organizationalUnit"}},
			{name: "ou", values: []string{ou}}, dn,
		}
	case serviceNode:
		return append(t.accountEntry(serviceName, t.users.Domain(), t.notChanged()), dn)
	case syncNode:
		return append(t.accountEntry(syncName, t.users.Domain(), t.notChanged()), dn)
	}
	return append(t.accountEntry(t.users.Name(int(n)), t.users.Domains()[t.users.DomainOf(int(n))], t.changes.of(int(n))), dn)
}

// generalizedTime is RFC 4517, section 3.3.13, with as much of a second as there
// is: AD leaves that out, and a lag could not be told from it.
const generalizedTime = "20060102150405.000000000Z"

func (t *tree) notChanged() changed { return changed{at: t.since} }

// syncEntry is the entry of a user as the sync account sees it: with the number
// of its last change, and the hash of the password as AD keeps it. There that
// leaves by replication, and never by a search; this directory knows no
// replication.
func (t *tree) syncEntry(n node) entry {
	now := t.changes.of(int(n)) // once, so that hash and number are of one moment
	nt := synchash.NTHash(t.users.VersionOf(int(n), now.Version))
	return append(t.accountEntry(t.users.Name(int(n)), t.users.Domains()[t.users.DomainOf(int(n))], now),
		attribute{name: "distinguishedName", values: []string{t.dn(n)}},
		attribute{name: "uSNChanged", values: []string{strconv.FormatUint(now.usn, 10)}},
		attribute{name: "whenChanged", values: []string{now.at.UTC().Format(generalizedTime)}},
		attribute{name: "unicodePwd", values: []string{string(nt[:])}})
}

func (t *tree) accountEntry(name, domain string, now changed) entry {
	var (
		control    int64 = normalAccount
		computed   int64
		lockout    int64
		passwordAt = filetime(t.since.Add(-passwordSetBack))
		expires    = int64(neverExpires)
	)
	if !now.password.IsZero() {
		passwordAt = filetime(now.password)
	}
	switch now.State {
	case population.Disabled:
		control |= accountDisabled
	case population.Locked:
		lockout, computed = filetime(now.at), computedLocked
	case population.PasswordExpired:
		passwordAt, computed = filetime(t.since.Add(-longPast)), computedExpired
	case population.MustChange:
		passwordAt, computed = 0, computedExpired // AD counts such a password as expired too
	case population.AccountExpired:
		expires = filetime(t.since.Add(-day))
	}
	one := func(n int64) []string { return []string{strconv.FormatInt(n, 10)} }
	return entry{
		{name: "objectClass", values: []string{"top", "person", "organizationalPerson", "user"}},
		{name: "cn", values: []string{name}},
		{name: "sAMAccountName", values: []string{name}},
		{name: "userPrincipalName", values: []string{name + "@" + domain}},
		{name: "userAccountControl", values: one(control)},
		{name: "lockoutTime", values: one(lockout)},
		{name: "pwdLastSet", values: one(passwordAt)},
		{name: "accountExpires", values: one(expires)},
		{name: "msDS-User-Account-Control-Computed", values: one(computed), operational: true},
	}
}

// rootDSE describes the server itself; anybody may read it.
func (t *tree) rootDSE() entry {
	return entry{
		{name: "objectClass", values: []string{"top"}},
		{name: "namingContexts", values: []string{t.base}},
		{name: "defaultNamingContext", values: []string{t.base}},
		{name: "rootDomainNamingContext", values: []string{t.base}},
		{name: "supportedLDAPVersion", values: []string{"3"}},
		{name: "highestCommittedUSN", values: []string{strconv.FormatUint(t.changes.highest(), 10)}},
		{name: "vendorName", values: []string{"ptabench test directory"}},
		{name: "invocationId", values: []string{t.changes.id()}}, // of the numbers; AD has it in another entry
	}
}
