package load

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
)

// The bounds of a response, in bytes. A token is about 1 kB.
const (
	maxHead   = 16 << 10 // status lines and headers, those of 1xx responses included
	maxAnswer = 64 << 10 // the body, without the framing of its chunks

	maxResponse   = maxHead + 2*maxAnswer // all of it
	firstResponse = 4 << 10               // what a connection has room for at first
)

var (
	errAnswerTooLong = errors.New("the answer is too long")
	errNotHTTP       = errors.New("the answer is not HTTP/1.1")
)

// A response is an HTTP/1.1 response (RFC 9112) and what of it matters to
// sign-ins. All of it is part of one buffer, which the next response reuses.
//
// It is read strictly: what could be taken in two ways is not taken at all.
// That is why responses have no use for net/http here: its Transport hands each
// of them over between three goroutines, at twice the cost of the encryption.
type response struct {
	status int
	answer
	body []byte
	last bool // the connection serves no other request

	old bool // HTTP/1.0
	framing
	raw    []byte // what was read
	parsed int    // how much of raw is
}

// An answer is what the headers of a response say of a sign-in. A header that
// was not there is nil; of one that was there twice, the first counts.
type answer struct {
	id, method, connector, attempts, times []byte
	server, code                           []byte // of a federation server
}

// framing is what headers say of the length of a body.
type framing struct {
	length  int64 // -1 when none was given
	chunked bool
}

// read reads the response to a request other than HEAD and CONNECT. It returns
// io.EOF when nothing came at all.
func (r *response) read(from io.Reader) error {
	if r.raw == nil {
		r.raw = make([]byte, 0, firstResponse)
	}
	*r = response{raw: r.raw[:0]}
	for {
		if err := r.readHead(from); err != nil {
			if err == io.EOF && len(r.raw) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if r.status >= 200 {
			break
		}
		if r.status == 101 { // nobody asked to change the protocol
			return errNotHTTP
		}
	}
	if err := r.readBody(from); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if len(r.raw) > r.parsed {
		r.last = true // nobody asked for what follows
	}
	return nil
}

// readHead reads a status line and headers.
func (r *response) readHead(from io.Reader) error {
	r.answer, r.framing = answer{}, framing{length: -1}
	line, err := r.line(from, maxHead)
	if err != nil {
		return err
	}
	if err := r.readStatus(line); err != nil {
		return err
	}
	for {
		line, err := r.line(from, maxHead)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			break
		}
		name, value, ok := cutField(line)
		if !ok || !r.readField(name, value) {
			return errNotHTTP
		}
	}
	// Which of the two counts is where clients and servers come to differ.
	if r.chunked && r.length >= 0 {
		return errNotHTTP
	}
	return nil
}

func (r *response) readStatus(line []byte) error {
	const form = "HTTP/1.x 200"
	if len(line) < len(form) || string(line[:7]) != "HTTP/1." || line[8] != ' ' {
		return errNotHTTP
	}
	reason := line[len(form):]
	if len(reason) > 0 && reason[0] != ' ' || !isText(reason) {
		return errNotHTTP
	}
	if line[7] != '0' && line[7] != '1' {
		return errNotHTTP
	}
	r.old = line[7] == '0'
	r.last = r.old
	r.status = 0
	for _, c := range line[9:12] {
		if c < '0' || '9' < c {
			return errNotHTTP
		}
		r.status = 10*r.status + int(c-'0')
	}
	if r.status < 100 {
		return errNotHTTP
	}
	return nil
}

// readField takes one header, and reports whether it is one that can be meant.
func (r *response) readField(name, value []byte) bool {
	keep := func(in *[]byte) {
		if *in == nil {
			*in = value
		}
	}
	switch len(name) {
	case len("connection"):
		if is(name, "connection") {
			for option := range bytes.SplitSeq(value, []byte(",")) {
				if is(trim(option), "close") {
					r.last = true
				}
			}
		}
	case len("content-length"):
		if is(name, "content-length") {
			if r.length >= 0 {
				return false
			}
			r.length = decimal(value)
			return r.length >= 0
		}
	case len("transfer-encoding"):
		switch {
		case is(name, "transfer-encoding"):
			if r.chunked || r.old || !is(value, "chunked") {
				return false
			}
			r.chunked = true
		case is(name, "client-request-id"):
			keep(&r.id)
		case is(name, "x-ptabench-method"):
			keep(&r.method)
		case is(name, "x-ptabench-server"):
			keep(&r.server)
		}
	case len("x-ptabench-code"):
		if is(name, "x-ptabench-code") {
			keep(&r.code)
		}
	case len("x-ptabench-times"):
		if is(name, "x-ptabench-times") {
			keep(&r.times)
		}
	case len("x-ptabench-attempts"):
		if is(name, "x-ptabench-attempts") {
			keep(&r.attempts)
		}
	case len("x-ptabench-connector"):
		if is(name, "x-ptabench-connector") {
			keep(&r.connector)
		}
	}
	return true
}

