package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"unicode/utf8"
)

// WriteResult writes a result file. It replaces one that exists, and whoever
// reads sees the old one or the new one whole, even after a power loss.
func WriteResult(path string, r *Result) error { return writeJSON(path, r.whole()) }

// writeJSON replaces a file by v as JSON, whole or not at all.
func writeJSON(path string, v any) error {
	dir, name := filepath.Split(path)
	temp, err := os.CreateTemp(filepath.Clean(dir), name+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // gone already when all went well
	err = encodeJSON(temp, v)
	if err == nil {
		err = temp.Chmod(0o644)
	}
	if err == nil {
		err = temp.Sync()
	}
	if closed := temp.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err == nil {
		err = syncDir(filepath.Clean(dir))
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// syncDir makes the names in a directory last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if closed := d.Close(); err == nil {
		err = closed
	}
	return err
}

// JSON writes the result as result.json has it.
func JSON(w io.Writer, r *Result) error { return encodeJSON(w, r.whole()) }

// whole is the result with nothing left out.
func (r *Result) whole() *Result {
	whole := *r
	whole.Format = Format
	whole.Faults = slices.Clone(r.Faults) // normalise fills in its elements
	whole.normalise()
	return &whole
}

func encodeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// ReadResult reads a result file: of this format or an older one, else the
// error is a *NewerError. Errors of form say line and column. What an older
// one lacks is as upgrade says.
func ReadResult(path string) (*Result, error) {
	var r Result
	text, err := readJSON(path, Format, &r)
	if err != nil {
		return nil, err
	}
	if err := checkVerdict(path, r.Verdict); err != nil {
		return nil, err
	}
	if r.Format < 2 {
		if err := r.upgrade(text); err != nil {
			return nil, malformed(path, text, err)
		}
	}
	r.normalise()
	return &r, nil
}

// readJSON reads a file of a version up to newest into v, and returns its text.
func readJSON(path string, newest int, v any) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	// The version decides what the rest may mean, so it is read by itself.
	var version struct {
		Format *int `json:"format"`
	}
	if err := json.Unmarshal(text, &version); err != nil {
		return nil, malformed(path, text, err)
	}
	switch {
	case version.Format == nil || *version.Format < 1:
		return nil, fmt.Errorf("%s: format: expected a version from 1 to %d", path, newest)
	case *version.Format > newest:
		return nil, &NewerError{File: path, Format: *version.Format, Newest: newest}
	}
	if err := json.Unmarshal(text, v); err != nil {
		return nil, malformed(path, text, err)
	}
	return text, nil
}

func checkVerdict(path string, v Verdict) error {
	if !slices.Contains(verdicts[:], v) {
		return fmt.Errorf("%s: verdict %q: expected one of %s", path, v, verdicts)
	}
	return nil
}

// upgrade makes a result of format 1 one of format 2. Format 1 called the lost
// sign-ins of a fault failed, and knew neither presets nor networks. What it
// did not measure stays 0 and is said in a warning, a time is -1.
func (r *Result) upgrade(text []byte) error {
	var old struct {
		Faults []struct {
			Failed uint64 `json:"failed"`
		} `json:"faults"`
	}
	if err := json.Unmarshal(text, &old); err != nil {
		return err
	}
	for i := range r.Faults {
		r.Faults[i].Lost, r.Faults[i].Rebalance = old.Faults[i].Failed, Unseen
	}
	r.Preset, r.TimeScale, r.Network = "default", 1, "loopback"
	r.Unavailable.Repeated = r.SignIns.lost()
	r.Warnings = append(r.Warnings, fmt.Sprintf("this run has format %d, which did not record the limits and intervals "+
		"of objectives, nor wrong answers, doubled binds and the time to rebalance for each fault", r.Format))
	r.Format = Format
	return nil
}

var verdicts = [...]Verdict{Pass, Fail, Inconclusive, Aborted}

// malformed adds line and column, both from 1, to an error of encoding/json.
func malformed(path string, text []byte, err error) error {
	var offset int64
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
		if syntax.Error() == "unexpected end of JSON input" {
			offset = int64(len(text)) + 1 // what is missing would follow
		}
	case errors.As(err, &kind):
		err = fmt.Errorf("field %s: a %s does not fit a %s", kind.Field, kind.Value, kind.Type)
		offset = kind.Offset
	default:
		return fmt.Errorf("%s: %w", path, err)
	}
	// The offset counts the wrong byte too.
	before := text[:min(max(offset-1, 0), int64(len(text)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return fmt.Errorf("%s:%d:%d: %w", path, line, column, err)
}

// normalise makes empty lists of absent ones: readers of JSON need not tell
// null from [].
func (r *Result) normalise() {
	empty(&r.Reasons)
	empty(&r.Gates)
	empty(&r.Objectives)
	empty(&r.Connectors)
	empty(&r.Balance.Nothing)
	empty(&r.Faults)
	for i := range r.Faults {
		empty(&r.Faults[i].Wrong)
	}
	empty(&r.WrongByCause)
	empty(&r.Processes)
	empty(&r.Ledgers.Checks)
	empty(&r.Ledgers.Missing)
	empty(&r.Ledgers.Doubled)
	empty(&r.Intervals)
	empty(&r.Warnings)
	emptyMap(&r.SignIns.ByCode)
	emptyMap(&r.SignIns.Errors)
	emptyMap(&r.Ledgers.Harness)
	emptyMap(&r.Ledgers.Cloud)
	emptyMap(&r.Ledgers.Connectors)
	emptyMap(&r.Ledgers.Directory)
}

func empty[T any](list *[]T) {
	if *list == nil {
		*list = []T{}
	}
}

func emptyMap(m *map[string]uint64) {
	if *m == nil {
		*m = map[string]uint64{}
	}
}
