package ask

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/huh/v2"
)

// Form asks with a form on a page of its own.
type Form struct {
	in  io.Reader
	out io.Writer
}

// NewForm asks on a terminal.
func NewForm(in io.Reader, out io.Writer) *Form { return &Form{in, out} }

// Say implements Asker.
func (f *Form) Say(text string) { fmt.Fprintln(f.out, text) }

// Ask implements Asker.
func (f *Form) Ask(ctx context.Context, page Page) error {
	// What makes a question superfluous is another on the page, so each that
	// may be is a group of its own: those can be hidden.
	var (
		groups []*huh.Group
		fields []huh.Field
		after  []func()
	)
	title := func(g *huh.Group) *huh.Group {
		if page.Text != "" {
			g.Description(page.Text + "\n")
		}
		return g.Title(page.Title)
	}
	flush := func() {
		if len(fields) > 0 {
			groups, fields = append(groups, title(huh.NewGroup(fields...))), nil
		}
	}
	for i := range page.Questions {
		q := &page.Questions[i]
		field, done := q.field()
		after = append(after, func() {
			if q.asked() {
				done()
			}
		})
		if q.When == nil {
			fields = append(fields, field)
			continue
		}
		flush()
		groups = append(groups, title(huh.NewGroup(field)).WithHideFunc(func() bool { return !q.asked() }))
	}
	flush()
	if len(groups) == 0 {
		return nil
	}
	keys := huh.NewDefaultKeyMap()
	keys.Select.Filter.SetEnabled(false) // four options need none
	// An interrupt ends the form as anything else does, when nobody reads the
	// terminal any more: else it is closed below whoever reads.
	interrupted := false
	ends := tea.WithFilter(func(_ tea.Model, m tea.Msg) tea.Msg {
		if _, is := m.(tea.InterruptMsg); is {
			interrupted = true
			return tea.QuitMsg{}
		}
		return m
	})
	form := huh.NewForm(groups...).WithProgramOptions(ends).WithInput(f.in).WithOutput(f.out).WithKeyMap(keys).WithShowHelp(true)
	err := form.RunWithContext(ctx)
	switch {
	case ctx.Err() != nil, interrupted, errors.Is(err, huh.ErrUserAborted):
		return ErrAborted
	case err != nil:
		return fmt.Errorf("asking: %w", err)
	}
	for _, done := range after {
		done()
	}
	f.echo(page)
	return nil
}

// echo leaves the answers on the terminal: the form is gone once it is filled
// in.
func (f *Form) echo(page Page) {
	fmt.Fprintf(f.out, "%s\n", page.Title)
	if page.Keep {
		fmt.Fprintf(f.out, "  %s\n", strings.ReplaceAll(page.Text, "\n", "\n  "))
	}
	for i := range page.Questions {
		q := &page.Questions[i]
		if !q.asked() {
			continue
		}
		answer := *q.Answer
		switch q.Kind {
		case Secret:
			if answer != "" {
				answer = "********" // however long it is
			}
		case Choice:
			for _, o := range q.Options {
				if o.Value == answer {
					answer = o.Label
				}
			}
		}
		fmt.Fprintf(f.out, "  %s: %s\n", q.Title, answer)
	}
}

// field is the question as a field of a form; done takes its answer over.
func (q *Question) field() (field huh.Field, done func()) {
	switch q.Kind {
	case Choice:
		options := make([]huh.Option[string], len(q.Options))
		for i, o := range q.Options {
			options[i] = huh.NewOption(o.Label, o.Value)
		}
		s := huh.NewSelect[string]().Title(q.Title).Description(q.Help).Options(options...).Value(q.Answer).Validate(q.check)
		return s, func() {}
	case YesNo:
		yes := *q.Answer == Yes
		c := huh.NewConfirm().Title(q.Title).Description(q.Help).Affirmative("Yes").Negative("No").Value(&yes)
		c.Validate(func(v bool) error {
			*q.Answer = answerOf(v) // questions that depend on it look there
			return q.check(*q.Answer)
		})
		return c, func() { *q.Answer = answerOf(yes) }
	default:
		i := huh.NewInput().Title(q.Title).Description(q.Help).Value(q.Answer).Validate(func(s string) error {
			return q.check(strings.TrimSpace(s))
		})
		if q.Kind == Secret {
			i.EchoMode(huh.EchoModePassword).Validate(q.check)
			return i, func() {}
		}
		return i, func() { *q.Answer = strings.TrimSpace(*q.Answer) }
	}
}

func answerOf(yes bool) string {
	if yes {
		return Yes
	}
	return No
}
