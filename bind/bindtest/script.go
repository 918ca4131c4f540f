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
	wire     []byte
}

// Reply is the bytes of a bind response.
func (b Bind) Reply(code byte, diagnostic string) []byte {
	id := b.wire[4 : 4+b.wire[3]]
	op := []byte{0x0a, 1, code, 0x04, 0, 0x04, 0x84, 0, 0, byte(len(diagnostic) >> 8), byte(len(diagnostic))}
	op = append(op, diagnostic...)
	body := append([]byte{0x02, byte(len(id))}, id...)
	body = append(body, 0x61, 0x84, 0, 0, byte(len(op)>>8), byte(len(op)))
	body = append(body, op...)
	return append([]byte{0x30, 0x84, 0, 0, byte(len(body) >> 8), byte(len(body))}, body...)
}

// Script serves binds whose every answering byte the test chooses; answer
// returns what to write, and whether to keep the connection. It understands
// short requests as this repository's connector codes them, no others.
func Script(t testing.TB, answer func(Bind) (write []byte, keep bool)) *Server {
	t.Helper()
	return Serve(t, func(c net.Conn) {
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			b, ok := parse(buf[:n])
			if !ok {
				t.Errorf("the script cannot read the request % x", buf[:min(n, 8)])
				return
			}
			write, keep := answer(b)
			if _, err := c.Write(write); err != nil || !keep {
				return
			}
		}
	})
}

func parse(b []byte) (Bind, bool) {
	// 30 len 02 n id (n times) 60 len 02 01 03 04 len name 80 len password;
	// the service account's request has a shorter id than the users'
	if len(b) < 4 || b[1] >= 0x80 || b[0] != 0x30 || int(b[1])+2 != len(b) || b[3] < 1 || b[3] > 4 {
		return Bind{}, false
	}
	op := b[4+int(b[3]):]
	if len(op) < 7 || op[0] != 0x60 {
		return Bind{}, false
	}
	name := op[7 : 7+int(op[6])]
	password := op[7+len(name)+2:]
	return Bind{ID: b[3+int(b[3])], Name: string(name), Password: string(password), wire: b}, true
}
