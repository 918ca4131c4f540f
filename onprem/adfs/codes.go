package adfs

import (
	"ptabench/wire"
)

// The codes that answers carry in a header, for whoever measures. They are
// those that the cloud has for the same reasons.
const (
	codeAccepted     = 0
	codeMalformed    = 90014
	codeMissing      = 900144
	codeUnknownRealm = 50107

	codeUnknownUser   = 50034
	codeWrongPassword = 50126
	codeDisabled      = 50057
	codeLocked        = 50053
	codeExpired       = 50144
	codeLogonHours    = 80012

	codeTimeout     = 80002
	codeTransient   = 80005
	codeUnreachable = 80007
)

// codes are those of what the directory said, and of what came of asking it.
var codes = map[wire.Result]int{
	wire.Result_RESULT_ACCEPTED:              codeAccepted,
	wire.Result_RESULT_WRONG_PASSWORD:        codeWrongPassword,
	wire.Result_RESULT_UNKNOWN_USER:          codeUnknownUser,
	wire.Result_RESULT_DISABLED:              codeDisabled,
	wire.Result_RESULT_LOCKED:                codeLocked,
	wire.Result_RESULT_PASSWORD_EXPIRED:      codeExpired,
	wire.Result_RESULT_MUST_CHANGE:           codeExpired,
	wire.Result_RESULT_ACCOUNT_EXPIRED:       codeDisabled,
	wire.Result_RESULT_LOGON_HOURS:           codeLogonHours,
	wire.Result_RESULT_WORKSTATION:           codeWrongPassword,
	wire.Result_RESULT_DIRECTORY_UNREACHABLE: codeUnreachable,
	wire.Result_RESULT_DIRECTORY_TIMEOUT:     codeTimeout,
	wire.Result_RESULT_OVERLOADED:            codeTransient,
}

// codeOf is the code of a result. One that this version does not know is no
// answer.
func codeOf(r wire.Result) int {
	if code, found := codes[r]; found {
		return code
	}
	return codeTransient
}

// failed reports whether a code says that nobody decided.
func failed(code int) bool {
	return code == codeTimeout || code == codeTransient || code == codeUnreachable
}

// userTexts are what the sign-in page tells. A wrong name and a wrong password
// are one thing there: the page does not tell who exists.
var userTexts = map[int]string{
	codeMalformed:     "That could not be read. Check what you typed, and try again.",
	codeMissing:       "Enter your user name and your password.",
	codeUnknownUser:   "Incorrect user name or password. Type the correct user name and password, and try again.",
	codeWrongPassword: "Incorrect user name or password. Type the correct user name and password, and try again.",
	codeDisabled:      "Your account has been disabled. Contact your administrator, who can enable it.",
	codeLocked:        "Your account is locked. Try again later; if you still have trouble, contact your administrator.",
	codeExpired:       "Your password has expired or must be changed. Change it on a computer of your organization, or ask your administrator to reset it; then sign in again.",
	codeLogonHours:    "You can't sign in at this time: it is outside the hours that your organization allows.",
	codeTimeout:       "Your organization's directory took too long to check your password. Your password was not refused; try again in a moment.",
	codeTransient:     "Too many people are signing in at once. Your password was not refused; try again in a moment.",
	codeUnreachable:   "Your organization's directory can't be reached right now. Your password was not refused; try again in a few minutes.",
}

// userText is what a user is told of a code.
func userText(code int) string {
	if text, found := userTexts[code]; found {
		return text
	}
	return "You could not be signed in. Try again; if it happens again, contact your administrator."
}
