package scenarios

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const second = Duration(time.Second)

func TestFaultLines(t *testing.T) {
	for _, c := range []struct {
		line  string
		fault Fault
		print string // empty when it prints as it reads
	}{
		{"crash(connector-1) at 6s for 3s", Fault{Kind: Crash, Target: "connector-1", At: 6 * second, For: 3 * second}, ""},
		{"crash(directory) at 0s for 3s", Fault{Kind: Crash, Target: "directory", For: 3 * second}, ""},
		{"freeze(connectors) at 1m for 500ms as all-silent", Fault{Name: "all-silent", Kind: Freeze, Target: "connectors", At: 60 * second, For: second / 2}, ""},
		{"stop(connector-40) at 6s for 3s as stop-2", Fault{Name: "stop-2", Kind: Stop, Target: "connector-40", At: 6 * second, For: 3 * second}, "stop(connector-40) at 6s for 3s"},
		{"block(connector-2, ports=9350,9352,5671, mode=stall) at 13s for 5s", Fault{Kind: Block, Target: "connector-2", Ports: []string{"9350", "9352", "5671"}, Mode: Stall, At: 13 * second, For: 5 * second}, ""},
		{"block(connector-2, mode=refuse, ports=requests,443) at 13s for 5s", Fault{Kind: Block, Target: "connector-2", Ports: []string{"9350", "9352", "5671", "443"}, Mode: Refuse, At: 13 * second, For: 5 * second}, "block(connector-2, ports=9350,9352,5671,443, mode=refuse) at 13s for 5s"},
		{"  block ( connector-2 ,ports= 10100-10102 , 9350 ,mode=reset )  at 13s  for 5000ms ", Fault{}, "refused"}, // a blank after = is none of the grammar's
		{"block ( connector-2 ,ports=10100-10102 , 9350,10101 ,mode=reset )  at 13s  for 5000ms ", Fault{Kind: Block, Target: "connector-2", Ports: []string{"10100", "10101", "10102", "9350"}, Mode: Reset, At: 13 * second, For: 5 * second}, "block(connector-2, ports=10100-10102,9350, mode=reset) at 13s for 5s"},
		{"slow-directory(directory, delay=200ms) at 4s for 5s", Fault{Kind: SlowDirectory, Target: "directory", Delay: second / 5, At: 4 * second, For: 5 * second}, ""},
		{"crash(all) at 3s for 1s", Fault{Kind: Crash, Target: "all", At: 3 * second, For: second}, ""},
		{"power-loss(connector-1) after crash-1 for 1s", Fault{Kind: PowerLoss, Target: "connector-1", After: "crash-1", For: second}, ""},
		{"freeze(connector-2) after crash-1 + 2s for 3s", Fault{Kind: Freeze, Target: "connector-2", After: "crash-1", At: 2 * second, For: 3 * second}, ""},
		{"freeze(connector-2) with crash-1+2s for 3s", Fault{Kind: Freeze, Target: "connector-2", With: "crash-1", At: 2 * second, For: 3 * second}, "freeze(connector-2) with crash-1 + 2s for 3s"},
		{"freeze(connector-2) with crash-1 + 0s for 3s", Fault{Kind: Freeze, Target: "connector-2", With: "crash-1", For: 3 * second}, "freeze(connector-2) with crash-1 for 3s"},
		{"crash(connector-1) at 3s for 1s every 10s until 60s", Fault{Kind: Crash, Target: "connector-1", At: 3 * second, For: second, Every: 10 * second, Until: 60 * second}, "crash(connector-1) at 3s for 1s every 10s until 1m"},
		{"crash(connector-1) at 3s for 1s every 10s as again", Fault{Name: "again", Kind: Crash, Target: "connector-1", At: 3 * second, For: second, Every: 10 * second}, ""},
		{"limit-cpu(cloudsim, cpu=50%) at 3s for 1s", Fault{Kind: LimitCPU, Target: "cloudsim", CPU: 0.5, At: 3 * second, For: second}, ""},
		{"limit-memory(directory, memory=64MiB) at 3s for 1s", Fault{Kind: LimitMemory, Target: "directory", Memory: 64 << 20, At: 3 * second, For: second}, ""},
		{"block(connector-2, ports=ldaps, mode=drop, direction=out) at 3s for 1s", Fault{Kind: Block, Target: "connector-2", Ports: []string{"ldaps"}, Mode: Drop, Direction: Outbound, At: 3 * second, For: second}, ""},
		{"degrade(connectors, ports=443, by=gate, delay=20ms, jitter=5ms, bandwidth=10Mbit/s, loss=1%) at 3s for 1s", Fault{Kind: Degrade, Target: "connectors", Ports: []string{"443"}, By: ByGate, Delay: second / 50, Jitter: second / 200, Bandwidth: 1e7, Loss: 0.01, At: 3 * second, For: second}, ""},
		{"hanging-directory(only=connector-2) at 3s for 1s", Fault{Kind: HangingDirectory, Target: "directory", Only: "connector-2", At: 3 * second, For: second}, "hanging-directory(directory, only=connector-2) at 3s for 1s"},
		{"refusing-directory() at 3s for 1s", Fault{Kind: RefusingDirectory, Target: "directory", At: 3 * second, For: second}, "refusing-directory(directory) at 3s for 1s"},
		{"crowded-directory(connections=10) at 3s for 1s", Fault{Kind: CrowdedDirectory, Target: "directory", Connections: 10, At: 3 * second, For: second}, "crowded-directory(directory, connections=10) at 3s for 1s"},
		{"stale-hashes(age=24h) at 3s for 1s", Fault{Kind: StaleHashes, Target: "hash-store", Age: 24 * 3600 * second, At: 3 * second, For: second}, "stale-hashes(hash-store, age=24h) at 3s for 1s"},
		{"missing-hashes(hash-store, share=5%) at 3s for 1s", Fault{Kind: MissingHashes, Target: "hash-store", Share: 0.05, At: 3 * second, For: second}, ""},
		{"nemesis(budget=1, kinds=crash,freeze,block, seed=7) at 5s for 4m30s", Fault{Kind: Nemesis, Target: "connectors", Budget: 1, Kinds: []FaultKind{Crash, Freeze, Block}, Seed: 7, At: 5 * second, For: 270 * second}, "nemesis(connectors, kinds=crash,freeze,block, budget=1, seed=7) at 5s for 4m30s"},
		{"slow-directory(delay=200ms) at 4s for 5s", Fault{Kind: SlowDirectory, Target: "directory", Delay: second / 5, At: 4 * second, For: 5 * second}, "slow-directory(directory, delay=200ms) at 4s for 5s"},
	} {
		got, err := ParseFault(c.line)
		if c.print == "refused" {
			if err == nil {
				t.Errorf("%s: %v, want an error", c.line, got)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, c.fault) {
			t.Errorf("%s:\n got %#v, %v\nwant %#v", c.line, got, err, c.fault)
			continue
		}
		want := c.print
		if want == "" {
			want = c.line
		}
		if got := got.String(); got != want {
			t.Errorf("%s prints %q, want %q", c.line, got, want)
		}
	}
}

func TestFaultLinesRefused(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"", `column 1: "": expected a fault such as`},
		{"crush(connector-1) at 6s for 3s", "column 1: kind: crush: expected another word; did you mean crash?"},
		{"crash", "column 6: expected ( and the target, as in crash(connector-1)"},
		{"crash() at 6s for 3s", "column 1: target: missing: expected a connector such as connector-1, connectors, directory, directory-1, cloudsim, adfs-1, adfs, balancer, hashsync, checker or all"},
		{"crash(connector-01) at 6s for 3s", "column 7: target: connector-01: expected a connector such as connector-1, connectors, directory, directory-1, cloudsim, adfs-1, adfs, balancer, hashsync, checker, all, hash-store or newcomer"},
		{"crash(connector-1 at 6s for 3s", "column 19: expected a comma or )"},
		{"crash(connector-1", "column 6: an open bracket: expected one that is closed"},
		{"crash(connector-1, connector-2) at 6s for 3s", "column 20: connector-2: expected no settings: crash has none"},
		{"crash(connector-1,) at 6s for 3s", `column 19: "": expected no settings: crash has none`},
		{"crash(connector-1) for 3s at 6s", "column 20: for: expected at 6s, or after or with the name of a fault"},
		{"crash(connector-1) at 6s", `column 25: nothing: expected for and a duration, such as for 3s`},
		{"crash(connector-1) at 6 for 3s", "column 23: at: 6: expected a duration from 0s to 24h"},
		{"crash(connector-1) at -6s for 3s", "column 23: at: -6s: expected a duration from 0s to 24h"},
		{"crash(connector-1) at 6s for 0s", "column 30: for: 0s: expected a duration from 1ms to 24h"},
		{"crash(connector-1) at 6s for 3s as", `column 35: name: "": expected a name of lower-case`},
		{"crash(connector-1) at 6s for 3s as Dead", "column 36: name: Dead: expected a name of lower-case"},
		{"crash(connector-1) at 6s for 3s as dead man", "column 41: man: expected the end of the line"},
		{"crash(connector-1) at 6s for 3s or so", "column 33: or: expected the end of the line, or every or as and a name"},
		{"crash(connector-1, mode=stall) at 6s for 3s", "column 25: mode: given for crash: expected it only for block"},
		{"crash(connector-1, delay=20ms) at 6s for 3s", "column 26: delay: given for crash: expected it only for degrade, slow-directory or slow-adfs"},
		{"crash(connector-1, colour=red) at 6s for 3s", "column 20: colour: expected no settings: crash has none"},
		{"block(connector-1, mode=stall) at 6s for 3s", "column 1: ports: missing: expected the ports, such as requests"},
		{"block(connector-1, ports=requests) at 6s for 3s", "column 1: mode: missing: expected refuse, reset, stall, drop or reject"},
		{"block(connector-1, ports=requests, mode=dorp) at 6s for 3s", "column 41: mode: dorp: expected refuse, reset, stall, drop or reject; did you mean drop?"},
		{"block(connector-1, mode=stall, mode=stall, ports=443) at 6s for 3s", "column 32: mode: given twice: expected it once"},
		{"block(directory, ports=requests, mode=stall) at 6s for 3s", "column 24: ports: 9350, 9352, 5671: expected ldaps, the port of directory"},
		{"block(balancer, ports=https, mode=stall) at 6s for 3s", "column 7: target: balancer: expected a connector such as connector-1, connectors, directory, directory-1, adfs-1 or adfs for block"},
		{"block(adfs-1, ports=ldaps, mode=stall) at 6s for 3s", "column 21: ports: ldaps: expected https, the port of adfs-1"},
		{"block(connector-1, ports=https, mode=stall) at 6s for 3s", "column 26: ports: https: expected it only for federation servers"},
		{"block(adfs, ports=https, mode=drop) at 6s for 3s", "column 31: mode: drop: expected refuse, reset or stall for adfs"},
		{"degrade(adfs-1, ports=https, loss=5%) at 6s for 3s", "column 1: by: kernel: expected gate, for adfs-1"},
		{"slow-adfs(connector-1, delay=1s) at 6s for 3s", "column 11: target: connector-1: expected adfs-1 or adfs for slow-adfs"},
		{"crash(adfs-0) at 6s for 3s", "column 7: target: adfs-0: expected a connector such as"},
		{"block(connector-1, ports=81, mode=stall) at 6s for 3s", "column 26: ports: 81: expected a documented port"},
		{"block(connector-1, ports=9350,70000, mode=stall) at 6s for 3s", "column 31: ports: 70000: expected a port from 1 to 65535"},
		{"block(connector-1, ports=10120-10100, mode=stall) at 6s for 3s", "column 26: ports: 10120-10100: expected a documented port"},
		{"block(connector-1, ports=9350-9352, mode=stall) at 6s for 3s", "column 26: ports: 9350-9352: expected a documented port"},
		{"slow-directory(connector-1, delay=20ms) at 6s for 3s", "column 16: target: connector-1: expected directory or directory-1 for slow-directory"},
		{"slow-directory(directory) at 6s for 3s", "column 1: delay: missing: expected a duration to add to each bind"},
		{"block(connector-1, colour=red) at 6s for 3s", "column 20: colour: expected ports=, mode=, direction=, by= or register= with its value"},
		{"block(connector-1, ports=443,ldaps, mode=drop) at 6s for 3s", "column 26: ports: ldaps and ports of the cloud: expected one of them"},
		{"block(connector-1, ports=443, mode=reset, direction=out) at 6s for 3s", "column 53: direction: given for mode reset: expected it only for stall or drop"},
		{"power-loss(directory) at 6s for 3s", "column 12: target: directory: expected a connector such as connector-1 or connectors for power-loss"},
		{"limit-cpu(connector-1) at 6s for 3s", "column 1: cpu: missing: expected a share of one processor"},
		{"limit-cpu(connector-1, cpu=0.5) at 6s for 3s", "column 28: cpu: 0.5: expected a share from 1% to 10000%"},
		{"limit-memory(all, memory=1MiB) at 6s for 3s", "column 26: memory: 1MiB: expected an amount of memory from 4MiB to 1TiB"},
		{"degrade(connector-1, ports=443) at 6s for 3s", "column 1: delay: missing: expected delay, bandwidth or loss"},
		{"degrade(connector-1, ports=443, delay=5ms, jitter=6ms) at 6s for 3s", "column 51: jitter: 6ms: expected at most the delay, which is 5ms"},
		{"degrade(connector-1, ports=443, bandwidth=5) at 6s for 3s", "column 43: bandwidth: 5: expected bits per second from 1kbit/s to 100Gbit/s"},
		{"degrade(connector-1, ports=443, delay=5ms, by=gate) at 6s for 3s", "column 47: by: gate: expected it only with loss"},
		{"hanging-directory(only=directory) at 6s for 3s", "column 24: only: directory: expected a connector such as connector-1"},
		{"crowded-directory() at 6s for 3s", "column 1: connections: missing: expected how many connections"},
		{"stale-hashes(directory, age=1h) at 6s for 3s", "column 14: target: directory: expected hash-store for stale-hashes"},
		{"missing-hashes(share=101%) at 6s for 3s", "column 22: share: 101%: expected a share from 0.01% to 100%"},
		{"nemesis(connector-1) at 6s for 3s", "column 9: target: connector-1: expected connectors for nemesis"},
		{"nemesis(kinds=crash,degrade) at 6s for 3s", "column 21: kinds: degrade: expected crash, freeze, stop, power-loss, block or slow-directory"},
		{"nemesis(kinds=crash,crash) at 6s for 3s", "column 15: kinds: crash twice: expected each kind once"},
		{"nemesis() at 6s for 30s every 40s", "column 31: every: 40s: expected it not for nemesis"},
		{"nemesis() at 6s for 999ms", "column 21: for: 999ms: expected at least 1s for nemesis"},
		{"crash(connector-1) after for 3s", "column 30: 3s: expected for and a duration, such as for 3s"},
		{"crash(connector-1) after Crash for 3s", "column 26: after: Crash: expected a name of lower-case"},
		{"crash(connector-1) after crash-1 + for 3s", "column 36: at: for: expected a duration from 0s to 24h"},
		{"crash(connector-1) after crash-1 at 2s for 3s", "column 34: at: expected for and a duration, such as for 3s"},
		{"crash(connector-1) at 6s + 2s for 3s", "column 26: +: expected for and a duration, such as for 3s"},
		{"crash(connector-1) at 6s for 3s every 3s", "column 39: every: 3s: expected more than 3s, which each repetition lasts"},
		{"crash(connector-1) at 6s for 3s until 60s", "column 33: until: expected the end of the line, or every or as and a name"},
		{"crash(connector-1) at 6s for 3s every 10s until 5s", "column 49: until: 5s: expected more than 6s, when the first begins"},
		{"crash(connector-1) at 6s for 3s as a every 10s", "column 38: every: expected the end of the line"},
		{"slow-directory(directory, delay=0s) at 6s for 3s", "column 33: delay: 0s: expected a duration from 1ms to 1m"},
	} {
		_, err := ParseFault(c.line)
		var m Mistake
		if !errors.As(err, &m) {
			t.Errorf("%s: %v, want a mistake", c.line, err)
			continue
		}
		if !strings.HasPrefix(m.Error(), c.want) {
			t.Errorf("%s:\n got %s\nwant %s", c.line, m.Error(), c.want)
		}
	}
}

