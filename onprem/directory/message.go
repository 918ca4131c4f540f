package directory

import (
	"errors"
)

// The tags of the LDAP operations that clients send (RFC 4511, section 4.2 on).
const (
	opBind     = 0x60
	opUnbind   = 0x42
	opSearch   = 0x63
	opModify   = 0x66
	opAdd      = 0x68
	opDelete   = 0x4a
	opModifyDN = 0x6c
	opCompare  = 0x6e
	opAbandon  = 0x50
	opExtended = 0x77
)

// The tags of ASN.1 types that appear in them.
const (
	tagBoolean    = 0x01
	tagInteger    = 0x02
	tagOctets     = 0x04
	tagEnumerated = 0x0a
	tagSequence   = 0x30
	tagSet        = 0x31
	tagControls   = 0xa0
	tagBindAnswer = 0x61
	tagEntry      = 0x64
	tagSearchDone = 0x65
	tagNoticeName = 0x8a
)

// answerTag is the tag of the answer to each operation that has one and that
// is neither a bind nor a search.
var answerTag = map[byte]byte{
	opModify: 0x67, opAdd: 0x69, opDelete: 0x6b, opModifyDN: 0x6d, opCompare: 0x6f, opExtended: 0x78,
}

const (
	// maxMessage is the longest message taken, in bytes; a bind has about 80.
	maxMessage = 64 << 10
	// maxDepth is how deep the elements of a message, filters above all, may
	// be nested.
	maxDepth = 32
)

var errMalformed = errors.New("malformed LDAP message")

// A message is one LDAP message, checked to be well-formed to its last byte.
type message struct {
	whole     []byte
	id        []byte // the encoded message ID, tag and length included
	op        byte
	operation []byte // tag and length included
	body      []byte // the content of the operation
	controls  bool   // there are some
	critical  bool   // one of them must be obeyed; this directory knows none
}

// parseMessage checks a message whose outermost sequence has a header of so
// many bytes. The result shares the memory of whole.
func parseMessage(whole []byte, header int) (message, error) {
	m := message{whole: whole}
	content := whole[header:]
	tag, id, rest, ok := element(content)
	if !ok || tag != tagInteger || len(id) < 1 || len(id) > 4 || id[0]&0x80 != 0 {
		return m, errMalformed
	}
	m.id = content[:len(content)-len(rest)]
	m.operation = rest
	m.op, m.body, rest, ok = element(rest)
	if !ok || !wellFormed(m.op, m.body, 1) {
		return m, errMalformed
	}
	m.operation = m.operation[:len(m.operation)-len(rest)]
	if len(rest) == 0 {
		return m, nil
	}
	tag, controls, rest, ok := element(rest)
	if !ok || tag != tagControls || len(rest) != 0 || !wellFormed(tag, controls, 1) {
		return m, errMalformed
	}
	m.controls = true
	m.critical, ok = anyCritical(controls)
	if !ok {
		return m, errMalformed
	}
	return m, nil
}

// withoutControls is the encoded message, its controls left out.
func (m *message) withoutControls() []byte {
	if !m.controls {
		return m.whole
	}
	b := appendHeader(nil, tagSequence, len(m.id)+len(m.operation))
	return append(append(b, m.id...), m.operation...)
}

// isSimpleBind reports whether a bind offers a password, rather than SASL. It
// is not ok for what is neither (RFC 4511, section 4.2).
func isSimpleBind(body []byte) (simple, ok bool) {
	const choiceSimple, choiceSASL = 0x80, 0xa3
	tag, _, body, ok := element(body)
	if !ok || tag != tagInteger {
		return false, false
	}
	tag, _, body, ok = element(body)
	if !ok || tag != tagOctets {
		return false, false
	}
	tag, _, body, ok = element(body)
	if !ok || len(body) != 0 || tag != choiceSimple && tag != choiceSASL {
		return false, false
	}
	return tag == choiceSimple, true
}

