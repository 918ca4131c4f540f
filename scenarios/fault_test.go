package scenarios

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
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
		{"crush(connector-1) at 6s for 3s", "column 1: kind: crush: expected crash, freeze, stop, block or slow-directory; did you mean crash?"},
		{"crash", "column 6: expected ( and the target, as in crash(connector-1)"},
		{"crash() at 6s for 3s", "column 1: target: missing: expected a connector such as connector-1, connectors or directory"},
		{"crash(connector-01) at 6s for 3s", "column 7: target: connector-01: expected a connector such as connector-1, connectors or directory"},
		{"crash(connector-1 at 6s for 3s", "column 19: expected a comma or )"},
		{"crash(connector-1", "column 6: an open bracket: expected one that is closed"},
		{"crash(connector-1, connector-2) at 6s for 3s", "column 20: connector-2: expected ports=, mode= or delay= with its value"},
		{"crash(connector-1,) at 6s for 3s", `column 19: "": expected ports=, mode= or delay= with its value`},
		{"crash(connector-1) for 3s at 6s", "column 20: for: expected at 6s"},
		{"crash(connector-1) at 6s", `column 25: "": expected for 3s`},
		{"crash(connector-1) at 6 for 3s", "column 23: at: 6: expected a duration from 0s to 24h"},
		{"crash(connector-1) at -6s for 3s", "column 23: at: -6s: expected a duration from 0s to 24h"},
		{"crash(connector-1) at 6s for 0s", "column 30: for: 0s: expected a duration from 1ms to 24h"},
		{"crash(connector-1) at 6s for 3s as", `column 35: name: "": expected a name of lower-case`},
		{"crash(connector-1) at 6s for 3s as Dead", "column 36: name: Dead: expected a name of lower-case"},
		{"crash(connector-1) at 6s for 3s as dead man", "column 41: man: expected the end of the line"},
		{"crash(connector-1) at 6s for 3s or so", "column 33: or: expected the end of the line, or as and a name"},
		{"crash(connector-1, mode=stall) at 6s for 3s", "column 25: mode: given for crash: expected it only for block"},
		{"crash(connector-1, delay=20ms) at 6s for 3s", "column 26: delay: given for crash: expected it only for slow-directory"},
		{"crash(connector-1, colour=red) at 6s for 3s", "column 20: colour: expected ports=, mode= or delay="},
		{"block(connector-1, mode=stall) at 6s for 3s", "column 1: ports: missing: expected the ports to block, such as requests"},
		{"block(connector-1, ports=requests) at 6s for 3s", "column 1: mode: missing: expected refuse, reset or stall"},
		{"block(connector-1, ports=requests, mode=drop) at 6s for 3s", "column 41: mode: drop: expected refuse, reset or stall"},
		{"block(connector-1, mode=stall, mode=stall, ports=443) at 6s for 3s", "column 32: mode: given twice: expected it once"},
		{"block(directory, ports=requests, mode=stall) at 6s for 3s", "column 7: target: directory: expected a connector such as connector-1 or connectors for block"},
		{"block(connector-1, ports=80, mode=stall) at 6s for 3s", "column 26: ports: 80: expected a documented port"},
		{"block(connector-1, ports=9350,70000, mode=stall) at 6s for 3s", "column 31: ports: 70000: expected a port from 1 to 65535"},
		{"block(connector-1, ports=10120-10100, mode=stall) at 6s for 3s", "column 26: ports: 10120-10100: expected a documented port"},
		{"block(connector-1, ports=9350-9352, mode=stall) at 6s for 3s", "column 26: ports: 9350-9352: expected a documented port"},
		{"slow-directory(connector-1, delay=20ms) at 6s for 3s", "column 16: target: connector-1: expected directory for slow-directory"},
		{"slow-directory(directory) at 6s for 3s", "column 1: delay: missing: expected a duration to add to each bind"},
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
	f := Fault{
		Kind: FaultKind(pick(random, Crash.words())),
		At:   Duration(random.Int64N(int64(24 * time.Hour))),
		For:  Duration(time.Millisecond) + Duration(random.Int64N(int64(23*time.Hour))),
	}
	kind := kinds[f.Kind]
	var targets []string
	if kind.connectors {
		targets = append(targets, AllConnectors, connectorName(1+random.IntN(40)))
	}
	if kind.directory {
		targets = append(targets, DirectoryTarget)
	}
	f.Target = pick(random, targets)
	if f.Kind == Block {
		f.Mode = BlockMode(pick(random, Refuse.words()))
		numbers := portNumbers()
		for range 1 + random.IntN(6) {
			f.Ports = addPorts(f.Ports, []string{fmt.Sprint(numbers[random.IntN(len(numbers))])})
		}
		if random.IntN(2) == 0 {
			more, _ := expandPort(pick(random, []string{"requests", "responses", "10103-10107"}))
			f.Ports = addPorts(f.Ports, more)
		}
	}
	if f.Kind == SlowDirectory {
		f.Delay = Duration(time.Millisecond) + Duration(random.Int64N(int64(59*time.Second)))
	}
	if random.IntN(2) == 0 {
		f.Name = pick(random, []string{"all-down", "a", "crash", "crash-0", "crash-01", "b-2-c"})
	}
	return f
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
