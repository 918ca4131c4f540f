package fault

import (
	"context"

	"ptabench/observe"
)

// RemoteGates are the gates of a cloud simulator's observe endpoint.
type RemoteGates struct{ Client *observe.Client }

var _ Gates = RemoteGates{}

// Gate puts a gate.
func (r RemoteGates) Gate(ctx context.Context, gate observe.Gate) (reached observe.GateEffect, err error) {
	err = r.Client.Put(ctx, "/gates/"+gate.ID, gate, &reached)
	return reached, err
}

// ClearGate deletes it.
func (r RemoteGates) ClearGate(ctx context.Context, id string) (reached observe.GateEffect, err error) {
	err = r.Client.Delete(ctx, "/gates/"+id, &reached)
	return reached, err
}

// Address is that of the endpoint.
func (r RemoteGates) Address() string { return r.Client.Address }

// RemoteDelays is the delay of a directory's observe endpoint.
type RemoteDelays struct{ Client *observe.Client }

var _ Delays = RemoteDelays{}

// Delay puts the delay.
func (r RemoteDelays) Delay(ctx context.Context, delay observe.Delay) error {
	return r.Client.Put(ctx, "/delay", delay, nil)
}

// ClearDelay deletes it.
func (r RemoteDelays) ClearDelay(ctx context.Context) error {
	return r.Client.Delete(ctx, "/delay", nil)
}

// DelayedBinds reads the directory's counter.
func (r RemoteDelays) DelayedBinds(ctx context.Context) (uint64, error) {
	var counters observe.DirectoryCounters
	err := r.Client.Get(ctx, "/counters", &counters)
	return counters.Delayed, err
}