// anyCritical reports whether one of the controls is marked critical.
func anyCritical(controls []byte) (critical, ok bool) {
	for len(controls) > 0 {
		tag, control, rest, ok := element(controls)
		if !ok || tag != tagSequence {
			return false, false
		}
		controls = rest
		tag, _, control, ok = element(control)
		if !ok || tag != tagOctets {
			return false, false
		}
		if len(control) == 0 {
			continue
		}
		if tag, value, _, ok := element(control); ok && tag == tagBoolean {
			critical = critical || len(value) > 0 && value[0] != 0
		}
	}
	return critical, true
}

// element splits the first element off b. Only what LDAP allows is ok: tags of
// one byte and definite lengths (RFC 4511, section 5.1).
func element(b []byte) (tag byte, content, rest []byte, ok bool) {
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return 0, nil, nil, false
	}
	header, length := 2, int(b[1])
	if length >= 0x80 {
		n := length & 0x7f
		if n < 1 || n > 4 || len(b) < 2+n {
			return 0, nil, nil, false
		}
		header, length = 2+n, 0
		for _, digit := range b[2 : 2+n] {
			length = length<<8 | int(digit)
		}
	}
	if length > len(b)-header {
		return 0, nil, nil, false
	}
	return b[0], b[header : header+length], b[header+length:], true
}

// wellFormed reports whether constructed elements hold whole elements, all the
// way down.
func wellFormed(tag byte, content []byte, depth int) bool {
	const constructed = 0x20
	if tag&constructed == 0 {
		return true
	}
	if depth > maxDepth {
		return false
	}
	for len(content) > 0 {
		inner, innerContent, rest, ok := element(content)
		if !ok || !wellFormed(inner, innerContent, depth+1) {
			return false
		}
		content = rest
	}
	return true
}

// number is the value of an INTEGER or ENUMERATED of up to four bytes.
func number(content []byte) (int, bool) {
	if len(content) < 1 || len(content) > 4 {
		return 0, false
	}
	n := int64(int8(content[0]))
	for _, b := range content[1:] {
		n = n<<8 | int64(b)
	}
	return int(n), true
}

// appendHeader begins an element of a known length.
func appendHeader(b []byte, tag byte, length int) []byte {
	switch {
	case length < 0x80:
		return append(b, tag, byte(length))
	case length <= 0xff:
		return append(b, tag, 0x81, byte(length))
	case length <= 0xffff:
		return append(b, tag, 0x82, byte(length>>8), byte(length))
	default:
		return append(b, tag, 0x83, byte(length>>16), byte(length>>8), byte(length))
	}
}

func appendElement(b []byte, tag byte, content []byte) []byte {
	return append(appendHeader(b, tag, len(content)), content...)
}

func appendString(b []byte, tag byte, s string) []byte {
	return append(appendHeader(b, tag, len(s)), s...)
}

// appendResult appends a message that ends an operation: its result code and a
// text for people.
func appendResult(b, id []byte, tag, code byte, text string) []byte {
	result := append(make([]byte, 0, 16+len(text)), tagEnumerated, 1, code, tagOctets, 0)
	result = appendString(result, tagOctets, text)
	return appendOperation(b, id, tag, result)
}

func appendOperation(b, id []byte, tag byte, body []byte) []byte {
	operation := appendElement(make([]byte, 0, 8+len(body)), tag, body)
	b = appendHeader(b, tagSequence, len(id)+len(operation))
	return append(append(b, id...), operation...)
}

// noticeOfDisconnection says, unasked, that the connection ends because what
// came on it was not LDAP (RFC 4511, section 4.4.1).
func noticeOfDisconnection() []byte {
	const protocolError, oid = 2, "1.3.6.1.4.1.1466.20036"
	body := append([]byte{tagEnumerated, 1, protocolError, tagOctets, 0}, tagOctets, 0)
	body = appendString(body, tagNoticeName, oid)
	return appendOperation(nil, []byte{tagInteger, 1, 0}, answerTag[opExtended], body)
}
