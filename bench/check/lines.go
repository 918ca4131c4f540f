package check

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxLogLine bounds a line of a log, in bytes.
const maxLogLine = 64 << 10

// readLines calls take for each line of a log in CSV whose first line is its
// header. Take returns false for one that is not whole. Lines that were cut
// off, as a killed process leaves them, are counted and left out; what a later
// start wrote on at the end of one is taken, and its header may come again. A
// line is good until the next one is read.
func readLines(r io.Reader, log, header string, take func(line []byte) bool) (torn int, err error) {
	in := bufio.NewReaderSize(r, maxLogLine)
	columns := strings.Count(header, ",") + 1
	for number := 1; ; number++ {
		line, err := in.ReadSlice('\n')
		switch {
		case err == io.EOF:
			if len(line) > 0 {
				torn++
			}
			return torn, nil
		case errors.Is(err, bufio.ErrBufferFull):
			return torn, fmt.Errorf("%s: line %d: longer than %d bytes", log, number, maxLogLine)
		case err != nil:
			return torn, fmt.Errorf("%s: %w", log, err)
		}
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		switch is := string(line) == header; {
		case number == 1 && !is:
			return torn, fmt.Errorf("%s: line 1: %.80q, expected the names of its columns: %s", log, line, header)
		case is || take(line):
			continue
		}
		torn++
		if !bytes.HasSuffix(line, []byte(header)) {
			take(lastFields(line, columns)) // written after a start, on what a killed process had begun
		}
	}
}

// lastFields is the end of a line from so many fields before its end; nil when
// it has no more than these.
func lastFields(line []byte, n int) []byte {
	for i := len(line) - 1; i >= 0; i-- {
		if line[i] == ',' {
			if n--; n == 0 {
				return line[i+1:]
			}
		}
	}
	return nil
}
