package bind

import (
	"errors"
	"testing"
	"time"

	"ptabench/bind/bindtest"
	"ptabench/wire"
)

// policyReply codes the control of a reply with an error, and a warning of time
// before expiration if there is to be one.
func policyReply(warning bool, failure int) []byte {
	value := ""
	if warning {
		value += "\xa0\x03\x80\x01\x05"
	}
	if failure >= 0 {
		value += "\x81\x01" + string(rune(failure))
	}
	value = "\x30" + string(rune(len(value))) + value
	control := "\x04\x19" + policyControl + "\x04" + string(rune(len(value))) + value
	control = "\x30" + string(rune(len(control))) + control
	return []byte("\xa0" + string(rune(len(control))) + control)
}

// inner are the controls without the tag around all of them, as parseReply
// leaves them.
func inner(b []byte) []byte { return b[2:] }

func TestReadPolicy(t *testing.T) {
	const other = "\x30\x08\x04\x031.2\x04\x01x"
	for _, tt := range []struct {
		name     string
		controls string
		want     policyError
		err      error
	}{
		{"none", "", policyNone, nil},
		{"another", other, policyNone, nil},
		{"locked", string(inner(policyReply(false, 1))), policyLocked, nil},
		{"expired, after another", other + string(inner(policyReply(false, 0))), policyExpired, nil},
		{"must change, with a warning", string(inner(policyReply(true, 2))), policyChangeAfterReset, nil},
		{"only a warning", string(inner(policyReply(true, -1))), policyNone, nil},
		{"critical", "\x30\x25\x04\x19" + policyControl + "\x01\x01\xff\x04\x05\x30\x03\x81\x01\x01", policyLocked, nil},
		{"without a value", "\x30\x1b\x04\x19" + policyControl, policyNone, nil},
		{"an error of two bytes", "\x30\x23\x04\x19" + policyControl + "\x04\x06\x30\x04\x81\x02\x01\x00", 256, nil},
		{"an error of none", "\x30\x21\x04\x19" + policyControl + "\x04\x04\x30\x02\x81\x00", 0, errMalformed},
		{"something else in it", "\x30\x22\x04\x19" + policyControl + "\x04\x05\x30\x03\x82\x01\x01", 0, errMalformed},
		{"something after it", "\x30\x22\x04\x19" + policyControl + "\x04\x05\x30\x00\x81\x01\x01", 0, errMalformed},
		{"no control", "\x04\x00", 0, errMalformed},
		{"past the end", "\x30\x7f\x04\x19" + policyControl, 0, errMalformed},
	} {
		got, err := readPolicy([]byte(tt.controls))
		if !errors.Is(err, tt.err) || err == nil && got != tt.want {
			t.Errorf("%s: %d, %v; want %d, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
}

func TestPolicyRequestBytes(t *testing.T) {
	got := appendBindRequest(nil, 1, "u", []byte("p"), policyRequest)
	want := "\x30\x30\x02\x04\x00\x00\x00\x01\x60\x09\x02\x01\x03\x04\x01u\x80\x01p\xa0\x1d\x30\x1b\x04\x19" + policyControl
	if string(got) != want {
		t.Errorf("got  % x\nwant % x", got, want)
	}
}

func FuzzReadPolicy(f *testing.F) {
	f.Add(inner(policyReply(true, 2)))
	f.Add(inner(policyReply(false, 1)))
	f.Add([]byte("\x30\x08\x04\x031.2\x04\x01x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		said, err := readPolicy(b)
		if err == nil && said < policyNone {
			t.Errorf("% x was read as %d", b, said)
		}
	})
}

func TestGeneralizedTime(t *testing.T) {
	at := time.Date(2026, 11, 22, 9, 8, 7, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"20261122090807Z":       at,
		"20261122090807.500Z":   at.Add(time.Second / 2),
		"20261122090807.5Z":     at.Add(time.Second / 2),
		"202611220908Z":         at.Truncate(time.Minute),
		"20261122090807+0100":   {},
		"20261322090807Z":       {},
		"000001010000Z":         time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC),
		"":                      {},
		"20261122090807Z and m": {},
	} {
		if got, ok := generalizedTime([]byte(text)); ok == want.IsZero() || !got.Equal(want) {
			t.Errorf("%q: %v, %v; want %v", text, got, ok, want)
		}
	}
}

func FuzzGeneralizedTime(f *testing.F) {
	f.Add([]byte("20261122090807.5Z"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if at, ok := generalizedTime(b); ok && (at.Location() != time.UTC || at.Year() < 0 || at.Year() > 9999) {
			t.Errorf("%q was read as %v", b, at)
		}
	})
}

// A server with the password policy control, as OpenLDAP has it.
func TestAnswersByPolicyControl(t *testing.T) {
	const (
		right = "right"
		past  = "20200101000000Z"
	)
	later := time.Now().Add(time.Hour).UTC().Format("20060102150405Z")
	accounts := map[string][]string{ // attributes
		"active": nil, "change": {"pwdReset", "TRUE"}, "expired": nil, "quiet": {"pwdAccountLockedTime", past},
		"locked": {"pwdAccountLockedTime", past}, "disabled": {"pwdAccountLockedTime", lockedForGood},
		"ended": {"PWDENDTIME", past}, "ends": {"pwdEndTime", later}, "never": {"pwdStartTime", later, "pwdEndTime", past},
	}
	s := bindtest.ScriptSearches(t, func(b bindtest.Bind) ([]byte, bool) {
		if b.Name == bindtest.ServiceDN {
			return b.Reply(0, ""), true
		}
		if string(b.Controls) != policyRequest {
			t.Errorf("bind of %q with the controls % x", b.Name, b.Controls)
		}
		user := b.Name[len("cn="):]
		switch {
		case user == "change" && b.Password == right:
			return b.ReplyWith(0, "", policyReply(true, 2)), true
		case user == "expired" && b.Password == right:
			return b.ReplyWith(49, "", policyReply(false, 0)), true
		case user == "quiet":
			return b.ReplyWith(49, "", policyReply(false, -1)), true
		case user == "locked" || user == "disabled" || user == "ended" || user == "never":
			return b.ReplyWith(49, "", policyReply(false, 1)), true
		case b.Password == right:
			return b.ReplyWith(0, "", policyReply(false, -1)), true
		}
		return b.ReplyWith(49, "", policyReply(false, -1)), true
	}, func(s bindtest.Search) []byte {
		if s.Base == "" {
			return append(s.Entry("", "objectClass", "OpenLDAProotDSE", "supportedControl", policyControl), s.Done(0)...)
		}
		attributes, ok := accounts[s.Value]
		if !ok || s.Attribute != "mail" {
			return s.Done(0)
		}
		return append(s.Entry("cn="+s.Value, attributes...), s.Done(0)...)
	})
	cfg := config(t, s)
	cfg.Dialect, cfg.NameAttribute = Auto, "mail"
	p := open(t, cfg)
	for range 2 { // the second time by remembered names
		for _, tt := range []struct {
			user, password string
			want           wire.Result
		}{
			{"active", right, accepted},
			{"active", "x", wrong},
			{"nobody", right, unknown},
			{"change", right, wire.Result_RESULT_MUST_CHANGE},
			{"change", "x", wrong},
			{"expired", right, wire.Result_RESULT_PASSWORD_EXPIRED},
			{"expired", "x", wrong},
			{"locked", right, wire.Result_RESULT_LOCKED},
			{"quiet", right, wire.Result_RESULT_LOCKED},
			{"disabled", right, wire.Result_RESULT_DISABLED},
			{"ended", right, wire.Result_RESULT_ACCOUNT_EXPIRED},
			{"ends", right, accepted},
			{"never", right, wire.Result_RESULT_DISABLED},
		} {
			expectAnswer(t, tt.user+" with "+tt.password, ask(p, tt.user, tt.password), tt.want)
		}
	}
	if got := p.Servers()[0].Dialect; got != PPolicy {
		t.Errorf("dialect %q, want %q", got, PPolicy)
	}
}
