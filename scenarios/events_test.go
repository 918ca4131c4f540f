package scenarios

import (
	"errors"
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
	if _, err := Parse("events.yaml", []byte(strings.Replace(withEvents, "{events", "{users: 100, states: {must-change: 30%}, events", 1)), nil); err != nil {
		t.Errorf("a change for those who must: %v", err)
	}
	// What can be written in a scenario is what can happen.
	for _, word := range EventKind("").words() {
		if _, err := population.ParseEventKind(word); err != nil {
			t.Error(err)
		}
	}
}

// TestEventsOfNobody: events for which there is nobody are told before the run;
// those that only chance leaves out are not.
func TestEventsOfNobody(t *testing.T) {
	for events, want := range map[string]string{
		"users: 1000, events: {disable: 1000/s}":                                               `events.yaml:3:45: population.events.disable: 1000/s, and by all events 10,000 users who are active no more in 10s: expected at most 1,000 of them, who are active or come to be`,
		"users: 100, states: {locked: 50%}, events: {disable: 3/s, lock: 2.9/s, unlock: 10/s}": "",
		"users: 100, states: {locked: 50%}, events: {disable: 3/s, lock: 7.1/s, unlock: 5/s}":  `population.events.lock: 426/m, and`,
		"users: 100, states: {locked: 50%}, events: {disable: 3/s, lock: 7/s, unlock: 5/s}":    "",
		"users: 100, events: {enable: 1/s, unlock: 1/s, lock: 1/h}":                            `events.yaml:3:43: population.events.enable: 1/s: expected 0/s, or users who are disabled: population.states and the other events make none`,
		"users: 9, states: {disabled: 100%}, events: {change-password: 1/s}":                   `population.events.change-password: 1/s: expected 0/s, or users who are active`,
		"users: 9, states: {disabled: 100%}, events: {change-password: 1/s, enable: 1/h}":      "",
	} {
		text := strings.Replace(withEvents, "events: {change-password: 5/s, disable: 60/m, lock: 0.5/s}", events, 1)
		text = strings.Replace(text, "right: 100%", "unknown: 100%", 1)
		_, err := Parse("events.yaml", []byte(text), nil)
		var all Mistakes
		if want == "" && err == nil || want != "" && errors.As(err, &all) && len(all) == 1 && strings.Contains(err.Error(), want) {
			continue
		}
		t.Errorf("%s:\n%v\nwant %s", events, err, want)
	}
	text := strings.Replace(withEvents, "change-password: 5/s", "change-password: 1000/s", 1)
	if _, err := Parse("events.yaml", []byte(text), []string{"load.duration=1000s", "population.users=999999"}); err == nil || !strings.Contains(err.Error(), "population.events: 1,001,500 in 16m40s: expected at most 1,000,000 in a run") {
		t.Error(err)
	}
}
