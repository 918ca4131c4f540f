package connector

import (
	"bytes"
	"crypto/hpke"
	"encoding/binary"
	"testing"
)

// sealAll gives the opener a context and returns n passwords sealed under it,
// for the sign-ins 0 to n-1.
func sealAll(t testing.TB, o *opener, n int) [][]byte {
	t.Helper()
	enc, sender, err := hpke.NewSender(o.key.PublicKey(), kdf, aead, []byte("ptabench seal 1"))
	if err == nil {
		err = o.renew(enc)
	}
	if err != nil {
		t.Fatal(err)
	}
	sealed := make([][]byte, n)
	for i := range sealed {
		aad := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, uint64(i)), 1)
		if sealed[i], err = sender.Seal(aad, []byte("p#7ABCDEFGHIJKLMNOPQRSTUVWX")); err != nil {
			t.Fatal(err)
		}
	}
	return sealed
}

func TestOpener(t *testing.T) {
	o, err := newOpener()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.open(0, 1, []byte("anything")); err != errNoContext {
		t.Errorf("without a context: %v", err)
	}
	sealed := sealAll(t, o, 3)
	if err := o.renew([]byte("no context")); err == nil {
		t.Error("took a context that is none")
	}
	for _, tt := range []struct {
		what    string
		id      uint64
		attempt uint32
		sealed  []byte
		ok      bool
	}{
		{"out of turn", 1, 1, sealed[1], false},
		{"of another sign-in", 1, 1, sealed[0], false},
		{"of another attempt", 0, 2, sealed[0], false},
		{"damaged", 0, 1, append([]byte{sealed[0][0] ^ 1}, sealed[0][1:]...), false},
		{"empty", 0, 1, nil, false},
		{"the first", 0, 1, sealed[0], true},
		{"the first again", 0, 1, sealed[0], false},
		{"the second", 1, 1, sealed[1], true},
	} {
		password, err := o.open(tt.id, tt.attempt, tt.sealed)
		if (err == nil) != tt.ok || tt.ok && !bytes.Equal(password, []byte("p#7ABCDEFGHIJKLMNOPQRSTUVWX")) {
			t.Errorf("%s: %q, %v", tt.what, password, err)
		}
	}
}
