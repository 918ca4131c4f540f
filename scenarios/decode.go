package scenarios

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// A decoder fills a scenario from a tree by the tags of its fields, and goes
// on after each mistake.
type decoder struct {
	mistakes Mistakes
	at       map[string]position // of what was decoded, by path
	nodes    map[string]*node    // likewise
	bad      map[string]bool     // paths that have a mistake
	below    map[string]bool     // paths that have one at or below them
	defaults map[string]string   // of fields, in place of those of their tags
}

func newDecoder() *decoder {
	return &decoder{at: map[string]position{}, nodes: map[string]*node{}, bad: map[string]bool{}, below: map[string]bool{}}
}

func (d *decoder) add(at position, path, value, expected string) {
	d.mistakes = append(d.mistakes, at.mistake(path, value, expected))
	d.mark(path)
}

// mark remembers that a path has a mistake.
func (d *decoder) mark(path string) {
	d.bad[path] = true
	for ; path != ""; path = parent(path) {
		d.below[path] = true
	}
}

// parent is the path of what a path is part of.
func parent(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }

// wrong adds a mistake at a path that was decoded, or at the nearest thing
// around it that was.
func (d *decoder) wrong(path, value, expected string) {
	for around := path; ; {
		if at, ok := d.at[around]; ok || around == "" {
			d.add(at, path, value, expected)
			return
		}
		around = parent(around)
	}
}

// sound says whether the paths were decoded without a mistake, so that they can
// be compared with other things.
func (d *decoder) sound(paths ...string) bool {
	for _, path := range paths {
		if d.below[path] {
			return false
		}
		for ; path != ""; path = parent(path) {
			if d.bad[path] {
				return false
			}
		}
	}
	return true
}

// join is the path of a part of a path; either may be empty.
func join(path, name string) string {
	if path == "" || name == "" {
		return path + name
	}
	return path + "." + name
}

// structure decodes a mapping. A missing one is an empty one. A mistake that
// has no place of its own, such as a missing field, is reported at at.
func (d *decoder) structure(n *node, v reflect.Value, path string, at position) {
	info := structOf(v.Type())
	seen := map[string]position{}
	for _, e := range n.entries {
		f, known := info.byName[e.key]
		full := join(path, e.key)
		if !known {
			d.add(e.at, join(path, shownValue(e.key)), "unknown field", meant(e.key, info.names))
			continue
		}
		if first, twice := seen[e.key]; twice {
			d.add(e.at, full, "given twice", fmt.Sprintf("it once: it is on line %d too", first.line))
			continue
		}
		seen[e.key] = e.at
		d.at[full] = e.value.at
		d.value(e.value, v.Field(f.index), f, full, e.at)
	}
	for _, f := range info.fields {
		full := join(path, f.name)
		if _, given := seen[f.name]; !given {
			d.absent(v.Field(f.index), f, full, at)
		}
	}
}

// absent fills in the default of a field that is not given.
func (d *decoder) absent(v reflect.Value, f *field, path string, at position) {
	fill, other := d.defaults[presetField(path)]
	if !other {
		fill = f.fill
	}
	switch {
	case f.need:
		d.add(at, path, "missing", f.expected(f.typ, ""))
	case fill != "":
		if wrong := f.setText(v, fill); wrong != "" {
			panic(fmt.Sprintf("scenarios: default of %s: expected %s", path, wrong))
		}
	case f.typ.Kind() == reflect.Struct:
		d.structure(&node{}, v, path, at)
	}
}

// value decodes what is given for a field. keyAt is where its name stands.
func (d *decoder) value(n *node, v reflect.Value, f *field, path string, keyAt position) {
	t := v.Type()
	if n.kind == refused {
		d.mark(path)
		return
	}
	container := t.Kind() == reflect.Struct || t.Kind() == reflect.Slice || t.Kind() == reflect.Map
	if n.kind == null && container && f.typ == t {
		d.absent(v, f, path, keyAt)
		return
	}
	switch {
	case t == reflect.TypeFor[Fault]() && n.kind == scalar:
		line := readFault(n.text)
		v.Set(reflect.ValueOf(line.fault))
		for name, column := range line.at {
			d.at[join(path, name)] = n.within(column)
		}
		for _, m := range line.mistakes {
			d.line(n, path, m)
		}
		if line.cut { // what follows is not known
			d.mark(path)
		}
	case t == reflect.TypeFor[Fault]() && n.kind == mapping:
		d.structure(n, v, path, keyAt)
		d.fault(v.Addr().Interface().(*Fault), path)
	case t == reflect.TypeFor[Objective]() && n.kind == scalar:
		objective, columns, err := parseObjective(n.text)
		v.Set(reflect.ValueOf(objective))
		for part, column := range columns {
			d.at[join(path, part)] = n.within(column)
		}
		d.line(n, path, err)
	case t == reflect.TypeFor[Expectation]() && n.kind == scalar:
		expectation, columns, err := parseExpectation(n.text)
		v.Set(reflect.ValueOf(expectation))
		for part, column := range columns {
			d.at[join(path, part)] = n.within(column)
		}
		d.line(n, path, err)
	case t == reflect.TypeFor[Limit]() && n.kind == scalar:
		limit, err := ParseLimit(n.text)
		v.Set(reflect.ValueOf(limit))
		d.line(n, path, err)
	case t == reflect.TypeFor[Objective](), t == reflect.TypeFor[Limit](), t == reflect.TypeFor[Expectation]():
		d.add(n.at, path, n.shown(), f.expected(t, ""))
	case t.Kind() == reflect.Struct && n.kind == mapping:
		d.structure(n, v, path, keyAt)
	case t.Kind() == reflect.Map && n.kind == mapping:
		d.words(n, v, f, path)
	case f.rule == "port" && t.Kind() == reflect.Slice && (n.kind == sequence || n.kind == scalar):
		d.ports(n, v, path)
	case t.Kind() == reflect.Slice && n.kind == scalar && f.words(t.Elem()) != nil:
		d.list(n.split(), v, f, path, keyAt)
	case t.Kind() == reflect.Slice && n.kind == sequence:
		d.list(n, v, f, path, keyAt)
	case container || n.kind != scalar:
		d.add(n.at, path, n.shown(), f.expected(t, n.text))
	case n.quoted && (t.Kind() == reflect.Int || t.Kind() == reflect.Uint64):
		d.add(n.at, path, fmt.Sprintf("text %q", n.text), f.expected(t, n.text))
	default:
		if wrong := f.setText(v, n.text); wrong != "" {
			d.add(n.at, path, n.shown(), wrong)
		}
	}
}

