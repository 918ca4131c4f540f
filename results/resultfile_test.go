package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// fullResult is a result with something in every field: what the quickstart
// might have found.
func fullResult(t testing.TB) Result {
	h := complete(testHeader())
	h.Connectors = []string{"connector-1", "connector-2", "connector-3", "connector-4"} // the last gets nothing
	short := h
	short.Connectors = h.Connectors[:3]
	h.Planned = 27_000
	r := summarise(h, madeUp(t, 4, short, 30_000))
	r.Verdict = Fail
	r.Reasons = []string{
		"failed == 0 was missed: 537 sign-ins failed",
		"the ledgers do not balance: 2 of the sign-ins that the harness sent were never received by the cloud, which nothing excuses",
	}
	addHA(&r)
	r.Processes = []Process{
		{Name: "cloudsim", Role: "cloudsim", Starts: 1, CPU: 3_600_000_000, CPUPerSignIn: 120_000, RSSMax: 89_338_675},
		{Name: "connector-1", Role: "connector", Starts: 2, CPU: 1_100_000_000, CPUPerSignIn: 36_000, RSSMax: 31_457_280},
	}
	r.Ledgers = Ledgers{
		Harness: map[string]uint64{"sent": 30_000}, Cloud: map[string]uint64{"received": 29_998},
		Connectors: map[string]uint64{"taken": 28_000}, Directory: map[string]uint64{"binds": 28_000},
		Checks: []LedgerCheck{
			{Text: "sent by the harness = received by the cloud", Left: 30_000, Op: "=", Right: 29_998},
			{Text: "definite answers that connectors gave <= binds that the directory made for users", Left: 27_990, Op: "<=", Right: 28_000, Holds: true,
				Note: "connector-1 was killed with sign-ins in hand"},
		},
		Missing: []string{"id-1", "id-2", "id-3", "id-4", "id-5", "id-6"}, Doubled: []string{"id-7"},
	}
	r.Warnings = []string{
		"the load generator shared its processors with what it measured, so that a ratio within this run means more than any absolute figure",
		"an ordinary one",
	}
	return r
}

func TestResultFileRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), ResultFile)
	want := fullResult(t)
	for range 2 { // the second replaces the first
		if err := WriteResult(path, &want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadResult(path)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("read back\n%+v\nwritten\n%+v", *got, want)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// The names that other programs read. Removing or renaming one is a new Format.
func TestResultNamesAreFrozen(t *testing.T) {
	r := fullResult(t)
	var text bytes.Buffer
	if err := JSON(&text, &r); err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(text.Bytes(), &tree); err != nil {
		t.Fatal(err)
	}
	for _, path := range strings.Fields(`
		format scenario verdict reasons seed started_at duration_ns command version machine.cpus machine.cpu_model
		sign_ins.planned sign_ins.sent sign_ins.accepted sign_ins.refused sign_ins.failed sign_ins.unknown sign_ins.unsent
		sign_ins.handed_off sign_ins.wrong_accepts sign_ins.wrong_refusals sign_ins.other_reason sign_ins.by_code.0 sign_ins.errors.timeout
		sign_ins.by_path.pass_through sign_ins.by_path.hash_sync
		response_ns.p50 response_ns.p90 response_ns.p99 response_ns.p999 response_ns.max response_ns.mean response_ns.samples response_ns.p99_interval
		service_ns.p99 lag_ns.p99 rate.planned_per_s rate.achieved_per_s rate.answered_per_s
		time_spent_ns.queue time_spent_ns.connector time_spent_ns.directory time_spent_ns.rest
		objectives.text objectives.verdict objectives.value objectives.unit
		connectors.name connectors.sign_ins connectors.share_ratio connectors.in_flight_peak connectors.handed_off connectors.restarts
		balance.jain balance.least_loaded balance.most_loaded balance.got_nothing
		faults.name faults.kind faults.target faults.at_ns faults.duration_ns faults.injections faults.detect_ns faults.failover_ns
		faults.recover_ns faults.lost faults.handed_off faults.hash_sync faults.p99_ns faults.healed
		wrong_by_cause.kind wrong_by_cause.path wrong_by_cause.cause wrong_by_cause.count
		processes.name processes.cpu_ns processes.rss_bytes_max processes.cpu_per_sign_in_ns processes.starts
		ledgers.balanced ledgers.harness ledgers.cloud ledgers.connectors ledgers.directory ledgers.checks ledgers.missing ledgers.doubled
		preset time_scale network ceiling.per_s ceiling.duration_ns ceiling.p99_ns
		gates.name gates.text gates.value gates.limit gates.unit gates.holds gates.reason
		unavailable.repeated unavailable.seconds unavailable.of
		objectives.window objectives.limit objectives.samples objectives.reason
		connectors.capacity connectors.directory_delay_ns
		faults.rebalance_ns faults.error_window_ns faults.bad_seconds faults.doubled_binds faults.would_lock
		faults.wrong.kind faults.wrong.path faults.wrong.cause faults.wrong.count faults.tier faults.text
		intervals.at_ns intervals.sent intervals.p99_ns intervals.by_connector.connector-1 warnings`) {
		at := tree
		for name := range strings.SplitSeq(path, ".") {
			if list, ok := at.([]any); ok && len(list) > 0 {
				at = list[0]
			}
			object, _ := at.(map[string]any)
			next, ok := object[name]
			if !ok {
				t.Errorf("%s is not in result.json", path)
				break
			}
			at = next
		}
	}
}

func TestEmptyResultHasNoNulls(t *testing.T) {
	var text bytes.Buffer
	if err := JSON(&text, &Result{Verdict: Pass}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), "null") || !strings.Contains(text.String(), `"format": 2`) {
		t.Errorf("%s", &text)
	}
}

// A fault of format 2 has these however little there is to say of it.
func TestFaultsHaveNoNulls(t *testing.T) {
	r := Result{Verdict: Pass, Faults: []Fault{{Name: "crash-1"}}}
	var text bytes.Buffer
	if err := JSON(&text, &r); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), "null") {
		t.Errorf("%s", &text)
	}
	if r.Faults[0].Wrong != nil {
		t.Error("writing changed what was written")
	}
}