// randomFault makes a fault that is right in itself.
func randomFault(random *rand.Rand) Fault {
	between := func(from, to Duration) Duration { return from + Duration(random.Int64N(int64(to-from))) }
	f := Fault{
		Kind: FaultKind(pick(random, Crash.words())),
		At:   between(0, 23*3600*second),
		For:  between(second/1000, 23*3600*second),
	}
	kind := kinds[f.Kind]
	f.Target = pick(random, kind.targets)
	for _, m := range members {
		if f.Target == m.stands {
			f.Target = m.name(1 + random.IntN(40))
		}
	}
	switch random.IntN(4) {
	case 0:
		f.After = pick(random, []string{"all-down", "crash-1"})
	case 1:
		f.With = "b"
	}
	if f.relative() && random.IntN(2) == 0 {
		f.At = 0
	}
	if f.Kind == Nemesis {
		f.For = max(f.For, minNemesis)
	} else if random.IntN(3) == 0 {
		f.Every = f.For + between(1, 3600*second)
		if random.IntN(2) == 0 {
			f.Until = f.At + between(second/1000, 3600*second)
		}
	}
	for _, setting := range faultSettings {
		if slices.Contains(kind.needs, setting.name) || slices.Contains(kind.allows, setting.name) && random.IntN(2) == 0 {
			randomSetting(random, &f, setting.name)
		}
	}
	// What depends on other settings.
	if f.Mode != Stall && f.Mode != Drop && f.Kind == Block {
		f.Direction = ""
	}
	if f.Kind == Block && f.By != "" {
		f.By = ByEither
		if f.Mode != Drop && f.Mode != Reject {
			f.By = ""
		}
	}
	if f.Kind == Degrade {
		if f.By == ByEither {
			f.By = ByGate
		}
		if f.Delay == 0 && f.Bandwidth == 0 {
			f.Loss = 0.001
		}
		f.Jitter = min(f.Jitter, f.Delay)
		if f.Loss == 0 {
			f.By = ""
		}
	}
	if own := f.ownPort(); own != "" && f.ofPorts() {
		f.Ports, f.Register = []string{own}, false
		if f.Loss != 0 {
			f.By = ByGate
		}
		if f.Mode == Drop || f.Mode == Reject {
			f.Mode, f.By = Stall, ""
		}
	}
	if random.IntN(2) == 0 {
		f.Name = pick(random, []string{"all-down", "a", "crash", "crash-0", "crash-01", "b-2-c", "crash-1-2"})
	}
	return f
}

