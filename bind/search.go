package bind

import (
	"errors"
	"fmt"
)

// BER tags of a search.
const (
	tagBoolean         = 0x01
	tagSet             = 0x31
	tagSearchRequest   = 0x63 // application 3, constructed
	tagSearchEntry     = 0x64 // application 4, constructed
	tagSearchDone      = 0x65 // application 5, constructed
	tagSearchReference = 0x73 // application 19, constructed
	tagEquality        = 0xa3 // context 3, constructed
	tagPresent         = 0x87 // context 7, primitive
)

// Scopes of a search.
const (
	scopeBase    = 0
	scopeSubtree = 2
)

// A query is a search for what has a value of an attribute, or with no value,
// for what has the attribute. The value goes out as it is, between a length and
// the next element: no character of it can end it, so there is nothing to
// escape.
type query struct {
	base      string
	scope     byte
	limit     byte // entries, 0 for any number; the server is told
	attribute string
	value     string
	wanted    []string
	entry     func(*entry)
}

// appendSearchRequest appends a search to b.
func appendSearchRequest(b []byte, id int32, q *query) []byte {
	filter, tag := sized(len(q.attribute))+sized(len(q.value)), byte(tagEquality)
	if q.value == "" {
		filter, tag = len(q.attribute), tagPresent
	}
	wanted := 0
	for _, name := range q.wanted {
		wanted += sized(len(name))
	}
	op := sized(len(q.base)) + 3 + 3 + 3 + 3 + 3 + sized(filter) + sized(wanted)
	b = appendHeader(b, tagSequence, 6+sized(op))
	b = append(b, tagInteger, 4, byte(id>>24), byte(id>>16), byte(id>>8), byte(id))
	b = appendHeader(b, tagSearchRequest, op)
	b = appendText(b, tagOctets, q.base)
	b = append(b, tagEnumerated, 1, q.scope)
	b = append(b, tagEnumerated, 1, 0) // never follow aliases
	b = append(b, tagInteger, 1, q.limit)
	b = append(b, tagInteger, 1, 0) // no limit of time but the connection's
	b = append(b, tagBoolean, 1, 0) // values, too
	b = appendHeader(b, tag, filter)
	if q.value == "" {
		b = append(b, q.attribute...)
	} else {
		b = appendText(b, tagOctets, q.attribute)
		b = appendText(b, tagOctets, q.value)
	}
	b = appendHeader(b, tagSequence, wanted)
	for _, name := range q.wanted {
		b = appendText(b, tagOctets, name)
	}
	return b
}

func appendText(b []byte, tag byte, text string) []byte {
	return append(appendHeader(b, tag, len(text)), text...)
}

// An entry is one that a search found. It points into the message.
type entry struct {
	dn         []byte
	attributes []byte // checked by parseEntry
}

// each calls f with each value.
func (e *entry) each(f func(name string, value []byte)) {
	_ = eachAttribute(e.attributes, f)
}

func eachAttribute(all []byte, f func(name string, value []byte)) error {
	for len(all) > 0 {
		one, rest, err := expect(all, tagSequence)
		if err != nil {
			return err
		}
		all = rest
		name, one, err := expect(one, tagOctets)
		if err != nil {
			return err
		}
		values, one, err := expect(one, tagSet)
		if err != nil {
			return err
		}
		if len(one) != 0 {
			return errMalformed
		}
		for len(values) > 0 {
			var value []byte
			if value, values, err = expect(values, tagOctets); err != nil {
				return err
			}
			f(string(name), value)
		}
	}
	return nil
}

// parseEntry reads the body of a search result entry.
func parseEntry(body []byte) (e entry, err error) {
	if e.dn, body, err = expect(body, tagOctets); err != nil {
		return e, err
	}
	if e.attributes, body, err = expect(body, tagSequence); err != nil {
		return e, err
	}
	if len(body) != 0 {
		return e, errMalformed
	}
	return e, eachAttribute(e.attributes, func(string, []byte) {})
}

// found is one message of what a search yields.
type found struct {
	id   int32
	op   byte
	code int32 // of the end
	entry
}

// parseFound reads one whole message of a search's answer.
func parseFound(b []byte) (found, error) {
	var f found
	id, op, body, _, err := envelope(b)
	if err != nil {
		return f, err
	}
	f.id, f.op = id, op
	switch op {
	case tagSearchEntry:
		f.entry, err = parseEntry(body)
	case tagSearchReference: // to other servers, where users of this one are not
	case tagSearchDone, tagExtendedResponse:
		f.code, _, err = outcome(body)
	default:
		err = fmt.Errorf("%w: unexpected operation 0x%02x", errMalformed, op)
	}
	return f, err
}

// errTooMany is of a search that yields more messages than any that was asked
// for can.
var errTooMany = errors.New("the directory finds more than it was asked for")

// maxFound bounds the messages of one search: entries, references and its end.
const maxFound = 64
