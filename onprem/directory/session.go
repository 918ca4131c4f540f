package directory

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/glauth/ldap"
)

// who says on whose behalf a session asks.
type who uint8

const (
	anonymous who = iota
	user
	service
	syncer
)

// patience is how long a peer may take for a TLS handshake, or for the rest of
// a message it began.
const patience = 10 * time.Second

// A session is one client's connection, and stands between the wire and
// glauth's server, which reads from it. It exists because that server
//   - reads byte by byte, and messages of any length;
//   - panics, for all connections, at controls it cannot decode;
//   - turns filters into text without escaping and parses that again;
//   - ends the connection after a search that it refuses;
//   - keeps the old identity after a bind that failed.
//
// So a session reads whole messages through a buffer, gives the server nothing
// but well-formed simple binds without controls, and answers the rest itself.
type session struct {
	net.Conn            // what messages travel on: raw, or TLS over it
	raw      net.Conn   // the TCP connection
	source   netip.Addr // that it was dialled from; not valid where that is no IP address
	secure   *tls.Conn  // nil without TLS
	shaken   bool       // the TLS handshake is over
	in       *bufio.Reader
	buffer   [1 << 10]byte // of one message, unless it is longer
	given    []byte        // what the server has not yet read of its message
	who      who           // this, note and noted are used by the goroutine that reads only
	note     bindNote      // of the bind that the next answer is to
	noted    bool          // it is to be logged
	binds    *bindLog      // nil keeps none
	tree     *tree
	counts   *counts
	log      *slog.Logger
	ended    func(*session)
	silent   atomic.Bool // nothing is written any more: the peer has left or was cut off

	number  uint64 // of the order in which sessions were added; this and crowded are the sessions' to guard
	crowded bool   // cut off because there were too many

	mu       sync.Mutex
	patient  bool // a read deadline is set
	stopping bool
	closed   bool
}

func newSession(raw net.Conn, config *tls.Config, t *tree, c *counts, log *slog.Logger, ended func(*session)) *session {
	s := &session{Conn: raw, raw: raw, source: sourceOf(raw), tree: t, counts: c, log: log, ended: ended}
	if config != nil {
		s.secure = tls.Server(raw, config)
		s.Conn = s.secure
	}
	s.in = bufio.NewReaderSize(s.Conn, 4<<10)
	return s
}