// randomSetting gives a fault any value of a setting.
func randomSetting(random *rand.Rand, f *Fault, name string) {
	duration := Duration(time.Millisecond) + Duration(random.Int64N(int64(59*time.Second)))
	switch name {
	case "ports":
		if random.IntN(5) == 0 {
			f.Ports = []string{ldapsPort}
			return
		}
		numbers := portNumbers()
		for range 1 + random.IntN(6) {
			f.Ports = addPorts(f.Ports, []string{fmt.Sprint(numbers[random.IntN(len(numbers))])})
		}
		if random.IntN(2) == 0 {
			more, _ := expandPort(pick(random, []string{"requests", "responses", "10103-10107"}))
			f.Ports = addPorts(f.Ports, more)
		}
	case "mode":
		f.Mode = BlockMode(pick(random, Refuse.words()))
	case "direction":
		f.Direction = Direction(pick(random, Both.words()))
	case "by":
		f.By = Means(pick(random, ByGate.words()))
	case "delay":
		f.Delay = duration
	case "jitter":
		f.Jitter = duration
	case "bandwidth":
		f.Bandwidth = BitRate(1000 + random.Float64()*1e9)
	case "loss":
		f.Loss = Share(0.0001 + random.Float64()/2)
	case "cpu":
		f.CPU = Share(0.01 + random.Float64()*10)
	case "memory":
		f.Memory = 4<<20 + Bytes(random.Int64N(1<<39))
	case "only":
		f.Only = connectorName(1 + random.IntN(40))
	case "connections":
		f.Connections = 1 + random.IntN(1000)
	case "age":
		f.Age = second + duration
	case "share":
		f.Share = Share(0.0001 + random.Float64()/2)
	case "kinds":
		for _, n := range random.Perm(len(nemesisKinds))[:1+random.IntN(len(nemesisKinds))] {
			f.Kinds = append(f.Kinds, nemesisKinds[n])
		}
	case "version":
		f.Version = fmt.Sprintf("%d.%d.%d", random.IntN(20), random.IntN(20), random.IntN(20))
	case "flaw":
		f.Flaw = UpdateFlaw(pick(random, NoFlaw.words()))
	case "register":
		f.Register = true
	case "host":
		f.Host = connectorName(1 + random.IntN(40))
	case "budget":
		f.Budget = 1 + random.IntN(40)
	case "seed":
		f.Seed = random.Uint64()
	default:
		panic("no random " + name)
	}
}

