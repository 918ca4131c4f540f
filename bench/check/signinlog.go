package check

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"

	"ptabench/results"
)

// maxLogLine bounds a line of the sign-in log, in bytes.
const maxLogLine = 64 << 10

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

// readLog calls on for each entry of a sign-in log. Lines that were cut off,
// as a killed simulator leaves them, are counted and left out.
func readLog(r io.Reader, on func(entry)) (torn int, err error) {
	in := bufio.NewReaderSize(r, maxLogLine)
	for number := 1; ; number++ {
		line, err := in.ReadSlice('\n')
		switch {
		case err == io.EOF:
			if len(line) > 0 {
				torn++
			}
			return torn, nil
		case errors.Is(err, bufio.ErrBufferFull):
			return torn, fmt.Errorf("sign-in log: line %d: longer than %d bytes", number, maxLogLine)
		case err != nil:
			return torn, fmt.Errorf("sign-in log: %w", err)
		}
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if number == 1 && string(line) != logHeader {
			return torn, fmt.Errorf("sign-in log: line 1: %.80q, expected the names of its columns: %s", line, logHeader)
		}
		if string(line) == logHeader {
			continue // a start of the simulator may repeat it
		}
		if e, ok := parseEntry(line); ok {
			on(e)
		} else if torn++; bytes.HasSuffix(line, []byte(logHeader)) {
			continue
		} else if e, ok := parseEntry(lastFields(line, 9)); ok {
			on(e) // written after a start, on what a killed simulator had begun
		}
	}
}

var outcomeWords = map[string]results.Outcome{
	"accepted": results.OutcomeAccepted, "refused": results.OutcomeRefused, "failed": results.OutcomeFailed,
}

var pathWords = map[string]results.Path{
	"pass-through": results.PathPassThrough, "hash-sync": results.PathHashSync, "none": results.PathNone,
}

// parseEntry reads one line. Not ok means that it is not whole.
func parseEntry(line []byte) (e entry, ok bool) {
	var fields [9][]byte
	if bytes.IndexByte(line, '"') >= 0 { // a user may call himself anything
		record, err := csv.NewReader(bytes.NewReader(line)).Read()
		if err != nil || len(record) != len(fields) {
			return e, false
		}
		for i, f := range record {
			fields[i] = []byte(f)
		}
	} else {
		rest := line
		for i := range fields {
			var more bool
			fields[i], rest, more = bytes.Cut(rest, []byte(","))
			if more != (i < len(fields)-1) {
				return e, false
			}
		}
	}
	e.id = fields[1]
	outcome, known := outcomeWords[string(fields[4])]
	path, knownPath := pathWords[string(fields[6])]
	code, err := strconv.ParseUint(string(fields[5]), 10, 32)
	attempts, err2 := strconv.ParseUint(string(fields[8]), 10, 32)
	e.outcome, e.path, e.code, e.attempts = outcome, path, uint32(code), uint32(attempts)
	return e, known && knownPath && err == nil && err2 == nil
}
