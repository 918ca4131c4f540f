package scenarios

import (
	"encoding/json"
	"reflect"
	"strconv"
)

// Schema is the JSON Schema (draft 2020-12) of scenarios, made from the same
// tags that Parse reads, for editors and other programs. It knows each field;
// what several of them must have to do with each other only Parse knows.
func Schema() []byte {
	root := schemaOf(reflect.TypeFor[Scenario]())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "ptabench scenario"
	root["type"] = "object"
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic("scenarios: schema: " + err.Error()) // it is maps, lists and texts
	}
	return append(text, '\n')
}

type object = map[string]any

// schemaOf describes a struct.
func schemaOf(t reflect.Type) object {
	properties := object{}
	var required []string
	for _, f := range structOf(t).fields {
		property := f.schema(f.typ)
		property["description"] = f.doc
		if f.fill != "" {
			property["default"] = f.defaultValue()
		}
		properties[f.name] = property
		if f.need {
			required = append(required, f.name)
		}
	}
	s := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// defaultValue is the default as JSON: numbers as numbers, the rest as text.
func (f *field) defaultValue() any {
	if n, err := strconv.ParseUint(f.fill, 10, 64); err == nil && (f.typ.Kind() == reflect.Int || f.typ.Kind() == reflect.Uint64) {
		return n
	}
	return f.fill
}

// schema describes values of type t, that of the field or of its elements.
func (f *field) schema(t reflect.Type) object {
	switch t {
	case reflect.TypeFor[Duration]():
		if f.min == "0s" {
			return object{"anyOf": []object{textual(durationPattern), {"const": 0}}, "$comment": f.expected(t, "")}
		}
		return f.commented(t, textual(durationPattern))
	case reflect.TypeFor[Rate]():
		return f.commented(t, textual(ratePattern))
	case reflect.TypeFor[Share]():
		return f.commented(t, textual(sharePattern))
	case reflect.TypeFor[BitRate]():
		return f.commented(t, textual(bitRatePattern))
	case reflect.TypeFor[Bytes]():
		return f.commented(t, textual(bytesPattern))
	case reflect.TypeFor[Switch]():
		return object{"enum": []any{"on", "off", true, false}}
	case reflect.TypeFor[Fault]():
		return object{"anyOf": []object{textual(faultPattern), schemaOf(t)}}
	case reflect.TypeFor[Objective]():
		return textual(objectivePattern)
	case reflect.TypeFor[Expectation]():
		s := textual(expectPattern)
		s["description"] = expectHelp()
		return s
	case reflect.TypeFor[Limit]():
		return textual(limitPattern)
	}
	if names := f.words(t); names != nil {
		return object{"enum": names}
	}
	switch t.Kind() {
	case reflect.Int, reflect.Uint64:
		s := object{"type": "integer", "minimum": 0}
		if f.min != "" {
			s["minimum"], s["maximum"] = json.Number(f.min), json.Number(f.max)
		}
		return s
	case reflect.String:
		return f.text()
	case reflect.Struct:
		if t != f.typ { // an element of a list
			return schemaOf(t)
		}
		return f.orNothing(schemaOf(t))
	case reflect.Map:
		s := object{"type": "object", "propertyNames": object{"enum": wordsOf(t.Key())}, "additionalProperties": f.schema(t.Elem())}
		if f.need {
			s["minProperties"] = 1
		}
		return f.orNothing(s)
	case reflect.Slice:
		s := object{"type": "array", "items": f.schema(t.Elem()), "maxItems": maxItems}
		if f.need {
			s["minItems"] = 1
		}
		if f.rule == "port" {
			one := f.schema(t.Elem())
			return object{"anyOf": []object{s, one, textual(portsPattern)}}
		}
		if f.words(t.Elem()) != nil {
			return object{"anyOf": []object{s, textual(portsPattern)}}
		}
		return f.orNothing(s)
	}
	panic("scenarios: no schema for " + t.String())
}

// orNothing lets an optional mapping or list be left empty after its name.
func (f *field) orNothing(s object) object {
	if !f.need {
		s["type"] = []any{s["type"], "null"}
	}
	return s
}

func textual(pattern string) object { return object{"type": "string", "pattern": pattern} }

// commented adds what a pattern cannot say: the bounds.
func (f *field) commented(t reflect.Type, s object) object {
	s["$comment"] = f.expected(t, "")
	return s
}

// text describes a text by its rule.
func (f *field) text() object {
	switch f.rule {
	case "port":
		return object{"anyOf": []object{textual(portPattern), {"type": "integer", "enum": portNumbers()}}}
	case "text":
		return object{"type": []string{"string", "number", "boolean"}, "maxLength": rules[f.rule].longest}
	}
	rule := rules[f.rule]
	return object{"type": "string", "pattern": rule.pattern.String(), "maxLength": rule.longest}
}
