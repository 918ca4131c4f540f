package federation

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/beevik/etree"
)

// bounds is how large a document may be.
type bounds struct {
	bytes, depth, elements, attributes int  // attributes of one element
	comments                           bool // may there be any
}

// namespaceXML is what the prefix xml stands for, without being declared.
const namespaceXML = "http://www.w3.org/XML/1998/namespace"

// parse reads a document that is no more than it should be. The parser below is
// lenient (encoding/xml takes an attribute twice, prefixes that stand for
// nothing, several roots), and every leniency is a chance for two readers to
// see two documents. So whatever two could read in two ways is refused, at the
// first such thing, and what is left becomes the tree that the library of
// signatures works on: what is checked here and what is read after that comes
// of one and the same reading.
//
// There are no entities but XML's five, since a document type is refused and
// encoding/xml knows no others: neither bombs nor files of this host.
func parse(text []byte, b bounds) (*etree.Document, error) {
	if len(text) > b.bytes {
		return nil, fmt.Errorf("more than %d bytes", b.bytes)
	}
	if !utf8.Valid(text) {
		return nil, errors.New("not UTF-8")
	}
	doc := etree.NewDocument()
	if err := read(text, &doc.Element, b); err != nil {
		return nil, err
	}
	if doc.Root() == nil {
		return nil, errors.New("no element")
	}
	return doc, nil
}

// read adds the element of a document to another one. Comments, which may be
// where bounds allow them, become part of it too, since they end a text.
func read(text []byte, to *etree.Element, b bounds) error {
	in := xml.NewDecoder(bytes.NewReader(text))
	var within []opened
	elements := 0
	for {
		part, err := in.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		around := to
		if len(within) > 0 {
			around = within[len(within)-1].element
		}
		switch part := part.(type) {
		case xml.Directive:
			return errors.New("it has a document type")
		case xml.ProcInst:
			if part.Target != "xml" || elements > 0 {
				return errors.New("it has a processing instruction")
			}
		case xml.Comment:
			if !b.comments {
				return errors.New("it has a comment")
			}
			around.CreateComment(string(part))
		case xml.CharData:
			if len(within) > 0 {
				around.CreateText("").SetData(string(part)) // which finds out whether it is white space
			} else if strings.Trim(string(part), " \t\r\n") != "" {
				return errors.New("it has text outside of its element")
			}
		case xml.StartElement:
			if elements++; elements > b.elements {
				return fmt.Errorf("more than %d elements", b.elements)
			}
			if len(within) == 0 && elements > 1 {
				return errors.New("it has two elements at the top")
			}
			if len(within) >= b.depth {
				return fmt.Errorf("nested deeper than %d", b.depth)
			}
			if len(part.Attr) > b.attributes {
				return fmt.Errorf("more than %d attributes", b.attributes)
			}
			o, err := open(part, within)
			if err != nil {
				return err
			}
			o.element = around.CreateElement(written(part.Name))
			for _, a := range part.Attr {
				o.element.CreateAttr(written(a.Name), a.Value)
			}
			within = append(within, o)
		case xml.EndElement:
			if len(within) == 0 || within[len(within)-1].name != part.Name {
				return errors.New("an element ends that did not begin")
			}
			within = within[:len(within)-1]
		}
	}
	if len(within) > 0 {
		return errors.New("it ends within an element")
	}
	return nil
}

// written is a name as it was, with its prefix.
func written(name xml.Name) string {
	if name.Space == "" {
		return name.Local
	}
	return name.Space + ":" + name.Local
}

// opened is an element that has not ended, with the prefixes it declares.
type opened struct {
	name     xml.Name // as it is written: the space is the prefix
	prefixes map[string]string
	element  *etree.Element
}

