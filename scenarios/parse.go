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
	s := new(Scenario)
	err := decode(name, text, sets, s, func(d *decoder, root *node) { d.preset(root) }, func(d *decoder) { d.check(s) })
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Readable is what can be told of a scenario that Parse finds mistakes in: its
// network, its tenants, those of its faults as written that have none, and its
// directory; what of these has a mistake is left out. So what a machine cannot do
// is said together with what is wrong.
func Readable(name string, text []byte, sets []string) *Scenario {
	s, told := new(Scenario), new(Scenario)
	_ = decode(name, text, sets, s, func(d *decoder, root *node) { d.preset(root) }, func(d *decoder) {
		d.check(s)
		told.Network = s.Network
		for i, f := range s.Faults {
			if f.Kind != Nemesis && d.sound(fmt.Sprintf("faults[%d]", i)) {
				told.Faults = append(told.Faults, f)
			}
		}
		if d.ofTenants(s, "domains") && d.sound("population.spread") {
			told.Tenants, told.Population.Spread = s.Tenants, s.Population.Spread
		}
		if !d.sound("directory.kind") {
			return
		}
		told.Directory.Kind = s.Directory.Kind
		from, to := &s.Directory.External, &told.Directory.External
		for name, fields := range map[string]struct{ from, to *string }{
			"url": {&from.URL, &to.URL}, "ca": {&from.CA, &to.CA}, "users": {&from.Users, &to.Users},
		} {
			if d.sound("directory.external." + name) {
				*fields.to = *fields.from
			}
		}
	}) // the mistakes are known
	return told
}

// decode fills a struct from a document. begin is called when there is a tree,
// and finish when everything was decoded.
func decode(name string, text []byte, sets []string, into any, begin func(*decoder, *node), finish func(*decoder)) error {
	src := &source{name: name}
	start := position{src: src}
	if len(text) > MaxSize {
		return Mistakes{start.mistake("", fmt.Sprintf("%d bytes", len(text)), fmt.Sprintf("at most %d bytes", MaxSize))}
	}
	text = bytes.ReplaceAll(bytes.TrimPrefix(text, []byte("\ufeff")), []byte("\r\n"), []byte("\n"))
	src.lines = sourceLines(text)

	d := newDecoder()
	b := &builder{src: src, first: position{src: src, line: 1, column: 1}, mistakes: &d.mistakes}
	root := b.build(text)
	if root == nil {
		return d.mistakes
	}
	for i, set := range sets {
		override(root, set, i+1, &d.mistakes)
	}
	v := reflect.ValueOf(into).Elem()
	switch root.kind {
	case mapping, null:
		d.at[""] = root.at
		begin(d, root)
		d.structure(root, v, "", root.at)
		finish(d)
	case refused:
	default:
		d.add(root.at, "", root.shown(), "a mapping of "+oneOf(structOf(v.Type()).names))
	}
	if len(d.mistakes) > 0 {
		d.mistakes.sort()
		return d.mistakes
	}
	return nil
}
