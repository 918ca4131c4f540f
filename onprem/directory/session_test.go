package directory

import (
	"bytes"
	"encoding/hex"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	client "github.com/go-ldap/ldap/v3"

	"ptabench/population"
)

// bindMessage is an encoded simple bind, with controls appended if any.
func bindMessage(id byte, name, password string, controls []byte) []byte {
	body := appendString([]byte{tagInteger, 1, 3}, tagOctets, name)
	body = appendString(body, 0x80, password)
	message := appendElement([]byte{tagInteger, 1, id}, opBind, body)
	if controls != nil {
		message = appendElement(message, tagControls, controls)
	}
	return appendElement(nil, tagSequence, message)
}

func searchMessage(filter []byte) []byte {
	body := appendString(nil, tagOctets, base)
	body = append(body, tagEnumerated, 1, 2, tagEnumerated, 1, 0, tagInteger, 1, 0, tagInteger, 1, 0, tagBoolean, 1, 0)
	body = append(body, filter...)
	body = append(body, tagSequence, 0)
	return appendElement(nil, tagSequence, appendElement([]byte{tagInteger, 1, 1}, opSearch, body))
}

func fromHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// nested is an element within itself, n times.
func nested(tag byte, n int) []byte {
	b := []byte{0x87, 2, 'c', 'n'} // (cn=*)
	for range n {
		b = appendElement(nil, tag, b)
	}
	return b
}

