package scenarios

import (
	"slices"
	"testing"
)

func TestSpans(t *testing.T) {
	at := func(from, to Duration) Span { return Span{from * second, to * second} }
	broken := withFaults(t, nil,
		"crash(connector-1) at 10s for 5s",
		"freeze(connector-2) at 12s for 8s as quiet",
		"crash(connector-3) at 30s for 5s every 20s until 1m10s as often",
		"stop(directory) after often + 10s for 10s",
	)
	sound := parse(t, base)
	overlapping := &Scenario{Load: Load{Duration: 60 * second}, Faults: []Fault{
		{Kind: Crash, Name: "a", At: 5 * second, For: 5 * second},
		{Kind: Crash, Name: "a", At: 8 * second, For: 5 * second},
		{Kind: Crash, Name: "a", At: 20 * second, For: second},
	}}
	for _, c := range []struct {
		s    *Scenario
		w    Window
		want []Span
	}{
		{broken, Window{}, []Span{at(0, 600)}},
		{broken, Window{Name: Warmup}, []Span{at(-2, 0)}},
		{broken, Window{Name: Steady}, []Span{at(0, 10)}},
		{broken, Window{During, "crash-1"}, []Span{at(10, 15)}},
		{broken, Window{During, "often"}, []Span{at(30, 35), at(50, 55)}},
		{broken, Window{During, "often-2"}, []Span{at(50, 55)}},
		{broken, Window{After, "crash-1"}, []Span{at(15, 30)}},
		{broken, Window{After, "quiet"}, []Span{at(20, 30)}},
		{broken, Window{After, "often-1"}, []Span{at(35, 50)}},
		{broken, Window{After, "often"}, []Span{at(55, 65)}},
		{broken, Window{After, "stop-1"}, []Span{at(75, 600)}},
		{broken, Window{Name: Recovered}, []Span{at(77, 600)}},
		{broken, Window{During, "nothing"}, nil},
		{broken, Window{After, "nothing"}, nil},
		{sound, Window{}, []Span{at(0, 20)}},
		{sound, Window{Name: Steady}, []Span{at(0, 20)}},
		{sound, Window{Name: Recovered}, nil},
		{overlapping, Window{During, "a"}, []Span{at(5, 13), at(20, 21)}},
	} {
		if got := c.s.Spans(c.w); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.w, got, c.want)
		}
	}
}

// A window prints as it is written.
func TestWindowsPrint(t *testing.T) {
	for _, text := range []string{"whole", "warmup", "steady", "recovered", "during(crash-1)", "after(all-down)"} {
		o, err := ParseObjective("failed == 0 in " + text)
		if err != nil || o.Window.String() != text {
			t.Errorf("%s: %q, %v", text, o.Window, err)
		}
	}
}
