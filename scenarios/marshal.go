package scenarios

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// YAML is the scenario as a document with every default written out. Parse
// reads it back to an equal scenario.
func (s *Scenario) YAML() []byte {
	var b bytes.Buffer
	writeStruct(&b, reflect.ValueOf(s).Elem(), "")
	return b.Bytes()
}

// writeStruct writes the fields, each on a line of its own after indent.
func writeStruct(b *bytes.Buffer, v reflect.Value, indent string) {
	for _, f := range structOf(v.Type()).fields {
		value := v.Field(f.index)
		if f.omitEmpty && (value.IsZero() || value.Kind() == reflect.Slice && value.Len() == 0) {
			continue
		}
		fmt.Fprintf(b, "%s%s:", indent, f.name)
		switch {
		case f.rule == "port":
			fmt.Fprintf(b, " [%s]\n", strings.Join(portRanges(value.Interface().([]string)), ", "))
		case value.Kind() == reflect.Struct:
			b.WriteByte('\n')
			writeStruct(b, value, indent+"  ")
		case value.Kind() == reflect.Map:
			b.WriteByte('\n')
			for _, word := range wordsOf(value.Type().Key()) {
				key := reflect.New(value.Type().Key()).Elem()
				setPlain(key, word)
				if share := value.MapIndex(key); share.IsValid() {
					fmt.Fprintf(b, "%s  %s: %s\n", indent, word, plain(share))
				}
			}
		case value.Kind() == reflect.Slice:
			b.WriteByte('\n')
			for i := range value.Len() {
				writeItem(b, value.Index(i), indent)
			}
		default:
			fmt.Fprintf(b, " %s\n", plain(value))
		}
	}
}

// writeItem writes one item of a list.
func writeItem(b *bytes.Buffer, v reflect.Value, indent string) {
	switch line := v.Interface().(type) {
	case Objective:
		fmt.Fprintf(b, "%s  - %s\n", indent, quoted(line.Text))
		return
	case Expectation:
		fmt.Fprintf(b, "%s  - %s\n", indent, quoted(line.Text))
		return
	case Limit:
		fmt.Fprintf(b, "%s  - %s\n", indent, quoted(line.Text))
		return
	}
	if v.Kind() != reflect.Struct {
		fmt.Fprintf(b, "%s  - %s\n", indent, plain(v))
		return
	}
	var fields bytes.Buffer
	writeStruct(&fields, v, indent+"    ")
	text := fields.Bytes()
	text[len(indent)+2] = '-'
	b.Write(text)
}

// plain is a scalar in its text form.
func plain(v reflect.Value) string {
	if v.Kind() == reflect.String {
		return quoted(v.String())
	}
	return fmt.Sprint(v.Interface())
}

// unquoted is what YAML surely reads as the same text without quotes.
var unquoted = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.,;()<>=%/+-]*( [A-Za-z0-9_.,;()<>=%/+-]+)*$`)

// quoted writes a text, between quotes where it could be taken for something
// else. Scalars are read by what they are for, so off needs none.
func quoted(text string) string {
	if unquoted.MatchString(text) && !slices.Contains([]string{"null", "true", "false"}, strings.ToLower(text)) {
		return text
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b) // a JSON string is a YAML one
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // strings always encode
	return strings.TrimSuffix(b.String(), "\n")
}
