package connector

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

func ids(o *outbox) (pending, sent []uint64) {
	for _, a := range o.pending {
		pending = append(pending, a.id)
	}
	for _, a := range o.sent {
		sent = append(sent, a.id)
	}
	return pending, sent
}

func TestOutbox(t *testing.T) {
	o := newOutbox(10)
	for id := range uint64(10) {
		if !o.add(answer{id: id}) {
			t.Fatalf("answer %d of 10 was refused", id)
		}
	}
	if o.add(answer{id: 10}) {
		t.Error("an answer past the limit was taken")
	}
	if batch, again := o.take(); len(batch.GetAnswers()) != 10 || again != 0 || batch.Answers[9].Id != 9 {
		t.Fatalf("took %v, %d again", batch, again)
	}
	if batch, _ := o.take(); batch != nil {
		t.Errorf("took %v twice", batch)
	}
	if err := o.acknowledge(4); err != nil {
		t.Fatal(err)
	}
	if err := o.acknowledge(3); err != nil { // late, and says nothing new
		t.Fatal(err)
	}
	if err := o.acknowledge(11); !errors.Is(err, errAcked) {
		t.Errorf("11 of 10 acknowledged: %v", err)
	}
	for id := uint64(10); id < 18; id++ {
		o.add(answer{id: id})
	}
	o.take()
	if _, sent := ids(o); len(sent) != 10 || sent[0] != 8 {
		t.Errorf("keeps %v, want the last 10", sent)
	}
	if err := o.acknowledge(9); err != nil { // one of those that are still kept
		t.Fatal(err)
	}
	o.add(answer{id: 18})
	o.restart()
	if pending, sent := ids(o); len(pending) != 10 || pending[0] != 9 || pending[9] != 18 || len(sent) != 0 {
		t.Errorf("after a restart to be sent: %v, sent: %v; want 9 to 18, none", pending, sent)
	}
	if o.empty() || o.nothing() {
		t.Error("counts as empty")
	}
	if batch, again := o.take(); len(batch.Answers) != 10 || again != 9 {
		t.Errorf("took %d answers, %d again; want 10, 9", len(batch.Answers), again)
	}
	if err := o.acknowledge(10); err != nil || !o.empty() {
		t.Errorf("not empty once all is acknowledged: %v", err)
	}
}

// Whatever streams end when, the cloud gets every answer: those it has not
// acknowledged at most once more per stream, and none in another order.
func TestOutboxOverManyStreams(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		o := newOutbox(1000)
		got := map[uint64]int{}
		next, received, resent := uint64(0), uint64(0), 0
		for range 500 {
			switch r.IntN(6) {
			case 0, 1:
				o.add(answer{id: next})
				next++
			case 2, 3:
				batch, again := o.take()
				resent += again
				for _, a := range batch.GetAnswers() {
					if r.IntN(50) == 0 {
						break // the stream broke within the batch
					}
					got[a.Id]++
					received++
				}
				if int(received) != int(o.total) {
					o.restart()
					received = 0
				}
			case 4:
				if err := o.acknowledge(received); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			case 5:
				if r.IntN(10) == 0 {
					o.restart()
					received = 0
				}
			}
		}
		for batch, again := o.take(); batch != nil; batch, again = o.take() {
			resent += again
			for _, a := range batch.Answers {
				got[a.Id]++
			}
		}
		more := 0
		for id := range next {
			if got[id] == 0 {
				t.Fatalf("seed %d: answer %d of %d was lost", seed, id, next)
			}
			more += got[id] - 1
		}
		if more > resent {
			t.Errorf("seed %d: %d answers came again, %d were counted", seed, more, resent)
		}
	}
}

func TestPulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pulse
		p.beat()
		began := time.Now()
		lost := make(chan time.Duration, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go p.watch(ctx, 750*time.Millisecond, func(error) { lost <- time.Since(began) })
		for range 10 { // each as late as a peer may be
			time.Sleep(749 * time.Millisecond)
			if silent := p.beat(); silent != 749*time.Millisecond {
				t.Errorf("silent for %v, want 749ms", silent)
			}
		}
		at := <-lost
		if silence := at - 7490*time.Millisecond; silence <= 750*time.Millisecond || silence > 755*time.Millisecond {
			t.Errorf("given up after %v of silence, want just over 750ms", silence)
		}
		go p.watch(ctx, time.Second, func(error) { t.Error("lost after the end") })
		cancel()
		synctest.Wait()
	})
}

func BenchmarkOutbox(b *testing.B) {
	o := newOutbox(8192)
	b.ReportAllocs()
	sent := uint64(0)
	for b.Loop() {
		o.add(answer{id: 1})
		if sent++; sent%16 == 0 {
			o.take()
			if err := o.acknowledge(sent); err != nil {
				b.Fatal(err)
			}
		}
	}
}
