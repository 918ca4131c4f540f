package setup_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"ptabench/setup"
)

func TestRollBackSaysWhatBecameOfIt(t *testing.T) {
	var said []string
	u := setup.Undo{Say: func(line string) { said = append(said, line) }}
	u.Add("first", func(context.Context) error { return errors.New("no") })
	u.Add("second", func(context.Context) error { return nil })
	if err := u.RollBack(t.Context(), errors.New("why")); err == nil {
		t.Error("no error")
	}
	if want := []string{"↩ undone: second", "✗ not undone: first"}; !slices.Equal(said, want) {
		t.Errorf("%q, expected %q", said, want)
	}
}
