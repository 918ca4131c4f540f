package results

import (
	"encoding/json"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// summarise makes a result of a list.
func summarise(h Header, list []Sample) Result {
	res, _ := Summarise(h, func(yield func(Sample, error) bool) {
		for _, s := range list {
			if !yield(s, nil) {
				return
			}
		}
	})
	return res
}

// complete is the header with what CreateSamples sets.
func complete(h Header) Header {
	h.Format, h.RecordSize, h.Errors = Format, RecordSize, ErrorClasses()
	return h
}

func TestFiguresAgainstCounting(t *testing.T) {
	h := complete(testHeader())
	list := madeUp(t, 33, h, 20_000)
	h.Planned = 18_000
	res := summarise(h, list)

	count := func(is func(s *Sample) bool) (n uint64) {
		for i := range list {
			if list[i].Due >= 0 && is(&list[i]) {
				n++
			}
		}
		return n
	}
	decided := func(s *Sample) bool { return s.Outcome == OutcomeAccepted || s.Outcome == OutcomeRefused }
	n := res.SignIns
	for _, c := range []struct {
		name      string
		got, want uint64
	}{
		{"planned", n.Planned, 18_000},
		{"sent", n.Sent, count(func(s *Sample) bool { return s.Outcome != OutcomeUnsent })},
		{"unsent", n.Unsent, count(func(s *Sample) bool { return s.Outcome == OutcomeUnsent })},
		{"accepted", n.Accepted, count(func(s *Sample) bool { return s.Outcome == OutcomeAccepted })},
		{"refused", n.Refused, count(func(s *Sample) bool { return s.Outcome == OutcomeRefused })},
		{"failed", n.Failed, count(func(s *Sample) bool { return s.Outcome == OutcomeFailed })},
		{"unknown", n.Unknown, count(func(s *Sample) bool { return s.Outcome == OutcomeUnknown })},
		{"handed off", n.HandedOff, count(func(s *Sample) bool { return decided(s) && s.Attempts > 1 })},
		{"wrong accepts", n.WrongAccepts, count(func(s *Sample) bool { return s.Judgement == WrongAccept })},
		{"wrong refusals", n.WrongRefusals, count(func(s *Sample) bool { return s.Judgement == WrongRefusal })},
		{"other reason", n.OtherReason, count(func(s *Sample) bool { return s.Judgement == OtherReason })},
		{"pass-through", n.ByPath.PassThrough, count(func(s *Sample) bool { return decided(s) && s.Path == PathPassThrough })},
		{"hash sync", n.ByPath.HashSync, count(func(s *Sample) bool { return decided(s) && s.Path == PathHashSync })},
		{"code 0", n.ByCode["0"], n.Accepted},
		{"code 50057", n.ByCode["50057"], count(func(s *Sample) bool { return s.Code == 50057 })},
		{"code 80001", n.ByCode["80001"], n.Failed},
		{"timeouts", n.Errors["timeout"], n.Unknown},
		{"responses", res.Response.Samples, n.Sent},
		{"lags", res.Lag.Samples, n.Sent},
	} {
		if c.got != c.want || c.want == 0 {
			t.Errorf("%s: %d, counted %d", c.name, c.got, c.want)
		}
	}
	if n.Planned != n.Sent+n.Unsent || n.Sent != n.Accepted+n.Refused+n.Failed+n.Unknown {
		t.Errorf("the sums do not add up: %+v", n)
	}

	var response []int64
	var queue, directory, connector, service, passed float64
	for _, s := range list {
		if s.Due < 0 || s.Outcome == OutcomeUnsent {
			continue
		}
		response = append(response, s.Done-s.Due)
		if decided(&s) && s.Path == PathPassThrough {
			passed++
			queue += float64(s.Queue) * 1000
			directory += float64(s.Directory) * 1000
			connector += float64(s.Connector-s.Directory) * 1000
			service += float64(s.Done - s.Sent)
		}
	}
	slices.Sort(response)
	if got, want := res.Response.P99, response[int(0.99*float64(len(response))+0.5)-1]; !near(got, want) {
		t.Errorf("response p99 %d, sorted %d", got, want)
	}
	if got := res.Time; math.Abs(float64(got.Queue)-queue/passed) > 2 || math.Abs(float64(got.Directory)-directory/passed) > 2 ||
		math.Abs(float64(got.Connector)-connector/passed) > 3 ||
		math.Abs(float64(got.Queue+got.Directory+got.Connector+got.Rest)-service/passed) > 3 {
		t.Errorf("time spent %+v; expected queue %.0f, directory %.0f, connector %.0f of %.0f", got, queue/passed, directory/passed, connector/passed, service/passed)
	}
	if r := res.Rate; r.PlannedPerS != 600 || math.Abs(r.AchievedPerS-float64(n.Sent)/30) > 1e-9 || math.Abs(r.AnsweredPerS-float64(n.Accepted+n.Refused)/30) > 1e-9 {
		t.Errorf("rate %+v", r)
	}
	var total uint64
	for i, c := range res.Connectors {
		want := count(func(s *Sample) bool { return decided(s) && s.Path == PathPassThrough && int(s.Server) == i+1 })
		if c.Name != h.Connectors[i] || c.SignIns != want || math.Abs(c.Share-float64(want)/float64(n.ByPath.PassThrough)) > 1e-12 {
			t.Errorf("connector %+v, counted %d", c, want)
		}
		total += c.SignIns
	}
	if total != n.ByPath.PassThrough {
		t.Errorf("connectors served %d of %d", total, n.ByPath.PassThrough)
	}
	var wrong uint64
	for _, w := range res.WrongByCause {
		wrong += w.Count
	}
	if wrong != n.WrongAccepts+n.WrongRefusals+n.OtherReason {
		t.Errorf("%d wrong answers by cause: %+v", wrong, res.WrongByCause)
	}
	for i, in := range res.Intervals {
		from := int64(i) * int64(time.Second)
		within := func(is func(*Sample) bool) uint64 {
			return count(func(s *Sample) bool { return s.Due >= from && s.Due < from+int64(time.Second) && is(s) })
		}
		if in.At != from || in.Sent != within(func(s *Sample) bool { return s.Outcome != OutcomeUnsent }) ||
			in.Failed != within(func(s *Sample) bool { return s.Outcome == OutcomeFailed }) ||
			in.HashSync != within(func(s *Sample) bool { return decided(s) && s.Path == PathHashSync }) ||
			in.ByConnector["connector-2"] != within(func(s *Sample) bool { return decided(s) && s.Server == 2 }) ||
			in.Sent != in.Accepted+in.Refused+in.Failed+in.Unknown {
			t.Errorf("second %d: %+v", i, in)
		}
	}
	if len(res.Intervals) != 30 {
		t.Errorf("%d intervals", len(res.Intervals))
	}
}

// What the harness computes while it writes is what anybody reads from the
// file, whatever was asked of the recorder in between.
func TestLiveEqualsFile(t *testing.T) {
	h := testHeader()
	list := madeUp(t, 8, h, 10_000)
	path := writeSamples(t, t.TempDir(), h, list)
	samples, err := OpenSamples(path)
	if err != nil {
		t.Fatal(err)
	}
	defer samples.Close()
	live := NewRecorder(samples.Header(), nil)
	var recent uint64
	for i, s := range list {
		live.Record(s)
		if i%997 == 0 {
			recent += live.Recent().Sent
			live.Result()
		}
	}
	recent += live.Recent().Sent
	if err := live.Close(); err != nil {
		t.Fatal(err)
	}
	read, err := Summarise(samples.Header(), samples.All())
	if err != nil {
		t.Fatal(err)
	}
	if got := live.Result(); !reflect.DeepEqual(got, read) {
		t.Errorf("live\n%+v\nfrom the file\n%+v", got, read)
	}
	var sent uint64
	for _, s := range list {
		if s.Outcome != OutcomeUnsent {
			sent++
		}
	}
	if recent != sent {
		t.Errorf("recent figures count %d of %d sent", recent, sent)
	}
}

func TestEmptySummary(t *testing.T) {
	res := summarise(complete(testHeader()), nil)
	if res.SignIns.Planned != 0 || res.Rate.AchievedPerS != 0 || res.Balance.Jain != 0 || res.Balance.Least != "" || len(res.Balance.Nothing) != 3 {
		t.Errorf("of nothing: %+v", res)
	}
	text, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "null") {
		t.Errorf("null in %s", text)
	}
	// A header without lengths must not divide by 0 either.
	if res := summarise(Header{Intents: []string{"right"}}, []Sample{{Outcome: OutcomeAccepted, Path: PathPassThrough}}); res.Rate != (Rate{}) {
		t.Errorf("rate over no time: %+v", res.Rate)
	}
}

