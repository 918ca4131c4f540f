// Package ask asks a person in a terminal: a page of questions at a time, as a
// form where the terminal can show one, line by line everywhere else. A screen
// reader, a serial console and a script get the same questions.
package ask

import (
	"context"
	"errors"
)

// ErrAborted says that whoever was asked does not want to go on.
var ErrAborted = errors.New("interrupted; nothing was changed")

// Kind is how a question is answered.
type Kind int

// The kinds.
const (
	Text   Kind = iota
	Secret      // not shown while it is typed
	Choice      // one of Options
	YesNo       // "yes" or "no"
)

// The answers to YesNo.
const (
	Yes = "yes"
	No  = "no"
)

// An Option is one answer to a Choice.
type Option struct{ Value, Label string }

// A Question is one of a page. Answer is its default before and the answer
// after it was asked.
type Question struct {
	Kind    Kind
	Title   string
	Help    string // a line or two; empty for none
	Options []Option
	Answer  *string
	Check   func(string) error // nil when every answer is good
	// When says whether the question makes sense after the answers before it
	// on the page; nil for always.
	When func() bool
}

// A Page is a step: a title, what it is about, and its questions.
type Page struct {
	Title     string
	Text      string
	Keep      bool // the text stays on the terminal, also where pages do not
	Questions []Question
}

// An Asker asks. Ask returns ErrAborted when whoever was asked ended it, and
// Say shows lines between pages.
type Asker interface {
	Ask(ctx context.Context, page Page) error
	Say(text string)
}

func (q *Question) check(answer string) error {
	if q.Check == nil {
		return nil
	}
	return q.Check(answer)
}

func (q *Question) asked() bool { return q.When == nil || q.When() }
