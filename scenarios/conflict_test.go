package scenarios

import "testing"

func TestConflicts(t *testing.T) {
	const (
		block   = "block(connector-1, ports=443,9350, mode=stall)"
		dropped = "block(connector-1, ports=443, mode=drop)"
		bindOne = "slow-directory(delay=5ms, only=connector-1)"
	)
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"crash(connector-1)", "freeze(connector-1)", true},
		{"crash(connector-1)", "freeze(connector-2)", false},
		{"crash(connectors)", "power-loss(connector-2)", true},
		{"crash(connectors)", "freeze(directory)", false},
		{"crash(all)", "freeze(directory)", true},
		{"crash(all)", "freeze(connectors)", true},
		{"crash(all)", "freeze(cloudsim)", true},
		{"limit-cpu(connector-1, cpu=5%)", "crash(connector-1)", true},
		{"limit-cpu(connector-1, cpu=5%)", "limit-memory(connectors, memory=5MiB)", true},
		{block, "crash(connector-1)", false},
		{block, "block(connector-1, ports=9352, mode=stall)", false},
		{block, "block(connectors, ports=9350, mode=reset)", true},
		{block, "block(connector-2, ports=9350, mode=reset)", false},
		{block, dropped, false}, // by other means
		{block, "degrade(connector-1, ports=443, delay=5ms)", true},
		{block, "degrade(connector-1, ports=443, loss=5%)", false},
		{block, "degrade(connector-1, ports=443, loss=5%, by=gate)", true},
		{dropped, "degrade(connector-1, ports=443, delay=5ms)", false},
		{dropped, "degrade(connector-1, ports=443, delay=5ms, loss=5%)", true},
		{dropped, "block(connectors, ports=443, mode=reject)", true},
		{dropped, "power-loss(connector-1)", false},
		{bindOne, "slow-directory(delay=5ms, only=connector-2)", false},
		{bindOne, "slow-directory(delay=5ms)", true},
		{bindOne, "hanging-directory()", false},
		{"stale-hashes(age=1h)", "missing-hashes(share=5%)", false},
		{"stale-hashes(age=1h)", "stale-hashes(age=2h)", true},
		{"stale-hashes(age=1h)", "crash(directory)", true},
		{"stale-hashes(age=1h)", "crash(cloudsim)", false},
		{bindOne, "freeze(directory)", true},
		{bindOne, "limit-memory(directory, memory=5MiB)", true},
		{bindOne, "limit-cpu(directory, cpu=5%)", false},
		{bindOne, "crash(all)", true},
		{block, "stop(cloudsim)", true},
		{block, "crash(all)", true},
		{block, "crash(directory)", false},
		{dropped, "crash(cloudsim)", false},
		{"block(connector-1, ports=ldaps, mode=stall)", "crash(directory)", true},
		{"block(connector-1, ports=ldaps, mode=stall)", "crash(cloudsim)", false},
		{"block(connector-1, ports=ldaps, mode=stall)", bindOne, false},
	} {
		read := func(text string) Fault {
			f, err := ParseFault(text + " at 5s for 1s")
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		a, b := read(c.a), read(c.b)
		for _, why := range []string{a.conflict(b), b.conflict(a)} {
			if (why != "") != c.want {
				t.Errorf("%s and %s: conflict %q, want one: %v", c.a, c.b, why, c.want)
			}
		}
	}
}