// sourceOf is the address that a peer dialled from.
func sourceOf(conn net.Conn) netip.Addr {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// Read gives glauth's server the next bytes of a bind. In between, where it
// expects its next message, the session answers what is not a bind.
func (s *session) Read(p []byte) (int, error) {
	if len(s.given) == 0 {
		if err := s.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.given)
	s.given = s.given[n:]
	return n, nil
}

// next reads messages until there is one for the server. Its error is always
// the end of file, on which the server closes the session without a word.
func (s *session) next() error {
	for {
		m, err := s.read()
		if err == nil {
			var given bool
			if given, err = s.handle(m); given && err == nil {
				return nil
			}
		}
		if errors.Is(err, errMalformed) {
			s.counts.malformed.Add(1)
			s.log.Info("ending a connection", "peer", s.RemoteAddr().String(), "cause", err.Error())
			_, _ = s.Write(noticeOfDisconnection()) // the peer may be gone
		}
		if err != nil {
			return io.EOF
		}
	}
}

// read waits for a whole message and checks its form.
func (s *session) read() (message, error) {
	if err := s.handshake(); err != nil {
		return message{}, err
	}
	if !s.setPatience(false) {
		return message{}, io.EOF
	}
	if _, err := s.in.Peek(1); err != nil { // for as long as the client likes
		return message{}, err
	}
	start, err := s.peek(2)
	if err != nil {
		return message{}, err
	}
	header, length := 2, int(start[1])
	if start[0] != tagSequence {
		return message{}, errMalformed
	}
	if length >= 0x80 {
		digits := length & 0x7f
		if digits < 1 || digits > 4 {
			return message{}, errMalformed
		}
		if start, err = s.peek(2 + digits); err != nil {
			return message{}, err
		}
		header, length = 2+digits, 0
		for _, digit := range start[2:] {
			length = length<<8 | int(digit)
		}
	}
	if length > maxMessage {
		return message{}, errMalformed
	}
	whole := s.buffer[:]
	if header+length > len(whole) {
		whole = make([]byte, header+length)
	}
	whole = whole[:header+length]
	if s.in.Buffered() < len(whole) {
		s.setPatience(true)
	}
	if _, err := io.ReadFull(s.in, whole); err != nil {
		return message{}, err
	}
	return parseMessage(whole, header)
}

// peek waits for the first n bytes of a message that has begun.
func (s *session) peek(n int) ([]byte, error) {
	if s.in.Buffered() < n {
		s.setPatience(true)
	}
	return s.in.Peek(n)
}

// handshake makes TLS ready where it is spoken.
func (s *session) handshake() error {
	if s.secure == nil || s.shaken {
		return nil
	}
	if !s.setPatience(true) {
		return io.EOF
	}
	if err := s.secure.Handshake(); err != nil {
		if !errors.Is(err, io.EOF) { // the peer said something, and it was wrong
			s.counts.malformed.Add(1)
			s.log.Info("ending a connection", "peer", s.RemoteAddr().String(), "cause", err.Error())
		}
		return err
	}
	s.shaken = true
	return nil
}

// handle answers a message, or makes it ready for the server to read.
func (s *session) handle(m message) (given bool, err error) {
	switch m.op {
	case opBind:
		s.who = anonymous // until the bind succeeds (RFC 4511, section 4.2.1)
		simple, ok := isSimpleBind(m.body)
		switch {
		case !ok:
			return false, errMalformed
		case m.critical:
			return false, s.answer(appendResult(nil, m.id, tagBindAnswer, ldap.LDAPResultUnavailableCriticalExtension, ""))
		case !simple:
			return false, s.answer(appendResult(nil, m.id, tagBindAnswer, ldap.LDAPResultAuthMethodNotSupported, "only simple binds are offered"))
		}
		s.given = m.withoutControls()
		return true, nil
	case opUnbind:
		return false, io.EOF
	case opAbandon:
		return false, nil // nothing is under way: requests are taken one at a time
	case opSearch:
		s.counts.searches.Add(1)
		r, err := parseSearch(m.body)
		switch {
		case errors.Is(err, errMalformed):
			return false, err
		case err != nil:
			return false, s.answer(appendResult(nil, m.id, tagSearchDone, ldap.LDAPResultUnwillingToPerform, err.Error()))
		case m.critical:
			return false, s.answer(appendResult(nil, m.id, tagSearchDone, ldap.LDAPResultUnavailableCriticalExtension, ""))
		}
		return false, s.answer(s.tree.search(m.id, r, s.who))
	case opExtended:
		return false, s.answer(appendResult(nil, m.id, answerTag[opExtended], ldap.LDAPResultProtocolError,
			"no extended operations are offered; for TLS, connect to the LDAPS port"))
	}
	tag, ok := answerTag[m.op]
	if !ok {
		return false, errMalformed
	}
	return false, s.answer(appendResult(nil, m.id, tag, ldap.LDAPResultUnwillingToPerform, "this directory is read-only"))
}

// Write answers, and keeps the book of binds: just before, so that nobody can
// know of a bind that is not in it. Who is not there to be answered is none of
// the server's business.
func (s *session) Write(p []byte) (int, error) {
	if s.noted {
		s.binds.add(time.Now(), &s.note, s.source)
		s.noted = false
	}
	n, err := len(p), error(nil)
	if !s.silent.Load() {
		if n, err = s.Conn.Write(p); err != nil && s.silent.Load() {
			n, err = len(p), nil // cut off while it wrote
		}
	}
	return n, err
}

// cut ends the connection at once.
func (s *session) cut() {
	s.silent.Store(true)
	_ = s.raw.Close()
}

// ended reports whether an error of reading says that the connection is over.
func ended(err error) bool {
	return !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, bufio.ErrBufferFull)
}

func (s *session) answer(b []byte) error {
	_, err := s.Write(b)
	return err
}

// setPatience begins or ends the time in which the peer must go on. It is
// false when the session is to end instead.
func (s *session) setPatience(on bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	if on == s.patient {
		return true
	}
	s.patient = on
	var until time.Time
	if on {
		until = time.Now().Add(patience)
	}
	_ = s.raw.SetReadDeadline(until) // fails only where the next read will
	return true
}

// stop ends the session once the request under way, if any, is answered.
func (s *session) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	_ = s.raw.SetReadDeadline(time.Unix(1, 0))
}

// Close is called by the server when it is done with the session, twice.
func (s *session) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	err := s.Conn.Close()
	s.ended(s)
	return err
}
