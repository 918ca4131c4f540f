package bind

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestBindRequestBytes(t *testing.T) {
	for _, tt := range []struct {
		name, password string
		want           string
	}{
		{"u@c", "pw", "\x30\x14\x02\x04\x01\x02\x03\x04\x60\x0c\x02\x01\x03\x04\x03u@c\x80\x02pw"},
		{"", "x", "\x30\x10\x02\x04\x01\x02\x03\x04\x60\x08\x02\x01\x03\x04\x00\x80\x01x"},
		{
			strings.Repeat("n", 200), strings.Repeat("p", 300),
			"\x30\x82\x02\x08\x02\x04\x01\x02\x03\x04\x60\x82\x01\xfe\x02\x01\x03\x04\x81\xc8" +
				strings.Repeat("n", 200) + "\x80\x82\x01\x2c" + strings.Repeat("p", 300),
		},
	} {
		got := appendBindRequest(nil, 0x01020304, tt.name, []byte(tt.password), "")
		if string(got) != tt.want {
			t.Errorf("bind of a %d-byte name:\ngot  % x\nwant % x", len(tt.name), got, tt.want)
		}
		if size, err := frame(got); err != nil || size != len(got) {
			t.Errorf("frame of a %d-byte name: %d, %v; want %d", len(tt.name), size, err, len(got))
		}
	}
}

func TestParseReply(t *testing.T) {
	const ad = "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 52e, v1db1"
	for _, tt := range []struct {
		name    string
		message string
		want    reply
		err     error
	}{
		{"success", "\x30\x0c\x02\x01\x07\x61\x07\x0a\x01\x00\x04\x00\x04\x00", reply{id: 7, op: tagBindResponse}, nil},
		{"refused, lengths of four bytes", "\x30\x84\x00\x00\x00\x70\x02\x01\x07\x61\x84\x00\x00\x00\x67\x0a\x01\x31\x04\x00\x04\x84\x00\x00\x00\x57" + ad + "\x87\x03tkt",
			reply{id: 7, op: tagBindResponse, code: 49, diagnostic: []byte(ad)}, nil},
		{"with controls", "\x30\x0e\x02\x01\x07\x61\x07\x0a\x01\x00\x04\x00\x04\x00\xa0\x00", reply{id: 7, op: tagBindResponse}, nil},
		{"notice of disconnection", "\x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x34\x04\x00\x04\x00", reply{op: tagExtendedResponse, code: 52}, nil},
		{"empty", "", reply{}, errMalformed},
		{"trailing bytes", "\x30\x0c\x02\x01\x07\x61\x07\x0a\x01\x00\x04\x00\x04\x00\x00", reply{}, errMalformed},
		{"value past the end", "\x30\x0c\x02\x01\x07\x61\x09\x0a\x01\x00\x04\x00\x04\x00", reply{}, errMalformed},
		{"negative message ID", "\x30\x0c\x02\x01\x87\x61\x07\x0a\x01\x00\x04\x00\x04\x00", reply{}, errMalformed},
		{"message ID of five bytes", "\x30\x10\x02\x05\x00\x00\x00\x00\x07\x61\x07\x0a\x01\x00\x04\x00\x04\x00", reply{}, errMalformed},
		{"indefinite length", "\x30\x80\x02\x01\x07\x61\x07\x0a\x01\x00\x04\x00\x04\x00\x00\x00", reply{}, errMalformed},
		{"length of five bytes", "\x30\x85\x00\x00\x00\x00\x0c\x02\x01\x07", reply{}, errMalformed},
		{"too long", "\x30\x83\x01\x00\x01", reply{}, errTooLong},
		{"a search result", "\x30\x0c\x02\x01\x07\x65\x07\x0a\x01\x00\x04\x00\x04\x00", reply{}, errMalformed},
		{"no result code", "\x30\x09\x02\x01\x07\x61\x04\x04\x00\x04\x00", reply{}, errMalformed},
		{"no diagnostic", "\x30\x0a\x02\x01\x07\x61\x05\x0a\x01\x00\x04\x00", reply{}, errMalformed},
	} {
		got, err := parseReply([]byte(tt.message))
		if !errors.Is(err, tt.err) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.err)
			continue
		}
		if err == nil && (got.id != tt.want.id || got.op != tt.want.op || got.code != tt.want.code || !bytes.Equal(got.diagnostic, tt.want.diagnostic)) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func FuzzParseReply(f *testing.F) {
	f.Add([]byte("\x30\x0c\x02\x01\x07\x61\x07\x0a\x01\x00\x04\x00\x04\x00"))
	f.Add([]byte("\x30\x84\x00\x00\x00\x10\x02\x01\x07\x61\x84\x00\x00\x00\x07\x0a\x01\x31\x04\x00\x04\x00"))
	f.Add([]byte("\x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x34\x04\x00\x04\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		size, err := frame(b)
		if err == nil && (size < 0 || size > maxMessage) {
			t.Fatalf("frame of % x: %d", b, size)
		}
		r, err := parseReply(b)
		if err != nil {
			return
		}
		if size != len(b) {
			t.Errorf("% x is %d bytes by its frame, and was read whole as %d", b, size, len(b))
		}
		if r.id < 0 || r.code < 0 || len(r.diagnostic) > len(b) || r.op != tagBindResponse && r.op != tagExtendedResponse {
			t.Errorf("% x was read as %+v", b, r)
		}
		byDiagnostic(r.diagnostic)
	})
}

func BenchmarkBindRequest(b *testing.B) {
	password := []byte("p#7ABCDEFGHIJKLMNOPQRSTUVWX")
	out := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		out = appendBindRequest(out[:0], 12345, "user000001@contoso.test", password, "")
	}
}

func BenchmarkParseReply(b *testing.B) {
	message := []byte("\x30\x0c\x02\x01\x07\x61\x07\x0a\x01\x31\x04\x00\x04\x00")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseReply(message); err != nil {
			b.Fatal(err)
		}
	}
}
