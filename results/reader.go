package results

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strconv"
	"strings"
)

// maxHeader bounds the two lines before the first record, in bytes.
const maxHeader = 1 << 20

// A SampleReader reads a file of samples from its beginning to its end, in
// constant memory. It belongs to one goroutine.
type SampleReader struct {
	in     *bufio.Reader
	closer io.Closer
	file   string
	header Header
	record [RecordSize]byte
	next   uint64 // number of the next record, from 1
	offset int64  // of the next record
	err    error  // what ended the reading; sticky
}

// OpenSamples opens a file of samples. The caller closes it.
func OpenSamples(path string) (*SampleReader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r, err := NewSampleReader(f, path)
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	r.closer = f
	return r, nil
}

// NewSampleReader reads the header and stands before the first record. The
// name is for errors: *NotSamplesError, *NewerError, *TruncatedError when the
// header has no end, *DamagedError when it makes no sense.
func NewSampleReader(r io.Reader, name string) (*SampleReader, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	first, err := in.Peek(len(magic))
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	switch {
	case !strings.HasPrefix(magic, string(first)):
		return nil, &NotSamplesError{File: name, Why: fmt.Sprintf("it does not begin with %q", magic)}
	case len(first) < len(magic):
		return nil, &TruncatedError{File: name}
	}
	line, err := readLine(in, name)
	if err != nil {
		return nil, err
	}
	format, err := strconv.Atoi(string(line[len(magic):]))
	if err != nil || format < 1 {
		return nil, &NotSamplesError{File: name, Why: fmt.Sprintf("version %.20q", line[len(magic):])}
	}
	if format > Format {
		return nil, &NewerError{File: name, Format: format, Newest: Format}
	}
	text, err := readLine(in, name)
	if err != nil {
		return nil, err
	}
	s := &SampleReader{in: in, file: name, next: 1, offset: int64(len(line) + 1 + len(text) + 1)}
	if err := json.Unmarshal(text, &s.header); err != nil {
		return nil, &DamagedError{File: name, Why: err.Error()}
	}
	if err := s.header.check(); err != nil {
		return nil, &DamagedError{File: name, Why: err.Error()}
	}
	return s, nil
}

// readLine returns a line of the header without its line feed.
func readLine(in *bufio.Reader, name string) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxHeader:
			return nil, &NotSamplesError{File: name, Why: fmt.Sprintf("its header has no end within %d bytes", maxHeader)}
		case err == nil:
			return bytes.TrimSuffix(line, []byte("\n")), nil
		case err == io.EOF:
			return nil, &TruncatedError{File: name}
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
}

// Header is the header of the file.
func (r *SampleReader) Header() Header { return r.header }

// Next reads the next record into s. It ends with io.EOF, with
// *TruncatedError when the file ends within a record, or with *DamagedError;
// and then for good.
func (r *SampleReader) Next(s *Sample) error {
	if r.err != nil {
		return r.err
	}
	if _, err := io.ReadFull(r.in, r.record[:]); err != nil {
		switch err {
		case io.EOF:
			r.err = io.EOF
		case io.ErrUnexpectedEOF:
			r.err = &TruncatedError{File: r.file, Record: r.next, Offset: r.offset}
		default:
			r.err = fmt.Errorf("%s: record %d: %w", r.file, r.next, err)
		}
		return r.err
	}
	held, want := decode(&r.record, s)
	if held != want {
		return r.damaged(fmt.Sprintf("checksum %08x, expected %08x", held, want))
	}
	if why := r.header.admits(s); why != "" {
		return r.damaged(why)
	}
	r.next++
	r.offset += RecordSize
	return nil
}

func (r *SampleReader) damaged(why string) error {
	r.err = &DamagedError{File: r.file, Record: r.next, Offset: r.offset, Why: why}
	return r.err
}

// All iterates over the records that are left. What is wrong with the end of
// the file comes last, as an error with a zero Sample.
func (r *SampleReader) All() iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		var s Sample
		for {
			switch err := r.Next(&s); err {
			case nil:
				if !yield(s, nil) {
					return
				}
			case io.EOF:
				return
			default:
				yield(Sample{}, err)
				return
			}
		}
	}
}

// Close closes the file that OpenSamples opened.
func (r *SampleReader) Close() error {
	if r.closer == nil {
		return nil
	}
	return r.closer.Close()
}
