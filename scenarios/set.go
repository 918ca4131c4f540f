package scenarios

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A step is one part of the path of an override: a field or an index.
type step struct {
	key   string
	index int // when key is empty
	at    position
	path  string // up to and including this step
}

// override applies one key=value to the tree, before anything is checked, so
// that what it breaks is reported like any other mistake, located in the
// override. The value is YAML: faults=[] and connectors.count=2 both work.
func override(root *node, text string, order int, mistakes *Mistakes) {
	src := &source{name: "--set " + shownValue(text), order: order, lines: []string{text}, one: true}
	start := position{src: src, line: 1, column: 1}
	key, value, found := strings.Cut(text, "=")
	if !found || strings.ContainsAny(key, "\n\r") {
		*mistakes = append(*mistakes, start.mistake("", "", "a field, = and its value, such as cloud.handoff=off"))
		return
	}
	steps, bad := parsePath(key, src)
	if bad != nil {
		*mistakes = append(*mistakes, *bad)
		return
	}
	if len(value) > MaxSize {
		*mistakes = append(*mistakes, start.mistake("", fmt.Sprintf("%d bytes", len(value)), fmt.Sprintf("at most %d bytes", MaxSize)))
		return
	}
	first := position{src: src, line: 1, column: utf8.RuneCountInString(key) + 2}
	b := &builder{src: src, first: first, mistakes: mistakes}
	leaf := b.build([]byte(value))
	if leaf == nil {
		return
	}

	at := root
	for i, s := range steps {
		next := leaf
		if i < len(steps)-1 {
			next = nil
		}
		child, bad := at.step(s, next)
		if bad != nil {
			*mistakes = append(*mistakes, *bad)
			return
		}
		at = child
	}
}

// parsePath reads a path such as tenants[0].fallback.
func parsePath(text string, src *source) ([]step, *Mistake) {
	var steps []step
	wrong := func(at int, expected string) ([]step, *Mistake) {
		m := position{src: src, line: 1, column: utf8.RuneCountInString(text[:at]) + 1}.mistake("", "", expected)
		return nil, &m
	}
	for i := 0; i < len(text) || i == 0; {
		s := step{at: position{src: src, line: 1, column: utf8.RuneCountInString(text[:i]) + 1}}
		if strings.HasPrefix(text[i:], "[") {
			end := strings.IndexByte(text[i:], ']')
			if i == 0 || end < 0 {
				return wrong(i, "a field and an index, such as tenants[0]")
			}
			n, err := strconv.ParseUint(text[i+1:i+end], 10, 16)
			if err != nil {
				return wrong(i+1, "an index such as 0")
			}
			s.index, i = int(n), i+end+1
		} else {
			end := strings.IndexAny(text[i:], ".[")
			if end < 0 {
				end = len(text) - i
			}
			if s.key = text[i : i+end]; s.key == "" || strings.TrimSpace(s.key) != s.key {
				return wrong(i, "the name of a field, such as cloud.handoff")
			}
			i += end
		}
		s.path = text[:i]
		steps = append(steps, s)
		if strings.HasPrefix(text[i:], ".") {
			if i++; i == len(text) {
				return wrong(i, "the name of a field, such as cloud.handoff")
			}
		} else if i < len(text) && text[i] != '[' {
			return wrong(i, "a dot, an index or =")
		}
	}
	return steps, nil
}

// step goes one step down from n. The value there is replaced by leaf when
// that is not nil, and made when there is none.
func (n *node) step(s step, leaf *node) (*node, *Mistake) {
	wrong := func(value, expected string) (*node, *Mistake) {
		m := s.at.mistake(s.path, value, expected)
		return nil, &m
	}
	child := leaf
	if child == nil {
		child = &node{kind: null, at: s.at}
	}
	n.expandFault()
	if s.key == "" {
		if n.kind == null {
			*n = node{kind: sequence, at: n.at}
		}
		switch {
		case n.kind != sequence:
			return wrong(n.shown(), "a list to index")
		case s.index > len(n.items):
			return wrong(fmt.Sprintf("index %d", s.index), fmt.Sprintf("0 to %d, the last of which appends", len(n.items)))
		case s.index == len(n.items):
			n.items = append(n.items, child)
		case leaf != nil:
			n.items[s.index] = leaf
		}
		return n.items[s.index], nil
	}
	if n.kind == null {
		*n = node{kind: mapping, at: n.at}
	}
	if n.kind == sequence {
		return wrong("", fmt.Sprintf("an index, such as %s[0]", strings.TrimSuffix(strings.TrimSuffix(s.path, s.key), ".")))
	}
	if n.kind != mapping {
		return wrong(n.shown(), "a mapping to set "+s.key+" in")
	}
	for i, e := range n.entries {
		if e.key == s.key {
			if leaf != nil {
				n.entries[i] = entry{key: s.key, at: s.at, value: leaf}
			}
			return n.entries[i].value, nil
		}
	}
	n.entries = append(n.entries, entry{key: s.key, at: s.at, value: child})
	return child, nil
}

// expandFault turns a fault written as one line into the mapping it stands
// for, so that an override can reach its fields.
func (n *node) expandFault() {
	if n.kind != scalar {
		return
	}
	fault, err := ParseFault(n.text)
	if err != nil {
		return
	}
	text := func(text string) *node { return &node{kind: scalar, at: n.at, text: text} }
	v := reflect.ValueOf(fault)
	for _, f := range structOf(v.Type()).fields {
		value := v.Field(f.index)
		if value.IsZero() && (f.name != "at" || fault.relative()) {
			continue
		}
		e := entry{key: f.name, at: n.at}
		if value.Kind() == reflect.Slice {
			e.value = &node{kind: sequence, at: n.at}
			for i := range value.Len() {
				e.value.items = append(e.value.items, text(value.Index(i).String()))
			}
		} else {
			e.value = text(fmt.Sprint(value.Interface()))
		}
		n.entries = append(n.entries, e)
	}
	n.kind, n.text = mapping, ""
}
