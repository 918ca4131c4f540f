package hashsync

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// An ldifEntry is the attributes of an entry by name, in lower case; the first
// value of each.
type ldifEntry map[string][]byte

func (e ldifEntry) value(name string) []byte { return e[strings.ToLower(name)] }

// maxLDIFLine bounds a line, in bytes.
const maxLDIFLine = 1 << 20

// parseLDIF reads entries (RFC 2849), and leaves out comments and what has no
// dn, such as referrals. Its errors quote no values.
func parseLDIF(text []byte) (entries []ldifEntry, err error) {
	entry, number := ldifEntry{}, 0
	end := func() {
		if _, named := entry["dn"]; named {
			entries = append(entries, entry)
		}
		entry = ldifEntry{}
	}
	take := func(line []byte) error {
		switch {
		case len(line) == 0:
			end()
			return nil
		case line[0] == '#':
			return nil
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return fmt.Errorf("LDIF, line %d: expected name: value", number)
		}
		if encoded, is := bytes.CutPrefix(value, []byte(":")); is {
			if value, err = base64.StdEncoding.DecodeString(string(bytes.TrimSpace(encoded))); err != nil {
				return fmt.Errorf("LDIF, line %d: expected base64", number)
			}
		} else {
			value = bytes.TrimLeft(value, " ")
		}
		if key := strings.ToLower(string(name)); entry[key] == nil {
			entry[key] = bytes.Clone(value)
			if entry[key] == nil {
				entry[key] = []byte{}
			}
		}
		return nil
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxLDIFLine)
	var line []byte // with those that continue it
	begun := false
	for lines.Scan() {
		number++
		next := bytes.TrimSuffix(lines.Bytes(), []byte("\r"))
		if begun && len(next) > 0 && next[0] == ' ' {
			if line = append(line, next[1:]...); len(line) > maxLDIFLine {
				return nil, errors.New("LDIF: a line of more than a megabyte")
			}
			continue
		}
		if begun {
			if err := take(line); err != nil {
				return nil, err
			}
		}
		line, begun = append(line[:0], next...), true
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("LDIF: %w", err)
	}
	if err := take(line); err != nil {
		return nil, err
	}
	end()
	return entries, nil
}
