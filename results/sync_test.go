package results

import (
	"bytes"
	"strings"
	"testing"
)

// A line right below a table would be a row of it.
func TestChangesAreNoRowOfATable(t *testing.T) {
	r := passing(t)
	r.WrongByCause = []Wrong{{Kind: "wrong-accept", Path: "hash-sync", Cause: "hash sync holds an older password", Count: 3}}
	r.Events = []Happened{{Event: "disable", Count: 31, Asked: 3000}, {Event: "lock", Count: 7, Asked: 7}, {Event: "unlock", Count: 2}}
	var out bytes.Buffer
	if err := Markdown(&out, &r); err != nil {
		t.Fatal(err)
	}
	before, _, found := strings.Cut(out.String(), "While the load went on, this happened to users: 31 of 3,000 disable, 7 lock, 2 unlock.")
	if !found || !strings.HasSuffix(before, "\n\n") || !strings.Contains(before, "### Changes") {
		t.Errorf("it follows %q", before[max(0, len(before)-120):])
	}
}
