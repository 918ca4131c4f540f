package scenarios

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// MaxSize is the largest document that is read, in bytes.
const MaxSize = 1 << 20

// maxDepth is how deep a document may be nested; a scenario needs five levels.
// The parser calls itself once a level, so this bounds its stack too.
const maxDepth = 32

// A source is a text that nodes come from: the document, or one override.
type source struct {
	name  string
	order int      // the document first, then the overrides
	lines []string // of the document
	one   bool     // an override, which has columns but no lines
}

// A position is a place in a source.
type position struct {
	src          *source
	line, column int // from 1
}

func (p position) mistake(path, value, expected string) Mistake {
	m := Mistake{File: p.src.name, Line: p.line, Column: p.column, Path: path, Value: value, Expected: expected, order: p.src.order}
	if i := p.line - 1; i >= 0 && i < len(p.src.lines) {
		m.Excerpt = p.src.lines[i]
	}
	if p.src.one {
		m.Line = 0
	}
	return m
}

// A kind is the shape of a node.
type kind int

const (
	null kind = iota
	scalar
	sequence
	mapping
	refused // something the builder has complained about already
)

// A node is one value of a document. What a scalar means is decided by the
// field it is for, so off is a switch here, a word there, and never a surprise.
type node struct {
	kind    kind
	at      position
	text    string // of a scalar
	quoted  bool   // a scalar that can only be text
	items   []*node
	entries []entry
}

// An entry is one key of a mapping and its value.
type entry struct {
	key   string
	at    position
	value *node
}

// shown is the node as an error shows it.
func (n *node) shown() string {
	switch n.kind {
	case null:
		return "nothing"
	case sequence:
		return "a list"
	case mapping:
		return "a mapping"
	}
	return shownValue(n.text)
}

// A builder turns the parser's tree into nodes.
type builder struct {
	src      *source
	first    position // of the text; an override's value begins in its middle
	mistakes *Mistakes
}

func (b *builder) add(at position, value, expected string) {
	*b.mistakes = append(*b.mistakes, at.mistake("", value, expected))
}

// build reads a YAML text. It returns nil after a mistake that leaves no tree.
func (b *builder) build(text []byte) *node {
	if bad := firstInvalid(text); bad >= 0 {
		line := bytes.Count(text[:bad], []byte("\n"))
		column := utf8.RuneCount(text[bytes.LastIndexByte(text[:bad], '\n')+1:bad]) + 1
		b.add(b.position(&token.Position{Line: line + 1, Column: column}), fmt.Sprintf("byte 0x%02x", text[bad]), "text in UTF-8 without control characters")
		return nil
	}
	tokens := lexer.Tokenize(string(text))
	if !b.survey(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var syntax *yaml.SyntaxError
		at := b.first
		message := err.Error()
		if errors.As(err, &syntax) {
			message = syntax.Message
			if syntax.Token != nil {
				at = b.position(syntax.Token.Position)
			}
		}
		b.add(at, message, "YAML")
		return nil
	}
	for _, doc := range file.Docs {
		if doc.Body != nil {
			return b.node(doc.Body)
		}
	}
	return &node{kind: null, at: b.first}
}

// position converts the parser's idea of a place.
func (b *builder) position(p *token.Position) position {
	if p == nil {
		return b.first
	}
	at := position{src: b.src, line: max(p.Line, 1), column: max(p.Column, 1)}
	if at.line == 1 {
		at.column += b.first.column - 1
	}
	if at.line <= len(b.src.lines) {
		at.column = min(at.column, utf8.RuneCountInString(b.src.lines[at.line-1])+1)
	}
	return at
}

