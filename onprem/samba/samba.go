// Package samba serves a population by Samba: an Active Directory domain
// controller of its own domain, of which only the directory runs, as a child
// with its own files and an address of its own. It is a room of its own because
// a domain controller is provisioned by its own tools, in its own way, and can
// neither choose its ports nor do without root.
package samba

import (
	"bytes"
	"context"
	_ "embed" // of the script
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"ptabench/onprem/child"
	"ptabench/onprem/directory"
	"ptabench/onprem/kept"
	"ptabench/whole"
)

const (
	installer = "packages samba and samba-ad-dc, by scripts/install-samba.sh"
	// python is that which Samba's modules are installed for; another one of the
	// path need not have them.
	python     = "/usr/bin/python3"
	startBound = 60 * time.Second // until it can be bound to
	stopGrace  = 5 * time.Second  // from SIGTERM until it is killed
	longest    = 15               // characters of a NetBIOS name
)

// script provisions accounts.
//
//go:embed provision.py
var script string

// Server is the kind samba.
type Server struct{}

var _ directory.Server = Server{}

// Kind is its name.
func (Server) Kind() string { return "samba" }

// Validate reports what Samba cannot do here.
func (Server) Validate(cfg directory.Config) error {
	if runtime.GOOS != "linux" {
		return errors.New("kind samba: expected Linux: it needs a loopback address of its own")
	}
	errs := []error{}
	for _, program := range []string{"samba", "samba-tool", "python3"} {
		if _, err := child.Find(program, installer); err != nil {
			errs = append(errs, fmt.Errorf("kind samba: %w", err))
		}
	}
	if os.Geteuid() != 0 {
		errs = append(errs, errors.New("kind samba: expected root: its ports cannot be chosen and are below 1024"))
	}
	if cfg.UsersFile == "" && !strings.Contains(cfg.Population.Domain, ".") {
		errs = append(errs, fmt.Errorf("domain %q: expected one with a dot, as a domain of Active Directory has", cfg.Population.Domain))
	}
	return errors.Join(append(errs, validAddresses(cfg.LDAP, cfg.LDAPS))...)
}

// Start provisions the domain, or copies one that was provisioned before, and
// starts Samba on it. What a former start left in the state directory is used
// again when it is of the same users.
func (Server) Start(ctx context.Context, setup directory.Setup) (directory.Serving, error) {
	if strings.ContainsAny(setup.State, "\n%") { // smb.conf has no way to say it
		return nil, fmt.Errorf("state %q: expected a path without %% and line ends", setup.State)
	}
	d := newDomain(setup)
	near, forget, err := shortened(setup.State)
	if err != nil {
		return nil, err
	}
	p := at(near)
	for _, dir := range []string{p.dir, p.run} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			forget()
			return nil, err
		}
	}
	host, release, err := claim(ctx, at(setup.State).dir, setup.LDAP, setup.LDAPS)
	if err != nil {
		forget()
		return nil, err
	}
	s := &serving{release: func() { release(); forget() }}
	if err := s.start(ctx, setup, d, p, host); err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

// longestState is how long the path of a state directory may be, in bytes: the
// address of a Unix socket has 107, and Samba's are some forty further down.
const longestState = 60

// shortened is a path by which Samba can have its sockets in a directory: its
// own, or, where that is too long, of a link in the directory for temporary
// files, to be forgotten in the end.
func shortened(dir string) (near string, forget func(), err error) {
	dir, err = filepath.Abs(dir)
	if err != nil || len(dir) <= longestState {
		return dir, func() {}, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, err
	}
	links, err := os.MkdirTemp("", "ptabench-")
	if err != nil {
		return "", nil, fmt.Errorf("a short path to %s: %w", dir, err)
	}
	near = filepath.Join(links, "s")
	if err := os.Symlink(dir, near); err != nil {
		_ = os.Remove(links)
		return "", nil, fmt.Errorf("a short path to %s: %w", dir, err)
	}
	return near, func() {
		_ = os.Remove(near) // nothing of the run is in it
		_ = os.Remove(links)
	}, nil
}

