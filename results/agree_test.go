package results

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"html"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// What an output says of a run, read back from it.
type said struct {
	verdict    string
	objectives []saidObjective
	faults     map[string][]string // by name: cells as faultHeads has them
}

type saidObjective struct{ text, verdict, value string }

// All outputs of a run say the same of its verdict, its objectives and its
// faults.
func TestOutputsAgree(t *testing.T) {
	full, pass, soak, old := fullResult(t), passing(t), soaked(t), formerResult(t)
	odd, empty := fullResult(t), summarise(complete(testHeader()), nil)
	odd.Verdict, odd.Objectives[0].Text, odd.Faults[0].Name = Inconclusive, "failed | `x` <b> == 0", "crash_|1"
	empty.Verdict = Aborted
	for name, r := range map[string]*Result{"full": &full, "pass": &pass, "soak": &soak, "format 1": &old, "odd": &odd, "empty": &empty} {
		want := saidByJSON(t, r)
		if len(want.objectives) != len(r.Objectives) || len(want.faults) != len(r.Faults) {
			t.Fatalf("%s: JSON has %d objectives and %d faults", name, len(want.objectives), len(want.faults))
		}
		for output, got := range map[string]said{"text": saidByText(t, r), "markdown": saidByMarkdown(t, r), "junit": saidByJUnit(t, r)} {
			if got.verdict != want.verdict {
				t.Errorf("%s, %s: verdict %s, JSON has %s", name, output, got.verdict, want.verdict)
			}
			if !slices.Equal(got.objectives, want.objectives) {
				t.Errorf("%s, %s: objectives\n%q, JSON has\n%q", name, output, got.objectives, want.objectives)
			}
			if !maps.EqualFunc(got.faults, want.faults, slices.Equal[[]string]) {
				t.Errorf("%s, %s: faults\n%q, JSON has\n%q", name, output, got.faults, want.faults)
			}
		}
	}
}