// Whoever gets an error at once has no fast answer, and whom the end of the run
// cut off has waited so long at least.
func TestAnsweredWithin(t *testing.T) {
	r := NewRecorder(testHeader(), nil)
	for i := range 100 {
		s := Sample{Due: 0, Sent: 1e6, Done: 5e6, Outcome: OutcomeAccepted, Path: PathPassThrough, Server: 1}
		switch i {
		case 1, 2:
			s.Outcome, s.Path, s.Server = OutcomeFailed, PathNone, 0
		case 3:
			s.Outcome, s.Path, s.Server, s.Error, s.Done = OutcomeUnknown, PathNone, 0, ErrorCanceled, 7e6
		}
		r.Record(s)
	}
	for _, c := range []struct {
		kind       string
		percentile float64
		want       int64
	}{{"response", 97, 5e6}, {"response", 98, 7e6}, {"response", 99, Unseen}, {"service", 98, 6e6}, {"service", 99, Unseen}, {"lag", 99, 1e6}} {
		if got := r.AnsweredWithin(c.kind, c.percentile); got-c.want > c.want/1000 || got < c.want {
			t.Errorf("p%v of %s: %s, expected %s", c.percentile, c.kind, moment(got), moment(c.want))
		}
	}
	if got := r.Response().Percentiles(); got.Max != 7e6 || got.Samples != 100 {
		t.Errorf("the response itself: %+v", got)
	}
}

