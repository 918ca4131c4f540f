package directory

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A filter is a search filter as it came over the wire (RFC 4511, section
// 4.5.1.7). It is never turned into text and parsed again, so no character of
// a value can change what it means.
type filter struct {
	kind     byte // the low bits of its tag
	attr     string
	value    string   // of an equality
	initial  string   // of a substring match, as are any and final
	any      []string // in order
	final    string
	children []filter
}

// The kinds of filter.
const (
	filterAnd        = 0
	filterOr         = 1
	filterNot        = 2
	filterEquality   = 3
	filterSubstrings = 4
	filterGreater    = 5
	filterLess       = 6
	filterPresent    = 7
	filterApprox     = 8
	filterExtensible = 9
)

// maxTerms bounds the terms of one filter, and so the entries it can name.
const maxTerms = 256

// parseFilter reads a filter out of a well-formed message, whose nesting is
// bounded.
func parseFilter(tag byte, content []byte, terms *int) (filter, error) {
	const context, constructed = 0x80, 0x20
	f := filter{kind: tag & 0x1f}
	if tag&0xc0 != context {
		return f, errMalformed
	}
	if *terms++; *terms > maxTerms {
		return f, fmt.Errorf("filter: more than %d terms", maxTerms)
	}
	if f.kind == filterPresent {
		f.attr = strings.ToLower(string(content))
		return f, nil
	}
	if tag&constructed == 0 {
		return f, errMalformed
	}
	switch f.kind {
	case filterAnd, filterOr, filterNot:
		for len(content) > 0 {
			tag, inner, rest, ok := element(content)
			if !ok {
				return f, errMalformed
			}
			child, err := parseFilter(tag, inner, terms)
			if err != nil {
				return f, err
			}
			f.children, content = append(f.children, child), rest
		}
		if f.kind == filterNot && len(f.children) != 1 {
			return f, errMalformed
		}
		return f, nil
	case filterEquality, filterApprox, filterGreater, filterLess:
		attr, value, ok := twoStrings(content)
		if !ok {
			return f, errMalformed
		}
		f.attr, f.value = strings.ToLower(attr), value
		return f, nil
	case filterSubstrings:
		return parseSubstrings(f, content)
	case filterExtensible:
		return f, nil // undefined for every entry
	}
	return f, errMalformed
}

func parseSubstrings(f filter, content []byte) (filter, error) {
	tag, attr, rest, ok := element(content)
	if !ok || tag != tagOctets {
		return f, errMalformed
	}
	f.attr = strings.ToLower(string(attr))
	tag, parts, rest, ok := element(rest)
	if !ok || tag != tagSequence || len(rest) != 0 || len(parts) == 0 {
		return f, errMalformed
	}
	for len(parts) > 0 {
		tag, part, rest, ok := element(parts)
		if !ok {
			return f, errMalformed
		}
		text := strings.ToLower(string(part))
		switch tag {
		case 0x80:
			f.initial = text
		case 0x81:
			f.any = append(f.any, text)
		case 0x82:
			f.final = text
		default:
			return f, errMalformed
		}
		parts = rest
	}
	return f, nil
}

func twoStrings(b []byte) (first, second string, ok bool) {
	tag, one, rest, ok := element(b)
	if !ok || tag != tagOctets {
		return "", "", false
	}
	tag, two, rest, ok := element(rest)
	if !ok || tag != tagOctets || len(rest) != 0 {
		return "", "", false
	}
	return string(one), string(two), true
}

// truth is the value of a filter for an entry: comparisons that the directory
// cannot make are neither true nor false (RFC 4511, section 4.5.1.7).
type truth int8

const (
	isFalse   truth = -1
	undefined truth = 0
	isTrue    truth = 1
)

func truthOf(b bool) truth {
	if b {
		return isTrue
	}
	return isFalse
}

// of evaluates the filter for an entry.
func (f *filter) of(e entry) truth {
	switch f.kind {
	case filterAnd:
		all := isTrue
		for i := range f.children {
			all = min(all, f.children[i].of(e))
		}
		return all
	case filterOr:
		one := isFalse
		for i := range f.children {
			one = max(one, f.children[i].of(e))
		}
		return one
	case filterNot:
		return -f.children[0].of(e)
	case filterPresent:
		return truthOf(len(e.values(f.attr)) > 0)
	case filterEquality, filterApprox:
		for _, v := range e.values(f.attr) {
			if strings.EqualFold(v, f.value) {
				return isTrue
			}
		}
		return isFalse
	case filterSubstrings:
		for _, v := range e.values(f.attr) {
			if f.partsOf(strings.ToLower(v)) {
				return isTrue
			}
		}
		return isFalse
	case filterGreater, filterLess:
		if f.attr != usnAttribute {
			return undefined
		}
		from, to, ok := f.numbers()
		if !ok {
			return undefined
		}
		for _, v := range e.values(f.attr) {
			n, err := strconv.ParseUint(v, 10, 64)
			return truthOf(err == nil && n >= from && n <= to)
		}
		return isFalse
	}
	return undefined
}

// usnAttribute is the only one that has an order here.
const usnAttribute = "usnchanged"

// numbers is the range of update sequence numbers outside which a filter is not
// true. It is not ok for a filter that sets no lower bound, or none at all.
func (f *filter) numbers() (from, to uint64, ok bool) {
	n, err := strconv.ParseUint(f.value, 10, 64)
	switch {
	case f.kind == filterGreater && f.attr == usnAttribute && err == nil:
		return n, math.MaxUint64, true
	case f.kind == filterLess && f.attr == usnAttribute && err == nil:
		return 0, n, true
	case f.kind == filterAnd:
		to = math.MaxUint64
		for i := range f.children {
			if a, b, found := f.children[i].numbers(); found {
				from, to, ok = max(from, a), min(to, b), true
			}
		}
	}
	return from, to, ok
}

func (f *filter) partsOf(v string) bool {
	v, ok := strings.CutPrefix(v, f.initial)
	if !ok {
		return false
	}
	for _, part := range f.any {
		_, after, ok := strings.Cut(v, part)
		if !ok {
			return false
		}
		v = after
	}
	return strings.HasSuffix(v, f.final)
}

// candidates returns the entries that may match, when the index can name them:
// an equality on a naming attribute, or a combination that needs one.
func (f *filter) candidates(t *tree) (found []node, ok bool) {
	switch f.kind {
	case filterEquality:
		return t.byName(f.attr, f.value)
	case filterAnd:
		for i := range f.children {
			if found, ok := f.children[i].candidates(t); ok {
				return found, true
			}
		}
	case filterOr:
		seen := make(map[node]bool)
		for i := range f.children {
			some, ok := f.children[i].candidates(t)
			if !ok {
				return nil, false
			}
			for _, n := range some {
				if !seen[n] {
					seen[n] = true
					found = append(found, n)
				}
			}
		}
		return found, true
	}
	return nil, false
}
