package results

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// federatedSample is one sign-in of a federated tenant that took some ms.
func federatedSample(seq uint32, took int64) Sample {
	const ms = 1_000_000
	return Sample{Seq: seq, Due: int64(seq) * ms, Sent: int64(seq) * ms, Done: int64(seq)*ms + took*ms, Connector: 3000, Directory: 1000,
		Outcome: OutcomeAccepted, Path: PathFederation, Judgement: Right, Server: 2, Tenant: 1}
}

func TestTenantsAndFederation(t *testing.T) {
	h := testHeader()
	h.Tenants, h.Federation = []string{"contoso", "fabrikam"}, []string{"adfs-1", "adfs-2"}
	h.Planned, h.Duration = 20, 2_000_000_000
	var samples []Sample
	for i := range uint32(20) {
		s := federatedSample(i, 10)
		if i >= 15 {
			s.Tenant, s.Path, s.Server = 2, PathHashSync, 0
		}
		switch i {
		case 3:
			s.Outcome, s.Judgement, s.Code = OutcomeRefused, WrongRefusal, 50126
		case 4:
			s.Outcome, s.Judgement, s.Path, s.Server, s.Error = OutcomeUnknown, NotJudged, PathNone, 0, ErrorEOF
		case 19:
			s = Sample{Seq: i, Due: s.Due, Tenant: 2}
		}
		samples = append(samples, s)
	}
	file := writeSamples(t, t.TempDir(), h, samples)
	r, err := OpenSamples(file)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := Summarise(r.Header(), r.All())
	if err != nil {
		t.Fatal(err)
	}
	if n := got.SignIns.ByPath; n.Federation != 14 || n.HashSync != 4 || n.PassThrough != 0 {
		t.Errorf("%+v", n)
	}
	if len(got.Tenants) != 2 {
		t.Fatalf("%d tenants", len(got.Tenants))
	}
	first, second := got.Tenants[0], got.Tenants[1]
	if first.Name != "contoso" || first.Sent != 15 || first.Refused != 1 || first.Lost() != 1 || first.WrongAnswers != 1 || first.ByPath.Federation != 14 || first.Response.Samples != 15 {
		t.Errorf("%+v", first)
	}
	if second.Sent != 4 || second.Unsent != 1 || second.ByPath.HashSync != 4 {
		t.Errorf("%+v", second)
	}
	// 10 ms, of which 3 in the server, of which 1 in the directory.
	if spent := got.FederationTime; spent == nil || spent.Connector != 2_000_000 || spent.Directory != 1_000_000 || spent.Rest != 7_000_000 {
		t.Errorf("%+v", spent)
	}
	if in := got.Intervals[0]; in.Federation != 14 || in.FederationRefused != 1 || in.HashSync != 4 {
		t.Errorf("%+v", in)
	}
	got.Capacity = &Capacity{Objective: "p99(response) < 200ms", Held: 300, Broken: 330, Trials: []Trial{
		{Rate: 300, Held: true, Value: 1e7, Unit: "ns", Planned: 600, Answered: 600},
		{Rate: 330, Why: "p99(response) was 210 ms", Value: 2.1e8, Unit: "ns", Planned: 660, Answered: 659, Lost: 1, LagP99: 4_560_000},
	}}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"text":     func(b *bytes.Buffer) error { return Text(b, &got, false) },
		"markdown": func(b *bytes.Buffer) error { return Markdown(b, &got) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(b.String()), " ")
		for _, want := range []string{"contoso", "fabrikam", "by federation", "contoso: 14 by federation.", "holds up to a rate between 300/s and 330/s", "210 ms", "4.56 ms"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", name, want, b.String())
			}
		}
		for i, line := range strings.Split(b.String(), "\n") {
			if name == "text" && len([]rune(line)) > 80 {
				t.Errorf("line %d is too wide: %s", i+1, line)
			}
		}
	}
}

