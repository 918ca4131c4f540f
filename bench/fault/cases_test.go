package fault

import (
	"context"
	"time"
)

// scheduleCase is a plan, and what is done and recorded of it.
type scheduleCase struct {
	name    string
	faults  []string
	prepare func(*fakeSystem)
	log     []string // in order of time, then of text
	records []Record // the fields that are compared are those of check
}

// scheduleCases are of the tiers process, gate and role, and of what can go
// wrong with any.
var scheduleCases = []scheduleCase{
	{
		name:    "crash",
		faults:  []string{"crash(connector-1) at 5s for 3s"},
		prepare: func(s *fakeSystem) { s.process("connector-1").slow = 100 * time.Millisecond },
		log:     []string{"5s killed connector-1", "8.1s restart connector-1"},
		records: []Record{{Name: "crash-1", Tier: TierProcess, InjectedAt: 5 * time.Second, UndoneAt: 8100 * time.Millisecond, Injections: 1, Healed: true}},
	},
	{
		name:   "crash of all, one being down",
		faults: []string{"crash(connectors) at 1s for 1s as all"},
		prepare: func(s *fakeSystem) {
			s.process("connector-2").running = false
		},
		log:     []string{"1s killed connector-1", "1s killed connector-3", "2s restart connector-1", "2s restart connector-3"},
		records: []Record{{Name: "all", Tier: TierProcess, InjectedAt: time.Second, UndoneAt: 2 * time.Second, Injections: 2, Healed: true, Note: "connector-2 had ended before"}},
	},
	{
		name:    "crash of nothing",
		faults:  []string{"crash(directory) at 1s for 1s"},
		prepare: func(s *fakeSystem) { s.process("directory").running = false },
		records: []Record{{Name: "crash-1", Tier: TierProcess, InjectedAt: time.Second, UndoneAt: 2 * time.Second, Healed: true, Note: "directory had ended before", Err: errNothing}},
	},
	{
		name:    "freeze",
		faults:  []string{"freeze(directory) at 0 for 2s"},
		log:     []string{"0s stopped (signal) directory", "2s continued directory"},
		records: []Record{{Name: "freeze-1", Tier: TierProcess, UndoneAt: 2 * time.Second, Injections: 1, Healed: true}},
	},
	{
		name:    "stop",
		faults:  []string{"stop(connector-2) at 1s for 2s"},
		log:     []string{"1s terminated connector-2", "3s restart connector-2"},
		records: []Record{{Name: "stop-1", Tier: TierProcess, InjectedAt: time.Second, UndoneAt: 3 * time.Second, Injections: 1, Healed: true}},
	},
	{
		name:    "stop of a stubborn one",
		faults:  []string{"stop(connector-2) at 1s for 2s"},
		prepare: func(s *fakeSystem) { s.process("connector-2").stubborn = true },
		log:     []string{"1s terminated connector-2", "3s killed connector-2", "3s restart connector-2"},
		records: []Record{{Name: "stop-1", Tier: TierProcess, InjectedAt: time.Second, UndoneAt: 3 * time.Second, Injections: 1, Healed: true,
			Note: "connector-2 had not ended when it was to start again, and was killed"}},
	},
	{
		name:   "blocks",
		faults: []string{"block(connector-2, ports=requests, mode=stall) at 1s for 2s", "block(connectors, ports=9090, mode=refuse) at 1s for 3s", "block(connectors, ports=443, mode=reset) at 2s for 3s"},
		log: []string{
			"1s gate fault-1 stall [9350 9352 5671] for [127.0.0.12]", "1s gate fault-2 refuse [9090] for []",
			"2s gate fault-3 reset [443] for [127.0.0.11 127.0.0.12 127.0.0.13]", "3s clear fault-1", "4s clear fault-2", "5s clear fault-3",
		},
		records: []Record{
			{Name: "block-1", Tier: TierGate, InjectedAt: time.Second, UndoneAt: 3 * time.Second, Injections: 5, Healed: true, Note: "new connections were accepted and reset, because others share the listener"},
			{Name: "block-2", Tier: TierGate, InjectedAt: time.Second, UndoneAt: 4 * time.Second, Injections: 5, Healed: true, Note: "new connections were accepted and reset, because others share the listener"},
			{Name: "block-3", Tier: TierGate, InjectedAt: 2 * time.Second, UndoneAt: 5 * time.Second, Injections: 5, Healed: true, Note: "new connections were accepted and reset, because others share the listener"},
		},
	},
	{
		name:    "block that finds nobody",
		faults:  []string{"block(connectors, ports=9090, mode=refuse) at 1s for 3s"},
		prepare: func(s *fakeSystem) { s.connections = 0 },
		log:     []string{"1s gate fault-1 refuse [9090] for []", "4s clear fault-1"},
		records: []Record{{Name: "block-1", Tier: TierGate, InjectedAt: time.Second, UndoneAt: 4 * time.Second, Healed: true, Note: "new connections were accepted and reset, because others share the listener", Err: errNothing}},
	},
	{
		name:    "block that cannot be set is cleared at once",
		faults:  []string{"block(connectors, ports=9090, mode=refuse) at 1s for 3s"},
		prepare: func(s *fakeSystem) { s.onGate = func(context.Context) error { return errFake } },
		log:     []string{"1s clear fault-1", "1s gate fault-1 refuse [9090] for []"},
		records: []Record{{Name: "block-1", Tier: TierGate, InjectedAt: Never, UndoneAt: time.Second, Healed: true, Err: errFake}},
	},
	{
		name:    "what the directory refuses is not there to be undone",
		faults:  []string{"refusing-directory() at 1s for 2s", "missing-hashes(share=5%) at 1s for 2s"},
		prepare: func(s *fakeSystem) { s.refuses = errFake },
		log: []string{
			"1s binds fault-1 as before", "1s binds fault-1 refuse 0s 0 for []", "1s hashes fault-2 changed 0 missing 0.05", "1s hashes fault-2 right",
		},
		records: []Record{
			{Name: "refusing-directory-1", Tier: TierRole, InjectedAt: Never, UndoneAt: time.Second, Healed: true, Err: errFake},
			{Name: "missing-hashes-2", Tier: TierRole, InjectedAt: Never, UndoneAt: time.Second, Healed: true, Err: errFake},
		},
	},
	{
		name:   "block that hangs is given up",
		faults: []string{"block(connectors, ports=9090, mode=refuse) at 1s for 20s"},
		prepare: func(s *fakeSystem) {
			s.onGate = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
			s.connections = 0
		},
		log:     []string{"11s clear fault-1", "1s gate fault-1 refuse [9090] for []"},
		records: []Record{{Name: "block-1", Tier: TierGate, InjectedAt: Never, UndoneAt: 11 * time.Second, Healed: true, Err: context.DeadlineExceeded}},
	},
	{
		name:   "the cloud ended with its gate",
		faults: []string{"block(connectors, ports=9090, mode=refuse) at 1s for 3s"},
		prepare: func(s *fakeSystem) {
			s.onClear = func(context.Context) error { return errFake }
			s.onGate = func(context.Context) error { s.process("cloudsim").running = false; return nil }
		},
		log:     []string{"1s gate fault-1 refuse [9090] for []", "4s clear fault-1"},
		records: []Record{{Name: "block-1", Tier: TierGate, InjectedAt: time.Second, UndoneAt: 4 * time.Second, Injections: 1, Healed: true, Note: "the cloud simulator ended meanwhile, and the gate with it"}},
	},
	{
		name:    "a gate that stays",
		faults:  []string{"block(connectors, ports=9090, mode=refuse) at 1s for 3s"},
		prepare: func(s *fakeSystem) { s.onClear = func(context.Context) error { return errFake } },
		log:     []string{"1s gate fault-1 refuse [9090] for []", "4s clear fault-1"},
		records: []Record{{Name: "block-1", Tier: TierGate, InjectedAt: time.Second, UndoneAt: Never, Injections: 1, Err: errFake}},
	},
	{
		name:    "slow directory",
		faults:  []string{"slow-directory(directory, delay=200ms) at 1s for 3s"},
		log:     []string{"1s binds fault-1 slow 200ms 0 for []", "4s binds fault-1 as before"},
		records: []Record{{Name: "slow-directory-1", Tier: TierRole, InjectedAt: time.Second, UndoneAt: 4 * time.Second, Injections: 30, Healed: true}},
	},
	{
		name:    "slow directory without binds",
		faults:  []string{"slow-directory(directory, delay=200ms) at 1s for 50ms"},
		log:     []string{"1.05s binds fault-1 as before", "1s binds fault-1 slow 200ms 0 for []"},
		records: []Record{{Name: "slow-directory-1", Tier: TierRole, InjectedAt: time.Second, UndoneAt: 1050 * time.Millisecond, Healed: true, Err: errNothing}},
	},
	{
		name: "overlapping",
		faults: []string{
			"freeze(connector-1) at 2s for 4s", "slow-directory(directory, delay=1s) at 1s for 6s",
			"crash(connector-2) at 3s for 2s", "block(connector-3, ports=10100-10102, mode=reset) at 3s for 2s",
		},
		prepare: func(s *fakeSystem) { s.process("connector-2").hangs = true },
		log: []string{
			"1s binds fault-2 slow 1s 0 for []", "2s stopped (signal) connector-1", "3s gate fault-4 reset [10100 10101 10102] for [127.0.0.13]", "3s killed connector-2",
			"5s clear fault-4", "6s continued connector-1", "7s binds fault-2 as before",
		},
		records: []Record{
			{Name: "freeze-1", Tier: TierProcess, InjectedAt: 2 * time.Second, UndoneAt: 6 * time.Second, Injections: 1, Healed: true},
			{Name: "slow-directory-2", Tier: TierRole, InjectedAt: time.Second, UndoneAt: 7 * time.Second, Injections: 60, Healed: true},
			{Name: "crash-3", Tier: TierProcess, InjectedAt: 3 * time.Second, UndoneAt: Never, Injections: 1, Err: context.DeadlineExceeded},
			{Name: "block-4", Tier: TierGate, InjectedAt: 3 * time.Second, UndoneAt: 5 * time.Second, Injections: 5, Healed: true, Note: "new connections were accepted and reset, because others share the listener"},
		},
	},
}
