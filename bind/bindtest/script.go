package bindtest

import (
	"net"
	"testing"
)

// A Bind is a bind request as a scripted directory got it.
type Bind struct {
	ID       byte // last byte of the message ID
	Name     string
	Password string
	Controls []byte // as they were sent, the tag of all included
	id       []byte
}

// Reply is the bytes of a bind response.
func (b Bind) Reply(code byte, diagnostic string) []byte { return b.ReplyWith(code, diagnostic, nil) }

// ReplyWith is those of one with controls after it, coded already.
func (b Bind) ReplyWith(code byte, diagnostic string, controls []byte) []byte {
	op := 5 + 6 + len(diagnostic)
	out := make([]byte, 0, 6+2+len(b.id)+6+op+len(controls))
	out = append(size(out, 0x30, cap(out)-6), 2, byte(len(b.id)))
	out = size(append(out, b.id...), 0x61, op)
	out = size(append(out, 0x0a, 1, code, 0x04, 0), 4, len(diagnostic))
	return append(append(out, diagnostic...), controls...)
}

// A Search is a search request as a scripted directory got it.
type Search struct {
	Base, Attribute, Value string // without a value: whether the attribute is there
	id                     []byte
}

// Entry is the bytes of an entry found; attributes are names, each with the
// value after it.
func (s Search) Entry(dn string, attributes ...string) []byte {
	var all []byte
	for i := 0; i < len(attributes); i += 2 {
		all = append(all, element(0x30, append(element(4, []byte(attributes[i])), element(0x31, element(4, []byte(attributes[i+1])))...))...)
	}
	return s.message(0x64, append(element(4, []byte(dn)), element(0x30, all)...))
}

// Done is the bytes of a search's end.
func (s Search) Done(code byte) []byte { return s.message(0x65, []byte{0x0a, 1, code, 4, 0, 4, 0}) }

func (s Search) message(op byte, body []byte) []byte {
	id := append([]byte{2, byte(len(s.id))}, s.id...)
	return element(0x30, append(id, element(op, body)...))
}

// Script serves binds whose every answering byte the test chooses; answer
// returns what to write, and whether to keep the connection. Searches find
// nothing.
func Script(t testing.TB, answer func(Bind) (write []byte, keep bool)) *Server {
	t.Helper()
	return ScriptSearches(t, answer, func(s Search) []byte { return s.Done(0) })
}

// ScriptSearches is Script, with searches.
func ScriptSearches(t testing.TB, answer func(Bind) (write []byte, keep bool), find func(Search) []byte) *Server {
	t.Helper()
	return Serve(t, func(c net.Conn) {
		buf := make([]byte, 16<<10)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			id, op, body, controls, ok := open(buf[:n])
			keep := true
			var write []byte
			switch {
			case ok && op == 0x60:
				write, keep = answer(readBind(id, body, controls))
			case ok && op == 0x63:
				write = find(readSearch(id, body))
			case ok && op == 0x42: // unbind
				return
			default:
				t.Errorf("the script cannot read the request % x", buf[:min(n, 8)])
				return
			}
			if _, err := c.Write(write); err != nil || !keep {
				return
			}
		}
	})
}

// Answers serves raw bytes: answer gets each piece as it was read, and returns
// what to write and whether to keep the connection.
func Answers(t testing.TB, answer func(request []byte) (write []byte, keep bool)) *Server {
	t.Helper()
	return Serve(t, func(c net.Conn) {
		buf := make([]byte, 16<<10)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			write, keep := answer(buf[:n])
			if _, err := c.Write(write); err != nil || !keep {
				return
			}
		}
	})
}

func readBind(id, body, controls []byte) Bind {
	_, _, rest := split(body) // version
	_, name, rest := split(rest)
	_, password, _ := split(rest)
	return Bind{ID: id[len(id)-1], Name: string(name), Password: string(password), Controls: controls, id: id}
}

func readSearch(id, body []byte) Search {
	_, base, rest := split(body)
	for range 5 { // scope, aliases, sizes, times, types only
		_, _, rest = split(rest)
	}
	tag, filter, _ := split(rest)
	s := Search{Base: string(base), id: id}
	if tag == 0x87 { // present
		s.Attribute = string(filter)
		return s
	}
	_, attribute, filter := split(filter)
	_, value, _ := split(filter)
	s.Attribute, s.Value = string(attribute), string(value)
	return s
}

// open takes one whole request apart.
func open(b []byte) (id []byte, op byte, body, controls []byte, ok bool) {
	tag, b, rest := split(b)
	if tag != 0x30 || len(rest) != 0 {
		return nil, 0, nil, nil, false
	}
	tag, id, b = split(b)
	op, body, controls = split(b)
	return id, op, body, controls, tag == 2 && len(id) > 0
}

// split takes the first value off b, all zero when it is not there in full.
func split(b []byte) (tag byte, value, rest []byte) {
	if len(b) < 2 {
		return 0, nil, nil
	}
	n, at := int(b[1]), 2
	if n >= 0x80 {
		n &= 0x7f
		if n > 4 || len(b) < 2+n {
			return 0, nil, nil
		}
		at += n
		n = 0
		for _, c := range b[2:at] {
			n = n<<8 | int(c)
		}
	}
	if n < 0 || n > len(b)-at {
		return 0, nil, nil
	}
	return b[0], b[at : at+n], b[at+n:]
}

// element codes a value with a length of four bytes, as Active Directory does.
func element(tag byte, value []byte) []byte { return append(size(nil, tag, len(value)), value...) }

func size(b []byte, tag byte, n int) []byte {
	return append(b, tag, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}