func (s *serving) start(ctx context.Context, setup directory.Setup, d domain, p paths, host string) error {
	program, err := child.Find("samba", installer)
	if err != nil {
		return err
	}
	info, err := os.Stat(program)
	if err != nil {
		return err
	}
	version := fmt.Sprint(info.Size(), info.ModTime().UnixNano()) // a database of one need not be readable by another
	empty := kept.Key(version, script, format, strings.Join(d.provision("", ""), " "))
	anew, err := provision(ctx, setup, d, p, empty)
	if err != nil {
		return fmt.Errorf("provisioning: %w", err)
	}
	cert, certKey, err := setup.Certify(host)
	if err != nil {
		return err
	}
	if err := whole.Bytes(p.config, 0o600, []byte(d.config(p, host, setup.CAFile, cert, certKey))); err != nil {
		return err
	}
	change := []account{{Name: setup.ServiceName, NT: nt(setup.ServicePassword), Change: true}}
	if err := fill(ctx, d, p, p.config, nil, change); err != nil {
		return fmt.Errorf("setting the service account's password: %w", err)
	}
	// What an instance that was killed left would keep this one from starting.
	if err := os.RemoveAll(p.run); err != nil {
		return err
	}
	if err := os.MkdirAll(p.run, 0o700); err != nil {
		return err
	}
	process, err := child.Start(setup.Log, program, "-F", "--no-process-group", "--debug-stdout", "--configfile="+p.config, "-M", "prefork")
	if err != nil {
		return err
	}
	s.process = process
	s.served = directory.Served{
		LDAP: net.JoinHostPort(host, portLDAP), LDAPS: net.JoinHostPort(host, portLDAPS), Base: d.base,
		ServiceDN: "CN=" + setup.ServiceName + ",CN=Users," + d.base, Dialect: "ad", Anew: anew,
		Info: map[string]string{"samba": p.data, "smb_conf": p.config, "sam_ldb": p.sam()},
	}
	s.changer = changer{log: setup.Log, domain: d, first: d.common(p, p.config)}
	s.changer.first.Answer = true
	if err := s.wait(ctx, setup); err != nil {
		process.Stop(stopGrace)
		return err
	}
	return nil
}

// paths are the files of the state directory.
type paths struct{ dir, key, data, config, run string }

func at(dir string) paths {
	in := func(name string) string { return filepath.Join(dir, name) }
	return paths{dir: dir, key: in("provisioned"), data: in("domain"), config: in("smb.conf"), run: in("run")}
}

func (p paths) sam() string { return filepath.Join(p.data, "private", "sam.ldb") }

// provision has the domain be that of the users, with no changes but those of
// the setup. It says whether it made the accounts anew. The domain without users, which
// takes longest to make, is kept too: others have the same one.
func provision(ctx context.Context, setup directory.Setup, d domain, p paths, empty string) (anew bool, err error) {
	key := kept.Key(empty, setup.Key)
	is, err := os.ReadFile(p.key)
	if err == nil && string(is) == key+"\n"+setup.Changes {
		return false, nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err := errors.Join(os.RemoveAll(p.key), os.RemoveAll(p.data)); err != nil {
		return false, err
	}
	err = kept.Copy(ctx, setup.Cache, "samba-"+key, p.data, func(dir string) error {
		began := time.Now()
		setup.Log.Info("provisioning", "users", setup.Users.Len())
		if err := os.Remove(dir); err != nil { // Copy makes it anew
			return err
		}
		if err := kept.Copy(ctx, setup.Cache, "samba-domain-"+empty, dir, func(dir string) error { return create(ctx, d, dir) }); err != nil {
			return err
		}
		if err := addAll(ctx, d, p, dir); err != nil {
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

// create makes a domain without users in dir.
func create(ctx context.Context, d domain, dir string) error {
	program, err := child.Find("samba-tool", installer)
	if err != nil {
		return err
	}
	// Its own account's password, which it makes and prints, is not kept.
	_, err = child.Output(ctx, nil, program, d.provision(dir, "127.0.0.1")...)
	return err
}

// addAll adds all accounts to the domain in dir, which may be another one than
// the server's.
func addAll(ctx context.Context, d domain, p paths, dir string) error {
	elsewhere := p
	elsewhere.data = dir
	config := filepath.Join(p.dir, "provision.conf")
	if err := whole.Bytes(config, 0o600, []byte(d.config(elsewhere, "127.0.0.1", "", "", ""))); err != nil {
		return err
	}
	defer os.Remove(config)
	return fill(ctx, d, elsewhere, config, d.settings(), d.accounts())
}

// common is what the script is told first.
type common struct {
	Config string            `json:"smb_conf"`
	SAM    string            `json:"sam_ldb"`
	Base   string            `json:"base"`
	Parent string            `json:"parent"`
	Domain map[string]string `json:"domain,omitempty"`
	Answer bool              `json:"answer,omitempty"` // each account
}

func (d domain) common(p paths, config string) common {
	return common{Config: config, SAM: p.sam(), Base: d.base, Parent: "CN=Users," + d.base}
}

// fill adds accounts to the database, or changes them. It is the server's own
// code that does, on its files. Hashes go there by a pipe.
func fill(ctx context.Context, d domain, p paths, config string, settings map[string]string, accounts []account) error {
	var input bytes.Buffer
	lines := json.NewEncoder(&input)
	first := d.common(p, config)
	first.Domain = settings
	err := lines.Encode(first)
	for i := 0; i < len(accounts) && err == nil; i++ {
		err = lines.Encode(accounts[i])
	}
	if err != nil {
		return err
	}
	_, err = child.Output(ctx, &input, python, "-I", "-c", script)
	return err
}
