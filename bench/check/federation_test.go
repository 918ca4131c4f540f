package check

import (
	"strings"
	"testing"

	"ptabench/observe"
	"ptabench/results"
)

// federate makes a world's sign-ins those of federated users: each begins at
// the one federation server, which refuses the wrong passwords itself.
func (w *world) federate() {
	for i := range w.samples {
		s := &w.samples[i]
		s.Path, s.Attempts, s.Server = results.PathFederation, 0, 1
	}
}

// settleFederation derives the ledgers of cloud and federation server: the cloud
// has no word of what was refused.
func (w *world) settleFederation(t *testing.T) Input {
	t.Helper()
	w.settle()
	in := w.input(t)
	in.Header.Federation = []string{"adfs-1"}
	in.Federated = []bool{true}
	var farm observe.FederationCounters
	farm.Refused = map[string]uint64{}
	log := []string{logHeader}
	tenant := &in.Cloud[0].Counters.Tenants[0]
	tenant.Received, tenant.Accepted, tenant.Refused, tenant.Federation = 0, 0, 0, 0
	binds := map[string]*observe.UserBinds{}
	for _, s := range w.samples {
		upn := w.people.UPN(int(s.User))
		if binds[upn] == nil {
			binds[upn] = &observe.UserBinds{User: upn}
		}
		farm.Received++
		farm.Binds++
		if s.Outcome == results.OutcomeRefused {
			farm.Refused["50126"]++
			binds[upn].Refused++
			continue
		}
		farm.Accepted++
		binds[upn].Success++
		tenant.Received++
		tenant.Accepted++
		tenant.Federation++
		log = append(log, strings.Join([]string{"1", requestID(s.Seq), "contoso", upn, "accepted", "0", "federation", "", "0"}, ","))
	}
	in.SignInLog = strings.NewReader(strings.Join(log, "\n") + "\n")
	in.Federation = []FederationBook{{Name: "adfs-1", Counters: farm}}
	in.Directory = []DirectoryBook{{Counters: observe.DirectoryCounters{Binds: map[string]uint64{"success": farm.Accepted, "wrong-password": farm.Refused["50126"]}}}}
	for _, u := range binds {
		in.Directory[0].Users = append(in.Directory[0].Users, *u)
	}
	in.Connectors = nil
	return in
}

// broken are the equations that do not hold.
func brokenOf(r *results.Result) (texts []string) {
	for _, c := range r.Ledgers.Checks {
		if !c.Holds {
			texts = append(texts, c.Text)
		}
	}
	return texts
}

func TestFederationLedger(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(w *world, in *Input)
		want  string // the one equation that breaks; empty for none
	}{
		{"as it should be", func(*world, *Input) {}, ""},
		{"a token that nobody issued", func(_ *world, in *Input) {
			in.Federation[0].Counters.Accepted--
			in.Federation[0].Counters.Failed = map[string]uint64{"80007": 1}
		},
			"tokens that the cloud took <= tokens issued by federation servers"},
		{"issued and never brought", func(_ *world, in *Input) {
			in.Federation[0].Counters.Accepted++
			in.Federation[0].Counters.Failed = nil
			in.Federation[0].Counters.Refused["50126"]--
		}, "sign-ins refused by federation <= refusals by federation servers"},
		{"a killed server took its counts along", func(_ *world, in *Input) {
			in.Federation[0] = FederationBook{Name: "adfs-1", Counters: observe.FederationCounters{Received: 3, Accepted: 1}, Killed: true}
		}, ""},
		{"asked more often than users did", func(_ *world, in *Input) {
			in.Federation[0].Counters.Received++
			in.Federation[0].Counters.InFlight = 1
		},
			"received by federation servers <= sign-ins sent to them"},
		{"the cloud counts otherwise than it logs", func(_ *world, in *Input) { in.Cloud[0].Counters.Tenants[0].Federation-- },
			"decided by federation = entries in the log that say so"},
		{"a directory without books", func(_ *world, in *Input) { in.Uncounted, in.Directory = "of kind slapd", []DirectoryBook{{}} }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.federate()
			in := w.settleFederation(t)
			c.spoil(w, &in)
			r := &results.Result{}
			if err := Conclude(in, r); err != nil {
				t.Fatal(err)
			}
			got := brokenOf(r)
			if c.want == "" && len(got) > 0 || c.want != "" && (len(got) == 0 || got[0] != c.want) {
				t.Errorf("broken: %q; want %q", got, c.want)
			}
			if r.Ledgers.Federation == nil || len(r.Ledgers.Missing) > 0 {
				t.Errorf("ledger %v, missing %q", r.Ledgers.Federation, r.Ledgers.Missing)
			}
		})
	}
}