// The fixture is what the first release wrote.
func TestReadResultOfFormat1(t *testing.T) {
	r, err := ReadResult(filepath.Join("testdata", "result-1.json"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Format != Format || r.Verdict != Fail || r.Preset != "default" || r.TimeScale != 1 || r.Network != "loopback" || r.Gates == nil {
		t.Errorf("read as %+v", r)
	}
	if len(r.Faults) != 3 {
		t.Fatalf("%d faults", len(r.Faults))
	}
	for i, lost := range []uint64{0, 1, 0} {
		if f := r.Faults[i]; f.Lost != lost || f.Rebalance != Unseen || f.Wrong == nil {
			t.Errorf("%s lost %d, expected %d: %+v", f.Name, f.Lost, lost, f)
		}
	}
	if n := len(r.Warnings); n == 0 || !strings.Contains(r.Warnings[n-1], "format 1, which did not record") {
		t.Errorf("warnings %q", r.Warnings)
	}
	// Written again it is a whole result of this format.
	path := filepath.Join(t.TempDir(), ResultFile)
	if err := WriteResult(path, r); err != nil {
		t.Fatal(err)
	}
	again, err := ReadResult(path)
	if err != nil || !reflect.DeepEqual(again, r) {
		t.Errorf("written and read again: %v\n%+v\nexpected\n%+v", err, again, r)
	}
}

func TestReadResultRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"newer", `{"format": 3, "verdict": {"of": "another kind"}}`, "result.json: format 3: this ptabench reads up to 2"},
		{"no version", `{"verdict": "pass"}`, "result.json: format: expected a version from 1 to 2"},
		{"version 0", `{"format": 0}`, "result.json: format: expected a version from 1 to 2"},
		{"empty", "", "result.json:1:1: unexpected end of JSON input"},
		{"cut off", "{\n  \"format\": 1,\n  \"verd", "result.json:3:8: unexpected end of JSON input"},
		{"not JSON", "{\n  \"format\": 1,\n  verdict: pass\n}\n", "result.json:3:3: invalid character 'v'"},
		{"wrong type", "{\n  \"format\": 1,\n  \"seed\": \"seven\"\n}\n", "field seed: a string does not fit a uint64"},
		{"wrong verdict", `{"format": 1, "verdict": "fine"}`, `result.json: verdict "fine": expected one of [pass fail inconclusive aborted]`},
		{"no verdict", `{"format": 1}`, `result.json: verdict "": expected one of`},
	} {
		path := filepath.Join(t.TempDir(), ResultFile)
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := ReadResult(path)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %s", c.name, err, c.want)
		}
		var newer *NewerError
		if errors.As(err, &newer) != (c.name == "newer") {
			t.Errorf("%s: a %T", c.name, err)
		}
	}
}

func TestWriteResultSaysWhere(t *testing.T) {
	if err := WriteResult(filepath.Join(t.TempDir(), "absent", ResultFile), &Result{}); err == nil || !strings.Contains(err.Error(), "absent") {
		t.Errorf("into no directory: %v", err)
	}
}
