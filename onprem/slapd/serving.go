package slapd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"

	"ptabench/observe"
	"ptabench/onprem/child"
	"ptabench/onprem/directory"
)

// serving is a running slapd.
type serving struct {
	process  *child.Process
	served   directory.Served
	password string        // of the service account
	own      atomic.Uint64 // binds that were made here
	changer  *changer

	mu    sync.Mutex
	admin *ldap.Conn // what its counts are read by; nil until it is needed
}

var _ directory.Serving = (*serving)(nil)

func (s *serving) Served() directory.Served { return s.served }
func (s *serving) PIDs() []int              { return s.process.PIDs() }
func (s *serving) Ended() <-chan struct{}   { return s.process.Ended() }

// Change makes an account so.
func (s *serving) Change(ctx context.Context, c directory.Change) error {
	return s.changer.change(ctx, c)
}

// Stop ends slapd. It says why when slapd had ended by itself.
func (s *serving) Stop() error {
	s.mu.Lock()
	if s.admin != nil {
		_ = s.admin.Close()
		s.admin = nil
	}
	s.mu.Unlock()
	s.changer.stop()
	select {
	case <-s.process.Ended():
		return s.process.Err()
	default:
		s.process.Stop(stopGrace)
		return nil
	}
}

// wait returns when the service account can bind.
func (s *serving) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startBound)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond) // what starts says nothing when it has
	defer again.Stop()
	for {
		s.mu.Lock()
		err := s.connect(ctx)
		s.mu.Unlock()
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-s.process.Ended():
			if err = s.process.Err(); strings.Contains(err.Error(), "bind") || strings.Contains(err.Error(), "address") {
				err = fmt.Errorf("%w: %w", errInUse, err)
			}
			return err
		case <-ctx.Done():
			return fmt.Errorf("starting: %w: %w", ctx.Err(), err)
		}
	}
}

// connect binds as the service account; mu is held.
func (s *serving) connect(ctx context.Context) (err error) {
	s.admin, err = s.dial(ctx, s.served.ServiceDN, s.password)
	return err
}

// dial binds over a connection of its own.
func (s *serving) dial(ctx context.Context, dn, password string) (*ldap.Conn, error) {
	dialer := &net.Dialer{}
	if deadline, ok := ctx.Deadline(); ok {
		dialer.Deadline = deadline
	}
	c, err := ldap.DialURL("ldap://"+s.served.LDAP, ldap.DialWithDialer(dialer))
	if err != nil {
		return nil, err
	}
	c.SetTimeout(2 * time.Second)
	s.own.Add(1)
	if err := c.Bind(dn, password); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Counters reads what slapd counted from its monitor database.
func (s *serving) Counters(ctx context.Context) (observe.DirectoryCounters, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.admin == nil || s.admin.IsClosing() {
		if err := s.connect(ctx); err != nil {
			return observe.DirectoryCounters{}, err
		}
	}
	found, err := s.admin.Search(&ldap.SearchRequest{
		BaseDN: "cn=Monitor", Scope: ldap.ScopeWholeSubtree,
		Filter:     "(|(cn=Bind)(cn=Search)(cn=Total)(cn=Current))",
		Attributes: []string{"monitorOpCompleted", "monitorCounter"},
	})
	if err != nil {
		_ = s.admin.Close()
		s.admin = nil
		return observe.DirectoryCounters{}, err
	}
	number := func(dn, attribute string) uint64 {
		for _, e := range found.Entries {
			if strings.EqualFold(e.DN, dn) {
				n, _ := strconv.ParseUint(e.GetAttributeValue(attribute), 10, 64)
				return n
			}
		}
		return 0
	}
	binds := number("cn=Bind,cn=Operations,cn=Monitor", "monitorOpCompleted")
	return observe.DirectoryCounters{
		Counts: observe.CountsTotal, Binds: map[string]uint64{},
		Total:    binds - min(s.own.Load(), binds),
		Searches: number("cn=Search,cn=Operations,cn=Monitor", "monitorOpCompleted"),
		Open:     int(number("cn=Current,cn=Connections,cn=Monitor", "monitorCounter")),
		Accepted: number("cn=Total,cn=Connections,cn=Monitor", "monitorCounter"),
	}, nil
}
