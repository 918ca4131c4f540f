package bind

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"

	"ptabench/wire"
)

// LDAP result codes that this package tells apart (RFC 4511, appendix A).
const (
	codeSuccess              = 0
	codeSizeLimit            = 4
	codeConstraintViolation  = 19 // of a lock-out policy, in some directories
	codeNoSuchObject         = 32
	codeInvalidDNSyntax      = 34 // a user principal name where only DNs are known
	codeInappropriateAuth    = 48
	codeInvalidCredentials   = 49
	codeInsufficientAccess   = 50
	codeUnavailable          = 52
	longestUser              = 1 << 10 // bytes of a user name that is worth asking for
	longestPassword          = 4 << 10 // bytes; Active Directory ends at 256 characters
	accountDisabled          = 0x2     // userAccountControl
	accountLocked            = 0x10
	accountPasswordExpired   = 0x800000
	neverExpires             = 1<<63 - 1
	filetimeEpoch            = 11_644_473_600 // seconds from 1601 to 1970
	filetimeTicksPerSecond   = 10_000_000
	filetimeNanosecondsATick = 100
)

// refuses reports whether a result code is the directory's definite no.
func refuses(code int32) bool {
	switch code {
	case codeConstraintViolation, codeNoSuchObject, codeInvalidDNSyntax,
		codeInappropriateAuth, codeInvalidCredentials, codeInsufficientAccess:
		return true
	}
	return false
}

// decides reports whether a result code is the directory's yes or its no.
func decides(code int32) bool { return code == codeSuccess || refuses(code) }

// refusal is what a refusal says by itself; when that is not final, the account
// may say more.
func (m *manner) refusal(r reply, said policyError) (result wire.Result, final bool) {
	switch said {
	case policyExpired:
		return wire.Result_RESULT_PASSWORD_EXPIRED, true
	case policyLocked: // by failures or by an administrator, which the account tells
		return wire.Result_RESULT_LOCKED, false
	}
	if result, ok := byDiagnostic(r.diagnostic); ok {
		return result, true
	}
	return wire.Result_RESULT_WRONG_PASSWORD, m.dialect == AD
}

// byDiagnostic maps the sub-code in Active Directory's diagnostic text, as in
// "…: AcceptSecurityContext error, data 52e, v1db1". The number, read as
// hexadecimal, is the Win32 error.
func byDiagnostic(text []byte) (wire.Result, bool) {
	_, rest, ok := bytes.Cut(text, []byte("data "))
	if !ok {
		return 0, false
	}
	digits := 0
	for digits < len(rest) && digits < 8 && isHex(rest[digits]) {
		digits++
	}
	code, err := strconv.ParseUint(string(rest[:digits]), 16, 32)
	if err != nil {
		return 0, false
	}
	switch code {
	case 0x525:
		return wire.Result_RESULT_UNKNOWN_USER, true
	case 0x52e:
		return wire.Result_RESULT_WRONG_PASSWORD, true
	case 0x530:
		return wire.Result_RESULT_LOGON_HOURS, true
	case 0x531:
		return wire.Result_RESULT_WORKSTATION, true
	case 0x532:
		return wire.Result_RESULT_PASSWORD_EXPIRED, true
	case 0x533:
		return wire.Result_RESULT_DISABLED, true
	case 0x701:
		return wire.Result_RESULT_ACCOUNT_EXPIRED, true
	case 0x773:
		return wire.Result_RESULT_MUST_CHANGE, true
	case 0x775:
		return wire.Result_RESULT_LOCKED, true
	}
	return 0, false
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// accountAttributes is what explains a refusal in Active Directory's schema.
var accountAttributes = []string{
	"userAccountControl", "msDS-User-Account-Control-Computed", "lockoutTime", "pwdLastSet", "accountExpires",
}

// readAccount takes what it can read; what is not there explains nothing.
func readAccount(e *entry) account {
	a := account{password: -1}
	into := [...]*int64{2: &a.lockout, &a.password, &a.expires}
	e.each(func(name string, value []byte) {
		for i, known := range accountAttributes {
			if !strings.EqualFold(name, known) {
				continue
			}
			n, err := strconv.ParseInt(string(value), 10, 64)
			switch {
			case err != nil:
			case i <= 1: // the control bits and their computed half
				a.control |= n & math.MaxUint32
			default:
				*into[i] = n
			}
		}
	})
	return a
}

// An account is what the directory keeps of a user that explains a refusal.
// Times are Windows file times: units of 100 ns since 1601.
type account struct {
	control  int64 // userAccountControl and its computed half, or-ed
	lockout  int64
	expires  int64
	password int64 // when it was last set, 0 when it must be changed; -1 not known
}

// reason is why a bind of this account was refused.
func (a account) reason(now time.Time, maxPasswordAge time.Duration) wire.Result {
	at := filetime(now)
	switch {
	case a.lockout != 0 || a.control&accountLocked != 0:
		return wire.Result_RESULT_LOCKED
	case a.control&accountDisabled != 0:
		return wire.Result_RESULT_DISABLED
	case a.expires != 0 && a.expires != neverExpires && a.expires < at:
		return wire.Result_RESULT_ACCOUNT_EXPIRED
	case a.password == 0:
		return wire.Result_RESULT_MUST_CHANGE
	case a.control&accountPasswordExpired != 0,
		maxPasswordAge > 0 && a.password > 0 && a.password < at-int64(maxPasswordAge/filetimeNanosecondsATick):
		return wire.Result_RESULT_PASSWORD_EXPIRED
	default:
		return wire.Result_RESULT_WRONG_PASSWORD
	}
}

func filetime(t time.Time) int64 {
	return (t.Unix()+filetimeEpoch)*filetimeTicksPerSecond + int64(t.Nanosecond()/filetimeNanosecondsATick)
}
