package scenarios

import (
	"encoding"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"ptabench/population"
)

// A field is what the tags of a struct's field say; see Scenario.
type field struct {
	name, doc       string
	index           int
	need, omitEmpty bool
	fill            string // the default, in text form
	min, max        string // bounds in text form, empty for none
	rule            string // a key of rules, for texts
	typ             reflect.Type
}

// A structInfo is what the tags of a struct say.
type structInfo struct {
	fields []*field
	byName map[string]*field
	names  []string
}

var structs sync.Map // of *structInfo by reflect.Type

func structOf(t reflect.Type) *structInfo {
	if known, ok := structs.Load(t); ok {
		return known.(*structInfo)
	}
	info := &structInfo{byName: map[string]*field{}}
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		if tag.Get("yaml") == "-" {
			continue // for programs
		}
		name, option, _ := strings.Cut(tag.Get("yaml"), ",")
		f := &field{
			name: name, doc: tag.Get("doc"), index: i, typ: t.Field(i).Type,
			need: tag.Get("need") == "yes", omitEmpty: option == "omitempty",
			fill: tag.Get("default"), min: tag.Get("min"), max: tag.Get("max"), rule: tag.Get("is"),
		}
		info.fields = append(info.fields, f)
		info.byName[name] = f
		info.names = append(info.names, name)
	}
	structs.Store(t, info)
	return info
}

// A textRule is a syntax for texts.
type textRule struct {
	pattern *regexp.Regexp // nil when any text will do
	longest int            // in bytes
	form    string         // in words
}

var rules = map[string]textRule{
	"name":    {regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`), 63, "a name of lower-case letters, digits and dashes that begins with a letter"},
	"domain":  {regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`), 253, "a domain in lower case, such as contoso.test"},
	"spread":  spreadRule,
	"target":  {regexp.MustCompile(targetPattern()), 63, "a connector such as connector-1, connectors, directory, directory-1, cloudsim, adfs-1, adfs, balancer, hashsync, checker, all, hash-store or newcomer"},
	"ldaps":   {regexp.MustCompile(`^ldaps://[a-zA-Z0-9.-]+(:[0-9]{1,5})?$|^ldaps://\[[0-9a-fA-F:.]+\](:[0-9]{1,5})?$`), 300, "an address such as ldaps://dc1.corp.example:636"},
	"dn":      {regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*|[0-9][0-9.]*) *= *[^\x00-\x1f]+$`), 1000, "a distinguished name such as cn=reader,ou=services,dc=corp,dc=example"},
	"lockout": {regexp.MustCompile(`^(on|off|[1-9][0-9]{0,4}/[1-9][0-9]{0,6}(ms|s|m|h))$`), 32, "on, off, or failures and for how long, such as 5/30s"},
	"version": {regexp.MustCompile(`^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}$`), 32, "a version such as 1.2.3"},
	"scope":   {regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$`), 1000, "scopes of RFC 6749, a space between two"},
	// The element of a list of words that may not have all of them.
	"nemesis": {regexp.MustCompile(`^(` + strings.Join(words(nemesisKinds...), "|") + `)$`), 63, ""},
	"text":    {nil, 10_000, "printable text of at most 10000 bytes"},
}

// allowed says whether a text follows the rule.
func (r textRule) allowed(text string) bool {
	if len(text) > r.longest || !utf8.ValidString(text) {
		return false
	}
	if r.pattern != nil {
		return r.pattern.MatchString(text)
	}
	return !strings.ContainsFunc(text, func(c rune) bool {
		return c != '\n' && c != '\t' && !unicode.IsPrint(c)
	})
}

// setText sets v, the field or an element of it, from the text form of its
// type. It returns what was expected, empty when the text was right.
func (f *field) setText(v reflect.Value, text string) string {
	if !setPlain(v, text) {
		return f.expected(v.Type(), text)
	}
	if v.Kind() == reflect.String && f.rule != "" && !rules[f.rule].allowed(text) {
		return f.expected(v.Type(), text)
	}
	for _, bound := range []struct {
		text string
		sign int
	}{{f.min, -1}, {f.max, 1}} {
		if bound.text == "" {
			continue
		}
		limit := reflect.New(v.Type()).Elem()
		if !setPlain(limit, bound.text) {
			panic(fmt.Sprintf("scenarios: field %s: bound %q is not of its type", f.name, bound.text))
		}
		if compare(v, limit) == bound.sign {
			return f.expected(v.Type(), text)
		}
	}
	return ""
}

var wholeNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