func (d *decoder) list(n *node, v reflect.Value, f *field, path string, keyAt position) {
	if len(n.items) == 0 {
		if f.need {
			d.add(n.at, path, "an empty list", "at least one")
		}
		return
	}
	if len(n.items) > maxItems {
		d.add(n.at, path, fmt.Sprintf("%d items", len(n.items)), fmt.Sprintf("at most %d", maxItems))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
	for i, item := range n.items {
		full := fmt.Sprintf("%s[%d]", path, i)
		d.at[full], d.nodes[full] = item.at, item
		d.value(item, v.Index(i), f, full, item.at)
	}
}

// maxItems is how long a list may be; faults are compared pair by pair.
const maxItems = 500

// words decodes a mapping of words to shares.
func (d *decoder) words(n *node, v reflect.Value, f *field, path string) {
	keys, elem := v.Type().Key(), v.Type().Elem()
	seen := map[string]position{}
	for _, e := range n.entries {
		full := join(path, e.key)
		key, value := reflect.New(keys).Elem(), reflect.New(elem).Elem()
		if !setPlain(key, e.key) {
			d.add(e.at, join(path, shownValue(e.key)), "unknown word", meant(e.key, wordsOf(keys)))
			continue
		}
		if first, twice := seen[e.key]; twice {
			d.add(e.at, full, "given twice", fmt.Sprintf("it once: it is on line %d too", first.line))
			continue
		}
		seen[e.key] = e.at
		d.at[full] = e.value.at
		d.value(e.value, value, f, full, e.at)
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
		v.SetMapIndex(key, value)
	}
	if len(n.entries) == 0 && f.need {
		d.add(n.at, path, "an empty mapping", "at least one")
	}
}

// ports decodes the ports of a fault: a list, or one of them on its own, or
// several in one text as on a fault's line.
func (d *decoder) ports(n *node, v reflect.Value, path string) {
	list := n
	if n.kind == scalar {
		list = n.split()
	}
	var all []string
	for i, item := range list.items {
		full := path
		if n.kind == sequence {
			full = fmt.Sprintf("%s[%d]", path, i)
		}
		if item.kind == refused {
			d.mark(full)
			continue
		}
		wrong := portForm
		var ports []string
		if item.kind == scalar {
			ports, wrong = expandPort(item.text)
		}
		if wrong != "" {
			d.add(item.at, full, item.shown(), wrong)
			continue
		}
		all = addPorts(all, ports)
	}
	v.Set(reflect.ValueOf(all))
}

// split turns a text with several words, a comma between two, into a list.
func (n *node) split() *node {
	list := &node{kind: sequence, at: n.at}
	for _, text := range strings.Split(n.text, ",") {
		list.items = append(list.items, &node{kind: scalar, at: n.at, text: strings.TrimSpace(text)})
	}
	return list
}

// line adds the mistake in something written on one line, if there is one.
func (d *decoder) line(n *node, path string, err error) {
	var m Mistake
	if errors.As(err, &m) {
		d.add(n.within(m.Column), join(path, m.Path), m.Value, m.Expected)
	}
}

// within is the position of a column of a scalar's text, when the document
// holds that text as it is; else of the scalar.
func (n *node) within(column int) position {
	at := n.at
	if at.line < 1 || at.line > len(at.src.lines) || column < 1 {
		return at
	}
	line := []rune(at.src.lines[at.line-1])
	for _, skip := range []int{0, 1} { // the second for a quote
		from := at.column - 1 + skip
		if from <= len(line) && strings.HasPrefix(string(line[from:]), n.text) {
			at.column = from + column
			break
		}
	}
	return at
}

// fault completes and checks a fault written as a mapping.
func (d *decoder) fault(f *Fault, path string) {
	if f.Target == "" && d.sound(path+".target") {
		f.Target = kinds[f.Kind].target
	}
	if _, given := d.at[path+".at"]; !given && !f.relative() && d.sound(path+".after", path+".with") {
		d.wrong(path+".at", "missing", structOf(reflect.TypeFor[Fault]()).byName["at"].expected(reflect.TypeFor[Duration](), "")+
			", or after or with the name of a fault")
	}
	if !d.sound(path + ".kind") {
		return
	}
	for _, wrong := range f.flaws(func(field string) bool { return !d.sound(join(path, field)) }) {
		d.wrong(join(path, wrong.field), wrong.value, wrong.expected)
	}
}