func (r *response) readBody(from io.Reader) error {
	switch {
	case r.status == 204 || r.status == 304:
		return nil
	case r.chunked:
		return r.readChunks(from)
	case r.length > maxAnswer:
		return errAnswerTooLong
	case r.length >= 0:
		body, err := r.take(from, int(r.length))
		r.body = body
		return err
	}
	r.last = true // it ends where the connection does
	for {
		if len(r.raw)-r.parsed > maxAnswer {
			return errAnswerTooLong
		}
		err := r.more(from, 1)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	r.body, r.parsed = r.raw[r.parsed:], len(r.raw)
	return nil
}

// readChunks reads a body in chunks and moves them together.
func (r *response) readChunks(from io.Reader) error {
	begin, end := r.parsed, r.parsed
	for {
		line, err := r.line(from, maxResponse)
		if err != nil {
			return err
		}
		size, err := chunkSize(line)
		if err != nil {
			return err
		}
		if size == 0 {
			break
		}
		if end-begin+size > maxAnswer {
			return errAnswerTooLong
		}
		chunk, err := r.take(from, size)
		if err != nil {
			return err
		}
		// The buffer may have moved, so where it began is only a number.
		end += copy(r.raw[end:], chunk)
		if line, err := r.line(from, maxResponse); err != nil {
			return err
		} else if len(line) != 0 {
			return errNotHTTP
		}
	}
	for {
		line, err := r.line(from, maxResponse)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			r.body = r.raw[begin:end]
			return nil
		}
		if _, _, ok := cutField(line); !ok { // trailers say nothing of sign-ins
			return errNotHTTP
		}
	}
}

// line returns the next line, without its end, which is to be within the first
// limit bytes.
func (r *response) line(from io.Reader, limit int) ([]byte, error) {
	for seen := r.parsed; ; {
		if i := bytes.IndexByte(r.raw[seen:], '\n'); i >= 0 {
			begin, end := r.parsed, seen+i
			switch {
			case end >= limit:
				return nil, errAnswerTooLong
			case end == begin || r.raw[end-1] != '\r':
				return nil, errNotHTTP
			}
			r.parsed = end + 1
			return r.raw[begin : end-1], nil
		}
		if seen = len(r.raw); seen >= limit {
			return nil, errAnswerTooLong
		}
		if err := r.more(from, 1); err != nil {
			return nil, err
		}
	}
}

// take returns the next n bytes.
func (r *response) take(from io.Reader, n int) ([]byte, error) {
	for len(r.raw)-r.parsed < n {
		if err := r.more(from, n-(len(r.raw)-r.parsed)); err != nil {
			return nil, err
		}
	}
	r.parsed += n
	return r.raw[r.parsed-n : r.parsed], nil
}

// more reads some bytes, where n are wanted.
func (r *response) more(from io.Reader, n int) error {
	if len(r.raw) >= maxResponse {
		return errAnswerTooLong
	}
	if len(r.raw) == cap(r.raw) {
		r.raw = slices.Grow(r.raw, min(n, maxResponse-len(r.raw)))
	}
	for range 100 {
		got, err := from.Read(r.raw[len(r.raw):cap(r.raw)])
		r.raw = r.raw[:len(r.raw)+got]
		if got > 0 {
			return nil // an error comes again with the next read
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// cutField takes a header line apart.
func cutField(line []byte) (name, value []byte, ok bool) {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return nil, nil, false
	}
	for _, c := range line[:colon] {
		if !token[c] {
			return nil, nil, false
		}
	}
	return line[:colon], trim(line[colon+1:]), isText(line[colon+1:])
}

// token says which bytes a header's name is made of (RFC 9110, 5.6.2).
var token = func() (t [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		t[c] = true
	}
	return t
}()

// isText reports whether there is no control character but the tab.
func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// trim takes the white space of headers away.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// is compares with letters of lower case and dashes, letter case aside.
func is(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// decimal reads a length in bytes, -1 when it is none or has over 12 digits.
func decimal(b []byte) int64 {
	if len(b) == 0 || len(b) > 12 {
		return -1
	}
	n := int64(0)
	for _, c := range b {
		if c < '0' || '9' < c {
			return -1
		}
		n = 10*n + int64(c-'0')
	}
	return n
}

// chunkSize reads the line before a chunk; what extends it says nothing here.
func chunkSize(line []byte) (int, error) {
	digits := 0
	for digits < len(line) && isHex(line[digits]) {
		digits++
	}
	if rest := trim(line[digits:]); digits == 0 || len(rest) > 0 && rest[0] != ';' || !isText(rest) {
		return 0, errNotHTTP
	}
	size, err := strconv.ParseUint(string(line[:digits]), 16, 31)
	if err != nil {
		return 0, errAnswerTooLong
	}
	return int(size), nil
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
