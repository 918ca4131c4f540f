package cloudsim

import (
	"ptabench/cloudsim/dispatch"
	"ptabench/wire"
)

// The codes that the cloud answers with besides those of dispatch.Failure.
// Source: Microsoft, "Microsoft Entra authentication and authorization error
// codes" and "Troubleshoot Microsoft Entra pass-through authentication".
const (
	codeMissingParameter  = 900144
	codeUnsupportedGrant  = 70003
	codeUnknownTenant     = 90002
	codeNoTenantForDomain = 50059
	codeMalformed         = 90014
	codeRepeated          = 9000411
	codeWrongMethod       = 900561

	codeUnknownUser   = 50034
	codeWrongPassword = 50126
	codeDisabled      = 50057
	codeLocked        = 50053
	codeExpired       = 50144
	codeLogonHours    = 80012
	codeFederated     = 50107
)

// descriptions are what a user is told; the code stands before it. The words
// are the real service's, which calls a connector an authentication agent.
var descriptions = map[int]string{
	codeMissingParameter:  "The request body must contain the parameters 'grant_type', 'username' and 'password'.",
	codeUnsupportedGrant:  "The app requested an unsupported grant type.",
	codeUnknownTenant:     "Tenant not found. Check that you have the correct tenant name.",
	codeNoTenantForDomain: "No tenant-identifying information found in the request or implied by any provided credentials.",
	codeMalformed:         "The request could not be read.",
	codeRepeated:          "A parameter is given twice.",
	codeWrongMethod:       "The endpoint does not accept requests of this method.",

	codeUnknownUser:   "The user account does not exist in the directory.",
	codeWrongPassword: "Error validating credentials due to invalid username or password.",
	codeDisabled:      "The user account is disabled.",
	codeLocked:        "The account is locked because the user tried to sign in too many times with an incorrect user ID or password.",
	codeExpired:       "The user's Active Directory password has expired or must be changed.",
	codeFederated:     "The user's domain is federated: its own sign-in service checks passwords, and none may come here.",
	codeLogonHours:    "The user tried to sign in outside the hours that the directory allows.",

	codeAssertionMalformed: "The SAML assertion is missing or misconfigured in the request.",
	codeAssertionSignature: "The assertion failed signature validation, is of another issuer, or was used before.",
	codeAssertionAudience:  "The assertion's audience is not this service.",
	codeAssertionTime:      "The assertion is not within its valid time range.",
	codeAssertionSubject:   "The user whom the assertion names has no account in the directory.",
	codeForeignUser:        "The user whom the assertion names is of another tenant.",
	codeFederationUnread:   "Who signs the federation server's assertions is not known: its metadata could not be read.",
	codeTooMany:            "Too much is going on at present; try again.",

	int(dispatch.NoConnector):          "Unable to connect to the on-premises directory: no authentication agent is available.",
	int(dispatch.DeadlineOver):         "The authentication agent timed out while validating the password.",
	int(dispatch.Transient):            "The authentication request could not be completed; try again.",
	int(dispatch.DirectoryUnreachable): "The authentication agent is unable to reach the directory.",
	int(dispatch.CannotOpen):           "The authentication agent could not decrypt the password.",
}

// refusals maps what a connector found to the code of the answer. An accepted
// sign-in has code 0.
var refusals = map[wire.Result]int{
	wire.Result_RESULT_WRONG_PASSWORD:   codeWrongPassword,
	wire.Result_RESULT_UNKNOWN_USER:     codeUnknownUser,
	wire.Result_RESULT_DISABLED:         codeDisabled,
	wire.Result_RESULT_LOCKED:           codeLocked,
	wire.Result_RESULT_PASSWORD_EXPIRED: codeExpired,
	wire.Result_RESULT_MUST_CHANGE:      codeExpired,
	wire.Result_RESULT_ACCOUNT_EXPIRED:  codeDisabled,
	wire.Result_RESULT_LOGON_HOURS:      codeLogonHours,
	wire.Result_RESULT_WORKSTATION:      codeWrongPassword,
}

// failureOf maps what went wrong at a connector to a failure of the path, and
// is 0 for a definite result. A value that this version does not know is no
// answer.
func failureOf(r wire.Result) dispatch.Failure {
	switch r {
	case wire.Result_RESULT_DIRECTORY_UNREACHABLE:
		return dispatch.DirectoryUnreachable
	case wire.Result_RESULT_DIRECTORY_TIMEOUT:
		return dispatch.DeadlineOver
	case wire.Result_RESULT_CANNOT_OPEN:
		return dispatch.CannotOpen
	case wire.Result_RESULT_ACCEPTED:
		return 0
	}
	if _, definite := refusals[r]; definite {
		return 0
	}
	return dispatch.Transient
}
