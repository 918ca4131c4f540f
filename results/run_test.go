package results

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestCreateRefusesWhatExists(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs", "one")
	if err := Create(dir); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, LogsDir)); err != nil || !info.IsDir() {
		t.Errorf("logs: %v", err)
	}
	file := filepath.Join(dir, "mine")
	if err := os.WriteFile(file, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, dir + "/", file} {
		if err := Create(path); err == nil || !strings.Contains(err.Error(), "exists already") {
			t.Errorf("over %s: %v", path, err)
		}
	}
	if data, _ := os.ReadFile(file); string(data) != "mine" {
		t.Errorf("the file became %q", data)
	}
	if err := Create(filepath.Join(file, "below")); err == nil || !strings.Contains(err.Error(), "creating the run directory") {
		t.Errorf("below a file: %v", err)
	}
}

func TestOpenFinishedRun(t *testing.T) {
	dir := t.TempDir()
	h := testHeader()
	h.Planned = 900
	list := madeUp(t, 6, h, 1000)
	path := writeSamples(t, dir, h, list)
	want := summarise(complete(h), list)
	want.Verdict = Pass
	if err := WriteResult(filepath.Join(dir, ResultFile), &want); err != nil {
		t.Fatal(err)
	}
	run, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if run.CutOff || !reflect.DeepEqual(run.Result, want) {
		t.Errorf("opened as %+v", run)
	}
	if err := run.CheckSamples(); err != nil {
		t.Errorf("whole samples: %v", err)
	}

	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var cut *TruncatedError
	var missing *MissingError
	for _, c := range []struct {
		data []byte
		as   any
	}{
		{data[:len(data)-1], &cut},
		{data[:len(data)-RecordSize], &missing},
	} {
		if err := os.WriteFile(path, c.data, 0o644); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{"check": run.CheckSamples(), "csv": run.CSV(new(bytes.Buffer))} {
			if !errors.As(err, c.as) {
				t.Errorf("%s of %d bytes: %v", what, len(c.data), err)
			}
		}
	}
	if missing != nil && (missing.Have != 899 || missing.Expected != 900) {
		t.Errorf("missing: %v", missing)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := run.CheckSamples(); err != nil {
		t.Errorf("without samples: %v", err)
	}
	if err := run.CSV(new(bytes.Buffer)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("export without samples: %v", err)
	}
}

func TestOpenCutOffRun(t *testing.T) {
	h := testHeader()
	h.Planned = 900
	list := madeUp(t, 6, h, 1000)
	for _, c := range []struct {
		name          string
		records, torn int
		journal       bool
		warnings      []string
	}{
		{"all there", 1000, 0, false, nil},
		{"half", 550, 0, false, []string{"of the 900 planned sign-ins"}},
		{"torn", 550, 30, false, []string{"of the 900 planned sign-ins", "the samples end early: "}},
		{"with a fault on", 550, 0, true, []string{"of the 900 planned sign-ins",
			"crash-1, crash(connector-1) at 2s for 3s, was injected at 2.00 s and not undone", "fault 2 was about to be injected at 3.00 s and undone at 4.50 s",
			"freeze-1 was injected at 1.50 s and undone afterwards, by heal", "ptabench heal "}},
		{"none yet", 0, 0, false, []string{"0 of the 900 planned"}},
	} {
		dir := t.TempDir()
		path := writeSamples(t, dir, h, list[:c.records])
		if c.torn > 0 {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write(make([]byte, c.torn)); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if c.journal {
			if err := os.WriteFile(filepath.Join(dir, JournalFile), []byte(journalOfThree(t, h)), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, EventsFile), []byte(`{"at_ns":1500000000,"source":"harness","kind":"fault-injected","cause":"freeze-1"}`+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		run, err := Open(dir)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		want := summarise(complete(h), list[:c.records])
		want.Verdict, want.Reasons = Aborted, []string{"the run was cut off: no result.json"}
		got := run.Result
		if len(got.Warnings) != len(c.warnings) {
			t.Errorf("%s: warnings %q", c.name, got.Warnings)
		} else {
			for i, text := range c.warnings {
				if !strings.Contains(got.Warnings[i], text) {
					t.Errorf("%s: warning %q, expected %q", c.name, got.Warnings[i], text)
				}
			}
		}
		got.Warnings = want.Warnings
		if !run.CutOff || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: opened as\n%+v\nexpected\n%+v", c.name, got, want)
		}
		var cut *TruncatedError
		if errors.As(run.CheckSamples(), &cut) != (c.torn > 0) {
			t.Errorf("%s: check says %v", c.name, run.CheckSamples())
		}
	}
}

// journalOfThree has faults of which one is on, one was undone by the run
// itself, and one by heal.
func journalOfThree(t *testing.T, h Header) string {
	zero, err := time.Parse(time.RFC3339Nano, h.StartedAt)
	if err != nil {
		t.Fatal(err)
	}
	at := func(s float64) int64 { return zero.UnixNano() + int64(s*1e9) }
	return fmt.Sprintf(`{"format":1,"kind":"run","process":{"name":"harness","pid":1,"start":1}}
{"kind":"intent","fault":1,"name":"crash-1","text":"crash(connector-1) at 2s for 3s","at_unix_ns":%d}
{"kind":"injected","fault":1,"at_unix_ns":%d}
{"kind":"intent","fault":2,"at_unix_ns":%d}
{"kind":"undone","fault":2,"by":"run","at_unix_ns":%d}
{"kind":"intent","fault":3,"name":"freeze-1","at_unix_ns":%d}
{"kind":"undone","fault":3,"by":"heal","at_unix_ns":%d}
{"kind":"und`, at(1.9), at(2), at(3), at(4.5), at(1.4), at(1000))
}

func TestOpenRunThatGoesOn(t *testing.T) {
	h := testHeader()
	h.Planned = 900
	dir := t.TempDir()
	path := writeSamples(t, dir, h, madeUp(t, 6, h, 1000)[:550])
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{SamplesFile: append(data, 1, 2, 3), JournalFile: []byte(journalOfThree(t, h))} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	run.GoingOn(4711)
	text := render(t, &run.Result, false)
	for _, want := range []string{"verdict: inconclusive\n", "still going on, as process 4711", "crash-1, crash(connector-1)"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	for _, not := range []string{"ptabench heal", "end early"} {
		if strings.Contains(text, not) {
			t.Errorf("%s of a run that goes on:\n%s", not, text)
		}
	}
	var out bytes.Buffer
	if err := errors.Join(run.CheckSamples(), run.CSV(&out)); err != nil || strings.Count(out.String(), "\n") != 551 {
		t.Errorf("a record that is being written: %v, %d lines", err, strings.Count(out.String(), "\n"))
	}
}

func TestOpenRefuses(t *testing.T) {
	write := func(name, text string) func(dir string) {
		return func(dir string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name string
		make func(dir string)
		want string
	}{
		{"empty directory", func(string) {}, "neither result.json nor samples in it"},
		{"newer result", write(ResultFile, `{"format": 9}`), "format 9: this ptabench reads up to 2"},
		{"broken result", write(ResultFile, "{"), "result.json:1:2: unexpected end"},
		{"newer samples", write(SamplesFile, "ptabench-samples 9\n"), "format 9: this ptabench reads up to 2"},
		{"other samples", write(SamplesFile, "hello"), "not a file of samples"},
		{"samples cut in the header", write(SamplesFile, "ptabench-sam"), "cut off within its header"},
	} {
		dir := t.TempDir()
		c.make(dir)
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %s", c.name, err, c.want)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("a file: %v", err)
	}
	if _, err := Open(file + "-absent"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
}

func TestEventLog(t *testing.T) {
	dir := t.TempDir()
	log, err := CreateEventLog(filepath.Join(dir, EventsFile))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := CreateEventLog(filepath.Join(dir, EventsFile)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over an existing log: %v", err)
	}
	const writers, each = 4, 50
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := log.Append(Event{At: int64(i), Source: "harness", Kind: "fault", Count: int64(w)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	run := &Run{Dir: dir}
	var got []Event
	torn, err := run.Events(func(e Event) error { got = append(got, e); return nil })
	if err != nil || torn != 0 || len(got) != writers*each {
		t.Fatalf("%d events, %d torn, %v", len(got), torn, err)
	}
	var last [writers]int64
	for _, e := range got {
		if e.At != last[e.Count] {
			t.Fatalf("writer %d: event %d after %d", e.Count, e.At, last[e.Count])
		}
		last[e.Count]++
	}
}

func TestReadLinesToleratesTornOnes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lines")
	for _, c := range []struct {
		text string
		want []int64
		torn int
	}{
		{"", nil, 0},
		{`{"at_ns":1}` + "\n" + `{"at_ns":2}` + "\n", []int64{1, 2}, 0},
		{`{"at_ns":1}` + "\n" + `{"at_ns":2}`, []int64{1, 2}, 0},
		{`{"at_ns":1}` + "\n" + `{"at_n`, []int64{1}, 1},
		{`{"at_ns":1}` + "\n\n" + `{"at_n` + "\n" + `{"at_ns":3}` + "\n", []int64{1, 3}, 1},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		var got []int64
		torn, err := ReadLines(path, func(e Event) error { got = append(got, e.At); return nil })
		if err != nil || torn != c.torn || !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, %d torn, %v", c.text, got, torn, err)
		}
	}
	stop := errors.New("enough")
	if _, err := ReadLines(path, func(Event) error { return stop }); !errors.Is(err, stop) || !strings.Contains(err.Error(), "lines:1: ") {
		t.Errorf("stopped with %v", err)
	}
	if torn, err := ReadLines(path+"-absent", func(Event) error { return stop }); torn != 0 || err != nil {
		t.Errorf("an absent file: %d, %v", torn, err)
	}
	if err := os.WriteFile(path, make([]byte, maxLine+1), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadLines(path, func(Event) error { return nil }); err == nil {
		t.Error("an endless line was read")
	}
}
