package population

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// listed is the users of a file, where nothing is made from a seed but what is
// wrong on purpose.
type listed struct {
	names     []string // by user, before the @
	passwords []string
	byUPN     map[string]int // in lower case
	byName    map[string]int // of several with a name, the first
}

// The bounds of a file of users.
const (
	longestFile     = 256 << 20 // bytes
	longestName     = 256       // bytes before the @
	longestPassword = 1024      // bytes
	mostMistakes    = 20        // that are listed
)

// FromFile reads users from a file of CSV that nobody but its owner can read: a
// line a user, of user principal name, password and, if it is not active, state.
// A first line "upn,password" or "upn,password,state" is a heading. Where domains
// are given, users must be of one of them.
func FromFile(path string, domains ...string) (*Population, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("users: %s: mode %#o lets others read passwords, expected 0600", path, mode)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, longestFile+1))
	if err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	if len(text) > longestFile {
		return nil, fmt.Errorf("users: %s: expected at most %d bytes", path, longestFile)
	}
	return fromText(path, text, domains)
}

// fromText reads all lines and reports every mistake, no password among the
// words.
func fromText(path string, text []byte, domains []string) (*Population, error) {
	key := sha256.Sum256(append([]byte("ptabench population file 1\n"), text...))
	p := &Population{key: key[:], listed: &listed{byUPN: make(map[string]int), byName: make(map[string]int)}}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	var errs []error
	more := 0
	wrong := func(line int, err error) {
		if len(errs) == mostMistakes {
			more++
			return
		}
		errs = append(errs, fmt.Errorf("%s:%d: %w", path, line, err))
	}
	strange := make(map[string]bool) // domains that are told
	lines, before := records(text), 0
	for first := true; ; first = false {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) { // a quote, which may have swallowed all that follows
			wrong(before+bad.StartLine, errors.New(`a quote that is wrong or not closed: expected quotes around a whole field, and "" for one within`))
			text, before = after(text, bad.StartLine), before+bad.StartLine
			lines = records(text)
			continue
		}
		line, _ := lines.FieldPos(0)
		if first && strings.EqualFold(fields[0], "upn") {
			continue
		}
		if err := p.list(fields); err != nil {
			wrong(before+line, err)
			continue
		}
		if of := p.Domains()[p.DomainOf(p.Len()-1)]; len(domains) > 0 && !slices.Contains(domains, of) && !strange[of] {
			strange[of] = true
			wrong(before+line, fmt.Errorf("users of %s: expected users of %s", of, strings.Join(domains, ", ")))
		}
	}
	if more > 0 {
		errs = append(errs, fmt.Errorf("%s: and %d more mistakes", path, more))
	}
	if len(errs) == 0 && len(p.state) == 0 {
		errs = append(errs, fmt.Errorf("%s: expected at least one user", path))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	p.domains.share(len(p.state))
	for i, s := range p.state {
		p.in[s] = append(p.in[s], i)
	}
	p.changes = sync.OnceValue(p.orderOfChange)
	return p, nil
}

// records reads what may be CSV, with any number of fields.
func records(text []byte) *csv.Reader {
	r := csv.NewReader(bytes.NewReader(text))
	r.FieldsPerRecord = -1
	return r
}

// after is a text without so many lines.
func after(text []byte, lines int) []byte {
	for ; lines > 0; lines-- {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	return text
}

// list adds the user of a line. What cannot be read is not quoted: it may be a
// password that is in the wrong place.
func (p *Population) list(fields []string) error {
	if len(fields) < 2 || len(fields) > 3 {
		return fmt.Errorf("%d fields: expected upn,password or upn,password,state", len(fields))
	}
	state := Active
	if len(fields) == 3 && fields[2] != "" {
		var err error
		if state, err = ParseState(fields[2]); err != nil {
			return fmt.Errorf("state: expected one of %s", strings.Join(stateNames[:], ", "))
		}
	}
	upn := strings.TrimSpace(fields[0])
	at := strings.LastIndexByte(upn, '@')
	if at < 1 || !domainName.MatchString(upn[at+1:]) || len(upn)-at > 253 {
		return errors.New("upn: expected name@domain")
	}
	name, domain := upn[:at], strings.ToLower(upn[at+1:])
	if len(name) > longestName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Errorf("upn %q: expected at most %d bytes of printable UTF-8 before the @", upn, longestName)
	}
	if password := fields[1]; password == "" || len(password) > longestPassword || strings.ContainsRune(password, 0) {
		return fmt.Errorf("password of %s: %d bytes: expected 1 to %d, and no NUL", upn, len(password), longestPassword)
	}
	lower := strings.ToLower(upn)
	if _, twice := p.listed.byUPN[lower]; twice {
		return fmt.Errorf("upn %q: expected once", upn)
	}
	if len(p.state) == MaxUsers {
		return fmt.Errorf("upn %q: expected at most %d users", upn, MaxUsers)
	}
	of := slices.Index(p.domains.names, domain)
	if of < 0 {
		if of = len(p.domains.names); of == MaxDomains {
			return fmt.Errorf("upn %q: expected at most %d domains", upn, MaxDomains)
		}
		p.domains.names = append(p.domains.names, domain)
	}
	i := len(p.state)
	p.state = append(p.state, state)
	p.domains.of = append(p.domains.of, uint8(of))
	p.listed.names = append(p.listed.names, name)
	p.listed.passwords = append(p.listed.passwords, fields[1])
	p.listed.byUPN[lower] = i
	if _, taken := p.listed.byName[strings.ToLower(name)]; !taken {
		p.listed.byName[strings.ToLower(name)] = i
	}
	return nil
}

// share has whom nobody knows be spread over the domains as the users are.
func (d *domains) share(users int) {
	if len(d.names) == 1 {
		d.of = nil
		return
	}
	counts := make([]int, len(d.names))
	for _, of := range d.of {
		counts[of]++
	}
	d.upTo = make([]uint64, len(counts))
	sum, one := uint64(0), math.MaxUint64/uint64(users)
	for k, n := range counts {
		sum += uint64(n) * one
		d.upTo[k] = sum
	}
	d.upTo[len(counts)-1] = math.MaxUint64
}
