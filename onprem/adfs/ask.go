package adfs

import (
	"context"
	"time"
	"unicode"
	"unicode/utf8"

	"ptabench/bind"
	"ptabench/wire"
)

// Bounds of what is worth asking for, in bytes; they are the cloud's.
const (
	maxUser     = 1024
	maxPassword = 4 * 256
)

// unsayable reports whether a character has no place in a name: it would not be
// seen, or make what follows look like something else.
func unsayable(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError
}

// check is the code of why a name or a password need not be asked for; 0 when
// it does. An empty password would be an anonymous bind, which succeeds.
func check(user string, password []byte) int {
	if user == "" || len(password) == 0 {
		return codeMissing
	}
	if len(user) > maxUser || len(password) > maxPassword || !utf8.Valid(password) {
		return codeMalformed
	}
	for _, r := range user {
		if unsayable(r) {
			return codeMalformed
		}
	}
	for _, b := range password {
		if b == 0 {
			return codeMalformed
		}
	}
	return 0
}

// A verdict is what came of asking the directory.
type verdict struct {
	code      int
	directory time.Duration
}

// ask has the directory check a password, which it wipes. It takes no longer
// than the bind timeout, and what faults add.
func (s *server) ask(ctx context.Context, user string, password []byte) verdict {
	defer clear(password)
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		return verdict{code: codeTransient}
	}
	if code, broken := s.faults.wait(ctx); broken {
		return verdict{code: code}
	}
	now := time.Now()
	answered := make(chan wire.Result, 1) // so that the pool never waits
	q := &bind.SignIn{
		User: user, Password: password, Taken: now, Deadline: now.Add(s.cfg.BindTimeout),
		Gone:   func() bool { return ctx.Err() != nil },
		Answer: func(_ *bind.SignIn, r wire.Result) { answered <- r },
	}
	s.pool.Do(q)
	r := <-answered // the pool answers each
	return verdict{code: codeOf(r), directory: q.Directory}
}