func TestCapacityText(t *testing.T) {
	for _, c := range []struct {
		of             Capacity
		text, interval string
	}{
		{Capacity{Objective: "x", Held: 1000, Broken: 1100}, "x holds up to a rate between 1,000/s and 1,100/s.", "1,000 to 1,100/s"},
		{Capacity{Objective: "x", Held: 1000}, "x holds at 1,000/s, the highest rate that was tried.", "≥ 1,000/s"},
		{Capacity{Objective: "x", Broken: 50}, "x does not even hold at 50.0/s, the lowest rate that was tried.", "< 50.0/s"},
		{Capacity{Objective: "x"}, "x: no rate was tried.", "-"},
	} {
		if got := c.of.Text(); got != c.text {
			t.Errorf("%s, expected %s", got, c.text)
		}
		if got := c.of.Interval(); got != c.interval {
			t.Errorf("%s, expected %s", got, c.interval)
		}
	}
}

func TestMatrixOfMethods(t *testing.T) {
	run := func(method string, held, broken float64, adfs int64) MatrixInput {
		r := &Result{Verdict: Pass, Capacity: &Capacity{Objective: "p99(response) < 200ms", Held: held, Broken: broken},
			Processes: []Process{{Name: "harness", Role: "bench", CPUPerSignIn: 9e5}, {Name: "cloudsim", Role: "cloudsim", CPUPerSignIn: 2e5},
				{Name: "connector-1", Role: "connector", CPUPerSignIn: 1e5}, {Name: "connector-2", Role: "connector", CPUPerSignIn: 1e5}}}
		if adfs > 0 {
			r.Processes = append(r.Processes, Process{Name: "adfs-1", Role: "adfs", CPUPerSignIn: adfs})
		} else {
			r.SignIns.ByPath.PassThrough = 1
		}
		return MatrixInput{Settings: []Setting{{"tenants[0].method", method}}, Result: r}
	}
	m := NewMatrix("methods", []string{"tenants[0].method"}, []MatrixInput{run("pass-through", 1000, 1150, 0), run("federation", 300, 0, 5e5)})
	var b bytes.Buffer
	if err := MatrixText(&b, m, false); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{
		"the highest rate that holds p99(response) < 200ms, and the times of the load", "pass-through 1,000 to 1,150/s", "federation ≥ 300/s",
		"tenants[0].method adfs cloudsim connector all pass-through - 200 µs 200 µs 400 µs", // connectors that nobody asks are left out
		"federation 500 µs 200 µs - 700 µs", "without connectors that nobody asked; \"-\" is a role that had no part.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(text, "*") {
		t.Errorf("a search that came to its end has no mark:\n%s", b.String())
	}
	cut, late := run("pass-through", 1000, 1500, 0), run("federation", 300, 0, 5e5)
	cut.Result.Capacity.CutShort = true
	cut.Result.Faults = []Fault{{Name: "killed", Target: "connector-1", Kind: "crash", Recover: 0, Failover: Unseen, Detect: 5, Injections: 1, Healed: true}}
	m = NewMatrix("methods", []string{"tenants[0].method"}, []MatrixInput{cut, late})
	for name, write := range map[string]func(io.Writer, *Matrix) error{
		"text": func(w io.Writer, m *Matrix) error { return MatrixText(w, m, false) }, "Markdown": MatrixMarkdown, "HTML": MatrixHTML,
	} {
		var out bytes.Buffer
		if err := write(&out, m); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(strings.ReplaceAll(out.String(), "\\", "")), " ")
		for _, want := range []string{"1,000 to 1,500/s *", "* The search was cut short", "≥ 300/s", "at once", "- That did not have to happen"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", name, want, out.String())
			}
		}
		if strings.Contains(text, "300/s *") {
			t.Errorf("%s: the search of the other one came to its end", name)
		}
	}
	if strings.Contains(text, "900 µs") {
		t.Errorf("the harness is no part of a method:\n%s", b.String())
	}
}
