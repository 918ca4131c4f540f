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
	database string // its invocation ID, once known
	span     span
}

func newSamba(at string) (source, error) {
	program, err := child.Find(ldbSearch, "package ldb-tools, by scripts/install-samba.sh")
	if err != nil {
		return nil, fmt.Errorf("source samba: %w", err)
	}
	file, err := databaseOf(at)
	if err != nil {
		return nil, fmt.Errorf("samba: %w", err)
	}
	return &sambaSource{file: file, program: program}, nil
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

func (s *sambaSource) close() {}

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
	if s.database == "" {
		settings, err := s.one(ctx, string(root.value("dsServiceName")))
		if err != nil {
			return "", 0, err
		}
		if s.database = string(settings.value("invocationId")); s.database == "" {
			return "", 0, errors.New("samba: no invocationId")
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

func (s *sambaSource) changes(ctx context.Context, after, upTo uint64, limit int) ([]change, uint64, error) {
	return s.span.ask(after, upTo, limit, func(from, to uint64) (list []change, more bool, err error) {
		filter := fmt.Sprintf("(&(objectCategory=person)(objectClass=user)(uSNChanged>=%d)(uSNChanged<=%d))", from, to)
		found, err := s.search(ctx, append([]string{filter}, carriedAttributes...)...)
		if err != nil {
			return nil, false, err
		}
		for _, e := range found {
			c, err := changeOf(e.value)
			if err != nil {
				return nil, false, fmt.Errorf("samba: %s: %w", e.value("dn"), err)
			}
			if c.upn != "" {
				list = append(list, c)
			}
		}
		return list, false, nil
	})
}
