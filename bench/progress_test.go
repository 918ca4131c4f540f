package bench

import (
	"errors"
	"slices"
	"testing"
	"time"

	"ptabench/bench/fault"
	"ptabench/scenarios"
)

func TestFaultsThatAreOn(t *testing.T) {
	var told []Progress
	r := &run{Options: Options{Scenario: &scenarios.Scenario{}, Progress: func(p Progress) { told = append(told, p) }}}
	on := func(name, group string, undone time.Duration, err error) fault.Record {
		return fault.Record{Name: name, Fault: scenarios.Fault{Group: group}, UndoneAt: undone, Err: err}
	}
	for i, c := range []struct {
		record fault.Record
		want   []string
	}{
		{on("crash-1", "", fault.Never, nil), []string{"crash-1"}},
		{on("soak-1", "soak", fault.Never, nil), []string{"crash-1", "soak-1"}},
		{on("soak-2", "soak", fault.Never, nil), []string{"crash-1", "soak ×2"}},
		{on("freeze-1", "", fault.Never, nil), []string{"crash-1", "soak ×2", "freeze-1"}},
		{on("block-1", "", fault.Never, errors.New("no")), []string{"crash-1", "soak ×2", "freeze-1"}},
		{fault.Record{Name: "stop-1", UndoneAt: fault.Never, Injections: 1, Err: errors.New("one of two")}, []string{"crash-1", "soak ×2", "freeze-1", "stop-1"}},
		{on("stop-1", "", time.Second, errors.New("one of two")), []string{"crash-1", "soak ×2", "freeze-1"}},
		{on("crash-1", "", time.Second, nil), []string{"soak ×2", "freeze-1"}},
		{on("soak-1", "soak", time.Second, nil), []string{"soak-2", "freeze-1"}},
		{on("soak-2", "soak", time.Second, nil), []string{"freeze-1"}},
	} {
		r.progress.fault(r, time.Duration(i), c.record)
		if got := told[i]; !slices.Equal(got.On, c.want) || got.Changed == nil || got.Changed.Name != c.record.Name {
			t.Errorf("after %s: on %q, want %q", c.record.Name, got.On, c.want)
		}
	}
}