func TestLateAnswersAndFarDues(t *testing.T) {
	h := complete(testHeader())
	h.Timeout = int64(2 * time.Second)
	at := func(due, took time.Duration) Sample {
		return Sample{Due: int64(due), Sent: int64(due), Done: int64(due + took), Outcome: OutcomeAccepted, Path: PathPassThrough, Server: 1}
	}
	res := summarise(h, []Sample{
		at(0, time.Millisecond),
		at(20*time.Second, time.Millisecond),
		at(1*time.Second, 30*time.Second), // long closed: in the oldest second that is open
		at(19*time.Second, 3*time.Second),
		at(math.MaxInt64, 0), // past every interval, in the figures all the same
	})
	if res.SignIns.Accepted != 5 || res.Response.Samples != 5 {
		t.Errorf("figures %+v", res.SignIns)
	}
	if len(res.Intervals) != 21 {
		t.Fatalf("%d intervals", len(res.Intervals))
	}
	var sum uint64
	for i, in := range res.Intervals {
		sum += in.Accepted
		if want := map[int]uint64{0: 1, 17: 1, 19: 1, 20: 1}[i]; in.Accepted != want {
			t.Errorf("second %d has %d, expected %d", i, in.Accepted, want)
		}
	}
	if sum != 4 {
		t.Errorf("%d in all intervals", sum)
	}
	if got := res.Intervals[17].Max; got != int64(30*time.Second) {
		t.Errorf("the late answer's time is %s", Duration(got))
	}
}

