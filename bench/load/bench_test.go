package load

import (
	"testing"
	"time"

	"ptabench/results"
)

// BenchmarkSignIn is the generator against a target of net/http in the same
// process: both sides' cost of a sign-in, one after the other.
func BenchmarkSignIn(b *testing.B) {
	cloud := newFakeCloud(b, nil)
	cfg := cloud.config(func(results.Sample) {})
	cfg.Duration, cfg.Pool = time.Hour, 4
	g := generator(b, cfg)
	defer g.tenants.all[0].conns.close()
	t := attackClient(g, b.Context(), time.Now()).Transport.(*signIns)
	b.ReportAllocs()
	seq := uint32(0)
	for b.Loop() {
		t.signIn(seq)
		seq++
	}
	if p := g.Progress(); p.Accepted+p.Refused != uint64(seq) {
		b.Fatalf("%+v", p)
	}
}

// BenchmarkAttack adds vegeta and the schedule: arrivals that are all due at
// once, so that the figure is the most that this machine can send with the
// target in the same process.
func BenchmarkAttack(b *testing.B) {
	cloud := newFakeCloud(b, nil)
	cfg := cloud.config(func(results.Sample) {})
	cfg.Pool, cfg.Warmup, cfg.MaxWorkers = 64, 0, 64
	cfg.Rate = 1e6
	cfg.Duration = time.Duration(b.N) * time.Microsecond
	g := generator(b, cfg)
	g.schedule.length = time.Hour // time to send them
	b.ReportAllocs()
	b.ResetTimer()
	if err := g.Run(b.Context(), time.Now()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	if p := g.Progress(); p.Unsent+p.Failed+p.Unknown != 0 {
		b.Fatalf("%+v", p)
	}
	sent := float64(g.Progress().Sent)
	b.ReportMetric(float64(b.Elapsed().Microseconds())/sent, "µs/sign-in")
	b.ReportMetric(sent/b.Elapsed().Seconds(), "sign-ins/s")
}

// BenchmarkOwnPart is what this package adds to a sign-in, connections and
// vegeta aside.
func BenchmarkOwnPart(b *testing.B) {
	cloud := newFakeCloud(b, nil)
	cfg := cloud.config(func(results.Sample) {})
	cfg.Duration = time.Hour
	g, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	answered := response{status: 200, body: []byte(tokenAnswer("user000001@contoso.test"))}
	b.ReportAllocs()
	seq := uint32(0)
	var buf []byte
	for b.Loop() {
		kind, user := g.mix.at(seq)
		s := results.Sample{Seq: seq, User: user, Intent: kind, Due: int64(g.schedule.Due(int(seq)))}
		req := g.tenants.all[0].post.request(seq, g.mix.upn(kind, user), g.mix.password(kind, user))
		buf = req.append(buf[:0])
		_, other := g.reader.read(&s, req.id[:], req.upn, &answered)
		s.Judgement = judge(&s, 0, other)
		g.record(&s)
		seq++
	}
}
