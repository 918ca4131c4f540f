package load

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"

	"ptabench/results"
)

// A reader of answers knows the connectors by name.
type reader struct {
	connectors map[string]uint8 // to the Server number of samples
	federation map[string]uint8 // likewise, federation servers
}

// read fills in what the response to the sign-in id of user upn says: the
// outcome and its code, who decided, how many attempts it took and where the
// time went. It returns a token of an accepted sign-in, which is part of the
// response, and whether it is another user's.
//
// An answer that carries another sign-in's id is no answer to this one: its
// outcome is unknown. One that cannot be understood is a failure of the path.
func (r *reader) read(s *results.Sample, id []byte, upn string, from *response) (token []byte, otherUser bool) {
	if len(from.id) > 0 && !bytes.EqualFold(from.id, id) {
		s.Outcome, s.Error = results.OutcomeUnknown, results.ErrorOther
		s.Server = 0 // not the federation server's either: nobody decided
		return nil, false
	}
	r.readAnswer(s, &from.answer)
	s.Outcome = results.OutcomeFailed
	body := from.body
	switch from.status {
	case http.StatusOK:
		access := stringField(body, "access_token")
		if token = stringField(body, "id_token"); token == nil { // nobody asked for it
			token = access
		}
		var claims [2048]byte
		user := tokenUser(token, claims[:])
		if len(access) == 0 || len(user) == 0 {
			s.Error = results.ErrorOther
			return nil, false
		}
		s.Outcome = results.OutcomeAccepted
		return token, !strings.EqualFold(string(user), upn)
	case http.StatusBadRequest:
		s.Code = errorCode(body)
		if s.Code != 0 && string(stringField(body, "error")) == "invalid_grant" {
			s.Outcome = results.OutcomeRefused
		}
	default:
		s.Code = errorCode(body)
	}
	if s.Code == 0 {
		s.Error = results.ErrorOther
	}
	return nil, false
}

// readAnswer reads the X-Ptabench headers.
func (r *reader) readAnswer(s *results.Sample, a *answer) {
	switch string(a.method) {
	case "pass-through":
		s.Path = results.PathPassThrough
	case "hash-sync":
		s.Path = results.PathHashSync
	case "federation":
		s.Path = results.PathFederation
		return // who decided, and how long it took, is known since
	}
	s.Server = r.connectors[string(a.connector)]
	s.Attempts = uint8(min(number(a.attempts), 255))
	r.readTimes(s, a.times)
}

// readTimes reads where the time went, in µs.
func (r *reader) readTimes(s *results.Sample, times []byte) {
	for len(times) > 0 {
		var part []byte
		part, times, _ = bytes.Cut(times, []byte(","))
		name, value, _ := bytes.Cut(part, []byte("="))
		switch string(name) {
		case "queue":
			s.Queue = number(value)
		case "connector":
			s.Connector = number(value)
		case "directory":
			s.Directory = number(value)
		}
	}
}

// number reads a decimal number up to the first byte that is not a digit, and
// stops at the largest it can hold.
func number(s []byte) uint32 {
	n := uint64(0)
	for i := 0; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
		if n = n*10 + uint64(s[i]-'0'); n > 1<<32-1 {
			return 1<<32 - 1
		}
	}
	return uint32(n)
}

// errorCode is the AADSTS code of an error answer, 0 when there is none: from
// error_codes, else from the beginning of the description.
func errorCode(body []byte) uint32 {
	if v := field(body, "error_codes"); len(v) > 0 && v[0] == '[' {
		if code := number(skipSpace(v[1:])); code != 0 {
			return code
		}
	}
	if code, ok := bytes.CutPrefix(stringField(body, "error_description"), []byte("AADSTS")); ok {
		return number(code)
	}
	return 0
}

// tokenUser is the preferred_username of a JWT, empty when it has none, or more
// claims than fit. The signature is checked elsewhere.
func tokenUser(token, claims []byte) []byte {
	_, rest, ok := bytes.Cut(token, []byte("."))
	if !ok {
		return nil
	}
	payload, _, ok := bytes.Cut(rest, []byte("."))
	if !ok || base64.RawURLEncoding.DecodedLen(len(payload)) > len(claims) {
		return nil
	}
	n, err := base64.RawURLEncoding.Decode(claims, payload)
	if err != nil {
		return nil
	}
	return stringField(claims[:n], "preferred_username")
}

// field returns what follows a key of a JSON object: the rest of the text from
// its value on. It is a scan for what these answers hold, not a parser: it
// knows that a quote within a string is escaped, and not how deep it is.
func field(text []byte, key string) []byte {
	for {
		i := bytes.Index(text, []byte(key))
		if i < 0 {
			return nil
		}
		before, after := text[:i], text[i+len(key):]
		text = after
		if !bytes.HasSuffix(before, []byte(`"`)) || bytes.HasSuffix(before, []byte(`\"`)) {
			continue
		}
		after, ok := bytes.CutPrefix(after, []byte(`"`))
		if !ok {
			continue
		}
		if after, ok = bytes.CutPrefix(skipSpace(after), []byte(":")); ok {
			return skipSpace(after)
		}
	}
}

func skipSpace(text []byte) []byte {
	for len(text) > 0 && (text[0] == ' ' || text[0] == '\t' || text[0] == '\r' || text[0] == '\n') {
		text = text[1:]
	}
	return text
}

// stringField returns the text of a string of a JSON object, nil when there is
// none. Text with escapes is not what these answers hold: it counts as none.
func stringField(text []byte, key string) []byte {
	value, ok := bytes.CutPrefix(field(text, key), []byte(`"`))
	if !ok {
		return nil
	}
	end := bytes.IndexByte(value, '"')
	if end < 0 || bytes.IndexByte(value[:end], '\\') >= 0 {
		return nil
	}
	return value[:end]
}