// open checks the names of an element: each attribute there once, each prefix
// standing for something.
func open(e xml.StartElement, within []opened) (opened, error) {
	o := opened{name: e.Name}
	for _, a := range e.Attr {
		switch {
		case a.Name.Space == "xmlns":
			if a.Value == "" || a.Name.Local == "xml" || a.Name.Local == "xmlns" {
				return o, fmt.Errorf("the prefix %.40q stands for nothing it may", a.Name.Local)
			}
		case a.Name.Space == "" && a.Name.Local == "xmlns":
		default:
			continue
		}
		if o.prefixes == nil {
			o.prefixes = make(map[string]string)
		}
		prefix := a.Name.Local
		if a.Name.Space == "" {
			prefix = ""
		}
		if _, twice := o.prefixes[prefix]; twice {
			return o, fmt.Errorf("the prefix %.40q is declared twice", prefix)
		}
		o.prefixes[prefix] = a.Value
	}
	if strings.Contains(e.Name.Local+e.Name.Space, ":") {
		return o, fmt.Errorf("%.40q is no name", e.Name.Space+":"+e.Name.Local)
	}
	if _, found := namespace(e.Name.Space, o, within); !found {
		return o, fmt.Errorf("the prefix %.40q is not declared", e.Name.Space)
	}
	seen := make(map[xml.Name]bool, len(e.Attr))
	for _, a := range e.Attr {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			continue
		}
		if strings.Contains(a.Name.Local+a.Name.Space, ":") {
			return o, fmt.Errorf("%.40q is no name", a.Name.Space+":"+a.Name.Local)
		}
		name := xml.Name{Local: a.Name.Local}
		if a.Name.Space != "" { // no prefix is no namespace, for an attribute
			var found bool
			if name.Space, found = namespace(a.Name.Space, o, within); !found {
				return o, fmt.Errorf("the prefix %.40q is not declared", a.Name.Space)
			}
		}
		if seen[name] {
			return o, fmt.Errorf("the attribute %.40q is there twice", a.Name.Local)
		}
		seen[name] = true
	}
	return o, nil
}

// namespace is what a prefix stands for in an element.
func namespace(prefix string, o opened, within []opened) (string, bool) {
	if prefix == "xml" {
		return namespaceXML, true
	}
	if space, found := o.prefixes[prefix]; found {
		return space, true
	}
	for i := len(within) - 1; i >= 0; i-- {
		if space, found := within[i].prefixes[prefix]; found {
			return space, true
		}
	}
	return "", prefix == ""
}

// is reports whether an element has a name in a namespace.
func is(e *etree.Element, space, tag string) bool {
	return e.Tag == tag && e.NamespaceURI() == space
}

// children are those of an element that have a name.
func children(e *etree.Element, space, tag string) (list []*etree.Element) {
	for _, c := range e.ChildElements() {
		if is(c, space, tag) {
			list = append(list, c)
		}
	}
	return list
}

// only is the one child of an element that has a name.
func only(e *etree.Element, space, tag string) (*etree.Element, error) {
	list := children(e, space, tag)
	if len(list) != 1 {
		return nil, fmt.Errorf("%s has %d of %s, expected 1", e.Tag, len(list), tag)
	}
	return list[0], nil
}

// text is that of an element that has nothing else: a comment in the middle of
// a name must not end it.
func text(e *etree.Element) (string, error) {
	var b strings.Builder
	for _, c := range e.Child {
		part, is := c.(*etree.CharData)
		if !is {
			return "", fmt.Errorf("%s has more than text", e.Tag)
		}
		b.WriteString(part.Data)
	}
	return strings.Trim(b.String(), " \t\r\n"), nil
}

// attribute is that of an element without a namespace, empty for none. etree's
// own would take one of any namespace.
func attribute(e *etree.Element, name string) string {
	for _, a := range e.Attr {
		if a.Space == "" && a.Key == name {
			return a.Value
		}
	}
	return ""
}

// everyElement calls f for an element and all within it.
func everyElement(e *etree.Element, f func(*etree.Element)) {
	f(e)
	for _, c := range e.ChildElements() {
		everyElement(c, f)
	}
}
