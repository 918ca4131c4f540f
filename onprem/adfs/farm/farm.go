// Package farm is what the federation servers of one farm share: a directory
// with the certificates that they sign tokens with, the key of their browser
// sessions, and the authority of their TLS certificates. Servers that start at
// once make each of these once; whoever changes one does it under a lock, in a
// file that appears whole, and the others take it up.
package farm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"ptabench/whole"
)

// The files of a farm. The key files are for their owner only.
const (
	lockFile      = "lock"
	signingFile   = "signing.json" // mode 0600
	authorityFile = "ca.pem"
	keyFile       = "ca.key" // mode 0600
)

const (
	// lookEvery is how late a server may notice that another one has changed the
	// certificates.
	lookEvery = 250 * time.Millisecond
	// lockPatience is how long to wait for the others: making a key takes a
	// second on a busy machine, and none of them has more to do under the lock.
	lockPatience = 30 * time.Second
	lockRetry    = 20 * time.Millisecond
)

// Terms are when certificates replace one another.
type Terms struct {
	Lifetime time.Duration // of a signing certificate
	// NextBefore is how long before a certificate ends the next one is made and
	// published, PromoteAfter how long it is published before it signs: the time
	// that those who trust the farm have to notice.
	NextBefore, PromoteAfter time.Duration
}

// DefaultTerms are those of AD FS: a year, 20 days and 5 days.
var DefaultTerms = Terms{Lifetime: 365 * 24 * time.Hour, NextBefore: 20 * 24 * time.Hour, PromoteAfter: 5 * 24 * time.Hour}

// Validate reports every mistake at once, by the flags.
func (t Terms) Validate() error {
	var errs []error
	if t.Lifetime < time.Minute || t.Lifetime > maxLifetime {
		errs = append(errs, fmt.Errorf("--signing-lifetime %v: expected 1m to %v", t.Lifetime, maxLifetime))
	}
	if t.NextBefore <= 0 || t.NextBefore >= t.Lifetime {
		errs = append(errs, fmt.Errorf("--signing-next-before %v: expected more than 0s and less than --signing-lifetime, %v", t.NextBefore, t.Lifetime))
	}
	if t.PromoteAfter <= 0 || t.PromoteAfter >= t.NextBefore {
		errs = append(errs, fmt.Errorf("--signing-promote-after %v: expected more than 0s and less than --signing-next-before, %v", t.PromoteAfter, t.NextBefore))
	}
	return errors.Join(errs...)
}

const maxLifetime = 10 * 365 * 24 * time.Hour

// A Farm is one server's view of it. It is safe for concurrent use.
type Farm struct {
	dir     string
	terms   Terms
	log     *slog.Logger
	now     func() time.Time
	keys    atomic.Pointer[Keys]
	reading sync.Mutex                  // what is read last is what is in force
	inForce atomic.Pointer[os.FileInfo] // of the file that keys were read from
}

// Open joins the farm in a directory, or founds it there.
func Open(dir string, terms Terms, log *slog.Logger) (*Farm, error) {
	return open(dir, terms, log, time.Now)
}

func open(dir string, terms Terms, log *slog.Logger, now func() time.Time) (*Farm, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the farm's directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("the farm's directory: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("the farm's directory %s: mode %#o lets others in, expected 0700", dir, mode)
	}
	f := &Farm{dir: dir, terms: terms, log: log, now: now}
	return f, f.locked(func() error {
		if err := f.read(); err == nil || !errors.Is(err, os.ErrNotExist) {
			return err
		}
		first, err := f.found()
		if err != nil {
			return err
		}
		return f.put(first)
	})
}

// Keys are what the farm signs with at present.
func (f *Farm) Keys() *Keys { return f.keys.Load() }

