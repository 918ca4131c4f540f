package directory

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"ptabench/population"
)

// eventsFile keeps in the state directory what events made of the population: a
// directory that is started again must not take them back.
const eventsFile = "events.jsonl"

// event is one line of the file.
type event struct {
	Seq  uint64 `json:"seq,omitempty"`
	USN  uint64 `json:"usn"`
	AtNS int64  `json:"at_ns"`
	Kind string `json:"kind"`
	User int    `json:"user"`
}

// eventsHead is the first line. The ID is that of the database: whoever
// remembers a number of another one has to begin again.
type eventsHead struct {
	ID         string `json:"id"`
	MadeNS     int64  `json:"made_ns"`
	Population string `json:"population"`
}

// eventLog is the open file. A nil log keeps nothing. What was added outlives
// the process, not the machine: it is written, and not waited for.
type eventLog struct {
	eventsHead
	file *os.File
}

// openEvents reads what happened to a population and makes it happen again.
// The events of another population are no use to this one: it begins anew.
func openEvents(dir, name string, users *population.Population, log *slog.Logger) (*changes, error) {
	path := filepath.Join(dir, eventsFile)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	head := eventsHead{ID: rand.Text(), MadeNS: time.Now().UnixNano(), Population: name}
	c, end, err := replay(f, users, &head)
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	c.log = &eventLog{eventsHead: head, file: f}
	if err == nil && end == 0 {
		err = c.log.line(head)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("events: %s: %w", path, err)
	}
	if len(c.changed) > 0 {
		log.Info("took up the events of earlier starts", "accounts", len(c.changed), "usn", c.last)
	}
	return c, nil
}

// nameOf tells populations apart.
func (c *Config) nameOf(users *population.Population) string {
	if c.UsersFile != "" {
		return "file " + keyOf(users)
	}
	text, _ := json.Marshal(c.Population) // numbers and names only
	return string(text)
}

// replay reads the file and says where its last whole line ends: 0 where it is
// to be written anew. The head is the file's, then.
func replay(f *os.File, users *population.Population, head *eventsHead) (c *changes, end int64, err error) {
	c = newChanges(users, time.Unix(0, head.MadeNS))
	lines := bufio.NewReader(f)
	for first := true; ; first = false {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return c, end, nil // a line without an end was cut off by a kill
		}
		if err != nil {
			return c, 0, err
		}
		if first {
			var old eventsHead
			if json.Unmarshal(line, &old) != nil || old.ID == "" || old.Population != head.Population {
				return c, 0, nil
			}
			*head = old
			c.since = time.Unix(0, old.MadeNS)
		} else if err := c.again(line); err != nil {
			return c, 0, fmt.Errorf("at byte %d: %w", end, err)
		}
		end += int64(len(line))
	}
}

// again makes the event of a line happen.
func (c *changes) again(line []byte) error {
	var e event
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&e); err != nil {
		return err
	}
	if e.User < 0 || e.User >= c.users.Len() || e.USN != c.last+1 {
		return fmt.Errorf("user %d with number %d: expected 0 to %d with %d", e.User, e.USN, c.users.Len()-1, c.last+1)
	}
	after, err := c.locked(e.User).After(population.EventKind(e.Kind))
	if err != nil {
		return err
	}
	c.happen(e, after)
	return nil
}

func (l *eventLog) add(e event) error {
	if l == nil {
		return nil
	}
	if err := l.line(e); err != nil {
		return fmt.Errorf("events: %w: %w", errNotKept, err)
	}
	return nil
}

func (l *eventLog) line(v any) error {
	text, err := json.Marshal(v)
	if err == nil {
		_, err = l.file.Write(append(text, '\n'))
	}
	return err
}

func (l *eventLog) close() error {
	if l == nil {
		return nil
	}
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	return nil
}

// errNotKept says that the event was all right to ask for.
var errNotKept = errors.New("the event could not be kept")
