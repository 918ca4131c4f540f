package hashsync

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ptabench/whole"
)

// knownFile keeps in the state directory what was known of the file, so that
// what changed while the agent was down is seen as a change.
const knownFile = "file-known.json"

// maxFileAccounts bounds a file: the largest population.
const maxFileAccounts = 1_000_000

// fileHeader is the first line of the file.
var fileHeader = []string{"upn", "nt_hash", "disabled", "must_change"}

// A fileSource is a file of accounts in CSV. Nobody numbers its changes, so the
// source does: whenever the file is another one than before, each account that
// differs takes the next number.
type fileSource struct {
	path, keep string
	read       fs.FileInfo // of what was read last; nil when nothing was
	known      known
	now        []change // in the order of the file; secrets
	index      map[string]int
}

// known is what is kept: of a hash no more than a fingerprint under a key that
// is kept beside it, in a file for its owner only, as the hashes are.
type known struct {
	ID       string             `json:"id"`
	Key      []byte             `json:"key"`
	Last     uint64             `json:"last"`
	Accounts map[string]account `json:"accounts"` // by user principal name, in lower case
}

type account struct {
	Print   []byte `json:"print,omitempty"`
	USN     uint64 `json:"usn"`
	AtNS    int64  `json:"at_ns"`
	Deleted bool   `json:"deleted,omitempty"`
}

func newFile(path, state string) (source, error) {
	s := &fileSource{path: path, keep: filepath.Join(state, knownFile)}
	text, err := os.ReadFile(s.keep)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.known = known{ID: rand.Text(), Key: []byte(rand.Text()), Accounts: make(map[string]account)}
	case err == nil:
		err = json.Unmarshal(text, &s.known)
		fallthrough
	default:
		if err != nil {
			return nil, fmt.Errorf("what was known of the file: %s: %w", s.keep, err)
		}
	}
	if s.known.Accounts == nil {
		s.known.Accounts = make(map[string]account)
	}
	return s, nil
}

func (s *fileSource) close() {}

func (s *fileSource) where(context.Context) (string, uint64, error) {
	info, err := os.Stat(s.path)
	if err != nil {
		return "", 0, fmt.Errorf("file: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return "", 0, fmt.Errorf("file: %w: %s: mode %#o lets others in, expected 0600", errGiveUp, s.path, mode)
	}
	if s.read == nil || !os.SameFile(info, s.read) || info.Size() != s.read.Size() || !info.ModTime().Equal(s.read.ModTime()) {
		if err := s.take(info); err != nil {
			return "", 0, err
		}
	}
	return s.known.ID, s.known.Last, nil
}

// take reads the file and numbers what differs.
func (s *fileSource) take(info fs.FileInfo) error {
	f, err := os.Open(s.path)
	if err != nil {
		return fmt.Errorf("file: %w", err)
	}
	defer f.Close()
	list, err := readAccounts(f)
	if err != nil {
		return fmt.Errorf("file %s: %w", s.path, err)
	}
	index := make(map[string]int, len(list))
	for i, c := range list {
		name := strings.ToLower(c.upn)
		if _, twice := index[name]; twice {
			return fmt.Errorf("file %s: %s stands in it twice", s.path, c.upn)
		}
		index[name] = i
	}
	next := s.known
	next.Accounts = make(map[string]account, len(list))
	number := func(name string, a account) {
		next.Last++
		a.USN, a.AtNS = next.Last, info.ModTime().UnixNano()
		next.Accounts[name] = a
	}
	for i, c := range list {
		name, print := strings.ToLower(c.upn), s.print(c)
		old, found := s.known.Accounts[name]
		if found && !old.Deleted && hmac.Equal(old.Print, print) {
			next.Accounts[name] = old
		} else {
			number(name, account{Print: print})
		}
		list[i].at = time.Unix(0, next.Accounts[name].AtNS)
		list[i].password = list[i].at
	}
	for name, old := range s.known.Accounts {
		if _, still := index[name]; still {
			continue
		}
		if old.Deleted {
			next.Accounts[name] = old
		} else {
			number(name, account{Deleted: true})
		}
	}
	if next.Last != s.known.Last {
		text, err := json.Marshal(next)
		if err == nil {
			err = whole.Bytes(s.keep, 0o600, text) // before anybody hears of the numbers
		}
		if err != nil {
			return fmt.Errorf("keeping what is known of the file: %w", err)
		}
	}
	s.known, s.now, s.index, s.read = next, list, index, info
	return nil
}

func (s *fileSource) print(c change) []byte {
	mac := hmac.New(sha256.New, s.known.Key)
	mac.Write(c.nt[:])
	fmt.Fprintf(mac, "%v %v", c.hasHash, c.disabled)
	return mac.Sum(nil)[:16]
}

func (s *fileSource) changes(_ context.Context, after, upTo uint64, limit int) ([]change, uint64, error) {
	// Numbers are dense but for accounts that changed again.
	through := min(after+uint64(limit), upTo)
	var list []change
	for name, a := range s.known.Accounts {
		if a.USN <= after || a.USN > through {
			continue
		}
		if a.Deleted {
			list = append(list, change{upn: name, deleted: true, at: time.Unix(0, a.AtNS)})
		} else {
			list = append(list, s.now[s.index[name]])
		}
	}
	return list, through, nil
}

// readAccounts reads the file. Its errors quote no hash.
func readAccounts(r io.Reader) (list []change, err error) {
	lines := csv.NewReader(r)
	lines.FieldsPerRecord, lines.ReuseRecord = len(fileHeader), true
	head, err := lines.Read()
	if err != nil || !slices.Equal(head, fileHeader) {
		return nil, fmt.Errorf("line 1: expected %s", strings.Join(fileHeader, ","))
	}
	for {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		at, _ := lines.FieldPos(0)
		if err != nil {
			return nil, fmt.Errorf("line %d: expected %d fields of CSV", at, len(fileHeader))
		}
		if len(list) == maxFileAccounts {
			return nil, fmt.Errorf("line %d: expected at most %d accounts", at, maxFileAccounts)
		}
		c := change{upn: fields[0]}
		var mustChange bool
		nt, hashErr := hex.DecodeString(fields[1])
		if !strings.Contains(c.upn, "@") || hashErr != nil || len(nt) != 0 && len(nt) != len(c.nt) ||
			!yes(fields[2], &c.disabled) || !yes(fields[3], &mustChange) {
			return nil, fmt.Errorf("line %d: expected a user principal name, 32 hexadecimal digits or none, true or false, true or false", at)
		}
		if c.hasHash = len(nt) != 0 && !mustChange; c.hasHash {
			c.nt = [16]byte(nt)
		}
		list = append(list, c)
	}
}

func yes(text string, is *bool) bool {
	v, err := strconv.ParseBool(text)
	*is = v
	return err == nil || text == ""
}
