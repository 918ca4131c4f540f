package bind

import (
	"errors"
	"fmt"
)

// The few LDAP messages of a simple bind (RFC 4511), coded here because they
// are the hot path: a bind by the general client costs some 120 allocations.
// The few of a search are in search.go, because some directories want one
// before they can be asked, and because a general client believes what a
// directory says of sizes.

// maxMessage bounds one message of the directory, in bytes.
const maxMessage = 64 << 10

// BER tags.
const (
	tagInteger          = 0x02
	tagOctets           = 0x04
	tagEnumerated       = 0x0a
	tagSequence         = 0x30
	tagBindRequest      = 0x60 // application 0, constructed
	tagBindResponse     = 0x61 // application 1, constructed
	tagExtendedResponse = 0x78 // application 24, constructed
	tagSimple           = 0x80 // context 0, primitive
	tagControls         = 0xa0 // context 0, constructed
)

var (
	errMalformed = errors.New("malformed LDAP message")
	errTooLong   = fmt.Errorf("LDAP message longer than %d bytes", maxMessage)
)

// appendBindRequest appends a simple bind to b, with controls that are coded
// already, if any.
func appendBindRequest(b []byte, id int32, name string, password []byte, controls string) []byte {
	op := 3 + sized(len(name)) + sized(len(password))
	b = appendHeader(b, tagSequence, 6+sized(op)+len(controls))
	b = append(b, tagInteger, 4, byte(id>>24), byte(id>>16), byte(id>>8), byte(id))
	b = appendHeader(b, tagBindRequest, op)
	b = append(b, tagInteger, 1, 3) // protocol version
	b = appendHeader(b, tagOctets, len(name))
	b = append(b, name...)
	b = appendHeader(b, tagSimple, len(password))
	b = append(b, password...)
	return append(b, controls...)
}

// sized is how many bytes a value of n bytes takes with its tag and length.
func sized(n int) int {
	switch {
	case n < 0x80:
		return 2 + n
	case n < 0x100:
		return 3 + n
	case n < 0x10000:
		return 4 + n
	default:
		return 6 + n
	}
}

// appendHeader appends a tag and a length below 2 GiB.
func appendHeader(b []byte, tag byte, n int) []byte {
	switch {
	case n < 0x80:
		return append(b, tag, byte(n))
	case n < 0x100:
		return append(b, tag, 0x81, byte(n))
	case n < 0x10000:
		return append(b, tag, 0x82, byte(n>>8), byte(n))
	default:
		return append(b, tag, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
}

// header reads a tag and a definite length of up to four bytes; lengths need
// not be minimal, for Active Directory writes four bytes always. size is that
// of the header itself, 0 while b holds too little of it.
func header(b []byte) (tag byte, length, size int, err error) {
	if len(b) < 2 {
		return 0, 0, 0, nil
	}
	tag = b[0]
	if tag&0x1f == 0x1f { // tags of several bytes: LDAP has none
		return 0, 0, 0, errMalformed
	}
	if b[1] < 0x80 {
		return tag, int(b[1]), 2, nil
	}
	n := int(b[1] & 0x7f)
	if n < 1 || n > 4 {
		return 0, 0, 0, errMalformed
	}
	if len(b) < 2+n {
		return 0, 0, 0, nil
	}
	for _, c := range b[2 : 2+n] {
		length = length<<8 | int(c)
		if length > maxMessage {
			return 0, 0, 0, errTooLong
		}
	}
	return tag, length, 2 + n, nil
}

// frame is the size of the message that b begins with, 0 while that is not
// known yet. The message itself may not be there in full.
func frame(b []byte) (int, error) {
	if len(b) > 0 && b[0] != tagSequence {
		return 0, errMalformed
	}
	_, length, size, err := header(b)
	if err != nil || size == 0 {
		return 0, err
	}
	if size+length > maxMessage {
		return 0, errTooLong
	}
	return size + length, nil
}

// element splits the first value off b.
func element(b []byte) (tag byte, value, rest []byte, err error) {
	tag, length, size, err := header(b)
	if err != nil {
		return 0, nil, nil, err
	}
	if size == 0 || length > len(b)-size {
		return 0, nil, nil, errMalformed
	}
	return tag, b[size : size+length], b[size+length:], nil
}

// expect is element, of one tag only.
func expect(b []byte, want byte) (value, rest []byte, err error) {
	tag, value, rest, err := element(b)
	if err == nil && tag != want {
		err = errMalformed
	}
	return value, rest, err
}

// number reads a non-negative integer below 2^31.
func number(b []byte) (int32, error) {
	if len(b) < 1 || len(b) > 4 || b[0]&0x80 != 0 {
		return 0, errMalformed
	}
	var n int32
	for _, c := range b {
		n = n<<8 | int32(c)
	}
	return n, nil
}

// A reply is what a directory answers to a bind, or says of its own accord
// (then with message ID 0, RFC 4511 section 4.4).
type reply struct {
	id         int32
	op         byte
	code       int32
	diagnostic []byte // points into the message, as controls do
	controls   []byte // one after the other, not looked into
}

// parseReply reads one whole message.
func parseReply(b []byte) (r reply, err error) {
	var body []byte
	if r.id, r.op, body, r.controls, err = envelope(b); err != nil {
		return r, err
	}
	if r.op != tagBindResponse && r.op != tagExtendedResponse {
		return r, fmt.Errorf("%w: unexpected operation 0x%02x", errMalformed, r.op)
	}
	r.code, r.diagnostic, err = outcome(body)
	return r, err
}

// envelope takes one whole message apart: its ID, its operation with the body
// of that, and the controls after it, if any.
func envelope(b []byte) (id int32, op byte, body, controls []byte, err error) {
	b, rest, err := expect(b, tagSequence)
	if err != nil {
		return 0, 0, nil, nil, err
	}
	if len(rest) != 0 {
		return 0, 0, nil, nil, errMalformed
	}
	value, b, err := expect(b, tagInteger)
	if err != nil {
		return 0, 0, nil, nil, err
	}
	if id, err = number(value); err != nil {
		return 0, 0, nil, nil, err
	}
	if op, body, b, err = element(b); err != nil {
		return 0, 0, nil, nil, err
	}
	if len(b) > 0 && b[0] == tagControls {
		controls, _, err = expect(b, tagControls)
	}
	return id, op, body, controls, err
}

// outcome reads an LDAPResult (RFC 4511, section 4.1.9), which every answer but
// a found entry begins with.
func outcome(body []byte) (code int32, diagnostic []byte, err error) {
	value, body, err := expect(body, tagEnumerated)
	if err != nil {
		return 0, nil, err
	}
	if code, err = number(value); err != nil {
		return 0, nil, err
	}
	if _, body, err = expect(body, tagOctets); err != nil { // matched DN
		return 0, nil, err
	}
	diagnostic, _, err = expect(body, tagOctets) // referrals and credentials may follow
	return code, diagnostic, err
}
