package directory

import (
	"slices"
	"strings"

	"github.com/glauth/ldap"
)

// Scopes of a search.
const (
	scopeBase = iota
	scopeOne
	scopeSubtree
)

// A searchRequest is a decoded search (RFC 4511, section 4.5.1).
type searchRequest struct {
	base      string
	scope     int
	sizeLimit int
	typesOnly bool
	filter    filter
	attrs     []string // in lower case
}

func parseSearch(body []byte) (searchRequest, error) {
	var (
		r      searchRequest
		fields [5]struct {
			tag     byte
			content []byte
		}
	)
	tag, base, body, ok := element(body)
	if !ok || tag != tagOctets {
		return r, errMalformed
	}
	r.base = string(base)
	for i := range fields { // scope, aliases, size limit, time limit, types only
		if fields[i].tag, fields[i].content, body, ok = element(body); !ok {
			return r, errMalformed
		}
	}
	for i, want := range []byte{tagEnumerated, tagEnumerated, tagInteger, tagInteger, tagBoolean} {
		if fields[i].tag != want {
			return r, errMalformed
		}
	}
	scope, scopeOK := number(fields[0].content)
	limit, limitOK := number(fields[2].content)
	if !scopeOK || scope < scopeBase || scope > scopeSubtree || !limitOK || limit < 0 || len(fields[4].content) != 1 {
		return r, errMalformed
	}
	r.scope, r.sizeLimit, r.typesOnly = scope, limit, fields[4].content[0] != 0

	tag, content, body, ok := element(body)
	if !ok {
		return r, errMalformed
	}
	var err error
	terms := 0
	if r.filter, err = parseFilter(tag, content, &terms); err != nil {
		return r, err
	}
	tag, attrs, rest, ok := element(body)
	if !ok || tag != tagSequence || len(rest) != 0 {
		return r, errMalformed
	}
	for len(attrs) > 0 {
		tag, name, rest, ok := element(attrs)
		if !ok || tag != tagOctets {
			return r, errMalformed
		}
		r.attrs, attrs = append(r.attrs, strings.ToLower(string(name))), rest
	}
	return r, nil
}

// search answers a search request: the entries found, then the result. All of
// it is in memory at once, because a filter can name but few entries.
func (t *tree) search(id []byte, r searchRequest, who who) []byte {
	done := func(out []byte, code byte, text string) []byte {
		return appendResult(out, id, tagSearchDone, code, text)
	}
	if r.base == "" {
		if r.scope != scopeBase {
			return done(nil, ldap.LDAPResultUnwillingToPerform, "search the default naming context, not the whole server")
		}
		var out []byte
		if e := t.rootDSE(); r.filter.of(e) == isTrue {
			out = r.appendEntry(out, id, "", e)
		}
		return done(out, ldap.LDAPResultSuccess, "")
	}
	if who != service && who != syncer {
		return done(nil, ldap.LDAPResultInsufficientAccessRights, "only the service account may search")
	}
	base, err := t.find(r.base)
	if err != nil {
		return done(nil, ldap.LDAPResultInvalidDNSyntax, "the base is no distinguished name")
	}
	if base == noNode {
		return done(nil, ldap.LDAPResultNoSuchObject, "")
	}
	var more bool
	nodes, ok := t.inScope(base, r.scope, &r.filter)
	if from, to, ranged := r.filter.numbers(); !ok && ranged && who == syncer {
		nodes, more = t.between(from, to)
		ok = true
	}
	if !ok {
		return done(nil, ldap.LDAPResultUnwillingToPerform,
			"users are found by an equality on userPrincipalName, sAMAccountName or cn")
	}
	var out []byte
	found := 0
	for _, n := range nodes {
		e := entry(nil)
		if who == syncer && n >= 0 {
			e = t.syncEntry(n)
		} else {
			e = t.entry(n)
		}
		if r.filter.of(e) != isTrue {
			continue
		}
		if r.sizeLimit > 0 && found == r.sizeLimit {
			return done(out, ldap.LDAPResultSizeLimitExceeded, "")
		}
		out, found = r.appendEntry(out, id, t.dn(n), e), found+1
	}
	if more {
		return done(out, ldap.LDAPResultSizeLimitExceeded, "")
	}
	return done(out, ldap.LDAPResultSuccess, "")
}

// maxBetween is how many accounts a search by number finds at most: 1,000 is
// AD's own limit (MaxPageSize).
const maxBetween = 1000

// between returns the users whose last change has a number of a range, the
// lowest numbers first, and whether there are more.
func (t *tree) between(from, to uint64) (nodes []node, more bool) {
	users, more := t.changes.between(from, to, maxBetween)
	for _, i := range users {
		nodes = append(nodes, node(i))
	}
	return nodes, more
}

// inScope returns the nodes that a search looks at. It is not ok when these
// would be all users.
func (t *tree) inScope(base node, scope int, f *filter) (nodes []node, ok bool) {
	switch {
	case scope == scopeBase:
		return []node{base}, true
	case base >= 0 || base == serviceNode || base == syncNode: // a leaf
		if scope == scopeSubtree {
			return []node{base}, true
		}
		return nil, true
	case base == servicesNode:
		below := []node{serviceNode}
		if t.syncs {
			below = append(below, syncNode)
		}
		if scope == scopeSubtree {
			return append([]node{servicesNode}, below...), true
		}
		return below, true
	case base == domainNode && scope == scopeOne:
		return []node{usersNode, servicesNode}, true
	}
	candidates, ok := f.candidates(t)
	if !ok {
		return nil, false
	}
	return slices.DeleteFunc(candidates, func(n node) bool {
		return !t.under(n, base) || scope == scopeOne && t.parent(n) != base
	}), true
}

// appendEntry appends a found entry with the attributes that were asked for.
func (r *searchRequest) appendEntry(out, id []byte, dn string, e entry) []byte {
	var list []byte
	for _, a := range e {
		if !r.wants(a) {
			continue
		}
		var values []byte
		if !r.typesOnly {
			for _, v := range a.values {
				values = appendString(values, tagOctets, v)
			}
		}
		one := appendElement(appendString(nil, tagOctets, a.name), tagSet, values)
		list = appendElement(list, tagSequence, one)
	}
	body := appendElement(appendString(nil, tagOctets, dn), tagSequence, list)
	return appendOperation(out, id, tagEntry, body)
}

// wants follows RFC 4511, section 4.5.1.8, and RFC 3673.
func (r *searchRequest) wants(a attribute) bool {
	if len(r.attrs) == 0 {
		return !a.operational
	}
	all := "*"
	if a.operational {
		all = "+"
	}
	return slices.ContainsFunc(r.attrs, func(asked string) bool {
		return asked == all || strings.EqualFold(asked, a.name)
	})
}
