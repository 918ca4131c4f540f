package page

import (
	"bytes"
	"html"
	"slices"
	"strings"
	"testing"

	"ptabench/results"
)

// What the terminal says of tenants, of what happened to users, of a search for
// a capacity and of federated sign-ins stands on the page too.
func TestPartsOfSomeRuns(t *testing.T) {
	run := kinds["short"].run(t, "parts")
	r := &run.Result
	r.Tenants = []results.Tenant{
		{Name: "contoso", Sent: 3, Accepted: 3, ByPath: results.ByPath{Federation: 3}},
		{Name: "fabrikam", Sent: 5, Accepted: 4, Failed: 1, ByPath: results.ByPath{PassThrough: 3, HashSync: 1}},
	}
	r.Capacity = &results.Capacity{Objective: "p99(response) < 200ms", Held: 300, Broken: 330, Note: "It ended early.",
		Trials: []results.Trial{{Rate: 330, Why: "p99(response) was 210 ms", Value: 2.1e8, Unit: "ns", LagP99: 4_560_000}}}
	r.Events = []results.Happened{{Event: "disable", Count: 31}}
	r.Sync = &results.Sync{Accounts: 2131, Cycles: 7, OldestMaxNS: 8_100_000_000}
	r.Time = results.TimeSpent{Connector: 1_110_000, Directory: 2_000_000}
	r.FederationTime = &results.TimeSpent{Connector: 7_770_000, Rest: 1_000_000}
	r.WrongByCause = nil
	var out bytes.Buffer
	if err := Write(&out, run); err != nil {
		t.Fatal(err)
	}
	text := html.UnescapeString(out.String())
	for _, want := range []string{
		"contoso: 3 by federation.", "fabrikam: 3 by pass-through and 1 by hash sync.",
		r.Capacity.Text(), "It ended early.", "210 ms", "4.56 ms",
		r.ChangesText(), "31 disable",
		"a pass-through sign-in", "1.11 ms", "a federated sign-in", "federation server", "7.77 ms",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q on the page", want)
		}
	}
	if strings.Contains(text, "Answers that differ") {
		t.Error("there is a table of wrong answers, of which there are none")
	}
}

// Where nobody was asked by pass-through, no chart says how long that took, but
// how long federation did.
func TestNoPassThrough(t *testing.T) {
	run := kinds["short"].run(t, "federated")
	run.Result.SignIns.ByPath = results.ByPath{Federation: 10}
	spent := func() *Chart {
		d, err := Of(run)
		if err != nil {
			t.Fatal(err)
		}
		return &d.Charts[slices.IndexFunc(d.Charts, func(c Chart) bool { return c.ID == "time-spent" })]
	}
	if c := spent(); c.Missing == "" { // as in runs that did not record it
		t.Errorf("it says %q", c.Says)
	}
	run.Result.FederationTime = &results.TimeSpent{Connector: 7_770_000, Rest: 1_000_000}
	if c := spent(); c.Missing != "" || !strings.Contains(c.Says, "a federated sign-in took 8.77 ms") || c.Series[1].Name != "federation server" {
		t.Errorf("missing %q, says %q, %+v", c.Missing, c.Says, c.Series)
	}
}
