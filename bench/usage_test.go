package bench

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"ptabench/observe"
	"ptabench/results"
)

// TestUsageIsWrittenDown holds that each reading of a role leaves a line, the
// cloud's with what connectors have in hand, and the harness's with it; and
// that nothing is written before time 0.
func TestUsageIsWrittenDown(t *testing.T) {
	cloud := newFakeRole(t, roleCloud, roleCloud, observe.CloudCounters{Tenants: []observe.TenantCounters{
		{Queued: 4, Connectors: []observe.ConnectorCounters{{Name: "connector-1", InFlight: 7}}},
	}})
	w, _ := watching(t, time.Hour, cloud)
	dir := t.TempDir()
	log, err := results.CreateUsageLog(filepath.Join(dir, results.UsageFile))
	if err != nil {
		t.Fatal(err)
	}
	w.keepUsage(log)
	w.read(context.Background())
	w.begin(time.Now())
	w.read(context.Background())
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	var got []results.Usage
	if _, err := (&results.Run{Dir: dir}).Usage(func(u results.Usage) error { got = append(got, u); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Process != harnessName || got[1].Process != roleCloud {
		t.Fatalf("%+v, expected a line of the harness and one of the cloud", got)
	}
	if got[0].CPU <= 0 {
		t.Errorf("the harness used %d ns of CPU, expected some", got[0].CPU)
	}
	if got[1].InFlight["connector-1"] != 7 || got[1].Queued != 4 {
		t.Errorf("in hand %v, queued %d, expected 7 and 4", got[1].InFlight, got[1].Queued)
	}
}
