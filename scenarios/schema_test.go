package scenarios

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("scenario.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("scenario.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// validate checks a YAML document against the schema, as an editor does.
func validate(t *testing.T, schema *jsonschema.Schema, text string) error {
	t.Helper()
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(instance)
}

func TestSchemaAcceptsWhatIsRight(t *testing.T) {
	schema := compiledSchema(t)
	documents := map[string]string{"base": base, "everything": everything, "resolved": string(parse(t, everything).YAML())}
	for _, s := range List() {
		text, err := Shipped(s.Name)
		if err != nil {
			t.Fatal(err)
		}
		documents[s.Name] = string(text)
		documents[s.Name+" as resolved"] = string(parse(t, string(text)).YAML())
	}
	for name, text := range documents {
		if err := validate(t, schema, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What the schema refuses, Parse refuses too.
func TestSchemaRefusesWhatIsWrong(t *testing.T) {
	schema := compiledSchema(t)
	for _, c := range []struct{ old, new string }{
		{"format: 1", "format: 2"},
		{"format: 1\n", ""},
		{"name: base", "name: Base"},
		{"users: 100", "users: 0"},
		{"users: 100", "users: many"},
		{"users: 100", "users: '100'"},
		{"users: 100", "users: 1.5"},
		{"disabled: 10%", "disabled: 0.1"},
		{"disabled: 10%", "active: 10%"},
		{"[contoso.test]", "[]"},
		{"[contoso.test]", "[contoso]"},
		{"fallback: off", "fallback: none"},
		{"fallback: off", "fallbck: off"},
		{"rate: 100/s", "rate: 100"},
		{"rate: 100/s", "rate: -100/s"},
		{"duration: 20s", "duration: 20"},
		{"duration: 20s\n", "\n"},
		{"right: 80%", "rihgt: 80%"},
		{"count: 3", "count: 41"},
		{"faults: []", "faults: [crash]"},
		{"faults: []", "faults: [explode(connector-1) at 3s for 3s]"},
		{"faults: []", "faults: [{kind: crash, target: connector-1, at: 3s}]"},
		{"faults: []", "faults: [{kind: block, target: connector-1, at: 3s, for: 3s, mode: stall, ports: [81]}]"},
		{"faults: []", "faults: [{kind: crash, target: cloud, at: 3s, for: 3s}]"},
		{"objectives: []", "objectives: [failed]"},
		{"objectives: []", "objectives: [{failed: 0}]"},
		{"objectives: []", "objections: []"},
	} {
		text := strings.Replace(base, c.old, c.new, 1)
		if text == base {
			t.Fatalf("%q is not in the document to break", c.old)
		}
		if validate(t, schema, text) == nil {
			t.Errorf("%q is right by the schema", c.new)
		}
		if _, err := Parse("x.yaml", []byte(text), nil); err == nil {
			t.Errorf("%q is right by Parse", c.new)
		}
	}
}

// An editor shows what each field is for.
func TestSchemaDescribesEveryField(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	if schema["$schema"] != "https://json-schema.org/draft/2020-12/schema" {
		t.Errorf("$schema is %v", schema["$schema"])
	}
	fields := 0
	var visit func(where string, v any)
	visit = func(where string, v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				visit(where, item)
			}
		case map[string]any:
			properties, _ := v["properties"].(map[string]any)
			for name, property := range properties {
				fields++
				if text, _ := property.(map[string]any)["description"].(string); text == "" {
					t.Errorf("%s.%s has no description", where, name)
				}
			}
			for name, below := range v {
				visit(where+"."+name, below)
			}
		}
	}
	visit("", schema)
	if fields < 50 {
		t.Errorf("%d fields described", fields)
	}
}

// The schema does not change by accident: others validate against it.
func TestSchemaIsAsBefore(t *testing.T) {
	golden := filepath.Join("testdata", "schema.json")
	if *update {
		if err := os.WriteFile(golden, Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(Schema(), want) {
		t.Errorf("the schema differs from %s (go test -update writes it)", golden)
	}
}
