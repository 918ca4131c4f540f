package results

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSamplesRoundTrip(t *testing.T) {
	h := testHeader()
	for _, n := range []int{0, 1, bufferedRecords - 1, bufferedRecords, bufferedRecords + 1, 5000} {
		list := madeUp(t, 3, h, n)
		path := writeSamples(t, t.TempDir(), h, list)
		r, err := OpenSamples(path)
		if err != nil {
			t.Fatal(err)
		}
		var got []Sample
		for s, err := range r.All() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, s)
		}
		if !slices.Equal(got, list) {
			t.Errorf("%d samples: read back differently", n)
		}
		if h := r.Header(); h.Scenario != "quickstart" || h.RecordSize != RecordSize || !slices.Equal(h.Errors, ErrorClasses()) {
			t.Errorf("header read back as %+v", h)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSamplesAreReadableBeforeClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), SamplesFile)
	w, err := CreateSamples(path, testHeader())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for i, s := range madeUp(t, 1, testHeader(), 3) {
		if err := w.Append(s); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if list, tail := readAll(t, data); len(list) != i+1 || tail != nil {
			t.Errorf("after flush %d: %d records, %v", i+1, len(list), tail)
		}
	}
}

func TestCreateSamplesOverwritesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), SamplesFile)
	if err := os.WriteFile(path, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := CreateSamples(path, testHeader()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over an existing file: %v", err)
	}
	if data, _ := os.ReadFile(path); string(data) != "mine" {
		t.Errorf("the file became %q", data)
	}
}

// The fixture was written by the first version of the format. It must stay
// readable for good, and the same sign-ins must go on making the same bytes.
func TestFormatIsFrozen(t *testing.T) {
	list := []Sample{
		{Seq: 0, User: 41, Due: -1_500_000_000, Sent: -1_499_900_000, Done: -1_490_000_000, Outcome: OutcomeAccepted,
			Path: PathPassThrough, Judgement: Right, Attempts: 1, Server: 2, Queue: 12, Connector: 900, Directory: 700},
		{Seq: 1, User: 0x01020304, Due: 0x0102030405060708, Sent: 0x1112131415161718, Done: 0x2122232425262728,
			Queue: 0x31323334, Connector: 0x41424344, Directory: 0x51525354, Code: 50126, Intent: 1,
			Outcome: OutcomeRefused, Path: PathHashSync, Judgement: WrongRefusal, Attempts: 3, Server: 3, Error: ErrorOther},
		{Seq: 2, Due: 5, Intent: 4},
		{Seq: 1<<32 - 1, User: 1<<32 - 1, Due: 6, Sent: 7, Done: 10_000_000_007, Outcome: OutcomeUnknown, Error: ErrorTimeout},
	}
	path := writeSamples(t, t.TempDir(), testHeader(), list)
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "samples-2", written)
	var fixture []byte
	for _, name := range []string{"samples-1", "samples-2"} { // every format stays readable
		if fixture, err = os.ReadFile(filepath.Join("testdata", name)); err != nil {
			t.Fatal(err)
		}
		got, tail := readAll(t, fixture)
		if tail != nil || !slices.Equal(got, list) {
			t.Errorf("%s reads as %+v, %v", name, got, tail)
		}
	}
	// By the table of the package comment, not by this package's code.
	second := fixture[len(fixture)-3*64:][:64]
	le := binary.LittleEndian
	if le.Uint32(second[0:]) != 1 || le.Uint32(second[4:]) != 0x01020304 || le.Uint64(second[8:]) != 0x0102030405060708 ||
		le.Uint64(second[16:]) != 0x1112131415161718 || le.Uint64(second[24:]) != 0x2122232425262728 ||
		le.Uint32(second[32:]) != 0x31323334 || le.Uint32(second[36:]) != 0x41424344 || le.Uint32(second[40:]) != 0x51525354 ||
		le.Uint32(second[44:]) != 50126 || !bytes.Equal(second[48:60], []byte{1, 2, 2, 3, 3, 3, 8, 0, 0, 0, 0, 0}) ||
		le.Uint32(second[60:]) != crc32.Checksum(second[:60], crc32.MakeTable(crc32.Castagnoli)) {
		t.Errorf("the second record is not as documented: % x", second)
	}
	if want := []string{"timeout", "refused", "reset", "eof", "tls", "dns", "canceled", "other"}; !slices.Equal(ErrorClasses(), want) {
		t.Errorf("error classes %v: formats 1 and 2 have %v", ErrorClasses(), want)
	}
	if RecordSize != 64 || Format != 2 {
		t.Errorf("record size %d, format %d: another format needs its own fixture", RecordSize, Format)
	}
}

