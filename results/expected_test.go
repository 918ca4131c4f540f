package results

import (
	"bytes"
	"strings"
	"testing"
)

// expectingResult has a fault that did as expected, one that did not, one that
// could not be seen, and one of which nothing was expected.
func expectingResult() *Result {
	return &Result{Scenario: "ports", Verdict: Fail, Faults: []Fault{
		{Name: "refused-443", Kind: "block", Target: "connectors", Text: "block(connectors, ports=443, mode=reject) at 1s for 2s", Tier: "kernel", Injections: 3, Healed: true,
			Shows: "nobody signs in from there", Expected: []Expected{
				{Text: "sign_in(connector-1) == fails", Phase: "settled", Observed: "fails", Verdict: Pass},
				{Text: "reports_by_8080(connectors) > 0", Phase: "settled", Observed: "4", Verdict: Pass},
				{Text: "share(connector-1) == 0%", Phase: "settled", Observed: "0.0 %", Verdict: Pass},
				{Text: "says(newcomer) ~ port | 443", Phase: "row", Observed: `{"msg":"port | 443"}`, Verdict: Pass}}},
		{Name: "dropped-9350", Kind: "block", Target: "connector-1", Text: "block(connector-1, ports=9350, mode=drop) at 4s for 2s", Tier: "gate", Injections: 3, Healed: true,
			Expected: []Expected{{Text: "path(connector-1) == signalled", Phase: "settled", Observed: "none", Verdict: Fail},
				{Text: "lost == 0", Phase: "row", Observed: "0", Verdict: Pass}}},
		{Name: "unseen", Kind: "block", Target: "connector-1", Text: "block(connector-1, ports=9352, mode=drop) at 7s for 2s", Tier: "gate", Injections: 3, Healed: true,
			Expected: []Expected{{Text: "newcomer == waits", Phase: "settled", Observed: "not known: no token", Verdict: Inconclusive}}},
		{Name: "crash-1", Kind: "crash", Target: "connector-1", Text: "crash(connector-1) at 9s for 1s", Tier: "process", Injections: 1, Healed: true},
	}}
}

func TestExpectedInText(t *testing.T) {
	var out bytes.Buffer
	if err := Text(&out, expectingResult(), false); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"expected and observed 1 of 3 faults as expected",
		"✓ refused-443 nobody signs in from there [kernel]",
		"sign_in(connector-1) == fails; reports_by_8080(connectors) > 0 (4); share(connector-1) == 0%; says(newcomer) ~ port | 443",
		"✗ dropped-9350 block(connector-1, ports=9350, mode=drop) at 4s for 2s [gate]",
		"✗ expected path(connector-1) == signalled, observed: none",
		"? expected newcomer == waits, observed: not known: no token",
		"crash-1 killed connector-1",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the text does not say %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(text, "refused-443 blocked ports") {
		t.Error("a fault of which something was expected is told twice")
	}
	none := expectingResult()
	none.Faults = none.Faults[3:]
	out.Reset()
	if err := Text(&out, none, false); err != nil || strings.Contains(out.String(), "expected and observed") {
		t.Errorf("%v: nothing was expected, and the text says:\n%s", err, out.String())
	}
}

func TestExpectedInMarkdown(t *testing.T) {
	var out bytes.Buffer
	if err := Markdown(&out, expectingResult()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"### Expected and observed\n\n1 of 3 faults as expected.\n",
		"| ✓ pass | refused-443 | block(connectors, ports=443, mode=reject) at 1s for 2s (kernel) | nobody signs in from there | ",
		`says(newcomer) \~ port \| 443 | fails; 4; 0.0 %; `,
		`| ✗ fail | dropped-9350 |`, `✗ path(connector-1) == signalled; lost == 0 | none; 0 |`,
		`| ? inconclusive | unseen |`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the Markdown does not say %q:\n%s", want, out.String())
		}
	}
}

func TestExpectedInJUnit(t *testing.T) {
	var out bytes.Buffer
	if err := JUnit(&out, expectingResult()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`<testcase name="expected: refused-443" classname="ports" time="0.000">` + "\n      <system-out>",
		`<failure message="expected path(connector-1) == signalled, observed: none" type="expected">`,
		`<skipped message="expected newcomer == waits, observed: not known: no token">`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the JUnit does not say %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), `name="expected: crash-1"`) {
		t.Error("a fault of which nothing was expected is a case")
	}
}
