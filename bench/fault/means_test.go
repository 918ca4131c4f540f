package fault

import (
	"time"

	"ptabench/observe"
)

const byReset = "new connections were accepted and reset, because others share the listener"

// once is the record of a fault that went well from the first to the third
// second.
func once(name string, tier Tier, injections uint64, note string) []Record {
	return []Record{{Name: name, Tier: tier, InjectedAt: time.Second, UndoneAt: 3 * time.Second, Injections: injections, Healed: true, Note: note}}
}

// failed is a record of one that did not.
func failed(r []Record, change func(*Record)) []Record {
	change(&r[0])
	return r
}

// meansCases are one of each fault that needs more than a signal.
var meansCases = []scheduleCase{
	{
		name: "crash of all starts what others need first", faults: []string{"crash(all) at 1s for 2s"},
		prepare: func(s *fakeSystem) {
			s.process("cloudsim").slow, s.process("directory").slow = time.Second, time.Second
		},
		log: []string{
			"1s killed cloudsim", "1s killed connector-1", "1s killed connector-2", "1s killed connector-3", "1s killed directory",
			"4s restart cloudsim", "5s restart connector-1", "5s restart connector-2", "5s restart connector-3", "5s restart directory",
		},
		records: failed(once("crash-1", TierProcess, 5, ""), func(r *Record) { r.UndoneAt = 5 * time.Second }),
	},
	{
		name: "crash of the cloud", faults: []string{"crash(cloudsim) at 1s for 2s"},
		log:     []string{"1s killed cloudsim", "3s restart cloudsim"},
		records: once("crash-1", TierProcess, 1, ""),
	},
	{
		name: "power loss: silence before the end, and sound before the start", faults: []string{"power-loss(connector-2) at 1s for 2s"},
		prepare: func(s *fakeSystem) { s.process("connector-2").slow = time.Millisecond },
		log:     []string{"1s killed connector-2", "1s rule fault-1 drop both 0 [] for [127.0.0.12]", "3.001s restart connector-2", "3s no rule fault-1"},
		records: failed(once("power-loss-1", TierKernel, 1, "9 packets were dropped"), func(r *Record) { r.UndoneAt = 3001 * time.Millisecond }),
	},
	{
		name: "power loss without a rule kills nobody", faults: []string{"power-loss(connector-2) at 1s for 2s"},
		prepare: func(s *fakeSystem) { s.refuses = errFake },
		log:     []string{"1s no rule fault-1", "1s rule fault-1 drop both 0 [] for [127.0.0.12]"},
		records: failed(once("power-loss-1", TierKernel, 0, "9 packets were dropped"), func(r *Record) {
			r.InjectedAt, r.UndoneAt, r.Healed, r.Err = Never, Never, false, errFake
		}),
	},
	{
		name: "drop", faults: []string{"block(connector-2, ports=requests, mode=drop, direction=in) at 1s for 2s"},
		log:     []string{"1s rule fault-1 drop in 0 [19350 19352 15671] for [127.0.0.12]", "3s no rule fault-1"},
		records: once("block-1", TierKernel, 9, ""),
	},
	{
		name: "reject", faults: []string{"block(connectors, ports=443, mode=reject) at 1s for 2s"},
		log:     []string{"1s rule fault-1 reject both 0 [1443] for [127.0.0.11 127.0.0.12 127.0.0.13]", "3s no rule fault-1"},
		records: once("block-1", TierKernel, 9, ""),
	},
	{
		name: "a rule that matches nothing", faults: []string{"block(connector-1, ports=ldaps, mode=drop) at 1s for 2s"},
		prepare: func(s *fakeSystem) { s.packets = 0 },
		log:     []string{"1s rule fault-1 drop both 0 [1636] for [127.0.0.11]", "3s no rule fault-1"},
		records: failed(once("block-1", TierKernel, 0, "its rules matched no packet"), func(r *Record) { r.Err = errNothing }),
	},
	{
		name: "the directory's port, for one", faults: []string{"block(connector-1, ports=ldaps, mode=refuse) at 1s for 2s"},
		log:     []string{"1s at the directory", "1s gate fault-1 refuse [ldaps] for [127.0.0.11]", "3s clear fault-1"},
		records: once("block-1", TierGate, 5, byReset),
	},
	{
		name: "stall one way", faults: []string{"block(connectors, ports=9350, mode=stall, direction=out) at 1s for 2s"},
		log:     []string{"1s gate fault-1 stall [9350] for [] out", "3s clear fault-1"},
		records: once("block-1", TierGate, 5, byReset),
	},
	{
		name: "a gate that says it is cleared and is not", faults: []string{"block(connectors, ports=9350, mode=stall) at 1s for 2s"},
		prepare: func(s *fakeSystem) { s.keeps = true },
		log:     []string{"1s gate fault-1 stall [9350] for []", "3s clear fault-1"},
		records: failed(once("block-1", TierGate, 1, ""), func(r *Record) { r.UndoneAt, r.Healed, r.Err = Never, false, errStillSet }),
	},
	{
		name: "degrade by gate", faults: []string{"degrade(connectors, ports=9350, delay=50ms, jitter=10ms, bandwidth=1Mbit/s, loss=1%, by=gate) at 1s for 2s"},
		log:     []string{"1s gate fault-1 degrade 50ms±10ms 1e+06/s 0.01 [9350] for []", "3s clear fault-1"},
		records: once("degrade-1", TierGate, 5, byReset),
	},
	{
		name: "loss", faults: []string{"degrade(connector-3, ports=9350, loss=2%, direction=out) at 1s for 2s"},
		log:     []string{"1s rule fault-1 drop out 0.02 [19350] for [127.0.0.13]", "3s no rule fault-1"},
		records: once("degrade-1", TierKernel, 9, ""),
	},
	{
		name: "delay and loss", faults: []string{"degrade(connector-3, ports=9350, delay=50ms, loss=2%) at 1s for 2s"},
		log: []string{
			"1s gate fault-1 degrade 50ms±0s 0/s 0 [9350] for [127.0.0.13]", "1s rule fault-1 drop both 0.02 [19350] for [127.0.0.13]",
			"3s clear fault-1", "3s no rule fault-1",
		},
		records: once("degrade-1", TierGateAndKernel, 14, byReset),
	},
	{
		name: "processors", faults: []string{"limit-cpu(connectors, cpu=25%) at 1s for 2s"},
		prepare: func(s *fakeSystem) { s.process("connector-2").running = false },
		log: []string{
			"1s cpu of connector-1 0.25 0", "1s cpu of connector-3 0.25 0",
			"3s no group fault-1-connector-1", "3s no group fault-1-connector-2", "3s no group fault-1-connector-3",
		},
		records: once("limit-cpu-1", TierCgroup, 2, "connector-2 had ended before; throttled in 6 periods"),
	},
	{
		name: "processors enough", faults: []string{"limit-cpu(directory, cpu=200%) at 1s for 2s"},
		prepare: func(s *fakeSystem) { s.events = 0 },
		log:     []string{"1s cpu of directory 2 0", "3s no group fault-1-directory"},
		records: once("limit-cpu-1", TierCgroup, 1, "it never had to wait for a processor: the limit changed nothing"),
	},
	{
		name: "memory, and a kill", faults: []string{"limit-memory(connector-1, memory=32MiB) at 1s for 2s"},
		log: []string{
			"1s memory of connector-1 0 33554432", "3s killed connector-1", "3s no group fault-1-connector-1", "3s restart connector-1",
		},
		records: once("limit-memory-1", TierCgroup, 1, "connector-1 was killed for its memory, and started again"),
	},
	{
		name: "memory enough", faults: []string{"limit-memory(connector-1, memory=1GiB) at 1s for 2s"},
		prepare: func(s *fakeSystem) { s.events = 0 },
		log:     []string{"1s memory of connector-1 0 1073741824", "3s no group fault-1-connector-1"},
		records: once("limit-memory-1", TierCgroup, 1, "nothing was killed: the limit was not reached"),
	},
	{
		name: "a group that stays", faults: []string{"limit-cpu(connector-1, cpu=10%) at 1s for 2s"},
		prepare: func(s *fakeSystem) { s.refuses = errFake },
		log:     []string{"1s cpu of connector-1 0.1 0", "1s no group fault-1-connector-1"},
		records: failed(once("limit-cpu-1", TierCgroup, 0, "it never had to wait for a processor: the limit changed nothing"), func(r *Record) {
			r.InjectedAt, r.UndoneAt, r.Healed, r.Err = Never, Never, false, errFake
		}),
	},
	{
		name: "slow for one", faults: []string{"slow-directory(delay=1s, only=connector-2) at 1s for 2s"},
		log:     []string{"1s binds fault-1 slow 1s 0 for [127.0.0.12]", "3s binds fault-1 as before"},
		records: once("slow-directory-1", TierRole, 20, ""),
	},
	{
		name: "refusing", faults: []string{"refusing-directory() at 1s for 2s"},
		log:     []string{"1s binds fault-1 refuse 0s 0 for []", "3s binds fault-1 as before"},
		records: once("refusing-directory-1", TierRole, 20, ""),
	},
	{
		name: "hanging, and it ends", faults: []string{"hanging-directory(only=connector-1) at 1s for 2s", "crash(directory) at 2s for 3s"},
		log: []string{
			"1s binds fault-1 hang 0s 0 for [127.0.0.11]", "2s killed directory", "3s binds fault-1 as before", "5s restart directory",
		},
		records: append(failed(once("hanging-directory-1", TierRole, 0, "the directory ended meanwhile, and with it the fault and its count of binds"), func(r *Record) { r.Err = errNothing }),
			Record{Name: "crash-2", Tier: TierProcess, InjectedAt: 2 * time.Second, UndoneAt: 5 * time.Second, Injections: 1, Healed: true}),
	},
	{
		name: "crowded", faults: []string{"crowded-directory(connections=3) at 1s for 2s"},
		log:     []string{"1s binds fault-1 crowded 0s 3 for []", "3s binds fault-1 as before"},
		records: once("crowded-directory-1", TierRole, 20, ""),
	},
	{
		name: "stale", faults: []string{"stale-hashes(age=2h) at 1s for 2s"},
		log:     []string{"1s hashes fault-1 changed 40 missing 0", "3s hashes fault-1 right"},
		records: once("stale-hashes-1", TierRole, 17, ""),
	},
	{
		name: "missing, and the directory that is there knows nothing of it", faults: []string{"missing-hashes(share=5%) at 1s for 4s", "crash(directory) at 2s for 1s"},
		log: []string{"1s hashes fault-1 changed 0 missing 0.05", "2s killed directory", "3s restart directory", "5s hashes fault-1 right"},
		records: append(failed(once("missing-hashes-1", TierRole, 17, ""), func(r *Record) { r.UndoneAt, r.Healed, r.Err = Never, false, observe.ErrNotFound }),
			Record{Name: "crash-2", Tier: TierProcess, InjectedAt: 2 * time.Second, UndoneAt: 3 * time.Second, Injections: 1, Healed: true}),
	},
	{
		name: "missing, and nobody to put it right", faults: []string{"missing-hashes(share=5%) at 1s for 2s", "crash(directory) at 2s for 3s"},
		log: []string{"1s hashes fault-1 changed 0 missing 0.05", "2s killed directory", "3s hashes fault-1 right", "5s restart directory"},
		records: append(failed(once("missing-hashes-1", TierRole, 17, ""), func(r *Record) { r.UndoneAt, r.Healed, r.Err = Never, false, errFake }),
			Record{Name: "crash-2", Tier: TierProcess, InjectedAt: 2 * time.Second, UndoneAt: 5 * time.Second, Injections: 1, Healed: true}),
	},
}
