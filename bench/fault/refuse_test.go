package fault

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"ptabench/bench/fault/cgroup"
	"ptabench/scenarios"
)

// TestRefuse gives each reason once, with every fault that it concerns, and
// looks for each means at most once.
func TestRefuse(t *testing.T) {
	const tail = " at 1s for 1s"
	everything := []string{
		"crash(all)" + tail, "freeze(connector-1)" + tail, "stop(directory)" + tail,
		"block(connector-1, ports=9350, mode=stall)" + tail, "block(connectors, ports=requests, mode=stall)" + tail,
		"block(connectors, ports=443, mode=stall)" + tail, "block(connector-1, ports=9350, mode=drop)" + tail,
		"block(connectors, ports=ldaps, mode=reject)" + tail, "power-loss(connector-1)" + tail,
		"degrade(connectors, ports=9350, delay=1ms)" + tail, "degrade(connectors, ports=9350, loss=1%)" + tail,
		"degrade(connectors, ports=9350, loss=1%, by=gate)" + tail, "degrade(connectors, ports=9350, loss=1%, delay=1ms)" + tail,
		"limit-cpu(all, cpu=1%)" + tail, "limit-memory(all, memory=8MiB)" + tail,
		"slow-directory(delay=1s)" + tail, "hanging-directory(only=connector-1)" + tail, "refusing-directory()" + tail,
		"crowded-directory(connections=1)" + tail, "missing-hashes(share=1%)" + tail,
	}
	schedule := faultsOf(t, everything...)
	var group []scenarios.Fault
	for range 3 {
		group = append(group, faultsOf(t, "power-loss(connector-1)"+tail)...)
		group[len(group)-1].Group = "nemesis-1"
	}
	melt := faultsOf(t, "freeze(connector-1)"+tail+" as odd")
	melt[0].Kind = "melt"
	var asked []string
	machineOf := func(system, lacks string) machine {
		say := func(what string) error {
			asked = append(asked, what)
			if strings.Contains(lacks, what) {
				return errors.New("no " + what)
			}
			return nil
		}
		return machine{system: system, kernel: func() error { return say("kernel") },
			cgroup: func(k cgroup.Kind) error { return say(string(k)) }}
	}
	cases := []struct {
		name          string
		system, lacks string
		faults        []scenarios.Fault
		want, asked   []string
	}{
		{name: "all there", system: "linux", faults: schedule, asked: []string{"kernel", "cpu", "memory"}},
		{name: "nothing there", system: "plan9", lacks: "kernel cpu memory", faults: schedule, want: []string{
			"block-4, block-6, hanging-directory-17: telling connectors from each other, and from users, needs a loopback address for each, which linux has and plan9 has not",
			"block-7, block-8, power-loss-9, degrade-11, degrade-13: no kernel", "limit-cpu-14: no cpu", "limit-memory-15: no memory",
		}, asked: []string{"kernel", "cpu", "memory"}},
		{name: "nothing needed", system: "plan9", lacks: "kernel cpu memory", faults: schedule[:3]},
		{name: "a group", system: "linux", lacks: "kernel", faults: group, want: []string{"nemesis-1: no kernel"}, asked: []string{"kernel"}},
		{name: "unknown", system: "linux", faults: melt, want: []string{`odd: unknown kind of fault "melt"`}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			asked = nil
			var got []string
			for _, err := range machineOf(c.system, c.lacks).refuse(c.faults, nil) {
				got = append(got, err.Error())
			}
			if !slices.Equal(got, c.want) || !slices.Equal(asked, c.asked) {
				t.Errorf("refused %q, want %q; asked for %q, want %q", got, c.want, asked, c.asked)
			}
		})
	}
	if err := errors.Join(Refuse(melt, nil)...); err == nil || !strings.Contains(err.Error(), `"melt"`) {
		t.Errorf("supported: %v", err)
	}
	stale := faultsOf(t, "stale-hashes(age=1h)"+tail)
	if errs := machineOf("linux", "").refuse(stale, &scenarios.Scenario{}); len(errs) != 1 || !strings.Contains(errs[0].Error(), "password_changes") {
		t.Errorf("stale where nothing changes: %v", errs)
	}
}
