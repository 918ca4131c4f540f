package bench

import (
	"errors"
	"strings"
	"testing"

	"ptabench/bench/fault"
)

// What could not be undone is told, with what to type, whether its injection
// went well or not; what was never begun is no such thing.
func TestNotHealed(t *testing.T) {
	stuck := errors.New("it is still frozen: kill -CONT 17")
	for name, c := range map[string]struct {
		records []fault.Record
		want    []string // in the error; none means that there is no error
	}{
		"no faults": {},
		"all undone": {records: []fault.Record{
			{Name: "freeze-1", Healed: true}, {Name: "crash-2", Healed: true, Err: errors.New("it injected nothing")}}},
		"never begun": {records: []fault.Record{
			{Name: "freeze-1", InjectedAt: fault.Never, UndoneAt: fault.Never, Err: errors.New("not injected: interrupted")}}},
		"injected": {[]fault.Record{{Name: "freeze-1", UndoneAt: fault.Never, Stuck: true, Err: stuck}}, []string{"freeze-1", "kill -CONT 17"}},
		"injection failed": {[]fault.Record{{Name: "freeze-1", InjectedAt: fault.Never, UndoneAt: fault.Never, Stuck: true, Err: stuck}},
			[]string{"freeze-1", "kill -CONT 17"}},
		"two of three": {[]fault.Record{{Name: "one", Stuck: true, Err: stuck}, {Name: "two", Healed: true}, {Name: "three", Stuck: true, Err: stuck}},
			[]string{"one: ", "three: "}},
	} {
		err := notHealed(c.records)
		if errors.Is(err, ErrNotHealed) != (len(c.want) > 0) || (err != nil) != (len(c.want) > 0) {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q in it", name, err, want)
			}
		}
	}
}