func saidByJSON(t *testing.T, r *Result) said {
	var text bytes.Buffer
	if err := JSON(&text, r); err != nil {
		t.Fatal(err)
	}
	var back Result
	if err := json.Unmarshal(text.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	s := said{verdict: string(back.Verdict), faults: map[string][]string{}}
	for _, o := range back.Objectives {
		value := strconv.FormatFloat(o.Value, 'g', 4, 64)
		switch {
		case o.Unit == "ns" && o.Value < 0:
			value = "never"
		case o.Unit == "ns":
			value = Duration(int64(o.Value))
		case o.Unit == "count":
			value = Count(uint64(o.Value))
		case o.Unit == "per_s":
			value = PerSecond(o.Value)
		case strings.Contains(o.Text, "%"):
			value = Percent(o.Value)
		}
		s.objectives = append(s.objectives, saidObjective{o.Text, string(o.Verdict), value})
	}
	seen := func(ns int64, should bool) string {
		switch {
		case ns == 0:
			return "at once"
		case ns >= 0:
			return Duration(ns)
		case should:
			return "never"
		}
		return "-"
	}
	slower := []string{"degrade", "slow-directory", "crowded-directory", "limit-cpu", "limit-memory"}
	for _, f := range back.Faults {
		if f.At < 0 {
			s.faults[f.Name] = []string{"-", "-", "-", "-", "-", "-"}
			continue
		}
		var wrong uint64
		for _, w := range f.Wrong {
			if w.Kind == "wrong-accept" || w.Kind == "wrong-refusal" {
				wrong += w.Count
			}
		}
		p99 := "-"
		if f.P99 > 0 {
			p99 = Duration(f.P99)
		}
		ofHashes := f.Kind == "stale-hashes" || f.Kind == "missing-hashes"
		felt := !slices.Contains(slower, f.Kind) || f.Lost+f.HandedOff+f.HashSync > 0
		others := f.Target != "cloudsim" && f.Target != "all"
		s.faults[f.Name] = []string{seen(f.Detect, !ofHashes && felt), seen(f.Failover, f.Lost > 0 && !ofHashes && others),
			Count(f.Lost), Count(wrong), p99, seen(f.Recover, true)}
	}
	return s
}

func saidByText(t *testing.T, r *Result) said {
	text := render(t, r, false)
	s := said{faults: map[string][]string{}}
	s.verdict = regexp.MustCompile(`^verdict: (\w+)`).FindStringSubmatch(text)[1]
	for _, m := range regexp.MustCompile(`(?m)^  ([✓✗?!]) (.*?)  +(\S.*)$`).FindAllStringSubmatch(part(text, "objectives"), -1) {
		s.objectives = append(s.objectives, saidObjective{m[2], map[string]string{"✓": "pass", "✗": "fail", "?": "inconclusive"}[m[1]], m[3]})
	}
	faults := part(text, "faults")
	joined := strings.Join(strings.Fields(faults), " ")
	find := func(in, pattern, none string) string {
		if m := regexp.MustCompile(pattern).FindStringSubmatch(in); m != nil {
			return m[1]
		}
		return none
	}
	for i, f := range r.Faults {
		if f.Group != "" {
			rows := regexp.MustCompile(`(?m)^  `+regexp.QuoteMeta(shortName(&r.Faults[i]))+` +(.*)$`).FindAllStringSubmatch(faults, -1)
			if len(rows) != 1 {
				t.Fatalf("%d rows of %s in\n%s", len(rows), f.Name, faults)
			}
			cells := regexp.MustCompile(`never|-|[\d.,]+( (ns|µs|ms|s|min \d+ s))?`).FindAllString(rows[0][1], -1)
			s.faults[f.Name] = cells[1:] // without when
			continue
		}
		at := strings.Index(joined, f.Name+" ")
		if at < 0 {
			continue
		}
		sentence := joined[at:]
		if i+1 < len(r.Faults) {
			sentence = sentence[:strings.Index(sentence, " "+r.Faults[i+1].Name+" ")]
		}
		if strings.Contains(sentence, "was not injected") {
			s.faults[f.Name] = []string{"-", "-", "-", "-", "-", "-"}
			continue
		}
		recovered := "at once"
		if !strings.Contains(sentence, "served again at once") {
			recovered = find(sentence, `served again (.+?) after its end`, "never")
		}
		unless := func(said string) string {
			if strings.Contains(sentence, said) {
				return "never"
			}
			return "-"
		}
		s.faults[f.Name] = []string{
			find(sentence, `noticed after (.+?)(?: and served|;)`, unless("did not notice")),
			find(sentence, `another way after (.+?);`, unless("no sign-in was served another way")),
			find(sentence, `([\d,]+) (?:was|were) lost`, "0"), find(sentence, `([\d,]+) (?:was|were) answered wrongly`, "0"),
			find(sentence, `response p99 of (.+?);`, "-"), recovered}
	}
	return s
}

// part is a section of the text, without its title.
func part(text, title string) string {
	_, rest, ok := strings.Cut(text, "\n\n"+title+"\n")
	if !ok {
		return ""
	}
	body, _, _ := strings.Cut(rest, "\n\n")
	return body
}

// tableRows are the rows of the first table under a heading, unescaped.
func tableRows(text, heading string) (rows [][]string) {
	_, rest, ok := strings.Cut(text, "\n### "+heading+"\n")
	if !ok {
		return nil
	}
	rest, _, _ = strings.Cut(rest, "\n### ")
	for line := range strings.SplitSeq(rest, "\n") {
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		line = strings.ReplaceAll(line, `\|`, "\x00")
		cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "| "), " |"), " | ")
		for i := range cells {
			cell := regexp.MustCompile(`\\([[:punct:]])`).ReplaceAllString(cells[i], "$1")
			cells[i] = html.UnescapeString(strings.ReplaceAll(cell, "\x00", "|"))
		}
		rows = append(rows, cells)
	}
	return rows[2:] // without the heads and the rule
}

