package fault

import (
	"context"

	"ptabench/observe"
)

// NewRole reaches a role that listens on ports by its observe endpoint.
func NewRole(client *observe.Client, ports map[string]string) Role {
	return Role{Ports: ports, Gates: remoteGates{client}, Binds: remoteBinds{client}, Hashes: remoteHashes{client}}
}

type remoteGates struct{ client *observe.Client }

func (r remoteGates) Gate(ctx context.Context, gate observe.Gate) (reached observe.GateEffect, err error) {
	err = r.client.Put(ctx, "/gates/"+gate.ID, gate, &reached)
	return reached, err
}

func (r remoteGates) ClearGate(ctx context.Context, id string) (reached observe.GateEffect, err error) {
	err = r.client.Delete(ctx, "/gates/"+id, &reached)
	return reached, err
}

func (r remoteGates) Gated(ctx context.Context) (set []observe.GateEffect, err error) {
	err = r.client.Get(ctx, "/gates", &set)
	return set, err
}

func (r remoteGates) Address() string { return r.client.Address }

type remoteBinds struct{ client *observe.Client }

func (r remoteBinds) Put(ctx context.Context, f observe.BindFault) (reached observe.FaultEffect, err error) {
	err = r.client.Put(ctx, "/faults/"+f.ID, f, &reached)
	return reached, err
}

func (r remoteBinds) Delete(ctx context.Context, id string) (reached observe.FaultEffect, err error) {
	err = r.client.Delete(ctx, "/faults/"+id, &reached)
	return reached, err
}

type remoteHashes struct{ client *observe.Client }

func (r remoteHashes) Put(ctx context.Context, f observe.HashFault) (reached observe.FaultEffect, err error) {
	err = r.client.Put(ctx, "/hash-store/"+f.ID, f, &reached)
	return reached, err
}

func (r remoteHashes) Delete(ctx context.Context, id string) (reached observe.FaultEffect, err error) {
	err = r.client.Delete(ctx, "/hash-store/"+id, &reached)
	return reached, err
}
