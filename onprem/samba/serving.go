package samba

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/go-ldap/ldap/v3"

	"ptabench/observe"
	"ptabench/onprem/child"
	"ptabench/onprem/directory"
)

// serving is a running Samba.
type serving struct {
	process *child.Process
	served  directory.Served
	release func() // of its address
	changer changer
}

var _ directory.Serving = (*serving)(nil)

func (s *serving) Served() directory.Served { return s.served }
func (s *serving) PIDs() []int              { return s.process.PIDs() }
func (s *serving) Ended() <-chan struct{}   { return s.process.Ended() }

// Counters says that nothing is counted: Samba keeps no counts of binds.
func (s *serving) Counters(context.Context) (observe.DirectoryCounters, error) {
	return observe.DirectoryCounters{Counts: observe.CountsNone, Binds: map[string]uint64{}}, nil
}

// Change makes an account so.
func (s *serving) Change(ctx context.Context, c directory.Change) error {
	return s.changer.change(ctx, c)
}

// Stop ends Samba. It says why when Samba had ended by itself.
func (s *serving) Stop() error {
	defer s.release()
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
func (s *serving) wait(ctx context.Context, setup directory.Setup) error {
	text, err := os.ReadFile(setup.CAFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	host, _, err := net.SplitHostPort(s.served.LDAPS)
	if err != nil {
		return err
	}
	config := &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12}
	ctx, cancel := context.WithTimeout(ctx, startBound)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond) // what starts says nothing when it has
	defer again.Stop()
	for {
		err := s.bind(config, setup.ServicePassword)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-s.process.Ended():
			return s.process.Err()
		case <-ctx.Done():
			return fmt.Errorf("starting: %w: %w", ctx.Err(), err)
		}
	}
}

func (s *serving) bind(config *tls.Config, password string) error {
	c, err := ldap.DialURL("ldaps://"+s.served.LDAPS, ldap.DialWithTLSConfig(config), ldap.DialWithDialer(&net.Dialer{Timeout: 2 * time.Second}))
	if err != nil {
		return err
	}
	c.SetTimeout(5 * time.Second)
	return errors.Join(c.Bind(s.served.ServiceDN, password), c.Close())
}
