package load

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"

	"ptabench/results"
)

// maxAnswer bounds what is read of an answer, in bytes. A token is about 1 kB.
const maxAnswer = 64 << 10

var errAnswerTooLong = errors.New("the answer is too long")

// answerBuffers are where answers are read to: 4 kB each, more where needed.
var answerBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// readAnswer reads a body to its end, which gives its connection back to the
// pool.
func readAnswer(buf []byte, body io.Reader) ([]byte, error) {
	buf = buf[:0]
	for {
		if len(buf) == cap(buf) {
			if len(buf) >= maxAnswer {
				return buf, errAnswerTooLong
			}
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}

// A reader of answers knows the connectors by name.
type reader struct {
	connectors map[string]uint8 // to the Server number of samples
}

// read fills in what an answer to the sign-in id of user upn says: the outcome
// and its code, who decided, how many attempts it took and where the time
// went. It returns the id token of an accepted sign-in, which is part of body,
// and whether it is another user's.
//
// An answer that carries another sign-in's id is no answer to this one: its
// outcome is unknown. One that cannot be understood is a failure of the path.
func (r *reader) read(s *results.Sample, id, upn string, status int, h http.Header, body []byte) (idToken []byte, otherUser bool) {
	if echo := first(h, "Client-Request-Id"); echo != "" && !strings.EqualFold(echo, id) {
		s.Outcome, s.Error = results.OutcomeUnknown, results.ErrorOther
		return nil, false
	}
	r.readHeader(s, h)
	s.Outcome = results.OutcomeFailed
	switch status {
	case http.StatusOK:
		idToken = stringField(body, "id_token")
		user := tokenUser(idToken)
		if len(stringField(body, "access_token")) == 0 || user == "" {
			s.Error = results.ErrorOther
			return nil, false
		}
		s.Outcome = results.OutcomeAccepted
		return idToken, !strings.EqualFold(user, upn)
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

// readHeader reads the X-Ptabench headers.
func (r *reader) readHeader(s *results.Sample, h http.Header) {
	switch first(h, "X-Ptabench-Method") {
	case "pass-through":
		s.Path = results.PathPassThrough
	case "hash-sync":
		s.Path = results.PathHashSync
	}
	s.Server = r.connectors[first(h, "X-Ptabench-Connector")]
	s.Attempts = uint8(min(number(first(h, "X-Ptabench-Attempts")), 255))
	for times := first(h, "X-Ptabench-Times"); times != ""; {
		var part string
		part, times, _ = strings.Cut(times, ",")
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "queue":
			s.Queue = number(value)
		case "connector":
			s.Connector = number(value)
		case "directory":
			s.Directory = number(value)
		}
	}
}

func first(h http.Header, key string) string {
	if v := h[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// number reads a decimal number up to the first byte that is not a digit, and
// stops at the largest it can hold.
func number[T string | []byte](s T) uint32 {
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
		if code := number(bytes.TrimLeft(v[1:], " \t\r\n")); code != 0 {
			return code
		}
	}
	if code, ok := bytes.CutPrefix(stringField(body, "error_description"), []byte("AADSTS")); ok {
		return number(code)
	}
	return 0
}

// tokenUser is the preferred_username of a JWT, empty when it has none. The
// signature is checked elsewhere.
func tokenUser(token []byte) string {
	_, rest, ok := bytes.Cut(token, []byte("."))
	if !ok {
		return ""
	}
	payload, _, ok := bytes.Cut(rest, []byte("."))
	var claims [2048]byte
	if !ok || base64.RawURLEncoding.DecodedLen(len(payload)) > len(claims) {
		return ""
	}
	n, err := base64.RawURLEncoding.Decode(claims[:], payload)
	if err != nil {
		return ""
	}
	return string(stringField(claims[:n], "preferred_username"))
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
		if after, ok = bytes.CutPrefix(bytes.TrimLeft(after, " \t\r\n"), []byte(":")); ok {
			return bytes.TrimLeft(after, " \t\r\n")
		}
	}
}

// stringField returns the text of a string of a JSON object, nil when there is
// none. Text with escapes is not what these answers hold: it counts as none.
func stringField(text []byte, key string) []byte {
	value, ok := bytes.CutPrefix(field(text, key), []byte(`"`))
	if !ok {
		return nil
	}
	end := bytes.IndexAny(value, `"\`)
	if end < 0 || value[end] == '\\' {
		return nil
	}
	return value[:end]
}
