package fault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ptabench/bench/proc"
)

// maxJournal is the largest journal that is read, in bytes. A line is some
// hundred bytes, and there are a few for each fault and each start.
const maxJournal = 64 << 20

// A History is what a journal says.
type History struct {
	Harness   proc.Identity // zero when the run was cut off before its first line
	Host      string
	Boot      string
	Processes []ProcessLine // every one that was started
	Faults    []Past        // in the order of their injection
	Ended     bool          // the run said that its processes have ended
	Torn      bool          // the last line was cut off

	size int64 // of the file up to its last whole line
	open bool  // that line lacks its end
}

// A Past is a fault as the journal knows it.
type Past struct {
	Number   int // in the scenario, from 1
	Name     string
	Text     string
	Undo     Undo
	Injected bool // it may have been injected without this
	Undone   bool
	By       string // who undid it: run or heal
	Error    string // why it could not be undone
}

// Read reads the journal of a run. A last line that was cut off is left out.
func Read(dir string) (*History, error) {
	file, err := os.Open(filepath.Join(dir, JournalName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not a run directory: there is no %s in it", dir, JournalName)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the journal: %w", err)
	}
	defer file.Close()
	return readFrom(file)
}

func readFrom(file *os.File) (*History, error) {
	text, err := io.ReadAll(io.LimitReader(file, maxJournal+1))
	if err != nil {
		return nil, fmt.Errorf("reading the journal: %w", err)
	}
	if len(text) > maxJournal {
		return nil, fmt.Errorf("%s: larger than %d bytes", file.Name(), maxJournal)
	}
	h := &History{}
	for number := 1; len(text) > 0; number++ {
		one, rest, whole := bytes.Cut(text, []byte("\n"))
		err := h.read(one, number)
		switch {
		case err == nil:
			h.size += int64(len(one))
			if h.open = !whole; whole {
				h.size++
			}
		case !whole && (number > 1 || beginsHeader(one)):
			h.Torn = true
		default:
			return nil, fmt.Errorf("%s:%d: %w", file.Name(), number, err)
		}
		text = rest
	}
	return h, nil
}

// beginsHeader says whether a text is a first line that was cut off, rather
// than no journal at all.
func beginsHeader(text []byte) bool {
	const header = `{"format":`
	n := min(len(header), len(text))
	return string(text[:n]) == header[:n]
}

// read takes one line in.
func (h *History) read(text []byte, number int) error {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return fmt.Errorf("not a line of a journal: %w", err)
	}
	if number == 1 {
		return h.readHeader(l)
	}
	switch l.Kind {
	case lineProcess:
		if l.Process == nil {
			return errors.New("a process without its identity")
		}
		h.Processes = append(h.Processes, *l.Process)
		h.Ended = false
	case lineEnded:
		h.Ended = true
	case lineIntent:
		if l.Undo == nil || h.find(l.Fault) != nil {
			return fmt.Errorf("fault %d: its intent has no undo, or is the second", l.Fault)
		}
		h.Faults = append(h.Faults, Past{Number: l.Fault, Name: l.Name, Text: l.Text, Undo: *l.Undo})
	case lineInjected, lineUndone, lineStuck:
		f := h.find(l.Fault)
		if f == nil {
			return fmt.Errorf("fault %d: %s without an intent", l.Fault, l.Kind)
		}
		switch l.Kind {
		case lineInjected:
			f.Injected = true
		case lineUndone:
			f.Undone, f.By, f.Error = true, l.By, ""
		default:
			f.Error = l.Error
		}
	default:
		return fmt.Errorf("unknown kind of line %q", l.Kind)
	}
	return nil
}

func (h *History) readHeader(l line) error {
	switch {
	case l.Format > JournalFormat:
		return fmt.Errorf("format %d is newer than %d, the newest that this program reads", l.Format, JournalFormat)
	case l.Format < 1 || l.Kind != lineRun || l.Process == nil:
		return errors.New("not the first line of a journal")
	}
	h.Harness, h.Host, h.Boot = l.Process.Identity, l.Host, l.Boot
	return nil
}

func (h *History) find(number int) *Past {
	for i := range h.Faults {
		if h.Faults[i].Number == number {
			return &h.Faults[i]
		}
	}
	return nil
}

// describe is how heal calls a fault.
func (p Past) describe() string {
	return strings.TrimSpace(p.Name + ": " + p.Text)
}