func pick(random *rand.Rand, words []string) string { return words[random.IntN(len(words))] }

func TestFaultsReadBack(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 1_500 {
		f := randomFault(random)
		got, err := ParseFault(f.String())
		if err != nil || !reflect.DeepEqual(got, f) {
			t.Fatalf("%s:\n got %#v, %v\nwant %#v", f, got, err, f)
		}
	}
}

// The mapping form takes the same faults, and an override reaches the fields of
// both.
func TestFaultsAreMappingsToo(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		f := randomFault(random)
		f.Name = "mine"
		line := &node{kind: scalar, text: f.String(), at: position{src: &source{}}}
		line.expandFault()
		if line.kind != mapping {
			t.Fatalf("%s is no mapping", f)
		}
		var got Fault
		d := newDecoder()
		d.structure(line, reflect.ValueOf(&got).Elem(), "f", line.at)
		d.fault(&got, "f")
		if len(d.mistakes) > 0 || !reflect.DeepEqual(got, f) {
			t.Fatalf("%s:\n got %#v\n%v\nwant %#v", f, got, d.mistakes, f)
		}
		var written bytes.Buffer
		writeStruct(&written, reflect.ValueOf(f), "")
		src := &source{}
		b := &builder{src: src, first: position{src: src, line: 1, column: 1}, mistakes: &d.mistakes}
		var read Fault
		d.structure(b.build(written.Bytes()), reflect.ValueOf(&read).Elem(), "again", line.at)
		if len(d.mistakes) > 0 || !reflect.DeepEqual(read, f) {
			t.Fatalf("%s\n got %#v\n%v\nwant %#v", &written, read, d.mistakes, f)
		}
	}
}

func FuzzParseFault(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 0))
	for range 20 {
		f.Add(randomFault(random).String())
	}
	f.Add("block(connector-1,ports=,mode=) at for as")
	f.Fuzz(func(t *testing.T, line string) {
		fault, err := ParseFault(line)
		if err != nil {
			var m Mistake
			if !errors.As(err, &m) || m.Column < 1 || m.Expected == "" {
				t.Fatalf("%q: %v: want a mistake with its column", line, err)
			}
			return
		}
		if fault.defaultNamed() {
			fault.Name = "" // it is left out of the line
		}
		again, err := ParseFault(fault.String())
		if err != nil || !reflect.DeepEqual(again, fault) {
			t.Fatalf("%q prints %q, which is read as %#v, %v", line, fault, again, err)
		}
	})
}
