package check

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"time"

	"ptabench/results"
)

// bindHeader is the first line of the log of binds.
const bindHeader = "at_ns,user,outcome,source"

// A bind is one line of the directory's log of binds. Its text is good until
// the next one is read.
type bind struct {
	at    int64  // nanoseconds since the Unix epoch, when it was answered
	user  []byte // user principal name
	wrong bool   // the password was
}

// readBinds calls on for each line of a log of binds; see readLines.
func readBinds(r io.Reader, on func(bind)) (torn int, err error) {
	return readLines(r, "log of binds", bindHeader, func(line []byte) bool {
		b, ok := parseBind(line)
		if ok {
			on(b)
		}
		return ok
	})
}

// parseBind reads one line. What a user calls himself may be quoted and hold
// commas; such a one is not of the population, and left out.
func parseBind(line []byte) (b bind, ok bool) {
	at, rest, ok1 := bytes.Cut(line, []byte(","))
	user, rest, ok2 := bytes.Cut(rest, []byte(","))
	outcome, source, ok3 := bytes.Cut(rest, []byte(","))
	quoted := bytes.IndexByte(user, '"') >= 0
	if !ok1 || !ok2 || !ok3 || !quoted && bytes.IndexByte(source, ',') >= 0 {
		return b, false
	}
	n, err := strconv.ParseInt(string(at), 10, 64)
	return bind{at: n, user: user, wrong: string(outcome) == "wrong-password"}, err == nil
}

// zeroOf is time 0 in nanoseconds since the Unix epoch.
func zeroOf(h results.Header) (int64, error) {
	at, err := time.Parse(time.RFC3339Nano, h.StartedAt)
	if err != nil {
		return 0, fmt.Errorf("started_at %q: expected a time such as 2026-01-02T15:04:05Z", h.StartedAt)
	}
	return at.UnixNano(), nil
}