// TestGarbage sends what is not LDAP, or is more than anybody needs, and holds
// that it ends that connection and no other.
func TestGarbage(t *testing.T) {
	r := start(t, testConfig(t))
	bystander := r.service()
	chance := rand.NewChaCha8([32]byte{7})
	random := make([]byte, 100_000)
	_, _ = chance.Read(random)

	tests := []struct {
		name string
		send []byte
	}{
		{"HTTP", []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")},
		{"zeroes", make([]byte, 4096)},
		{"random bytes", random},
		{"length of 4 GiB", fromHex(t, "30 84 ff ff ff ff")},
		{"length of 1 MiB", fromHex(t, "30 83 10 00 00 02 01 01")},
		{"length of 8 bytes", fromHex(t, "30 88 00 00 00 00 00 00 00 05")},
		{"indefinite length", fromHex(t, "30 80 02 01 01 60 00 00 00")},
		{"length 0xff", fromHex(t, "30 ff")},
		{"empty message", fromHex(t, "30 00")},
		{"message ID only", fromHex(t, "30 03 02 01 01")},
		{"negative message ID", fromHex(t, "30 05 02 01 ff 42 00")},
		{"message ID of 5 bytes", fromHex(t, "30 09 02 05 01 00 00 00 00 42 00")},
		{"text for a message ID", fromHex(t, "30 05 04 01 41 42 00")},
		{"element longer than its message", fromHex(t, "30 0b 02 01 01 60 7f 02 01 03 04 00 80")},
		{"response for a request", fromHex(t, "30 0c 02 01 01 61 07 0a 01 00 04 00 04 00")},
		{"bind without content", fromHex(t, "30 05 02 01 01 60 00")},
		{"bind with a number for a name", fromHex(t, "30 0d 02 01 01 60 08 02 01 03 02 01 05 80 00")},
		{"bind with an unknown choice", fromHex(t, "30 0c 02 01 01 60 07 02 01 03 04 00 85 00")},
		{"bind with one element more", fromHex(t, "30 0e 02 01 01 60 09 02 01 03 04 00 80 00 04 00")},
		{"controls that are none", appendElement(nil, tagSequence, fromHex(t, "02 01 01 60 07 02 01 03 04 00 80 00 04 00"))},
		{"control without a name", bindMessage(1, "", "", fromHex(t, "30 00"))},
		{"control that is a number", bindMessage(1, "", "", fromHex(t, "02 01 01"))},
		{"control with a number for a name", bindMessage(1, "", "", fromHex(t, "30 03 02 01 01"))},
		{"search without content", fromHex(t, "30 05 02 01 01 63 00")},
		{"search in scope 7", bytes.Replace(searchMessage(nested(0xa2, 0)), fromHex(t, "0a 01 02"), fromHex(t, "0a 01 07"), 1)},
		{"filter nested 5,000 times", searchMessage(nested(0xa2, 5_000))},
		{"filter of an unknown kind", searchMessage(fromHex(t, "af 00"))},
		{"not of nothing", searchMessage(fromHex(t, "a2 00"))},
		{"not of two", searchMessage(fromHex(t, "a2 06 87 01 61 87 01 62"))},
		{"equality of one", searchMessage(fromHex(t, "a3 03 04 01 61"))},
		{"equality of numbers", searchMessage(fromHex(t, "a3 06 02 01 01 02 01 01"))},
		{"substring without a part", searchMessage(fromHex(t, "a4 05 04 01 61 30 00"))},
		{"substring of an unknown part", searchMessage(fromHex(t, "a4 08 04 01 61 30 03 85 01 61"))},
		{"nothing but elements", bytes.Repeat(fromHex(t, "04 00"), 500)},
	}
	for _, tt := range tests {
		for _, port := range []string{"ldap", "ldaps"} {
			t.Run(tt.name+" by "+port, func(t *testing.T) {
				conn := r.raw(port)
				if _, err := conn.Write(tt.send); err != nil {
					t.Logf("writing: %v", err) // it may be closed before all is sent
				}
				answer := readAll(t, conn)
				if len(answer) == 0 && len(tt.send) > 1024 {
					return // what it did not read made a reset, which may overtake the answer
				}
				if !bytes.Contains(answer, []byte("1.3.6.1.4.1.1466.20036")) {
					t.Errorf("answered %x, want a notice of disconnection", answer)
				}
			})
		}
	}
	t.Run("no TLS where it is expected", func(t *testing.T) {
		conn, err := net.Dial("tcp", r.ready.Ports["ldaps"])
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write(bindMessage(1, "", "", nil)); err != nil {
			t.Fatal(err)
		}
		readAll(t, conn)
	})
	if _, err := find(bystander, base, client.ScopeBaseObject, "(objectClass=*)"); err != nil {
		t.Errorf("another connection, afterwards: %v", err)
	}
	eventually(t, "all but one connection closed", func() bool { return r.counters().Open == 1 })
}

// TestOddButRight sends what few clients send and LDAP allows.
func TestOddButRight(t *testing.T) {
	r := start(t, testConfig(t))
	i := r.in(population.Active)
	upn, password := r.users.UPN(i), r.users.Password(i)
	const accepted, refused = "30 0c 02 01 07 61 07 0a 01 00 04 00 04 00", "30 0c 02 01 07 61 07 0a 01 31 04 00 04 00"
	long := bindMessage(7, upn, password, nil)
	long = append([]byte{tagSequence, 0x84, 0, 0, 0, byte(len(long) - 2)}, long[2:]...)

	tests := []struct{ name, send, want string }{
		{"plain", string(bindMessage(7, upn, password, nil)), accepted},
		{"length in 4 bytes", string(long), accepted},
		{"a control, not critical", string(bindMessage(7, upn, password, fromHex(t, "30 05 04 03 31 2e 32"))), accepted},
		{"a control whose value is odd", string(bindMessage(7, upn, password, fromHex(t, "30 08 04 03 31 2e 32 02 01 05"))), accepted},
		{"a paging control that is none", string(bindMessage(7, upn, password,
			appendElement(nil, tagSequence, append(appendString(nil, tagOctets, "1.2.840.113556.1.4.319"), tagOctets, 1, 0xff)))), accepted},
		{"a critical control", string(bindMessage(7, upn, password, fromHex(t, "30 08 04 03 31 2e 32 01 01 ff"))),
			"30 0c 02 01 07 61 07 0a 01 0c 04 00 04 00"},
		{"wrong, then nothing", string(bindMessage(7, upn, password+"x", nil)), refused},
		{"abandon, then a bind", string(fromHex(t, "30 06 02 01 06 50 01 05")) + string(bindMessage(7, upn, password, nil)), accepted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn := r.raw("ldap")
			for _, b := range []byte(tt.send) { // the slowest way that arrives
				if _, err := conn.Write([]byte{b}); err != nil {
					t.Fatal(err)
				}
			}
			want := fromHex(t, tt.want)
			got := make([]byte, len(want))
			if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(conn, got); err != nil {
				t.Fatalf("%v after %x", err, got)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("answered %x, want %x", got, want)
			}
			if _, err := conn.Write(fromHex(t, "30 05 02 01 08 42 00")); err != nil { // unbind
				t.Fatal(err)
			}
			if rest := readAll(t, conn); len(rest) != 0 {
				t.Errorf("after unbinding: %x", rest)
			}
		})
	}

	t.Run("many at once", func(t *testing.T) {
		conn := r.raw("ldaps")
		const n = 100
		if _, err := conn.Write(bytes.Repeat(bindMessage(7, upn, password, nil), n)); err != nil {
			t.Fatal(err)
		}
		want := bytes.Repeat(fromHex(t, accepted), n)
		got := make([]byte, len(want))
		if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v; got %d bytes as expected: %v", err, len(got), bytes.Equal(got, want))
		}
	})
	t.Run("SASL", func(t *testing.T) {
		conn := r.raw("ldaps")
		if _, err := conn.Write(fromHex(t, "30 17 02 01 07 60 12 02 01 03 04 00 a3 0b 04 09 44 49 47 45 53 54 4d 44 35")); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 12)
		if _, err := io.ReadFull(conn, answer); err != nil || answer[9] != client.LDAPResultAuthMethodNotSupported {
			t.Errorf("%v, answered %x", err, answer)
		}
	})
	for about, second := range map[string][]byte{
		"SASL":               fromHex(t, "30 17 02 01 07 60 12 02 01 03 04 00 a3 0b 04 09 44 49 47 45 53 54 4d 44 35"),
		"a critical control": bindMessage(7, upn, password, fromHex(t, "30 08 04 03 31 2e 32 01 01 ff")),
	} {
		t.Run("no identity is left by a bind refused for "+about, func(t *testing.T) {
			conn := r.raw("ldap")
			search := searchMessage(nested(0, 0))
			for _, send := range [][]byte{bindMessage(7, r.ready.Info["service_dn"], testPassword, nil), second, search} {
				if _, err := conn.Write(send); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := conn.Write(fromHex(t, "30 05 02 01 08 42 00")); err != nil { // unbind
				t.Fatal(err)
			}
			denied := []byte{tagEnumerated, 1, client.LDAPResultInsufficientAccessRights}
			if answers := readAll(t, conn); !bytes.Contains(answers, denied) {
				t.Errorf("answered %x", answers)
			}
		})
	}
	t.Run("a filter of 1,000 terms", func(t *testing.T) {
		conn := r.service()
		_, err := find(conn, base, client.ScopeWholeSubtree, "(|"+strings.Repeat("(cn=user000001)", 1000)+")")
		if got := resultCode(t, err); got != client.LDAPResultUnwillingToPerform {
			t.Errorf("result %d", got)
		}
		if _, err := find(conn, base, client.ScopeWholeSubtree, "(cn=user000001)"); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// TestPatience holds that a client may be silent between messages for as long
// as it likes, but not within one.
func TestPatience(t *testing.T) {
	begun := map[string][]byte{
		"one byte":            {tagSequence},
		"half a length":       {tagSequence, 0x82, 1},
		"half a message":      {tagSequence, 50, tagInteger, 1},
		"half a long message": append([]byte{tagSequence, 0x82, 0x20, 0}, make([]byte, 4000)...),
	}
	for name, bytes := range begun {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, peer := net.Pipe()
				defer peer.Close()
				s := newSession(server, nil, nil, newCounts(1), slog.New(slog.DiscardHandler), func(*session) {})
				defer s.Close()
				began := time.Now()
				var written sync.WaitGroup
				written.Go(func() {
					time.Sleep(time.Hour)
					_, _ = peer.Write(bytes) // its end may be read no more
				})
				if _, err := s.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("got %v", err)
				}
				if took := time.Since(began); took != time.Hour+patience {
					t.Errorf("ended after %v", took)
				}
				_ = server.Close()
				written.Wait()
			})
		})
	}
}

