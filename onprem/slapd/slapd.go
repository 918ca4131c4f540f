// Package slapd serves a population by OpenLDAP: slapd with an mdb database and
// the password policy overlay, as a child with its own directory and ports. It
// is a room of its own because what OpenLDAP calls an account's state, and how
// it says so, is nobody else's.
package slapd

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ptabench/onprem/child"
	"ptabench/onprem/directory"
	"ptabench/onprem/kept"
	"ptabench/whole"
)

const (
	installer  = "package slapd, by scripts/install-slapd.sh"
	startBound = 20 * time.Second // until it can be bound to
	stopGrace  = 3 * time.Second  // from SIGTERM until it is killed
	attempts   = 5                // to start on free ports
)

// Server is the kind slapd.
type Server struct{}

var _ directory.Server = Server{}

// Kind is its name.
func (Server) Kind() string { return "slapd" }

// Validate looks for the programs.
func (Server) Validate(directory.Config) error {
	var errs []error
	for _, program := range []string{"slapd", "slapadd", "slapmodify"} {
		if _, err := child.Find(program, installer); err != nil {
			errs = append(errs, fmt.Errorf("kind slapd: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Start provisions the database, or copies one that was provisioned before, and
// starts slapd on it. What a former start left in the state directory is used
// again when it is of the same users.
func (Server) Start(ctx context.Context, setup directory.Setup) (directory.Serving, error) {
	p, err := newPaths(setup.State)
	if err != nil {
		return nil, err
	}
	tree := newTree(setup)
	version, err := version(ctx)
	if err != nil {
		return nil, err
	}
	key := kept.Key(version, tree.policy(), tree.config(p.relative(), ""), format, setup.Key)
	anew, err := provision(ctx, setup, tree, p, key)
	if err != nil {
		return nil, fmt.Errorf("provisioning: %w", err)
	}
	if err := setPassword(ctx, setup, tree, p); err != nil {
		return nil, fmt.Errorf("setting the service account's password: %w", err)
	}
	for attempt := 1; ; attempt++ {
		serving, err := start(ctx, setup, tree, p, anew)
		if err == nil || ctx.Err() != nil || attempt == attempts || !errors.Is(err, errInUse) {
			return serving, err
		}
	}
}

// version is what the program says of itself: a database of one version need
// not be readable by another.
func version(ctx context.Context) (string, error) {
	program, err := child.Find("slapadd", installer)
	if err != nil {
		return "", err
	}
	// -VV would do for slapd, but ends with an error; this one's package is the same.
	info, err := os.Stat(program)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(info.Size(), info.ModTime().UnixNano()), ctx.Err()
}

// paths are the files of the state directory.
type paths struct{ dir, key, data, schema, config, loading, pid string }

func newPaths(dir string) (paths, error) {
	if strings.ContainsAny(dir, " \t\"\n\\") { // slapd.conf could not say it
		return paths{}, fmt.Errorf("state %q: expected a path without spaces, quotes and backslashes", dir)
	}
	return at(dir), os.MkdirAll(dir, 0o700)
}

func at(dir string) paths {
	in := func(name string) string { return filepath.Join(dir, name) }
	return paths{
		dir: dir, key: in("provisioned"), data: in("data"), schema: in("user.schema"), config: in("slapd.conf"),
		loading: in("slapadd.conf"), pid: in("slapd.pid"),
	}
}

// relative is what the paths are without a state directory, for what must not
// depend on it.
func (p paths) relative() paths { return at("") }

// provision has the database be that of the key, with no changes but those of
// the setup. It says whether it made the database anew.
func provision(ctx context.Context, setup directory.Setup, t tree, p paths, key string) (anew bool, err error) {
	if err := whole.Bytes(p.schema, 0o600, []byte(userSchema)); err != nil {
		return false, err
	}
	if err := whole.Bytes(p.loading, 0o600, []byte(t.config(p, ""))); err != nil {
		return false, err
	}
	is, err := os.ReadFile(p.key)
	if err == nil && string(is) == key+"\n"+setup.Changes {
		return false, nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err := errors.Join(os.RemoveAll(p.key), os.RemoveAll(p.data)); err != nil {
		return false, err
	}
	err = kept.Copy(ctx, setup.Cache, "slapd-"+key, p.data, func(dir string) error {
		began := time.Now()
		if err := load(ctx, t, p, dir); err != nil {
			return err
		}
		setup.Log.Info("provisioned", "users", setup.Users.Len(), "took_ns", time.Since(began).Nanoseconds())
		return nil
	})
	if err != nil {
		return false, err
	}
	return true, whole.Bytes(p.key, 0o600, []byte(key+"\n"+setup.Changes))
}

// load fills a database that is to be in dir, which may be another one than the
// server's.
func load(ctx context.Context, t tree, p paths, dir string) error {
	program, err := child.Find("slapadd", installer)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(p.dir, "load-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	elsewhere := p
	elsewhere.data = dir
	config := filepath.Join(scratch, "slapd.conf")
	if err := whole.Bytes(config, 0o600, []byte(t.config(elsewhere, ""))); err != nil {
		return err
	}
	var ldif bytes.Buffer
	t.write(&ldif)
	_, err = child.Output(ctx, &ldif, program, "-q", "-f", config, "-b", t.base)
	return err
}

// setPassword gives the service account its password of this start, by its
// hash: what is kept between runs must not depend on it.
func setPassword(ctx context.Context, setup directory.Setup, t tree, p paths) error {
	program, err := child.Find("slapmodify", installer)
	if err != nil {
		return err
	}
	var ldif bytes.Buffer
	line(&ldif, "dn", t.service)
	line(&ldif, "changetype", "modify")
	line(&ldif, "replace", "userPassword")
	line(&ldif, "userPassword", hash(setup.ServicePassword, salt()))
	ldif.WriteByte('\n')
	_, err = child.Output(ctx, &ldif, program, "-f", p.loading, "-b", t.base)
	return err
}

func salt() []byte {
	salt := make([]byte, 8)
	rand.Read(salt) // never fails
	return salt
}

var errInUse = errors.New("the port was taken meanwhile")

// start starts slapd and waits until the service account can bind.
func start(ctx context.Context, setup directory.Setup, t tree, p paths, anew bool) (directory.Serving, error) {
	program, err := child.Find("slapd", installer)
	if err != nil {
		return nil, err
	}
	ldap, freeLDAP, err := take(setup.LDAP)
	if err != nil {
		return nil, fmt.Errorf("ldap: %w", err)
	}
	defer freeLDAP()
	ldaps, freeLDAPS, err := take(setup.LDAPS)
	if err != nil {
		return nil, fmt.Errorf("ldaps: %w", err)
	}
	defer freeLDAPS()
	host, _, _ := net.SplitHostPort(ldaps) // take made it
	cert, key, err := setup.Certify(host)
	if err != nil {
		return nil, err
	}
	root := rand.Text()
	config := t.tls(setup.CAFile, cert, key) + t.config(p, hash(root, salt()))
	if err := whole.Bytes(p.config, 0o600, []byte(config)); err != nil {
		return nil, err
	}
	urls := (&url.URL{Scheme: "ldap", Host: ldap}).String() + " " + (&url.URL{Scheme: "ldaps", Host: ldaps}).String()
	process, err := child.Start(setup.Log, program, "-d", "0", "-f", p.config, "-h", urls)
	if err != nil {
		return nil, err
	}
	s := &serving{process: process, served: directory.Served{
		LDAP: ldap, LDAPS: ldaps, Base: t.base, ServiceDN: t.service, Dialect: "ppolicy", Anew: anew,
	}, password: setup.ServicePassword}
	s.changer = &changer{of: s, tree: t, password: root}
	if err := s.wait(ctx); err != nil {
		process.Stop(stopGrace)
		return nil, err
	}
	return s, nil
}
