package scenarios

import (
	"fmt"

	"ptabench/population"
)

// checkEvents finds events that cannot happen, by the scenario's own figures:
// there is nobody for them. That chance may leave one out is for the run to say.
func (d *decoder) checkEvents(s *Scenario) {
	events := s.Population.Events
	if s.Directory.Kind == Outside || !d.sound("directory.kind", "population.events", "population.users", "population.states", "load.duration") {
		return
	}
	asked := func(kind population.EventKind) float64 {
		return float64(events[EventKind(kind)]) * float64(s.Load.Duration) / 1e9
	}
	total, users := 0.0, map[population.State]float64{} // that are in a state at any time, counted again when they come back
	for state := range s.Population.States {
		users[state] = float64(s.Population.inState(state))
	}
	users[population.Active] = float64(active(s.Population))
	var leaving float64
	var most population.EventKind // of those that active users leave by
	for _, kind := range population.EventKinds() {
		total += asked(kind)
		if from, to := kind.Moves(); from == population.Active && to != from {
			users[to] += asked(kind)
			leaving += asked(kind)
			if asked(kind) > asked(most) {
				most = kind
			}
		}
	}
	for _, kind := range population.EventKinds() {
		if from, to := kind.Moves(); from != population.Active {
			users[to] += min(asked(kind), users[from])
		}
	}
	if total > population.MaxEvents {
		d.wrong("population.events", grouped(total)+" in "+s.Load.Duration.String(), "at most "+grouped(population.MaxEvents)+" in a run")
	}
	for _, kind := range population.EventKinds() {
		if from, _ := kind.Moves(); asked(kind) > 0 && users[from] == 0 {
			d.wrong("population.events."+string(kind), events[EventKind(kind)].String(), fmt.Sprintf(
				"0/s, or users who are %s: population.states and the other events make none", from))
		}
	}
	if there := users[population.Active]; there > 0 && leaving > there {
		d.wrong("population.events."+string(most), fmt.Sprintf("%s, and by all events %s users who are active no more in %s", events[EventKind(most)], grouped(leaving), s.Load.Duration),
			fmt.Sprintf("at most %s of them, who are active or come to be", grouped(there)))
	}
}
