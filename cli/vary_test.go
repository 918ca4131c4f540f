package cli

import (
	"slices"
	"strings"
	"testing"
)

func TestParseVary(t *testing.T) {
	for text, want := range map[string][]string{
		"preset=default,entra":                          {"default", "entra"},
		"cloud.dispatch=random":                         {"random"},
		"connectors.count= 1, 2 ,3":                     {"1", "2", "3"},
		"tenants[0].fallback=on,off":                    {"on", "off"},
		"faults=[],['a, b', \"c, d\"]":                  {"[]", "['a, b', \"c, d\"]"},
		"load.mix={right: 90%, wrong: 10%},{}":          {"{right: 90%, wrong: 10%}", "{}"},
		"faults[0]=crash(connector-1, x=[1,2]) at 1s,b": {"crash(connector-1, x=[1,2]) at 1s", "b"},
		`description="one, two",'three, four',it's`:     {`"one, two"`, "'three, four'", "it's"},
		`description="",x`:                              {`""`, "x"},
		"key=a=b,c":                                     {"a=b", "c"},
	} {
		v, err := parseVary(text)
		key, _, _ := strings.Cut(text, "=")
		if err != nil || v.key != key || !slices.Equal(v.values, want) {
			t.Errorf("%s: %+v, %v; want %q", text, v, err, want)
		}
	}
	for text, want := range map[string]string{
		"preset":           "there is no key",
		"=a,b":             "there is no key",
		"preset=":          "a value is missing",
		"preset=a,,b":      "a value is missing",
		"preset=a,":        "a value is missing",
		"preset=a,b,a":     "a is there twice",
		"faults=[a,b":      "] is missing",
		"faults=[a,(b]":    "] closes nothing",
		"faults=a),b":      ") closes nothing",
		`description="a,b`: `" is not closed`,
	} {
		if v, err := parseVary(text); err == nil {
			t.Errorf("%s: %+v", text, v)
		} else if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--vary "+text) {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
}

func TestAllMistakesOfVariationsAtOnce(t *testing.T) {
	_, err := parseVaries([]string{"a=1,2", "b", "a=3", "c=1"}, []string{"c=7", "d=1"})
	for _, want := range []string{"--vary b", "a is varied already", "--set c=7: c is varied"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: no word of %q", err, want)
		}
	}
	if _, err := parseVaries(nil, nil); err == nil || !strings.Contains(err.Error(), "at least one") {
		t.Errorf("nothing varied: %v", err)
	}
}

func TestCombinations(t *testing.T) {
	var got []string
	for _, settings := range combinations([]variation{{"a", []string{"1", "2"}}, {"b", []string{"x", "y", "z"}}}) {
		got = append(got, combinationText(settings))
	}
	want := []string{"a=1, b=x", "a=1, b=y", "a=1, b=z", "a=2, b=x", "a=2, b=y", "a=2, b=z"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSeriesDir(t *testing.T) {
	for want, got := range map[string]string{
		"01-preset=entra":                seriesDir(1, 4, "preset=entra"),
		"007-a=1,b=_x__y_":               seriesDir(7, 120, "a=1,b=[x/ y]"),
		"12-" + strings.Repeat("ab", 50): seriesDir(12, 12, strings.Repeat("ab", 80)),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
