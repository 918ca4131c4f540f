package bind

import (
	"testing"
	"time"

	"ptabench/wire"
)

func TestByDiagnostic(t *testing.T) {
	const before, after = "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data ", ", v1db1"
	for _, tt := range []struct {
		text string
		want wire.Result
		ok   bool
	}{
		{before + "525" + after, wire.Result_RESULT_UNKNOWN_USER, true},
		{before + "52e" + after, wire.Result_RESULT_WRONG_PASSWORD, true},
		{before + "52E" + after, wire.Result_RESULT_WRONG_PASSWORD, true},
		{before + "530" + after, wire.Result_RESULT_LOGON_HOURS, true},
		{before + "531" + after, wire.Result_RESULT_WORKSTATION, true},
		{before + "532" + after, wire.Result_RESULT_PASSWORD_EXPIRED, true},
		{before + "533" + after, wire.Result_RESULT_DISABLED, true},
		{before + "701" + after, wire.Result_RESULT_ACCOUNT_EXPIRED, true},
		{before + "773" + after, wire.Result_RESULT_MUST_CHANGE, true},
		{before + "775" + after, wire.Result_RESULT_LOCKED, true},
		{before + "775", wire.Result_RESULT_LOCKED, true},
		{before + "0" + after, 0, false},
		{before + "52f" + after, 0, false},
		{before + "775775775", 0, false},
		{before, 0, false},
		{"invalid credentials", 0, false},
		{"", 0, false},
	} {
		if got, ok := byDiagnostic([]byte(tt.text)); got != tt.want || ok != tt.ok {
			t.Errorf("%q: %v, %v; want %v, %v", tt.text, got, ok, tt.want, tt.ok)
		}
	}
}

func TestReason(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	fresh := filetime(now.Add(-day))
	for _, tt := range []struct {
		name    string
		account account
		maxAge  time.Duration
		want    wire.Result
	}{
		{"active", account{control: 512, password: fresh}, 0, wire.Result_RESULT_WRONG_PASSWORD},
		{"nothing known", account{password: -1}, day / 2, wire.Result_RESULT_WRONG_PASSWORD},
		{"locked by time", account{control: 512, lockout: fresh, password: fresh}, 0, wire.Result_RESULT_LOCKED},
		{"locked by computed bit", account{control: 512 | 0x10, password: fresh}, 0, wire.Result_RESULT_LOCKED},
		{"locked and disabled", account{control: 514, lockout: 1, password: fresh}, 0, wire.Result_RESULT_LOCKED},
		{"disabled", account{control: 514, password: fresh}, 0, wire.Result_RESULT_DISABLED},
		{"account expired", account{control: 512, expires: filetime(now.Add(-time.Second)), password: fresh}, 0, wire.Result_RESULT_ACCOUNT_EXPIRED},
		{"account expires later", account{control: 512, expires: filetime(now.Add(time.Second)), password: fresh}, 0, wire.Result_RESULT_WRONG_PASSWORD},
		{"account never expires", account{control: 512, expires: 1<<63 - 1, password: fresh}, 0, wire.Result_RESULT_WRONG_PASSWORD},
		{"must change", account{control: 512}, 0, wire.Result_RESULT_MUST_CHANGE},
		{"must change, computed as expired", account{control: 512 | 0x800000}, 0, wire.Result_RESULT_MUST_CHANGE},
		{"password expired by computed bit", account{control: 512 | 0x800000, password: fresh}, 0, wire.Result_RESULT_PASSWORD_EXPIRED},
		{"password older than the maximum", account{control: 512, password: fresh}, day / 2, wire.Result_RESULT_PASSWORD_EXPIRED},
		{"password younger than the maximum", account{control: 512, password: fresh}, 2 * day, wire.Result_RESULT_WRONG_PASSWORD},
	} {
		if got := tt.account.reason(now, tt.maxAge); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// The reference is a value of Microsoft's documentation of FILETIME: ticks at
// the Unix epoch.
func TestFiletime(t *testing.T) {
	if got := filetime(time.Unix(0, 700)); got != 116_444_736_000_000_007 {
		t.Errorf("filetime of 700 ns past the Unix epoch: %d", got)
	}
}