func (b *builder) node(n ast.Node) *node {
	at := b.position(n.GetToken().Position)
	switch n := n.(type) {
	case *ast.NullNode:
		return &node{kind: null, at: at}
	case *ast.StringNode:
		quoted := n.Token.Type == token.SingleQuoteType || n.Token.Type == token.DoubleQuoteType
		return &node{kind: scalar, at: at, text: n.Value, quoted: quoted}
	case *ast.LiteralNode:
		return &node{kind: scalar, at: at, text: n.Value.Value, quoted: true}
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return &node{kind: scalar, at: at, text: n.GetToken().Value}
	case *ast.SequenceNode:
		seq := &node{kind: sequence, at: at}
		for _, item := range n.Values {
			seq.items = append(seq.items, b.node(item))
		}
		return seq
	case *ast.MappingNode:
		return b.mapping(at, n.IsFlowStyle, n.Values)
	case *ast.MappingValueNode:
		return b.mapping(at, false, []*ast.MappingValueNode{n})
	default:
		b.add(at, n.Type().String(), "a value, a list or a mapping")
	}
	return &node{kind: refused, at: at}
}

// mapping stands at its bracket in the flow style, else at its first key: the
// parser says the colon after that.
func (b *builder) mapping(at position, flow bool, values []*ast.MappingValueNode) *node {
	m := &node{kind: mapping, at: at}
	for i, v := range values {
		keyAt := b.position(v.Key.GetToken().Position)
		if i == 0 && !flow {
			m.at = keyAt
		}
		switch key := v.Key.(type) {
		case *ast.StringNode:
			m.entries = append(m.entries, entry{key: key.Value, at: keyAt, value: b.node(v.Value)})
		case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
			m.entries = append(m.entries, entry{key: key.GetToken().Value, at: keyAt, value: b.node(v.Value)})
		default:
			b.add(keyAt, "a key that is not a name", "the name of a field")
		}
	}
	return m
}

// firstInvalid returns the offset of the first byte that no scenario has:
// invalid UTF-8, or a control character other than tab and line ends; else -1.
func firstInvalid(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size <= 1 || r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f {
			return i
		}
		i += size
	}
	return -1
}

// maxTokens bounds what the parser gets: its time grows with the square of the
// keys in one mapping, to about two seconds at this bound. A fault has 25
// tokens at most, an objective 2.
const maxTokens = 20_000

// survey refuses, before the parser sees it, what no scenario needs. It says
// whether there was nothing to refuse.
func (b *builder) survey(tokens token.Tokens) bool {
	if deep := tooDeep(tokens); deep != nil {
		b.add(b.position(deep.Position), "", fmt.Sprintf("at most %d levels of nesting", maxDepth))
		return false
	}
	if len(tokens) > maxTokens {
		b.add(b.position(tokens[maxTokens].Position), "", fmt.Sprintf("at most %d words and signs", maxTokens))
		return false
	}
	good, begun := true, false
	for _, t := range tokens {
		value, expected := "", ""
		switch t.Type {
		case token.AnchorType, token.AliasType:
			value, expected = "an anchor or alias", "every value written out: anchors, aliases and merge keys are not read"
		case token.MergeKeyType:
			value, expected = "a merge key", "every value written out: anchors, aliases and merge keys are not read"
		case token.TagType:
			value, expected = "a tag", "a value without a tag"
		case token.DirectiveType:
			value, expected = "a directive", "a document without directives"
		case token.DocumentHeaderType:
			if begun {
				value, expected = "a second document", "one document"
			}
			begun = true
		case token.CommentType, token.DocumentEndType:
		default:
			begun = true
		}
		if expected != "" {
			b.add(b.position(t.Position), value, expected)
			good = false
		}
	}
	return good
}

// tooDeep returns the token that opens one level too many: of brackets, or of
// columns at which lists and mappings begin.
func tooDeep(tokens token.Tokens) *token.Token {
	brackets := 0
	var columns []int
	for i, t := range tokens {
		at := 0
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets = max(0, brackets-1)
		case token.SequenceEntryType, token.MappingKeyType:
			at = t.Position.Column
		case token.MappingValueType:
			at = t.Position.Column
			if i > 0 && tokens[i-1].Position.Line == t.Position.Line {
				at = tokens[i-1].Position.Column
			}
		}
		if at > 0 && brackets == 0 {
			for len(columns) > 0 && columns[len(columns)-1] >= at {
				columns = columns[:len(columns)-1]
			}
			columns = append(columns, at)
		}
		if brackets+len(columns) > maxDepth {
			return t
		}
	}
	return nil
}

// sourceLines splits a document for excerpts.
func sourceLines(text []byte) []string {
	return strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
}
