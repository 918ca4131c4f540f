package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ptabench/results"
)

// A variation is one setting of a scenario and the values that it is to take.
type variation struct {
	key    string
	values []string
}

// parseVary reads key=a,b,c. A comma within brackets or quotes belongs to its
// value: faults=[],['crash(connector-1) at 5s for 2s'] is two values.
func parseVary(text string) (variation, error) {
	wrong := func(what string) (variation, error) {
		return variation{}, fmt.Errorf("--vary %s: expected KEY=VALUE,VALUE..., such as cloud.dispatch=random,round-robin: %s", text, what)
	}
	key, list, found := strings.Cut(text, "=")
	if !found || strings.TrimSpace(key) == "" {
		return wrong("there is no key")
	}
	v := variation{key: strings.TrimSpace(key)}
	values, err := splitValues(list)
	if err != nil {
		return wrong(err.Error())
	}
	for _, value := range values {
		switch {
		case value == "":
			return wrong(`a value is missing; "" is the empty text`)
		case slices.Contains(v.values, value):
			return wrong(value + " is there twice")
		}
		v.values = append(v.values, value)
	}
	return v, nil
}

// splitValues splits at the commas that are in no brackets and no quotes.
func splitValues(list string) (values []string, err error) {
	closing := map[byte]byte{'(': ')', '[': ']', '{': '}'}
	var open []byte // what closes the brackets that are open, the innermost last
	from := 0
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case (c == '"' || c == '\'') && strings.TrimSpace(list[from:i]) == "" || (c == '"' || c == '\'') && len(open) > 0:
			end := strings.IndexByte(list[i+1:], c)
			if end < 0 {
				return nil, fmt.Errorf("%c is not closed", c)
			}
			i += end + 1
		case closing[c] != 0:
			open = append(open, closing[c])
		case len(open) > 0 && c == open[len(open)-1]:
			open = open[:len(open)-1]
		case c == ')' || c == ']' || c == '}':
			return nil, fmt.Errorf("%c closes nothing", c)
		case c == ',' && len(open) == 0:
			values = append(values, strings.TrimSpace(list[from:i]))
			from = i + 1
		}
	}
	if len(open) > 0 {
		return nil, fmt.Errorf("%c is missing", open[len(open)-1])
	}
	return append(values, strings.TrimSpace(list[from:])), nil
}

// parseVaries reads all variations and says what is wrong with any of them.
func parseVaries(texts, sets []string) (all []variation, err error) {
	var errs []error
	if len(texts) == 0 {
		errs = append(errs, errors.New("--vary: expected at least one, such as --vary preset=default,entra, or the field vary in the scenario"))
	}
	for _, text := range texts {
		v, err := parseVary(text)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if slices.ContainsFunc(all, func(other variation) bool { return other.key == v.key }) {
			errs = append(errs, fmt.Errorf("--vary %s: %s is varied already", text, v.key))
		}
		for _, set := range sets {
			if key, _, _ := strings.Cut(set, "="); key == v.key {
				errs = append(errs, fmt.Errorf("--set %s: %s is varied", set, key))
			}
		}
		all = append(all, v)
	}
	return all, errors.Join(errs...)
}

// combinations is the cartesian product of variations, the last of which
// varies fastest.
func combinations(all []variation) [][]results.Setting {
	product := [][]results.Setting{nil}
	for _, v := range all {
		var next [][]results.Setting
		for _, settings := range product {
			for _, value := range v.values {
				next = append(next, append(slices.Clone(settings), results.Setting{Key: v.key, Value: value}))
			}
		}
		product = next
	}
	return product
}

// combinationText is how a combination is called.
func combinationText(settings []results.Setting) string {
	parts := make([]string, len(settings))
	for i, s := range settings {
		parts[i] = s.Key + "=" + s.Value
	}
	return strings.Join(parts, ", ")
}