// setPlain sets v from the text form of its type, whatever the bounds.
func setPlain(v reflect.Value, text string) bool {
	switch target := v.Addr().Interface().(type) {
	case *population.State:
		state, err := population.ParseState(text)
		*target = state
		return err == nil && state != population.Active
	case encoding.TextUnmarshaler:
		rest, negative := strings.CutPrefix(text, "-")
		return target.UnmarshalText([]byte(rest)) == nil && (!negative || negate(v))
	}
	switch v.Kind() {
	case reflect.Int:
		n, err := strconv.ParseInt(text, 10, 64)
		v.SetInt(n)
		return err == nil && wholeNumber.MatchString(text)
	case reflect.Uint64:
		n, err := strconv.ParseUint(text, 10, 64)
		v.SetUint(n)
		return err == nil && wholeNumber.MatchString(text)
	case reflect.String:
		if e, ok := v.Interface().(enumerated); ok && !slices.Contains(e.words(), text) {
			return false
		}
		v.SetString(text)
		return true
	}
	panic("scenarios: no text form for " + v.Type().String())
}

// negate makes a time, rate or share negative, so that what refuses it is its
// lower bound. It says whether the value has a sign at all.
func negate(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Int64:
		v.SetInt(-v.Int())
	case reflect.Float64:
		v.SetFloat(-v.Float())
	default:
		return false
	}
	return true
}

// compare orders two values of one type: -1, 0 or 1.
func compare(a, b reflect.Value) int {
	switch {
	case a.CanInt() && a.Int() < b.Int(), a.CanUint() && a.Uint() < b.Uint(), a.CanFloat() && a.Float() < b.Float():
		return -1
	case a.CanInt() && a.Int() > b.Int(), a.CanUint() && a.Uint() > b.Uint(), a.CanFloat() && a.Float() > b.Float():
		return 1
	}
	return 0
}

// stateWords are the states that users can be given.
func stateWords() []string {
	var all []string
	for s := population.Active + 1; ; s++ {
		if _, err := population.ParseState(s.String()); err != nil {
			return all
		}
		all = append(all, s.String())
	}
}

// expected says what the field, or an element of it, should be, for somebody
// who wrote text.
func (f *field) expected(t reflect.Type, text string) string {
	span := ""
	if f.min != "" {
		span = " from " + f.min + " to " + f.max
		if f.min == f.max {
			span = ": " + f.min
		}
	}
	form := func(what, form string) string {
		if span == "" {
			return form
		}
		return what + span
	}
	if names := f.words(t); names != nil {
		return meant(text, names)
	}
	switch t {
	case reflect.TypeFor[Duration]():
		return form("a duration", durationForm)
	case reflect.TypeFor[Rate]():
		return form("a rate", rateForm)
	case reflect.TypeFor[Share]():
		return form("a share", shareForm)
	case reflect.TypeFor[Switch]():
		return switchForm
	case reflect.TypeFor[BitRate]():
		return form("bits per second", bitRateForm)
	case reflect.TypeFor[Bytes]():
		return form("an amount of memory", bytesForm)
	}
	switch t.Kind() {
	case reflect.Int, reflect.Uint64:
		if span == "" {
			span = " from 0 to 18446744073709551615"
		}
		return "a whole number" + span
	case reflect.String:
		if f.rule == "port" {
			return portForm
		}
		return rules[f.rule].form
	case reflect.Map:
		to := "a share"
		if t.Elem() == reflect.TypeFor[Rate]() {
			to = "a rate"
		}
		return "a mapping of " + oneOf(wordsOf(t.Key())) + " to " + to
	case reflect.Struct:
		switch t {
		case reflect.TypeFor[Fault]():
			return faultForm
		case reflect.TypeFor[Objective]():
			return objectiveForm
		case reflect.TypeFor[Expectation]():
			return expectForm
		case reflect.TypeFor[Limit]():
			return limitForm
		}
		return "a mapping of " + oneOf(structOf(t).names)
	case reflect.Slice:
		return "a list, each " + f.expected(t.Elem(), "")
	}
	return t.String()
}

// words are the values that the field, or an element of it, may have; nil when
// it has no such list.
func (f *field) words(t reflect.Type) []string {
	all := wordsOf(t)
	if f.rule == "" || all == nil {
		return all
	}
	return slices.DeleteFunc(all, func(word string) bool { return !rules[f.rule].allowed(word) })
}

// wordsOf returns the values of an enumerated type, else nil.
func wordsOf(t reflect.Type) []string {
	if t == reflect.TypeFor[population.State]() {
		return stateWords()
	}
	if e, ok := reflect.Zero(t).Interface().(enumerated); ok {
		return e.words()
	}
	return nil
}
