package fault

import (
	"encoding/json"
	"testing"

	"ptabench/observe"
)

// TestIntentLine freezes the form of the line that heals depend on. There is
// no place in it for the token of the endpoint.
func TestIntentLine(t *testing.T) {
	gate := observe.Gate{ID: "fault-1", Ports: []string{"9350"}, Sources: []string{"127.0.0.11"}, Mode: observe.GateStall}
	text, err := json.Marshal(line{Kind: lineIntent, Fault: 1, Undo: &Undo{Action: ActionClearGate, Gate: &gate, Address: "127.0.0.1:9"}})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"kind":"intent","at_unix_ns":0,"fault":1,"undo":{"action":"clear-gate","text":"","processes":null,` +
		`"gate":{"id":"fault-1","ports":["9350"],"sources":["127.0.0.11"],"mode":"stall"},"address":"127.0.0.1:9"}}`
	if string(text) != want {
		t.Errorf("a line is\n%s, want\n%s", text, want)
	}
	text, err = json.Marshal(Undo{Action: ActionDeleteRules, Table: "ptabench_1", Namespace: "net:[2]", Also: []Undo{{Action: ActionRemoveGroups, Groups: []string{"/a"}}}})
	if err != nil {
		t.Fatal(err)
	}
	want = `{"action":"delete-rules","text":"","processes":null,"table":"ptabench_1","network_namespace":"net:[2]",` +
		`"also":[{"action":"remove-groups","text":"","processes":null,"cgroups":["/a"]}]}`
	if string(text) != want {
		t.Errorf("an undo is\n%s, want\n%s", text, want)
	}
}

func BenchmarkJournal(b *testing.B) {
	journal, err := Create(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer journal.Close()
	for b.Loop() {
		if err := journal.Process("connector-1", "connector", gone); err != nil {
			b.Fatal(err)
		}
	}
}
