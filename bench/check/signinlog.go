package check

import (
	"bytes"
	"encoding/csv"
	"io"
	"math"

	"ptabench/results"
)

// logHeader is the first line of the sign-in log.
const logHeader = "at_ns,client_request_id,tenant,user,outcome,code,path,connector,attempts"

// An entry is one line of the cloud's sign-in log. Its text is good until the
// next one is read.
type entry struct {
	id       []byte // client request id
	outcome  results.Outcome
	code     uint32
	path     results.Path
	attempts uint32
}

// readLog calls on for each entry of a sign-in log; see readLines.
func readLog(r io.Reader, on func(entry)) (torn int, err error) {
	return readLines(r, "sign-in log", logHeader, func(line []byte) bool {
		e, ok := parseEntry(line)
		if ok {
			on(e)
		}
		return ok
	})
}

// parseEntry reads one line. Not ok means that it is not whole.
func parseEntry(line []byte) (e entry, ok bool) {
	if bytes.IndexByte(line, '"') >= 0 {
		return parseQuoted(line)
	}
	// There are tens of millions in a long run, so nothing is looked at twice:
	// at most what is between the first fields and the last ones is.
	_, rest, ok1 := cut(line, bytes.IndexByte(line, ','))
	id, rest, ok2 := cut(rest, bytes.IndexByte(rest, ','))
	rest, attempts, ok3 := cut(rest, bytes.LastIndexByte(rest, ','))
	rest, _, ok4 := cut(rest, bytes.LastIndexByte(rest, ','))
	rest, path, ok5 := cut(rest, bytes.LastIndexByte(rest, ','))
	rest, code, ok6 := cut(rest, bytes.LastIndexByte(rest, ','))
	rest, outcome, ok7 := cut(rest, bytes.LastIndexByte(rest, ','))
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6 && ok7) || bytes.Count(rest, []byte(",")) != 1 { // tenant, user
		return e, false
	}
	return entryOf(id, outcome, code, path, attempts)
}

// cut is what is before and behind one byte of a line.
func cut(line []byte, at int) (before, after []byte, ok bool) {
	if at < 0 {
		return nil, nil, false
	}
	return line[:at], line[at+1:], true
}

// parseQuoted reads a line with quotes in it: a user may call himself anything.
func parseQuoted(line []byte) (e entry, ok bool) {
	f, err := csv.NewReader(bytes.NewReader(line)).Read()
	if err != nil || len(f) != 9 {
		return e, false
	}
	return entryOf([]byte(f[1]), []byte(f[4]), []byte(f[5]), []byte(f[6]), []byte(f[8]))
}

func entryOf(id, outcome, code, path, attempts []byte) (entry, bool) {
	e := entry{id: id}
	var known, numbered, counted, served bool
	e.outcome, known = outcomeOf(outcome)
	e.code, numbered = decimal(code)
	e.path, served = pathOf(path)
	e.attempts, counted = decimal(attempts)
	return e, known && numbered && served && counted
}

func outcomeOf(word []byte) (results.Outcome, bool) {
	switch string(word) {
	case "accepted":
		return results.OutcomeAccepted, true
	case "refused":
		return results.OutcomeRefused, true
	case "failed":
		return results.OutcomeFailed, true
	}
	return 0, false
}

func pathOf(word []byte) (results.Path, bool) {
	switch string(word) {
	case "pass-through":
		return results.PathPassThrough, true
	case "hash-sync":
		return results.PathHashSync, true
	case "federation":
		return results.PathFederation, true
	case "none":
		return results.PathNone, true
	}
	return 0, false
}

// decimal is a number without a sign, of up to 32 bits.
func decimal(digits []byte) (uint32, bool) {
	if len(digits) == 0 || len(digits) > 10 {
		return 0, false
	}
	var n uint64
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = 10*n + uint64(d-'0')
	}
	return uint32(n), n <= math.MaxUint32
}
