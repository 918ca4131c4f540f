package cloudsim

import (
	"context"
	"crypto/hpke"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"ptabench/cloudsim/dispatch"
	"ptabench/cloudsim/federation"
	"ptabench/cloudsim/token"
	"ptabench/onprem/adfs/saml"
	"ptabench/wire"
)

// sealed is a sealer and a recipient that have agreed on a context.
func sealed(tb testing.TB, maxCount int) (*sealer, hpke.PrivateKey) {
	tb.Helper()
	key, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		tb.Fatal(err)
	}
	s, err := newSealer(uint32(hpke.MLKEM768X25519().ID()), key.PublicKey().Bytes(), time.Hour, maxCount)
	if err != nil {
		tb.Fatal(err)
	}
	return s, key
}

func recipient(tb testing.TB, key hpke.PrivateKey, enc []byte) *hpke.Recipient {
	tb.Helper()
	r, err := hpke.NewRecipient(enc, key, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte("ptabench seal 1"))
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// BenchmarkSealOpen is what a password costs on its way through a context that
// is kept open, at both ends.
func BenchmarkSealOpen(b *testing.B) {
	s, key := sealed(b, 1<<30)
	enc, err := s.roll(time.Now())
	if err != nil {
		b.Fatal(err)
	}
	r := recipient(b, key, enc)
	plain := []byte(password)
	b.ReportAllocs()
	var aad [12]byte
	for id := uint64(0); b.Loop(); id++ {
		text, err := s.seal(id, 1, plain)
		if err != nil {
			b.Fatal(err)
		}
		binary.BigEndian.PutUint64(aad[:8], id)
		binary.BigEndian.PutUint32(aad[8:], 1)
		if _, err := r.Open(aad[:], text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSealRollover is what a new context costs: one in a million
// passwords or ten minutes.
func BenchmarkSealRollover(b *testing.B) {
	s, _ := sealed(b, 1)
	b.ReportAllocs()
	for b.Loop() {
		s.count = 1
		if _, err := s.roll(time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVault(b *testing.B) {
	v, err := newVault()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var plain []byte
	for b.Loop() {
		plain = v.reveal(plain[:0], v.hide(password))
	}
	if string(plain) != password {
		b.Fatal("another password came out")
	}
}

func BenchmarkSignInLog(b *testing.B) {
	l, err := openSignInLog(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	a := &answer{by: PassThrough, connector: "connector-1", attempts: 1}
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		l.add(now, "0190b2c4-0000-8000-8000-000000000001", "contoso", "user000001@contoso.test", a)
	}
	if err := l.close(); err != nil {
		b.Fatal(err)
	}
}

// near is a request stream whose other end is right here: what goes down it is
// answered at once.
type near struct {
	grpc.ServerStream
	session *session
	result  wire.Result
	batches atomic.Int64
}

func (n *near) Recv() (*wire.ConnectorMessage, error) { panic("nobody reads here") }

func (n *near) Send(m *wire.CloudMessage) error {
	given := m.GetBatch().GetSignIns()
	if len(given) == 0 {
		return nil
	}
	n.batches.Add(1)
	answers := make([]*wire.Answer, len(given))
	for i, s := range given {
		answers[i] = &wire.Answer{Id: s.GetId(), Attempt: s.GetAttempt(), Result: n.result}
	}
	if n.session.take(answers, false) != 0 {
		panic("an answer that was not given")
	}
	return nil
}

// sink is a response that goes nowhere.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkSignInHandler is the whole of a sign-in but the network: handler,
// queue, dispatch, sealing, answer, tokens.
func BenchmarkSignInHandler(b *testing.B) {
	for _, result := range []wire.Result{wire.Result_RESULT_ACCEPTED, wire.Result_RESULT_WRONG_PASSWORD} {
		b.Run(strings.ToLower(strings.TrimPrefix(result.String(), "RESULT_")), func(b *testing.B) {
			benchmarkHandler(b, result)
		})
	}
}

func benchmarkHandler(b *testing.B, result wire.Result) {
	cfg := settings(b)
	cfg.SignInLog = filepath.Join(b.TempDir(), "log")
	cfg.Queue.Queue, cfg.Queue.Policy = 1<<20, dispatch.LeastOutstanding
	srv, err := newServer(slog.New(slog.DiscardHandler), cfg)
	if err != nil {
		b.Fatal(err)
	}
	t := srv.tenants["contoso"]
	t.issuer = srv.signer.Issuer("127.0.0.1:443", t.Name)
	if err := srv.openSurface("127.0.0.1:443"); err != nil {
		b.Fatal(err)
	}
	s := &session{tenant: t, server: srv, log: srv.log, peer: peerIdentity{name: "connector-1"}}
	s.connector = dispatch.NewConnector("connector-1", 1<<20, s)
	s.done, s.ended = context.WithCancelCause(context.Background())
	stream := &near{session: s, result: result}
	r := &requestStream{BidiStreamingServer: stream, session: s, number: 1, fast: true, wake: make(chan struct{}, 1)}
	r.seal, _ = sealed(b, 1<<30)
	r.done, s.fast = s.done, r
	var work sync.WaitGroup
	work.Go(func() { _ = r.send() })
	t.locked(func(now time.Duration) { t.queue.Attach(now, s.connector) })
	mux := srv.userMux()
	body := form("user000001@contoso.test", password).Encode()
	want := http.StatusOK
	if result != wire.Result_RESULT_ACCEPTED {
		want = http.StatusBadRequest
	}
	b.ReportAllocs()
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := &http.Request{Method: "POST", URL: &url.URL{Path: "/contoso/oauth2/v2.0/token"}, ContentLength: int64(len(body)),
				Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Client-Request-Id": {"0190b2c4-0000-8000-8000-000000000001"}},
				Body:   io.NopCloser(strings.NewReader(body))}
			w := &sink{header: make(http.Header, 8)}
			mux.ServeHTTP(w, r)
			if w.status != want && w.status != 0 {
				b.Errorf("status %d", w.status)
				return
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/float64(max(stream.batches.Load(), 1)), "sign-ins/batch")
	s.ended(errShutdown)
	work.Wait()
	if err := srv.signInLog.close(); err != nil {
		b.Error(err)
	}
	if err := srv.state.Close(); err != nil {
		b.Error(err)
	}
}

// BenchmarkSimulator is a sign-in over the network: HTTPS in, gRPC with mutual
// TLS to a connector that answers at once, and back. Client and connector are
// in this process and figure in it.
func BenchmarkSimulator(b *testing.B) {
	for _, in := range []int{1, 64} {
		b.Run(fmt.Sprintf("users=%d", in), func(b *testing.B) {
			c := start(b, func(cfg *Config) { cfg.SignInLog = filepath.Join(b.TempDir(), "log") })
			c.register("connector-1").attach()
			body := form("user000001@contoso.test", password).Encode()
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ReportAllocs()
			b.ResetTimer()
			var work sync.WaitGroup
			for range in {
				work.Go(func() {
					for left.Add(-1) >= 0 {
						if r := c.do(c.request("contoso", body)); r.status != 200 {
							b.Errorf("got %v", r)
							return
						}
					}
				})
			}
			work.Wait()
			b.StopTimer()
		})
	}
}

// BenchmarkSignInLogFlush is what a flush interval costs at 1,000 sign-ins a
// second: 100 lines and one write.
func BenchmarkSignInLogFlush(b *testing.B) {
	l, err := openSignInLog(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	a := &answer{by: PassThrough, connector: "connector-1", attempts: 1}
	now := time.Now()
	for b.Loop() {
		for range 100 {
			l.add(now, "0190b2c4-0000-8000-8000-000000000001", "contoso", "user000001@contoso.test", a)
		}
		l.csv.Flush()
	}
	if err := l.close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkAssertionGrant is the cloud's part of a sign-in by federation: an
// assertion of some 3 KB, which is read, verified and remembered, and tokens.
func BenchmarkAssertionGrant(b *testing.B) {
	f := newSigner(b)
	srv := still(b)
	t := srv.tenants["woodgrove"]
	t.client = func() (*http.Client, error) { return f.Client(), nil }
	p := *t.policy.Load()
	p.trust = t.believe(f.URL + "/m.xml")
	t.policy.Store(&p)
	mux := srv.userMux()
	body := url.Values{"grant_type": {token.SAML1Grant}, "client_id": {clientID}, "scope": {"openid"},
		"assertion": {base64.StdEncoding.EncodeToString([]byte(f.says(saml.SAML11, "ann@woodgrove.test", func(c *saml.Claim) { c.At = time.Now() })))}}.Encode()
	b.ReportAllocs()
	for b.Loop() {
		t.replays = federation.NewReplays(1)
		r := &http.Request{Method: "POST", URL: &url.URL{Path: "/woodgrove/oauth2/v2.0/token"}, ContentLength: int64(len(body)),
			Header: http.Header{"Content-Type": {formType}}, Body: io.NopCloser(strings.NewReader(body))}
		w := &sink{header: make(http.Header, 8)}
		mux.ServeHTTP(w, r.WithContext(context.Background()))
		if w.status != http.StatusOK && w.status != 0 {
			b.Fatalf("status %d", w.status)
		}
	}
}