// More sign-ins in a second than are kept loose.
func TestCrowdedSecond(t *testing.T) {
	h := complete(testHeader())
	var list []Sample
	var times []int64
	for i := range 3*maxLoose + 17 {
		took := int64(i%5000+1) * 1000
		times = append(times, took)
		list = append(list, Sample{Outcome: OutcomeRefused, Done: took})
	}
	slices.Sort(times)
	res := summarise(h, list)
	in := res.Intervals[0]
	if in.Refused != uint64(len(list)) || !near(in.P50, times[len(times)/2]) || !near(in.P99, times[len(times)*99/100]) || in.Max != times[len(times)-1] {
		t.Errorf("%+v", in)
	}
	if in.P50 != res.Response.P50 || in.P99 != res.Response.P99 {
		t.Errorf("the only second has p99 %d, the run %d", in.P99, res.Response.P99)
	}
}

func TestTooManyKinds(t *testing.T) {
	h := complete(testHeader())
	var list []Sample
	for code := range uint32(1000) {
		list = append(list, Sample{Outcome: OutcomeRefused, Code: code + 1, Judgement: OtherReason, Path: PathPassThrough})
	}
	res := summarise(h, list)
	if n := res.SignIns.ByCode; len(n) != maxKinds+1 || n["other"] != 1000-maxKinds {
		t.Errorf("%d codes, %d others", len(n), n["other"])
	}
	var sum uint64
	for _, w := range res.WrongByCause {
		sum += w.Count
	}
	if sum != 1000 || len(res.WrongByCause) > maxKinds+1 {
		t.Errorf("%d wrong answers of %d causes", sum, len(res.WrongByCause))
	}
}

func TestCauses(t *testing.T) {
	h := complete(testHeader())
	h.Intents = append(h.Intents[:len(h.Intents):len(h.Intents)], "old")
	for _, c := range []struct {
		sample Sample
		want   Wrong
	}{
		{Sample{Intent: 3, Outcome: OutcomeAccepted, Path: PathHashSync, Judgement: WrongAccept},
			Wrong{Kind: "wrong-accept", Path: "hash-sync", Cause: "locked is not carried by hash sync", Count: 1}},
		{Sample{Intent: 2, Outcome: OutcomeAccepted, Path: PathHashSync, Judgement: WrongAccept},
			Wrong{Kind: "wrong-accept", Path: "hash-sync", Cause: "disabled since hash sync last carried it", Count: 1}},
		{Sample{Intent: 5, Outcome: OutcomeAccepted, Path: PathHashSync, Judgement: WrongAccept},
			Wrong{Kind: "wrong-accept", Path: "hash-sync", Cause: "hash sync holds an older password", Count: 1}},
		{Sample{Intent: 5, Outcome: OutcomeRefused, Code: 50053, Path: PathPassThrough, Judgement: OtherReason},
			Wrong{Kind: "other-reason", Path: "pass-through", Cause: "the old password was answered AADSTS50053", Count: 1}},
		{Sample{Intent: 1, Outcome: OutcomeAccepted, Path: PathHashSync, Judgement: WrongAccept},
			Wrong{Kind: "wrong-accept", Path: "hash-sync", Cause: "hash sync accepted the wrong password", Count: 1}},
		{Sample{Intent: 0, Outcome: OutcomeRefused, Code: 50034, Path: PathHashSync, Judgement: WrongRefusal},
			Wrong{Kind: "wrong-refusal", Path: "hash-sync", Cause: "hash sync does not hold the user", Count: 1}},
		{Sample{Intent: 3, Outcome: OutcomeRefused, Code: 50126, Path: PathHashSync, Judgement: OtherReason},
			Wrong{Kind: "other-reason", Path: "hash-sync", Cause: "locked is not carried by hash sync", Count: 1}},
		{Sample{Intent: 3, Outcome: OutcomeAccepted, Path: PathPassThrough, Judgement: WrongAccept},
			Wrong{Kind: "wrong-accept", Path: "pass-through", Cause: "a locked user was accepted", Count: 1}},
		{Sample{Intent: 0, Outcome: OutcomeRefused, Code: 50053, Path: PathPassThrough, Judgement: WrongRefusal},
			Wrong{Kind: "wrong-refusal", Path: "pass-through", Cause: "the right password was answered AADSTS50053", Count: 1}},
	} {
		if got := summarise(h, []Sample{c.sample}).WrongByCause; len(got) != 1 || got[0] != c.want {
			t.Errorf("%+v, expected %+v", got, c.want)
		}
	}
}

