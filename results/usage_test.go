package results

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// TestUsage writes what processes used and reads it back, with a torn line at
// its end as a kill leaves it.
func TestUsage(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, UsageFile)
	log, err := CreateUsageLog(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []Usage{
		{At: 1e9, Process: "cloudsim", CPU: 5e8, RSS: 1 << 20, InFlight: map[string]int{"connector-1": 3}, Queued: 2},
		{At: 1e9, Process: "connector-1", CPU: 1e8},
	}
	for _, u := range want {
		log.Append(u)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := CreateUsageLog(path); err == nil {
		t.Error("a second log in the same place: expected an error")
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"at_ns": 2`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var got []Usage
	torn, err := (&Run{Dir: dir}).Usage(func(u Usage) error { got = append(got, u); return nil })
	if err != nil || torn != 1 || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %d torn, %v; expected %v, 1 torn, nil", got, torn, err, want)
	}
	if torn, err := (&Run{Dir: t.TempDir()}).Usage(func(Usage) error { return nil }); torn != 0 || err != nil {
		t.Errorf("a run without: %d torn, %v; expected none", torn, err)
	}
}
