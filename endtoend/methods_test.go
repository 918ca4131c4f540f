package endtoend

import (
	"os"
	"path/filepath"
	"testing"
)

// severalTenants is a load on a tenant of each method, and then the search for
// the highest rate that they carry together.
const severalTenants = `format: 1
name: several-tenants
population: {users: 300, spread: zipf 0.5}
tenants:
  - {name: contoso, domains: [contoso.test], method: federation}
  - {name: fabrikam, domains: [fabrikam.test], fallback: off, connectors: 1}
  - {name: tailspin, domains: [tailspin.test], method: hash-sync}
connectors: {count: 1}
load: {rate: 60/s, warmup: 500ms, duration: 3s, mix: {right: 80%, wrong: 10%, unknown: 10%}}
capacity: {objective: p90(response) < 5s, from: 20/s, to: 40/s, trial: 500ms, within: 4s}
objectives:
  - failed == 0
  - unknown == 0 of contoso
  - sent > 0 of tailspin
  - share(federation) > 0%
  - wrong_accepts == 0
  - wrong_refusals == 0
`

func TestSeveralTenantsAndMethods(t *testing.T) {
	file := filepath.Join(t.TempDir(), "several-tenants.yaml")
	if err := os.WriteFile(file, []byte(severalTenants), 0o600); err != nil {
		t.Fatal(err)
	}
	e, r, _ := run(t, file, "--skip-ceiling")
	if e.code != 0 && e.code != 2 { // a busy machine may be late
		t.Fatalf("exit %d", e.code)
	}
	if !r.Ledgers.Balanced {
		t.Error("the ledgers do not balance")
	}
	if len(r.Tenants) != 3 {
		t.Fatalf("%d tenants", len(r.Tenants))
	}
	var sent uint64
	for i, tenant := range r.Tenants {
		sent += tenant.Sent
		decided := []uint64{tenant.ByPath.Federation, tenant.ByPath.PassThrough, tenant.ByPath.HashSync}
		for path, n := range decided {
			if (n > 0) != (path == i) {
				t.Errorf("%s: by federation, pass-through and hash sync %v", tenant.Name, decided)
			}
		}
		if tenant.Response.Samples != tenant.Sent || tenant.Lost() != 0 {
			t.Errorf("%+v", tenant)
		}
	}
	if sent != r.SignIns.Sent {
		t.Errorf("%d sign-ins of tenants, %d sent", sent, r.SignIns.Sent)
	}
	if r.FederationTime == nil || r.FederationTime.Directory <= 0 || r.FederationTime.Connector <= 0 {
		t.Errorf("time of federated sign-ins: %+v", r.FederationTime)
	}
	if c := r.Capacity; c == nil || len(c.Trials) == 0 || c.Trials[0].Rate != 20 || c.Trials[0].Planned == 0 {
		t.Errorf("capacity: %+v", c)
	}
}
