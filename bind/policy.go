package bind

import (
	"strings"
	"time"

	"ptabench/wire"
)

// The password policy control, draft-behera-ldap-password-policy-11. Its
// request has no value.
const (
	policyControl = "1.3.6.1.4.1.42.2.27.8.5.1"
	policyRequest = "\xa0\x1d\x30\x1b\x04\x19" + policyControl
)

// A policyError is what the control says of a bind, section 6.2 of the draft.
type policyError int32

// The errors that a bind can have.
const (
	policyNone             policyError = -1
	policyExpired          policyError = 0
	policyLocked           policyError = 1
	policyChangeAfterReset policyError = 2 // of a bind that succeeds
)

// readPolicy finds the policy control among those of a reply, and what error
// it holds. Warnings, of the time left and of grace, change no answer.
func readPolicy(controls []byte) (policyError, error) {
	for len(controls) > 0 {
		control, rest, err := expect(controls, tagSequence)
		if err != nil {
			return policyNone, err
		}
		controls = rest
		kind, control, err := expect(control, tagOctets)
		if err != nil {
			return policyNone, err
		}
		if string(kind) != policyControl {
			continue
		}
		if len(control) > 0 && control[0] == tagBoolean { // criticality
			if _, _, control, err = element(control); err != nil {
				return policyNone, err
			}
		}
		if len(control) == 0 {
			return policyNone, nil
		}
		value, _, err := expect(control, tagOctets)
		if err != nil {
			return policyNone, err
		}
		return readPolicyValue(value)
	}
	return policyNone, nil
}

// readPolicyValue reads SEQUENCE { warning [0] OPTIONAL, error [1] OPTIONAL }.
func readPolicyValue(value []byte) (policyError, error) {
	const warning, failure = 0xa0, 0x81
	fields, rest, err := expect(value, tagSequence)
	if err != nil {
		return policyNone, err
	}
	if len(rest) != 0 {
		return policyNone, errMalformed
	}
	for len(fields) > 0 {
		var tag byte
		if tag, value, fields, err = element(fields); err != nil {
			return policyNone, err
		}
		switch tag {
		case warning:
		case failure:
			n, err := number(value)
			return policyError(n), err
		default:
			return policyNone, errMalformed
		}
	}
	return policyNone, nil
}

// What OpenLDAP keeps of an account that explains a refusal (slapo-ppolicy(5)).
var policyAttributes = []string{"pwdAccountLockedTime", "pwdStartTime", "pwdEndTime"}

// lockedForGood is the pwdAccountLockedTime of an account that only an
// administrator can open again, which is how one is disabled there.
const lockedForGood = "000001010000Z"

// policyReason is why the server refused an account, given what its reply said
// already. The server removes a lock-out that is over with the bind that finds
// it, so one that is there after a refusal stands.
func policyReason(e *entry, said wire.Result, now time.Time) wire.Result {
	locked, disabled := said == wire.Result_RESULT_LOCKED, false
	var start, end time.Time
	e.each(func(name string, value []byte) {
		switch {
		case strings.EqualFold(name, policyAttributes[0]):
			if string(value) == lockedForGood {
				disabled = true
			} else {
				locked = true
			}
		case strings.EqualFold(name, policyAttributes[1]):
			start, _ = generalizedTime(value)
		case strings.EqualFold(name, policyAttributes[2]):
			end, _ = generalizedTime(value)
		}
	})
	switch {
	case disabled, !start.IsZero() && !end.IsZero() && !start.Before(end): // the second by its manual
		return wire.Result_RESULT_DISABLED
	case !end.IsZero() && end.Before(now):
		return wire.Result_RESULT_ACCOUNT_EXPIRED
	case locked:
		return wire.Result_RESULT_LOCKED
	}
	return said
}

// generalizedTime reads what directories write of RFC 4517, section 3.3.13:
// UTC, down to seconds or finer.
func generalizedTime(text []byte) (time.Time, bool) {
	for _, form := range []string{"20060102150405Z", "200601021504Z", "20060102150405.999999999Z"} {
		if t, err := time.Parse(form, string(text)); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
