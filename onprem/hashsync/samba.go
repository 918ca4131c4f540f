package hashsync

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"ptabench/onprem/child"
)

// ldbSearch is Samba's tool for its own database, of the package ldb-tools.
const ldbSearch = "ldbsearch"

// A sambaSource asks a Samba domain controller's database on this host, by
// Samba's own tool: hashes leave it no other way but by replication. They come
// by a pipe and are nowhere but in memory.
type sambaSource struct {
	file     string // sam.ldb
	program  string
	state    string // directory for what it remembers
	database string // its invocation ID, once known
	names    *names // of its accounts, once known
	span     span
}

func newSamba(at, state string) (source, error) {
	program, err := child.Find(ldbSearch, "package ldb-tools, by scripts/install-samba.sh")
	if err != nil {
		return nil, fmt.Errorf("source samba: %w", err)
	}
	file, err := databaseOf(at)
	if err != nil {
		return nil, fmt.Errorf("samba: %w", err)
	}
	return &sambaSource{file: file, program: program, state: state}, nil
}

// databaseOf is where a domain's accounts are, by its directory or by the file
// itself.
func databaseOf(at string) (file string, err error) {
	info, err := os.Stat(at)
	if err == nil && info.IsDir() {
		at = filepath.Join(at, "private", "sam.ldb")
		info, err = os.Stat(at)
	}
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: expected the directory of a domain, or its sam.ldb", at)
	}
	return at, err
}

func (s *sambaSource) close() { s.names.close() }

// sambaPatience bounds one question: 100,000 accounts take some seconds.
const sambaPatience = 2 * time.Minute

// search asks the database. What the tool complains of names no secret.
func (s *sambaSource) search(ctx context.Context, arguments ...string) ([]ldifEntry, error) {
	ctx, cancel := context.WithTimeout(ctx, sambaPatience)
	defer cancel()
	text, err := child.Output(ctx, nil, s.program, append([]string{"-H", s.file}, arguments...)...)
	if err != nil {
		return nil, fmt.Errorf("samba: %w", err)
	}
	entries, err := parseLDIF(text)
	if err != nil {
		return nil, fmt.Errorf("samba: %s: %w", ldbSearch, err)
	}
	return entries, nil
}

func (s *sambaSource) where(ctx context.Context) (string, uint64, error) {
	root, err := s.one(ctx, "")
	if err != nil {
		return "", 0, err
	}
	highest, err := strconv.ParseUint(string(root.value("highestCommittedUSN")), 10, 64)
	if err != nil {
		return "", 0, errors.New("samba: rootDSE: no highestCommittedUSN")
	}
	if s.names == nil {
		settings, err := s.one(ctx, string(root.value("dsServiceName")))
		if err != nil {
			return "", 0, err
		}
		if s.database = string(settings.value("invocationId")); s.database == "" {
			return "", 0, errors.New("samba: no invocationId")
		}
		s.names, err = openNames(s.state, s.database, func() ([]sighting, error) {
			_, list, err := s.accounts(ctx, "("+isPerson+"(userPrincipalName=*))")
			return list, err
		})
		if err != nil {
			return "", 0, err
		}
	}
	return s.database, highest, nil
}

// one reads an entry.
func (s *sambaSource) one(ctx context.Context, dn string) (ldifEntry, error) {
	found, err := s.search(ctx, "-s", "base", "-b", dn, "dsServiceName", "highestCommittedUSN", "invocationId")
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("samba: %q: %d entries: expected 1", dn, len(found))
	}
	if err != nil {
		return ldifEntry{}, err
	}
	return found[0], nil
}

// isPerson is the beginning of a filter for accounts of people.
const isPerson = "&(objectCategory=person)(objectClass=user)"

// isPersonOrDeleted is one for those that are deleted too, of whatever they were:
// they have no category any more.
const isPersonOrDeleted = "&(objectClass=user)(|(objectCategory=person)(isDeleted=TRUE))"

// sambaAttributes are those that are asked for: objectGUID, which this tool
// writes as text, is all that tells who it was that is deleted.
var sambaAttributes = append([]string{"objectGUID", "uSNChanged"}, carriedAttributes...)

// changes are of accounts as they are, and of names that accounts lost: they
// were deleted, or renamed.
func (s *sambaSource) changes(ctx context.Context, after, upTo uint64, limit int) ([]change, uint64, error) {
	return s.span.ask(after, upTo, limit, func(from, to uint64) ([]change, bool, error) {
		list, seen, err := s.accounts(ctx, fmt.Sprintf("(%s(uSNChanged>=%d)(uSNChanged<=%d))", isPersonOrDeleted, from, to))
		if err != nil {
			return nil, false, err
		}
		if err := s.names.see(seen); err != nil {
			s.names.close()
			s.names = nil // the next cycle goes on from what was kept
			return nil, false, fmt.Errorf("samba: %w", err)
		}
		return append(list, s.names.lostIn(from, to)...), false, nil
	})
}

// accounts finds accounts: what is carried of those that have a name, and who
// has which of all.
func (s *sambaSource) accounts(ctx context.Context, filter string) (list []change, seen []sighting, err error) {
	found, err := s.search(ctx, append([]string{"--show-deleted", filter}, sambaAttributes...)...)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range found {
		c, err := changeOf(e.value)
		if err == nil && c.upn == "" {
			c.at, err = generalizedTime(string(e.value("whenChanged")))
		}
		if err != nil {
			return nil, nil, fmt.Errorf("samba: %s: %w", e.value("dn"), err)
		}
		number, err := strconv.ParseUint(string(e.value("uSNChanged")), 10, 64)
		id := string(e.value("objectGUID"))
		if err != nil || id == "" {
			return nil, nil, fmt.Errorf("samba: %s: no uSNChanged, or no objectGUID", e.value("dn"))
		}
		seen = append(seen, sighting{ID: id, UPN: c.upn, USN: number, AtNS: c.at.UnixNano()})
		if c.upn != "" {
			list = append(list, c)
		}
	}
	return list, seen, nil
}
