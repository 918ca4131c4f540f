package hashsync

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ptabench/whole"
)

// namesFile keeps in the state directory which account had which name.
const namesFile = "samba-names.jsonl"

// namesFormat is the version of that file.
const namesFormat = 1

// names knows the user principal name of each account, and which names accounts
// lost. The cloud knows an account by that name and nothing else, and of one
// that is deleted a domain controller keeps its objectGUID, but not the name.
//
// The file is a line about the database and then one for each name that an
// account got or lost, in the order in which that was seen. Whoever lost a name
// while the agent was down had it in the file; who did while there was no file
// stays in the cloud.
type names struct {
	file   *os.File
	of     map[string]string // name by objectGUID, of accounts that have one
	holder map[string]string // objectGUID by name in lower case
	lost   map[string]loss   // by name in lower case, of names that nobody has
}

// A sighting is an account as it was found. One that is deleted has no name.
type sighting struct {
	ID   string `json:"id"`
	UPN  string `json:"upn,omitempty"`
	USN  uint64 `json:"usn"`
	AtNS int64  `json:"at_ns"`
}

// A loss is the change by which an account lost its name.
type loss struct {
	upn  string
	usn  uint64
	atNS int64
}

type namesHead struct {
	Format   int    `json:"format"`
	Database string `json:"database"`
}

// openNames reads what is known of a database. Where nothing is, all says who
// has a name now.
func openNames(dir, database string, all func() ([]sighting, error)) (n *names, err error) {
	path := filepath.Join(dir, namesFile)
	defer func() {
		if err != nil {
			err = fmt.Errorf("which account has which name: %s: %w", path, err)
		}
	}()
	n = &names{of: make(map[string]string), holder: make(map[string]string), lost: make(map[string]loss)}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	known, err := n.replay(text, database)
	if err != nil {
		return nil, err
	}
	if known == 0 {
		list, err := all()
		if err != nil {
			return nil, err
		}
		var content bytes.Buffer
		if err := json.NewEncoder(&content).Encode(namesHead{namesFormat, database}); err != nil {
			return nil, err
		}
		if err := n.note(&content, list); err != nil {
			return nil, err
		}
		if err := whole.Bytes(path, 0o600, content.Bytes()); err != nil {
			return nil, err
		}
		known = content.Len()
	}
	if n.file, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return nil, err
	}
	if err := n.file.Truncate(int64(known)); err != nil { // a line that an agent that was killed did not finish
		_ = n.file.Close()
		return nil, err
	}
	return n, nil
}

// replay takes what the file says, and reports how much of it is whole lines: 0
// where it is of another database, or there is none.
func (n *names) replay(text []byte, database string) (known int, err error) {
	known = bytes.LastIndexByte(text, '\n') + 1
	number := 0
	for line := range bytes.Lines(text[:known]) {
		if number++; number == 1 {
			var head namesHead
			switch err := json.Unmarshal(line, &head); {
			case err != nil:
				return 0, fmt.Errorf("line 1: %w", err)
			case head.Format != namesFormat:
				return 0, fmt.Errorf("line 1: format %d: expected %d", head.Format, namesFormat)
			case head.Database != database:
				return 0, nil
			}
			continue
		}
		var s sighting
		if err := json.Unmarshal(line, &s); err != nil {
			return 0, fmt.Errorf("line %d: %w", number, err)
		}
		n.take(s)
	}
	return known, nil
}

func (n *names) close() {
	if n != nil {
		_ = n.file.Close() // what was written is synced
	}
}

// see takes what was found, and keeps what is new of it: before the cloud hears
// of the numbers, which are not asked for again.
func (n *names) see(list []sighting) error {
	var lines bytes.Buffer
	err := n.note(&lines, list)
	if err == nil && lines.Len() > 0 {
		if _, err = n.file.Write(lines.Bytes()); err == nil {
			err = n.file.Sync()
		}
	}
	if err != nil {
		return fmt.Errorf("keeping which account has which name: %w", err)
	}
	return nil
}

// note takes what was found, and writes what is new of it.
func (n *names) note(to *bytes.Buffer, list []sighting) error {
	lines := json.NewEncoder(to)
	for _, s := range list {
		if !n.take(s) {
			continue
		}
		if err := lines.Encode(s); err != nil {
			return err
		}
	}
	return nil
}

// take reports whether an account has another name than before. A name that
// another one got meanwhile is not lost, in whatever order the two are seen.
func (n *names) take(s sighting) (differs bool) {
	old := n.of[s.ID]
	if old == s.UPN {
		return false
	}
	if key := strings.ToLower(old); old != "" && n.holder[key] == s.ID {
		delete(n.holder, key)
		n.lost[key] = loss{old, s.USN, s.AtNS}
	}
	if s.UPN == "" {
		delete(n.of, s.ID)
		return true
	}
	key := strings.ToLower(s.UPN)
	n.of[s.ID], n.holder[key] = s.UPN, s.ID
	delete(n.lost, key)
	return true
}

// lostIn lists the accounts that are to leave the cloud for changes of a range.
func (n *names) lostIn(from, to uint64) (list []change) {
	for _, l := range n.lost {
		if l.usn >= from && l.usn <= to {
			list = append(list, change{upn: l.upn, deleted: true, at: time.Unix(0, l.atNS)})
		}
	}
	return list
}