func TestTruncatedSamples(t *testing.T) {
	list := madeUp(t, 5, testHeader(), 10)
	data, err := os.ReadFile(writeSamples(t, t.TempDir(), testHeader(), list))
	if err != nil {
		t.Fatal(err)
	}
	first := len(data) - len(list)*RecordSize
	for end := range data {
		r, err := NewSampleReader(bytes.NewReader(data[:end]), "samples")
		var cut *TruncatedError
		if end < first {
			if !errors.As(err, &cut) || cut.Record != 0 || !strings.Contains(err.Error(), "header") {
				t.Fatalf("cut at byte %d, in the header: %v", end, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("cut at byte %d: %v", end, err)
		}
		var got []Sample
		var tail error
		for s, err := range r.All() {
			if tail = err; err == nil {
				got = append(got, s)
			}
		}
		whole := (end - first) / RecordSize
		if !slices.Equal(got, list[:whole]) {
			t.Fatalf("cut at byte %d: %d records, expected the first %d", end, len(got), whole)
		}
		if (end-first)%RecordSize == 0 {
			if tail != nil {
				t.Fatalf("cut at byte %d, between records: %v", end, tail)
			}
			continue
		}
		want := TruncatedError{File: "samples", Record: uint64(whole + 1), Offset: int64(first + whole*RecordSize)}
		if !errors.As(tail, &cut) || *cut != want {
			t.Fatalf("cut at byte %d: %v, expected %v", end, tail, &want)
		}
		var s Sample
		if again := r.Next(&s); again != tail {
			t.Fatalf("cut at byte %d: the next read says %v", end, again)
		}
	}
}

func TestDamagedSamples(t *testing.T) {
	list := madeUp(t, 5, testHeader(), 4)
	good, err := os.ReadFile(writeSamples(t, t.TempDir(), testHeader(), list))
	if err != nil {
		t.Fatal(err)
	}
	third := len(good) - 2*RecordSize
	for bit := range RecordSize * 8 {
		data := bytes.Clone(good)
		data[third+bit/8] ^= 1 << (bit % 8)
		got, tail := readAll(t, data)
		var bad *DamagedError
		if !errors.As(tail, &bad) || bad.Record != 3 || bad.Offset != int64(third) || len(got) != 2 {
			t.Fatalf("bit %d flipped: %d records, %v", bit, len(got), tail)
		}
	}
}

// resealed is good with one byte of its last record changed and its checksum
// right: what a faulty writer would leave.
func resealed(good []byte, at int, value byte) []byte {
	data := bytes.Clone(good)
	record := data[len(data)-RecordSize:]
	record[at] = value
	binary.LittleEndian.PutUint32(record[60:], crc32.Checksum(record[:60], crc32.MakeTable(crc32.Castagnoli)))
	return data
}

func TestSamplesOutOfRange(t *testing.T) {
	good, err := os.ReadFile(writeSamples(t, t.TempDir(), testHeader(), []Sample{{Seq: 9}}))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at     int
		value  byte
		sample Sample
		want   string
	}{
		{48, 5, Sample{Intent: 5}, "intent 5"},
		{49, 5, Sample{Outcome: 5}, "outcome 5"},
		{50, 4, Sample{Path: 4}, "path 4"},
		{51, 5, Sample{Judgement: 5}, "judgement 5"},
		{53, 4, Sample{Server: 4}, "server 4"},
		{54, 9, Sample{Error: 9}, "error 9"},
		{55, 1, Sample{Tenant: 1}, "tenant 1"},
	} {
		_, tail := readAll(t, resealed(good, c.at, c.value))
		var bad *DamagedError
		if !errors.As(tail, &bad) || !strings.Contains(tail.Error(), c.want) {
			t.Errorf("reading %s: %v", c.want, tail)
		}
		w, err := CreateSamples(filepath.Join(t.TempDir(), SamplesFile), testHeader())
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Append(c.sample); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("writing %s: %v", c.want, err)
		}
		if err := w.Append(Sample{}); err != nil {
			t.Errorf("a refused sign-in spoilt the writer: %v", err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestNotSamples(t *testing.T) {
	header, err := json.Marshal(Header{RecordSize: 64, Intents: []string{"right"}})
	if err != nil {
		t.Fatal(err)
	}
	line := string(header) + "\n"
	for _, c := range []struct {
		name, text, want string
		kind             any
	}{
		{"empty", "", "samples: cut off within its header", new(*TruncatedError)},
		{"other file", "{\"format\": 1}\n", "samples: not a file of samples", new(*NotSamplesError)},
		{"begins alike", "ptabench-sampler 1\n" + line, "samples: not a file of samples", new(*NotSamplesError)},
		{"no number", "ptabench-samples one\n" + line, "version \"one\"", new(*NotSamplesError)},
		{"version 0", "ptabench-samples 0\n" + line, "version \"0\"", new(*NotSamplesError)},
		{"newer", "ptabench-samples 3\n" + line, "samples: format 3: this ptabench reads up to 2", new(*NewerError)},
		{"endless header", "ptabench-samples 1\n" + strings.Repeat("x", maxHeader+1), "no end within", new(*NotSamplesError)},
		{"bad header", "ptabench-samples 1\n{\"seed\": -1}\n", "samples: header: ", new(*DamagedError)},
		{"no header", "ptabench-samples 1\n\n", "samples: header: ", new(*DamagedError)},
		{"other record size", "ptabench-samples 1\n" + strings.Replace(line, `"record_size":64`, `"record_size":72`, 1), "record_size 72", new(*DamagedError)},
		{"no intents", "ptabench-samples 1\n" + strings.Replace(line, `"intents":["right"]`, `"intents":[]`, 1), "intents: 0 names", new(*DamagedError)},
	} {
		_, err := NewSampleReader(strings.NewReader(c.text), "samples")
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, c.kind) {
			t.Errorf("%s: %v (%T), expected %s (%T)", c.name, err, err, c.want, c.kind)
		}
	}
}

func FuzzSamples(f *testing.F) {
	good, err := os.ReadFile(filepath.Join("testdata", "samples-1"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-10])
	f.Add(resealed(good, 15, 0x7f)) // due in the year 2255
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := NewSampleReader(bytes.NewReader(data), "samples")
		if err != nil {
			return
		}
		var again [RecordSize]byte
		rest := data
		for line := 0; line < 2; line++ {
			rest = rest[bytes.IndexByte(rest, '\n')+1:]
		}
		records := 0
		res, tail := Summarise(r.Header(), func(yield func(Sample, error) bool) {
			for s, err := range r.All() {
				if err == nil {
					encode(&again, &s)
					if !bytes.Equal(again[:55], rest[records*RecordSize:][:55]) {
						t.Errorf("record %d read as %+v", records+1, s)
					}
					records++
				}
				if !yield(s, err) {
					return
				}
			}
		})
		if whole := len(rest) / RecordSize; records > whole || tail == nil && (records != whole || len(rest)%RecordSize != 0) {
			t.Errorf("%d records of %d bytes, and the end is said to be %v", records, len(rest), tail)
		}
		if n := res.SignIns; n.Planned > uint64(records) || n.Sent != n.Accepted+n.Refused+n.Failed+n.Unknown {
			t.Errorf("%d records make %+v", records, n)
		}
		if err := JSON(new(bytes.Buffer), &res); err != nil {
			t.Errorf("result: %v", err)
		}
		if err := Text(new(bytes.Buffer), &res, true); err != nil {
			t.Errorf("text: %v", err)
		}
	})
}
