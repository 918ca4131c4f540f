package install

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

// A tail keeps the last few KiB of what is written to it. One goroutine writes.
type tail struct{ text []byte }

const kept = 8 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if extra := len(t.text) - kept; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(p), nil
}

// last is the last line that says something: of a log line its error, of an
// error of the command line what follows its name.
func (t *tail) last() string { return lastWords(t.text) }

// A line of log/slog's text handler, and its error.
var (
	logLine  = regexp.MustCompile(`^time=\S+ level=[A-Z]+ msg=`)
	logError = regexp.MustCompile(` error=("(?:[^"\\]|\\.)*"|\S+)`)
)

func lastWords(text []byte) string {
	const own = "ptabench: " // begins what a command ends with, of one or more lines
	if i := bytes.LastIndex(append([]byte("\n"), text...), []byte("\n"+own)); i >= 0 {
		return strings.Join(strings.Split(strings.TrimSpace(string(text[i+len(own):])), "\n"), "; ")
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	for i := len(lines) - 1; i >= 0; i-- {
		line := strings.TrimSpace(string(lines[i]))
		var log struct{ Level, Msg, Error string }
		if json.Unmarshal([]byte(line), &log) == nil {
			switch {
			case log.Error != "":
				return strings.Join(strings.Fields(log.Error), " ")
			case log.Level == "ERROR" || log.Level == "WARN":
				return log.Msg
			}
			continue
		}
		if logLine.MatchString(line) {
			if said := logError.FindStringSubmatch(line); said != nil {
				if text, err := strconv.Unquote(said[1]); err == nil {
					return strings.Join(strings.Fields(text), " ")
				}
				return said[1]
			}
			continue
		}
		if line != "" {
			return line
		}
	}
	return ""
}
