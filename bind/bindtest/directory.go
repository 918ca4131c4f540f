package bindtest

import (
	"cmp"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/glauth/ldap"
)

// What a Directory's service account is, and where its users are.
const (
	BaseDN          = "dc=contoso,dc=test"
	ServiceDN       = "cn=ptabench-connector,ou=services,dc=contoso,dc=test"
	ServicePassword = "the service account's secret"
)

// A User is one account of a Directory.
type User struct {
	Password   string
	Refused    bool              // also with the right password
	Attributes map[string]string // what a look-up finds
	// DN is what a look-up finds the user as, by default one made of the name.
	// Those who have one bind by it only.
	DN string
}

// A Directory serves users over LDAPS through a public LDAP server library,
// which shares no code with the connector.
type Directory struct {
	*Server
	Users map[string]User // by user principal name; not to be changed while served, but by Rename

	mu      sync.Mutex
	binds   map[string]int // of users, by name as sent
	service int            // binds of the service account
	filters []string       // of searches
	hold    chan struct{}  // binds of users wait for it to close, unless nil
	all     bool           // and so do those of the service account
	code    ldap.LDAPResultCode
}

// NewDirectory serves users until the test ends.
func NewDirectory(t testing.TB, users map[string]User) *Directory {
	t.Helper()
	d := &Directory{Users: users, binds: map[string]int{}}
	incoming := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := ldap.NewServer()
	server.BindFunc("", d)
	server.SearchFunc("", d)
	server.CloseFunc("", d)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(incoming)
	}()
	t.Cleanup(func() { // after that of Serve, which is registered later and so runs first
		server.Close()
		<-done
	})
	d.Server = Serve(t, func(c net.Conn) {
		watched := &watched{Conn: c, closed: make(chan struct{})}
		select {
		case incoming.conns <- watched:
			<-watched.closed
		case <-incoming.closed:
		}
	})
	return d
}

// Binds is how many binds of users there were under a name; all when empty.
func (d *Directory) Binds(user string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if user != "" {
		return d.binds[user]
	}
	n := 0
	for _, count := range d.binds {
		n += count
	}
	return n
}

// ServiceBinds is how many binds of the service account there were.
func (d *Directory) ServiceBinds() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.service
}

// Filters are those of all searches.
func (d *Directory) Filters() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.filters)
}

// Rename gives a user another DN.
func (d *Directory) Rename(user, dn string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u := d.Users[user]
	u.DN = dn
	d.Users[user] = u
}

// Hold keeps the binds of users waiting until the returned function is called.
func (d *Directory) Hold() (release func()) { return d.keep(false) }

// Hang is Hold, and keeps those of the service account waiting, too.
func (d *Directory) Hang() (release func()) { return d.keep(true) }

func (d *Directory) keep(all bool) (release func()) {
	hold := make(chan struct{})
	d.mu.Lock()
	d.hold, d.all = hold, all
	d.mu.Unlock()
	return sync.OnceFunc(func() {
		d.mu.Lock()
		d.hold = nil
		d.mu.Unlock()
		close(hold)
	})
}

// AnswerWith answers the binds of users with a result code, until it is 0.
func (d *Directory) AnswerWith(code int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.code = ldap.LDAPResultCode(code)
}

// Bind is called by the LDAP server.
func (d *Directory) Bind(name, password string, _ net.Conn) (ldap.LDAPResultCode, error) {
	if name == ServiceDN {
		d.mu.Lock()
		d.service++
		var hold chan struct{}
		if d.all {
			hold = d.hold
		}
		d.mu.Unlock()
		if hold != nil {
			<-hold
		}
		if password != ServicePassword {
			return ldap.LDAPResultInvalidCredentials, nil
		}
		return ldap.LDAPResultSuccess, nil
	}
	d.mu.Lock()
	d.binds[name]++
	hold, code := d.hold, d.code
	user, known := d.named(name)
	d.mu.Unlock()
	if hold != nil {
		<-hold
	}
	switch {
	case code != 0:
		return code, nil
	case password == "": // as real directories do: anonymous
		return ldap.LDAPResultSuccess, nil
	case !known || user.Refused || password != user.Password:
		return ldap.LDAPResultInvalidCredentials, nil
	}
	return ldap.LDAPResultSuccess, nil
}

// named finds who binds under a name. The caller holds the lock.
func (d *Directory) named(name string) (User, bool) {
	if u, ok := d.Users[name]; ok && u.DN == "" {
		return u, true
	}
	for _, u := range d.Users {
		if u.DN != "" && u.DN == name {
			return u, true
		}
	}
	return User{}, false
}

// Search is called by the LDAP server.
func (d *Directory) Search(bound string, req ldap.SearchRequest, _ net.Conn) (ldap.ServerSearchResult, error) {
	if bound != ServiceDN {
		return ldap.ServerSearchResult{ResultCode: ldap.LDAPResultInsufficientAccessRights}, errors.New("only the service account may search")
	}
	if req.BaseDN != BaseDN {
		return ldap.ServerSearchResult{ResultCode: ldap.LDAPResultNoSuchObject}, errors.New("no such base")
	}
	name, ok := strings.CutPrefix(req.Filter, "(userPrincipalName=")
	name = strings.TrimSuffix(name, ")")
	d.mu.Lock()
	d.filters = append(d.filters, req.Filter)
	user, known := d.Users[name]
	d.mu.Unlock()
	var found []*ldap.Entry
	if ok && known {
		e := &ldap.Entry{DN: cmp.Or(user.DN, "cn="+name+","+BaseDN)}
		for k, v := range user.Attributes {
			e.Attributes = append(e.Attributes, &ldap.EntryAttribute{Name: k, Values: []string{v}})
		}
		found = append(found, e)
	}
	return ldap.ServerSearchResult{Entries: found, ResultCode: ldap.LDAPResultSuccess}, nil
}

// Close is called by the LDAP server, before it closes a connection.
func (d *Directory) Close(string, net.Conn) error { return nil }

// listener hands the LDAP server connections that were accepted elsewhere.
type listener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }

// watched tells when the LDAP server closed a connection.
type watched struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

func (w *watched) Close() error {
	w.once.Do(func() { close(w.closed) })
	return w.Conn.Close()
}
