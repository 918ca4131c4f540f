package federation

import (
	"testing"

	"github.com/beevik/etree"
)

// What is read is the tree that the library of signatures reads, to the last
// attribute and white space.
func TestParseAsTheLibraryDoes(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"SAML 1.1":   usual().sign(t, saml1(says{}), signing{}),
		"SAML 2.0":   usual().sign(t, saml2(says{}), signing{}),
		"a response": response(usual().sign(t, saml1(says{}), signing{})),
		"metadata":   metadataDocument("https://fs.test/", usual().cert),
		"odd things": `<?xml version="1.0" encoding="utf-8"?>` + "\n<a:b xmlns:a='1'  xmlns=\"&lt;2&#10;\">\r\n <c a:d='&quot;' d=\"x\ty\"/>\n<!-- e -->f<![CDATA[<g> ]]> &amp;\r\n<xml:h xml:lang=''/>\u00e9\U0001f600</a:b>\n<!-- i --> ",
	} {
		got, err := parse([]byte(text), bounds{bytes: len(text), depth: 16, elements: 100, attributes: 16, comments: true})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := etree.NewDocument()
		if err := want.ReadFromString(text); err != nil {
			t.Fatal(err)
		}
		same(t, name, got.Root(), want.Root())
	}
}

// same compares all that an element has.
func same(t *testing.T, where string, got, want *etree.Element) {
	t.Helper()
	where += "/" + want.FullTag()
	if got.FullTag() != want.FullTag() || got.NamespaceURI() != want.NamespaceURI() || len(got.Attr) != len(want.Attr) || len(got.Child) != len(want.Child) {
		t.Fatalf("%s: %s with %d attributes and %d children, want %d and %d", where, got.FullTag(), len(got.Attr), len(got.Child), len(want.Attr), len(want.Child))
	}
	for i, a := range want.Attr {
		if b := got.Attr[i]; b.FullKey() != a.FullKey() || b.Value != a.Value || b.NamespaceURI() != a.NamespaceURI() || b.Element() != got {
			t.Errorf("%s: %s=%q, want %s=%q", where, b.FullKey(), b.Value, a.FullKey(), a.Value)
		}
	}
	for i, c := range want.Child {
		switch c := c.(type) {
		case *etree.Element:
			child, is := got.Child[i].(*etree.Element)
			if !is {
				t.Fatalf("%s: child %d is %T", where, i, got.Child[i])
			}
			same(t, where, child, c)
		case *etree.CharData:
			if d, is := got.Child[i].(*etree.CharData); !is || d.Data != c.Data || d.IsWhitespace() != c.IsWhitespace() || d.IsCData() != c.IsCData() {
				t.Errorf("%s: child %d is %#v, want the text %q", where, i, got.Child[i], c.Data)
			}
		case *etree.Comment:
			if d, is := got.Child[i].(*etree.Comment); !is || d.Data != c.Data {
				t.Errorf("%s: child %d is %#v, want the comment %q", where, i, got.Child[i], c.Data)
			}
		default:
			t.Errorf("%s: a %T", where, c)
		}
	}
}