func TestJain(t *testing.T) {
	for _, c := range []struct {
		shares []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{0, 0}, 0},
		{[]float64{7}, 1},
		{[]float64{5, 5, 5, 5}, 1},
		{[]float64{9, 0, 0}, 1.0 / 3},
		{[]float64{1, 2, 3}, 36.0 / 42},
		{[]float64{1 << 62, 1 << 62}, 1},
	} {
		if got := Jain(c.shares); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("of %v: %v, expected %v", c.shares, got, c.want)
		}
	}
}

func TestBalance(t *testing.T) {
	connectors := connectorShares([]string{"a", "b", "c"}, []uint64{10, 0, 30})
	b := BalanceOf(connectors)
	want := []Connector{{Name: "a", SignIns: 10, Share: 0.25}, {Name: "b"}, {Name: "c", SignIns: 30, Share: 0.75}}
	if !slices.Equal(connectors, want) {
		t.Errorf("%+v", connectors)
	}
	if b.Least != "b" || b.Most != "c" || !slices.Equal(b.Nothing, []string{"b"}) || math.Abs(b.Jain-1600.0/3000) > 1e-12 {
		t.Errorf("%+v", b)
	}
}

// A connector with a tenth of the capacity that does a tenth of the work is as
// loaded as the others; where one's capacity is not known, all count alike.
func TestBalanceByCapacity(t *testing.T) {
	small := []Connector{{Name: "a", SignIns: 100, Capacity: 200}, {Name: "b", SignIns: 11, Capacity: 20}, {Name: "c", SignIns: 90, Capacity: 200}}
	if b := BalanceOf(small); b.Least != "c" || b.Most != "b" || b.Jain < 0.99 || len(b.Nothing) != 0 {
		t.Errorf("%+v", b)
	}
	small[0].Capacity = 0
	if b := BalanceOf(small); b.Least != "b" || b.Most != "a" || b.Jain > 0.8 {
		t.Errorf("%+v", b)
	}
	if b := BalanceOf(nil); b.Least != "" || b.Jain != 0 || b.Nothing == nil {
		t.Errorf("of none: %+v", b)
	}
}

func TestUnavailable(t *testing.T) {
	h := complete(testHeader())
	var list []Sample
	add := func(second int64, outcome Outcome, n int) {
		for range n {
			list = append(list, Sample{Due: second * int64(time.Second), Outcome: outcome, Path: PathHashSync})
		}
	}
	add(-1, OutcomeFailed, 9) // the warm-up
	add(0, OutcomeAccepted, 999)
	add(0, OutcomeFailed, 1) // 99.9 %
	add(1, OutcomeAccepted, 998)
	add(1, OutcomeUnknown, 1)
	add(3, OutcomeUnsent, 5)
	add(4, OutcomeFailed, 2)
	if got, want := summarise(h, list).Unavailable, (Unavailable{Repeated: 4, Seconds: 2, Of: 3}); got != want {
		t.Errorf("%+v, expected %+v", got, want)
	}
}

func TestSummariseStopsAtDamage(t *testing.T) {
	h := testHeader()
	list := madeUp(t, 2, h, 3000)
	path := writeSamples(t, t.TempDir(), h, list)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1000*RecordSize] ^= 1
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	samples, err := OpenSamples(path)
	if err != nil {
		t.Fatal(err)
	}
	defer samples.Close()
	got, err := Summarise(samples.Header(), samples.All())
	if err == nil || !strings.Contains(err.Error(), "record 2001 ") {
		t.Errorf("error %v", err)
	}
	if want := summarise(samples.Header(), list[:2000]); !reflect.DeepEqual(got, want) {
		t.Errorf("figures differ from those of the whole records")
	}
}