func saidByMarkdown(t *testing.T, r *Result) said {
	text := markdownOf(t, r)
	s := said{faults: map[string][]string{}}
	s.verdict = regexp.MustCompile(`^## [✓✗?!] (\w+): `).FindStringSubmatch(text)[1]
	for _, row := range tableRows(text, "Objectives") {
		_, verdict, _ := strings.Cut(row[0], " ")
		s.objectives = append(s.objectives, saidObjective{row[1], verdict, row[4]})
	}
	for _, row := range tableRows(text, "Faults") {
		s.faults[row[0]] = row[3:9]
	}
	return s
}

func saidByJUnit(t *testing.T, r *Result) said {
	suite := junitOf(t, r).Suites[0]
	s := said{faults: map[string][]string{}}
	properties := map[string]string{}
	for _, p := range suite.Properties {
		properties[p.Name] = p.Value
	}
	s.verdict = properties["verdict"]
	for _, c := range suite.Cases[:len(r.Objectives)] {
		verdict := "pass"
		switch {
		case c.Failure != nil:
			verdict = "fail"
		case c.Skipped != nil:
			verdict = "inconclusive"
		}
		value, _, _ := strings.Cut(strings.TrimPrefix(c.Out, "value "), ";")
		s.objectives = append(s.objectives, saidObjective{c.Name, verdict, value})
	}
	for _, f := range r.Faults {
		for _, name := range []string{"detect_ns", "failover_ns", "lost", "wrong", "p99_ns", "recover_ns"} {
			value := properties["fault_"+snake(f.Name)+"_"+name]
			switch n, err := strconv.ParseInt(value, 10, 64); {
			case value == "":
				value = "-"
			case err != nil:
				t.Fatalf("%s of %s: %v", name, f.Name, err)
			case !strings.HasSuffix(name, "_ns"):
				value = Count(uint64(n))
			case n < 0:
				value = "never"
			case n == 0:
				value = "at once"
			default:
				value = Duration(n)
			}
			s.faults[f.Name] = append(s.faults[f.Name], value)
		}
	}
	return s
}

func markdownOf(t *testing.T, r *Result) string {
	t.Helper()
	var out bytes.Buffer
	if err := Markdown(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func junitOf(t *testing.T, r *Result) junitSuites {
	t.Helper()
	var out bytes.Buffer
	if err := JUnit(&out, r); err != nil {
		t.Fatal(err)
	}
	return parseJUnit(t, out.Bytes())
}

func parseJUnit(t *testing.T, text []byte) junitSuites {
	t.Helper()
	var all junitSuites
	if err := xml.Unmarshal(text, &all); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return all
}

// The sign-ins of the export are those that the other outputs count.
func TestExportAgrees(t *testing.T) {
	h := complete(testHeader())
	list := madeUp(t, 21, h, 3000)
	r := summarise(h, list)
	var out bytes.Buffer
	if _, err := CSV(&out, h, func(yield func(Sample, error) bool) {
		for _, s := range list {
			if !yield(s, nil) {
				return
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, row := range rows[1:] {
		if !strings.HasPrefix(row[3], "-") { // due before time 0
			got[row[7]]++
		}
	}
	text := render(t, &r, false)
	for _, row := range tableRows(markdownOf(t, &r), "Sign-ins") {
		if n, ok := got[row[0]]; ok && Count(n) != row[1] {
			t.Errorf("%s: %s in Markdown, %d in the export", row[0], row[1], n)
		}
	}
	for name, want := range map[string]uint64{"accepted": r.SignIns.Accepted, "refused": r.SignIns.Refused, "failed": r.SignIns.Failed,
		"unknown": r.SignIns.Unknown, "unsent": r.SignIns.Unsent} {
		if got[name] != want || want == 0 || !regexp.MustCompile(`(?m)^  `+name+` +`+Count(want)+` `).MatchString(text) {
			t.Errorf("%s: %d in the result, %d in the export, text\n%s", name, want, got[name], text)
		}
	}
}
