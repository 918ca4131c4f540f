package install

import (
	"bytes"
	"encoding/json"
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

// last is the last line that says something: of a log line in JSON its error,
// of an error of the command line what follows its name.
func (t *tail) last() string { return lastWords(t.text) }

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
		if line != "" {
			return line
		}
	}
	return ""
}
