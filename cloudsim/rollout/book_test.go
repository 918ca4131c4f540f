package rollout

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ptabench/observe"
	"ptabench/signed"
)

// TestBook plays what connectors say, a line for each: seconds, tenant/connector,
// step, version and reason; and what follows.
func TestBook(t *testing.T) {
	const granted, refused = "granted", "-"
	for _, tt := range []struct {
		name   string
		says   [][2]string
		events string
	}{
		{"one at a time", [][2]string{
			{"0 a/1 lease 2.0.0", granted}, {"1 a/2 lease 2.0.0", "holder 1"}, {"2 a/1 confirm 2.0.0", granted},
			{"3 a/1 done 2.0.0", refused}, {"4 a/2 lease 2.0.0", granted},
		}, "began 1, done 1, began 2"},
		{"tenants do not wait for each other", [][2]string{
			{"0 a/1 lease 2.0.0", granted}, {"1 b/1 lease 2.0.0", granted},
		}, "began 1, began 1"},
		{"one that died holds nobody up for ever", [][2]string{
			{"0 a/1 lease 2.0.0", granted}, {"30 a/2 lease 2.0.0", "holder 1"}, {"31 a/2 lease 2.0.0", granted},
		}, "began 1, lapsed 1: not heard of, began 2"},
		{"one that asks again keeps it", [][2]string{
			{"0 a/1 lease 2.0.0", granted}, {"20 a/1 lease 2.0.0", granted}, {"40 a/2 lease 2.0.0", "holder 1"},
		}, "began 1"},
		{"one that failed halts the version", [][2]string{
			{"0 a/1 lease 2.0.0", granted}, {"1 a/1 failed 2.0.0 crashed", refused}, {"2 a/2 lease 2.0.0", "halted it failed at 1: crashed"},
			{"3 a/1 lease 2.0.0", "halted it failed at 1: crashed"}, {"4 b/1 lease 2.0.0", granted},
		}, "began 1, failed 1: crashed, began 1"},
		{"a later one is not halted", [][2]string{
			{"0 a/1 lease 2.0.0", granted}, {"1 a/1 failed 2.0.0 crashed", refused}, {"2 a/2 lease 2.0.1", granted},
		}, "began 1, failed 1: crashed, began 2"},
		{"a later one in place of one that goes on", [][2]string{
			{"0 a/1 lease 2.0.0", granted}, {"1 a/1 lease 2.1.0", granted}, {"2 a/1 done 2.1.0", refused},
		}, "began 1, lapsed 1: given up for 2.1.0, began 1, done 1"},
		{"failed after it had lapsed", [][2]string{
			{"0 a/1 lease 2.0.0", granted}, {"40 a/2 lease 2.0.0", granted}, {"41 a/1 failed 2.0.0 late", refused}, {"42 a/2 confirm 2.0.0", "halted it failed at 1: late"},
		}, "began 1, lapsed 1: not heard of, began 2, failed 1: late"},
		{"done by who has it not", [][2]string{
			{"0 a/1 lease 2.0.0", granted}, {"1 a/2 done 2.0.0", refused}, {"2 a/2 lease 2.0.0", "holder 1"},
		}, "began 1"},
		{"refused takes no lease", [][2]string{
			{"0 a/1 lease 2.0.0", granted}, {"1 a/2 refused 2.0.0 wrong-hash", refused}, {"2 a/1 confirm 2.0.0", granted},
		}, "began 1, refused 2: wrong-hash"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var events []string
			b := NewBook(DefaultTerm, func(e observe.Event) {
				text := strings.TrimPrefix(string(e.Kind), "update-") + " " + e.Connector
				if _, why, found := strings.Cut(e.Cause, ": "); found {
					text += ": " + why
				}
				events = append(events, text)
			})
			zero := time.Unix(1_000_000, 0)
			for _, line := range tt.says {
				var at int
				var who, step, to, reason string
				if n, _ := fmt.Sscan(line[0], &at, &who, &step, &to, &reason); n < 4 {
					t.Fatalf("%q", line[0])
				}
				tenant, name, _ := strings.Cut(who, "/")
				answer, began := b.Take(Who{tenant, name}, &signed.UpdateMessage{Step: signed.UpdateStep(step), From: "1.0.0", To: to, Reason: reason}, zero.Add(time.Duration(at)*time.Second))
				got := refused
				switch {
				case answer.Granted:
					got = granted
				case answer.Holder != "":
					got = "holder " + answer.Holder
				case answer.Halted != "":
					got = "halted " + answer.Halted
				}
				if got != line[1] {
					t.Errorf("%s: %s, want %s", line[0], got, line[1])
				}
				if began != 0 && !answer.Granted {
					t.Errorf("%s: began and was not granted", line[0])
				}
			}
			if got := strings.Join(events, ", "); got != tt.events {
				t.Errorf("events: %s\nwant:   %s", got, tt.events)
			}
		})
	}
}

// TestNotServing holds that time counts for who has the lease only.
func TestNotServing(t *testing.T) {
	b := NewBook(DefaultTerm, func(observe.Event) {})
	now := time.Unix(1_000_000, 0)
	one, two := Who{"a", "1"}, Who{"a", "2"}
	_, id := b.Take(one, &signed.UpdateMessage{Step: signed.UpdateLease, To: "2.0.0"}, now)
	if b.NotServing(two, id+1, time.Second, now) || b.NotServing(one, id+1, time.Second, now) {
		t.Error("who has it not has it")
	}
	if !b.NotServing(one, id, 30*time.Millisecond, now) || !b.NotServing(one, id, 12*time.Millisecond, now) {
		t.Error("who has it has it not")
	}
	b.Take(one, &signed.UpdateMessage{Step: signed.UpdateDone, To: "2.0.0"}, now.Add(time.Second))
	_, again := b.Take(one, &signed.UpdateMessage{Step: signed.UpdateLease, To: "2.1.0"}, now.Add(time.Second))
	if again == 0 || b.NotServing(one, id, time.Second, now.Add(time.Second)) {
		t.Error("it goes on when it is done, and its next one has begun")
	}
	all := b.Updates().Updates
	if len(all) != 2 || all[1].NotServingNS != 0 || all[0].NotServingNS != int64(42*time.Millisecond) || all[0].State != observe.Updated || all[0].EndedNS-all[0].BeganNS != int64(time.Second) {
		t.Errorf("%+v", all)
	}
}

// TestBookIsBounded holds that refusals do not grow it without end.
func TestBookIsBounded(t *testing.T) {
	b := NewBook(DefaultTerm, func(observe.Event) {})
	for range entriesKept + 10 {
		b.Take(Who{"a", "1"}, &signed.UpdateMessage{Step: signed.UpdateRefused, To: "2.0.0"}, time.Unix(1_000_000, 0))
	}
	if n := len(b.Updates().Updates); n != entriesKept {
		t.Errorf("%d entries, want %d", n, entriesKept)
	}
	for i := range haltedKept + 10 {
		b.Take(Who{"a", "1"}, &signed.UpdateMessage{Step: signed.UpdateFailed, To: fmt.Sprint(i)}, time.Unix(1_000_000, 0))
	}
	if all := b.halted["a"]; len(all) != haltedKept || all.of(fmt.Sprint(haltedKept+9)) == "" {
		t.Errorf("%d versions that failed, want the last %d", len(all), haltedKept)
	}
}
