package observe

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

func TestInventory(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	at := func(d time.Duration) int64 { return now.Add(d).UnixNano() }
	day := 24 * time.Hour
	list := Inventory{Tenant: "contoso", AtNS: now.UnixNano(), Connectors: []InventoryConnector{
		{Name: "connector-1", ID: "a1", Host: "host-1", Version: "0.1.0", State: StateActive, Serving: true,
			RegisteredNS: at(-day), ExpiresNS: at(179 * day), LastSeenNS: at(-time.Second), SignIns: 1200, Failures: 3, ShareRatio: 0.75,
			LastReport: &InventoryReport{AtNS: at(-4 * time.Minute), UptimeNS: int64(day), DirectoryReachable: true, Authentications: 1203, Successful: 1100, Failed: 100, Errors: 3}},
		{Name: "connector-2", ID: "a2", Version: "0.1.0", State: StateActive, ExpiresNS: at(30 * time.Hour), SignIns: 400, ShareRatio: 0.25,
			LastReport: &InventoryReport{AtNS: at(-90 * time.Second)}},
		{Name: "connector-3", ID: "a3", State: StateExpired, ExpiresNS: at(-3 * day)},
		{Name: "connector-4", ID: "a4", Version: "0.0.9", State: StateRevoked, ExpiresNS: at(30 * time.Minute)},
		{Name: "connector-5", ID: "a5", Version: "0.1.0", State: StateInactive, ExpiresNS: at(90 * day), LastReport: &InventoryReport{AtNS: at(-5 * time.Hour), DirectoryReachable: true}},
	}}
	var text, none bytes.Buffer
	if err := list.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/inventory.txt", text.Bytes())
	b, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/inventory.json", append(b, '\n'))
	if err := (&Inventory{Tenant: "contoso"}).WriteText(&none); err != nil || none.String() != "tenant contoso has no connectors\n" {
		t.Errorf("none: %q, %v", none.String(), err)
	}
}
