package signin

// Codes that users meet, besides those of the endpoints. Source: Microsoft,
// "Microsoft Entra authentication and authorization error codes" and
// "Troubleshoot Microsoft Entra pass-through authentication".
const (
	codeWrongPassword = 50126
	codeLocked        = 50053
	codeDisabled      = 50057
	codeNoUser        = 900144
	codeNoPassword    = codeNoUser
	codeNoTenant      = 50059
	codeOtherTenant   = 50020
	codeFederation    = 50107
	codeFormExpired   = 50196
	codeNoUserThere   = 51004
)

// texts are what users are told, who are to know what to do next: the code
// behind it is for whoever helps them.
var texts = map[int]string{
	50034:        "This user name may be incorrect. Make sure that you typed it correctly; otherwise, contact your administrator.",
	50126:        "Your user name or password is incorrect. If you don't remember your password, ask your administrator to reset it.",
	50053:        "Your account is temporarily locked to prevent unauthorized use. Try again later; if you still have trouble, contact your administrator.",
	50055:        "Your password has expired. Change it before you sign in again.",
	codeDisabled: "Your account has been disabled. Contact your administrator, who can enable it.",
	50144:        "Your password has expired or must be changed. Change it on a computer of your organization, or ask your administrator to reset it; then sign in again.",
	80012:        "You can't sign in at this time: it is outside the hours that your organization allows.",

	80001: "We can't reach your organization to check your password right now. Your password was not refused; try again in a few minutes.",
	80002: "Your organization took too long to check your password. Your password was not refused; try again in a moment.",
	80005: "Something went wrong while your password was checked. Try again.",
	80007: "Your organization's directory can't be reached right now. Your password was not refused; try again in a few minutes.",
	80010: "Your organization could not read what we sent it. Try again; if it happens again, contact your administrator.",
	80014: "The answer of your organization came too late. Try again.",

	codeNoUser:           "Enter your user name, and your password.",
	codeMalformed:        "That could not be read. Check what you typed, and try again.",
	codeNoTenant:         "We couldn't find an account with that user name. Check that it ends in the domain of your organization, as in someone@example.com.",
	codeOtherTenant:      "This account is of another organization. Use an account of the organization that you are signing in to.",
	codeFederation:       "Your organization signs its users in with a service of its own, but where that is could not be read from it (its federation metadata), so you can't be taken there. Contact your administrator.",
	codeNoUserThere:      "The sign-in service of your organization named somebody who has no account here. Contact your administrator.",
	50003:                "Who signs for the sign-in service of your organization could not be read from it (its federation metadata). Try again in a few minutes.",
	50008:                "What the sign-in service of your organization sent could not be read. Sign in again; if it happens again, contact your administrator.",
	50013:                "What was sent in the name of your organization's sign-in service is not signed as it must be, or was used before. Sign in again; if it happens again, contact your administrator.",
	500131:               "What the sign-in service of your organization sent is meant for another service. Contact your administrator.",
	500133:               "What the sign-in service of your organization sent is not good at this time. Sign in again; if it happens again, its clock may be wrong.",
	codeFormExpired:      "This page was open for too long, or in another browser. Sign in again.",
	codeNotAdministrator: "This needs an administrator of your organization, and your account is not one. Sign in with another account.",
	codeTenant:           "There is no such organization. Check the address, or begin again where you came from.",
	codeClient:           "The app that sent you here is not known. Close this page.",
	codeRedirect:         "The app that sent you here asked for the answer at an address that is not its own. Close this page.",
	codeRepeated:         "The app that sent you here asked in a way that can't be read. Close this page.",
	codeBusy:             "That was too much at once. Wait a moment, and try again.",
	codeDeviceUnknown:    "That code didn't work. Check the code, and try again.",
	codeDeviceExpired:    "That code has expired. Get a new one where it was shown.",
}

// UserText is what a user is told of a code.
func UserText(code int) string {
	if text, found := texts[code]; found {
		return text
	}
	return "We couldn't sign you in. Try again; if it happens again, contact your administrator."
}

// Explains reports whether a code has a text of its own.
func Explains(code int) bool { _, found := texts[code]; return found }