// FuzzParse holds that no message makes the parsers panic, and that what they
// accept is what they were given.
func FuzzParse(f *testing.F) {
	f.Add(bindMessage(1, "user000001@contoso.test", "p", nil))
	f.Add(bindMessage(1, "", "", fromHex(f, "30 08 04 03 31 2e 32 01 01 ff")))
	f.Add(searchMessage(fromHex(f, "a4 08 04 01 61 30 03 80 01 61")))
	f.Add(searchMessage(nested(0xa2, 20)))
	f.Add([]byte{tagSequence, 0})
	users, err := population.New(population.Spec{Users: 10, Domain: "contoso.test"})
	if err != nil {
		f.Fatal(err)
	}
	t := newTree(users, time.Unix(1_700_000_000, 0))
	f.Fuzz(func(test *testing.T, b []byte) {
		tag, content, rest, ok := element(b)
		if !ok || tag != tagSequence {
			return
		}
		whole := b[:len(b)-len(rest)]
		m, err := parseMessage(whole, len(whole)-len(content))
		if err != nil {
			return
		}
		if !bytes.Contains(whole, m.operation) || !bytes.HasSuffix(m.operation, m.body) {
			test.Fatalf("operation %x, body %x out of %x", m.operation, m.body, whole)
		}
		if _, err := parseMessage(m.withoutControls(), len(m.withoutControls())-len(m.id)-len(m.operation)); err != nil {
			test.Fatalf("without controls: %v", err)
		}
		isSimpleBind(m.body)
		if r, err := parseSearch(m.body); err == nil {
			for _, who := range []who{anonymous, service} {
				answer := t.search(m.id, r, who)
				if tag, content, _, ok := element(answer); !ok || !wellFormed(tag, content, 0) {
					test.Fatalf("answer %x", answer)
				}
			}
		}
	})
}
