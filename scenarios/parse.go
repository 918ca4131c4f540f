package scenarios

import (
	"bytes"
	"fmt"
	"reflect"
)

// Parse reads a scenario: the text of a document, which errors call name, and
// overrides of the form key=value, such as cloud.handoff=off or
// tenants[0].fallback=off, applied in order before anything is checked.
// Defaults are filled in, so that what it returns is complete. The error is
// Mistakes, all of them at once.
func Parse(name string, text []byte, sets []string) (*Scenario, error) {
	src := &source{name: name}
	start := position{src: src}
	if len(text) > MaxSize {
		return nil, Mistakes{start.mistake("", fmt.Sprintf("%d bytes", len(text)), fmt.Sprintf("at most %d bytes", MaxSize))}
	}
	text = bytes.ReplaceAll(bytes.TrimPrefix(text, []byte("\ufeff")), []byte("\r\n"), []byte("\n"))
	src.lines = sourceLines(text)

	d := &decoder{at: map[string]position{}, nodes: map[string]*node{}, bad: map[string]bool{}, below: map[string]bool{}}
	b := &builder{src: src, first: position{src: src, line: 1, column: 1}, mistakes: &d.mistakes}
	root := b.build(text)
	if root == nil {
		return nil, d.mistakes
	}
	for i, set := range sets {
		override(root, set, i+1, &d.mistakes)
	}
	s := new(Scenario)
	switch root.kind {
	case mapping, null:
		d.at[""] = root.at
		d.structure(root, reflect.ValueOf(s).Elem(), "", root.at)
		d.check(s)
	case refused:
	default:
		d.add(root.at, "", root.shown(), "a mapping of "+oneOf(structOf(reflect.TypeFor[Scenario]()).names))
	}
	if len(d.mistakes) > 0 {
		d.mistakes.sort()
		return nil, d.mistakes
	}
	return s, nil
}