// Keep takes up what other servers changed, and replaces certificates in time,
// until the context ends.
func (f *Farm) Keep(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	warned := false
	for {
		err := f.look()
		if err != nil && !warned {
			f.log.Warn("the farm's certificates; those in force stay", "error", err)
		}
		warned = err != nil
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// look is what Keep does each time.
func (f *Farm) look() error {
	if err := f.refresh(); err != nil {
		return err
	}
	if f.Keys().due(f.now(), f.terms) == stay {
		return nil
	}
	return f.locked(func() error {
		if err := f.refresh(); err != nil { // another server may have done it meanwhile
			return err
		}
		k := f.Keys()
		var err error
		switch k.due(f.now(), f.terms) {
		case stay:
			return nil
		case publish:
			k, err = f.published(k)
		case promote:
			k, err = f.promoted(k)
		}
		if err != nil {
			return err
		}
		return f.put(k)
	})
}

// PublishNext makes the next signing certificate and publishes it beside the
// present one. One that is published already stays.
func (f *Farm) PublishNext() (*Keys, error) { return f.change(f.published) }

// Promote has the next certificate sign from now on; the one before it stays
// published. Where there is no next one it is made, which those who trust the
// farm learn of by a token that they cannot verify yet.
func (f *Farm) Promote() (*Keys, error) { return f.change(f.promoted) }

func (f *Farm) change(how func(*Keys) (*Keys, error)) (*Keys, error) {
	err := f.locked(func() error {
		if err := f.refresh(); err != nil {
			return err
		}
		k, err := how(f.Keys())
		if err != nil || k == f.Keys() {
			return err
		}
		return f.put(k)
	})
	return f.Keys(), err
}

// refresh reads the keys again if their file is another one.
func (f *Farm) refresh() error {
	info, err := os.Stat(filepath.Join(f.dir, signingFile))
	if err != nil {
		return fmt.Errorf("the signing certificates: %w", err)
	}
	// The number of a file that was replaced is given again, so that alone is no
	// proof of its being the same.
	if last := *f.inForce.Load(); os.SameFile(info, last) && info.ModTime().Equal(last.ModTime()) && info.Size() == last.Size() {
		return nil
	}
	return f.read()
}

// read puts what the file has into force.
func (f *Farm) read() error {
	f.reading.Lock()
	defer f.reading.Unlock()
	path := filepath.Join(f.dir, signingFile)
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("the signing certificates: %w", err)
	}
	text, err := readPrivate(path)
	if err != nil {
		return fmt.Errorf("the signing certificates: %w", err)
	}
	k, err := parseKeys(text)
	if err != nil {
		return fmt.Errorf("the signing certificates: %s: %w", path, err)
	}
	// A newer file than info describes is read again the next time, at no harm.
	f.inForce.Store(&info)
	f.keys.Store(k)
	return nil
}

// put writes keys for all servers, and puts them into force here.
func (f *Farm) put(k *Keys) error {
	text, err := k.text()
	if err != nil {
		return err
	}
	if err := whole.Bytes(filepath.Join(f.dir, signingFile), 0o600, text); err != nil {
		return fmt.Errorf("keeping the signing certificates: %w", err)
	}
	return f.read()
}

// locked runs what no other server of the farm may do at the same time.
func (f *Farm) locked(do func() error) (err error) {
	lock, err := os.OpenFile(filepath.Join(f.dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("locking the farm: %w", err)
	}
	defer lock.Close() // which lets go of it, as does the end of the process
	for by := time.Now().Add(lockPatience); ; {
		err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return do()
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) || time.Now().After(by) {
			return fmt.Errorf("locking the farm %s: %w", f.dir, err)
		}
		time.Sleep(lockRetry)
	}
}

// Serve returns a TLS certificate for the loopback names and the given hosts,
// by the farm's authority, and that authority in PEM.
func (f *Farm) Serve(hosts ...string) (tls.Certificate, []byte, error) {
	var ca authority
	err := f.locked(func() (err error) {
		ca, err = loadAuthority(f.dir, f.now())
		return err
	})
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	cert, err := ca.issue(hosts, f.now())
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("issuing the server's certificate: %w", err)
	}
	return cert, ca.pem, nil
}

// Published are the certificates whose tokens are to be believed, that which
// signs first.
func (k *Keys) Published() []*x509.Certificate {
	all := []*x509.Certificate{k.Signing.Certificate}
	if k.Other != nil {
		all = append(all, k.Other.Certificate)
	}
	return all
}
