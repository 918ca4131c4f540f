package cloudsim

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ptabench/bind/bindtest"
	"ptabench/cloudsim/dispatch"
	"ptabench/connector"
	"ptabench/observe"
	"ptabench/ports"
)

// BenchmarkPaths is what a sign-in costs by either path: from the queue of the
// cloud to a connector and back, over real TLS streams on loopback, without
// users' HTTPS and tokens. The directory answers at once. cpu-ns/op is cloud,
// connector and directory together.
func BenchmarkPaths(b *testing.B) {
	for _, tc := range []struct {
		name    string
		blocked []string
	}{{"pushed", nil}, {"signalled", []string{ports.Fast}}} {
		for _, users := range []int{1, 128} {
			b.Run(tc.name+"/users="+map[int]string{1: "1", 128: "128"}[users], func(b *testing.B) {
				benchmarkPath(b, users, tc.blocked)
			})
		}
	}
}

func benchmarkPath(b *testing.B, users int, blocked []string) {
	cfg := settings(b)
	cfg.Queue.Policy = dispatch.LeastOutstanding
	srv, err := newServer(slog.New(slog.DiscardHandler), cfg)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	ready := make(chan observe.Ready, 1)
	work.Go(func() {
		if err := srv.run(ctx, func(r observe.Ready) { ready <- r }); err != nil {
			b.Error(err)
		}
	})
	b.Cleanup(func() {
		cancel()
		work.Wait()
		if err := srv.state.Close(); err != nil {
			b.Error(err)
		}
	})
	<-ready
	if len(blocked) > 0 {
		if _, err := srv.gates.Put(observe.Gate{ID: "blocked", Ports: blocked, Mode: observe.GateRefuse}); err != nil {
			b.Fatal(err)
		}
	}
	directory := bindtest.Script(b, func(bind bindtest.Bind) ([]byte, bool) { return bind.Reply(0, ""), true })
	token, err := srv.state.IssueToken("contoso", time.Now())
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, directory.CAPEM, 0o600); err != nil {
		b.Fatal(err)
	}
	left, leave := context.WithCancel(context.Background())
	b.Cleanup(leave) // before the simulator ends
	work.Go(func() {
		err := connector.Run(left, slog.New(slog.DiscardHandler), connector.Config{
			Name: "connector-1", Tenant: "contoso", Version: "test", Cloud: filepath.Join(cfg.State, "cloud.json"), State: dir,
			Directory: []string{"ldaps://" + directory.Address}, DirectoryCA: ca,
			BindDN: bindtest.ServiceDN, BindPassword: bindtest.ServicePassword, BaseDN: bindtest.BaseDN,
			Concurrency: 200, BindTimeout: 10 * time.Second, ConnectTimeout: 2 * time.Second,
			Observe: "127.0.0.1:0", RegistrationToken: token,
		}, func(observe.Ready) {})
		if err != nil {
			b.Error(err)
		}
	})
	t := srv.tenants["contoso"]
	only := func() (n observe.ConnectorCounters) {
		if all := t.counters().Connectors; len(all) == 1 {
			n = all[0]
		}
		return n
	}
	const user = "ann@contoso.test"
	eventually(b, "sign-ins come by the path", func() bool {
		return !t.signIn(srv.lastID.Add(1), user, password).failed && (only().Pushed > 0) == (len(blocked) == 0)
	})
	before := only()
	var todo atomic.Int64
	todo.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	cpu := processTime(b)
	var signing sync.WaitGroup
	for range users {
		signing.Go(func() {
			for todo.Add(-1) >= 0 {
				if a := t.signIn(srv.lastID.Add(1), user, password); a.code != 0 || a.failed {
					b.Errorf("got %+v", a)
					return
				}
			}
		})
	}
	signing.Wait()
	b.StopTimer()
	b.ReportMetric(float64(processTime(b)-cpu)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sign-ins/s")
	after := only()
	if pushed, accepted := after.Pushed-before.Pushed, after.Accepted-before.Accepted; pushed+accepted != uint64(b.N) || (pushed > 0) != (len(blocked) == 0) {
		b.Errorf("%d pushed, %d accepted of %d", pushed, accepted, b.N)
	}
}

// processTime is what this process has used of the processors.
func processTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
