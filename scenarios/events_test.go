package scenarios

import (
	"maps"
	"strings"
	"testing"

	"ptabench/population"
)

const withEvents = `format: 1
name: events
population: {events: {change-password: 5/s, disable: 60/m, lock: 0.5/s}}
directory: {kind: embedded}
tenants: [{name: contoso, domains: [contoso.test]}]
load: {rate: 100/s, duration: 10s, mix: {right: 100%}}
`

func TestEvents(t *testing.T) {
	s := parse(t, withEvents)
	roundTrip(t, s)
	want := map[EventKind]Rate{"change-password": 5, "disable": 1, "lock": .5}
	if !maps.Equal(s.Population.Events, want) {
		t.Errorf("events %v, want %v", s.Population.Events, want)
	}
	for _, kind := range []DirectoryKind{Slapd, Samba} {
		if s := parse(t, strings.Replace(withEvents, "embedded", string(kind), 1)); !maps.Equal(s.Population.Events, want) || s.Directory.Kind != kind {
			t.Errorf("%s: events %v", kind, s.Population.Events)
		}
	}
	for word, text := range map[string]string{
		"events.loose": strings.Replace(withEvents, "lock:", "loose:", 1),
		"population.events: given for an external directory": strings.Replace(withEvents, "embedded", "external", 1),
		"1000/s": strings.Replace(withEvents, "0.5/s", "1001/s", 1),
	} {
		if _, err := Parse("events.yaml", []byte(text), nil); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("error %v, want one with %q", err, word)
		}
	}
	// What can be written in a scenario is what can happen.
	for _, word := range EventKind("").words() {
		if _, err := population.ParseEventKind(word); err != nil {
			t.Error(err)
		}
	}
}
