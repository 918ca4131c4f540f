package slapd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"

	"ptabench/onprem/directory"
	"ptabench/population"
)

// relax is the control by which attributes can be set that the server else keeps
// by itself (draft-zeilenga-ldap-relax).
var relax = ldap.NewControlString("1.3.6.1.4.1.4203.666.5.12", true, "")

// lasting are the attributes that make a state, that of a lock first. An account
// that is let in has none of them.
var lasting = []string{"pwdAccountLockedTime", "pwdReset", "pwdEndTime"}

// A changer changes accounts by LDAP, as the database's own administrator.
type changer struct {
	of       *serving
	tree     tree
	password string // of its root, of this start

	mu   sync.Mutex
	conn *ldap.Conn // nil until it is needed
}

// change makes an account so. What an event does is one request: nobody may see
// half of it.
func (c *changer) change(ctx context.Context, want directory.Change) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn, err := c.connected(ctx)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // go-ldap's requests know no context
	defer stop()
	for _, request := range c.tree.changes(want, time.Now()) {
		if err = conn.Modify(request); err != nil {
			break
		}
	}
	if decided(err) {
		return fmt.Errorf("%w: %w", directory.ErrRefused, err)
	}
	if err != nil {
		c.close()
	}
	return err
}

// decided says whether an error is slapd's own, and would be the same again.
func decided(err error) bool {
	var said *ldap.Error
	return errors.As(err, &said) && said.ResultCode < ldap.ErrorNetwork &&
		!ldap.IsErrorAnyOf(err, ldap.LDAPResultBusy, ldap.LDAPResultUnavailable, ldap.LDAPResultTimeLimitExceeded)
}

// connected is the connection, which is opened if it must be; mu is held.
func (c *changer) connected(ctx context.Context) (*ldap.Conn, error) {
	if c.conn != nil && !c.conn.IsClosing() {
		return c.conn, nil
	}
	var err error
	c.conn, err = c.of.dial(ctx, c.tree.root, c.password)
	return c.conn, err
}

// close is called with mu held.
func (c *changer) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

func (c *changer) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.close()
}

// changes are the requests that make an account so: one where it is let in
// afterwards or its password stays. A lock goes with a change of the password by
// itself, and must not be in the same request.
func (t tree) changes(want directory.Change, now time.Time) (all []*ldap.ModifyRequest) {
	if want.Password != "" {
		m := t.change(want.User, population.Active, lasting[1:], now)
		m.Replace("userPassword", []string{hash(want.Password, salt())})
		m.Replace("pwdChangedTime", []string{generalized(now)})
		all = append(all, m)
	}
	if want.Password == "" || want.State != population.Active {
		all = append(all, t.change(want.User, want.State, lasting, now))
	}
	return all
}

// change is the request that makes a state of some attributes.
func (t tree) change(user int, s population.State, of []string, now time.Time) *ldap.ModifyRequest {
	m := ldap.NewModifyRequest(t.dn(user), []ldap.Control{relax})
	has, changed := state(s, now)
	if s == population.PasswordExpired {
		m.Replace("pwdChangedTime", []string{changed})
	}
	for _, name := range of {
		var values []string
		if name == has.name {
			values = []string{has.value}
		}
		m.Replace(name, values)
	}
	return m
}
