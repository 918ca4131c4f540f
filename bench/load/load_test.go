package load

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"ptabench/results"
)

func TestEverySignInIsJudged(t *testing.T) {
	cloud := newFakeCloud(t, nil)
	var got list
	g := generator(t, cloud.config(got.add))
	if err := g.Run(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	checkBooks(t, g, got)
	for _, s := range got {
		k := kinds[s.Intent]
		if s.Outcome == results.OutcomeUnsent {
			continue // a busy machine
		}
		if s.Judgement != results.Right || s.Code != k.truth || s.Path != results.PathPassThrough || s.Server != 1 || s.Attempts != 1 || s.Connector != 20 {
			t.Fatalf("%s: %+v", k.intent, s)
		}
	}
	if n := g.Planned(0); n >= len(got) || n < len(got)/2 || g.Planned(-g.cfg.Warmup) != len(got) {
		t.Errorf("planned %d from time 0, %d in all", n, len(got))
	}
}

func TestOtherUsersTokensAreWrongAccepts(t *testing.T) {
	cloud := newFakeCloud(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, tokenAnswer("user000999@contoso.test"))
	})
	var got list
	g := generator(t, cloud.config(got.add))
	if err := g.Run(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	checkBooks(t, g, got)
	for _, s := range got {
		if s.Outcome != results.OutcomeUnsent && s.Judgement != results.WrongAccept && s.User != 998 {
			t.Fatalf("user %d got a token for user 998: %+v", s.User, s)
		}
	}
	if p := g.Progress(); p.WrongAccepts+5 < p.Accepted {
		t.Errorf("%d accepted, %d of them wrong", p.Accepted, p.WrongAccepts)
	}
}

// What a broken target does, and how it is recorded.
func TestBrokenTargets(t *testing.T) {
	hijack := func(do func(net.Conn, *bufio.ReadWriter)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm() // all that is sent, so that closing is not a reset
			conn, buffered, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			do(conn, buffered)
			conn.Close()
		}
	}
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		outcome results.Outcome
		class   uint8
	}{
		"garbage in HTTP": {func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>") }, results.OutcomeFailed, results.ErrorOther},
		"garbage": {hijack(func(_ net.Conn, b *bufio.ReadWriter) {
			_, _ = b.WriteString("220 smtp ready\r\n")
			_ = b.Flush()
		}), results.OutcomeUnknown, results.ErrorOther},
		"closes": {hijack(func(net.Conn, *bufio.ReadWriter) {}), results.OutcomeUnknown, results.ErrorEOF},
		"closes within the answer": {hijack(func(_ net.Conn, b *bufio.ReadWriter) {
			_, _ = b.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
			_ = b.Flush()
		}), results.OutcomeUnknown, results.ErrorEOF},
		"resets": {hijack(func(conn net.Conn, _ *bufio.ReadWriter) {
			_ = conn.(interface{ NetConn() net.Conn }).NetConn().(*net.TCPConn).SetLinger(0)
			_ = conn.(interface{ NetConn() net.Conn }).NetConn().Close()
		}), results.OutcomeUnknown, results.ErrorReset},
		"never answers": {func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		}, results.OutcomeUnknown, results.ErrorTimeout},
		"answers too long": {func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, strings.Repeat("x", 2*maxAnswer))
		}, results.OutcomeUnknown, results.ErrorOther},
		"overloaded": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, errorAnswer("temporarily_unavailable", 80005))
		}, results.OutcomeFailed, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := newFakeCloud(t, c.answer)
			var got list
			cfg := cloud.config(got.add)
			cfg.Rate, cfg.Pool, cfg.Duration, cfg.Timeout = 50, 5, 300*time.Millisecond, 10*time.Second
			if c.class == results.ErrorTimeout {
				cfg.Timeout = 300 * time.Millisecond
			}
			g := generator(t, cfg)
			if err := g.Run(t.Context(), time.Now()); err != nil {
				t.Fatal(err)
			}
			checkBooks(t, g, got)
			if g.Progress().Sent == 0 {
				t.Error("nothing was sent")
			}
			for _, s := range got {
				if s.Outcome != results.OutcomeUnsent && (s.Outcome != c.outcome || s.Error != c.class) {
					t.Fatalf("outcome %d class %d, want %d, %d: %+v", s.Outcome, s.Error, c.outcome, c.class, s)
				}
			}
		})
	}
}

func TestTargetsThatAreNotThere(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	cloud := newFakeCloud(t, nil)
	for name, c := range map[string]struct {
		change func(*Config)
		class  uint8
	}{
		"nobody listens":    {func(c *Config) { c.URL = "https://" + closed.Addr().String() + "/" }, results.ErrorRefused},
		"another authority": {func(c *Config) { c.Roots = x509.NewCertPool() }, results.ErrorTLS},
	} {
		t.Run(name, func(t *testing.T) {
			var got list
			cfg := cloud.config(got.add)
			cfg.Pool, cfg.Rate, cfg.Duration = 0, 50, 200*time.Millisecond
			c.change(&cfg)
			g := generator(t, cfg)
			if err := g.Run(t.Context(), time.Now()); err != nil {
				t.Fatal(err)
			}
			checkBooks(t, g, got)
			for _, s := range got {
				if s.Outcome != results.OutcomeUnsent && (s.Outcome != results.OutcomeUnknown || s.Error != c.class) {
					t.Fatalf("outcome %d class %d, want unknown, class %d", s.Outcome, s.Error, c.class)
				}
			}
			cfg.Pool = 4
			cfg.OpenURL = cfg.URL
			if g, err = New(cfg); err != nil {
				t.Fatal(err)
			}
			if err := g.Connect(t.Context()); err == nil {
				t.Error("connections were opened")
			}
		})
	}
}

func TestAbort(t *testing.T) {
	cloud := newFakeCloud(t, nil)
	ctx, abort := context.WithCancelCause(t.Context())
	because := errors.New("somebody pressed Ctrl-C")
	var got list
	cfg := cloud.config(nil)
	cfg.Duration = time.Hour
	cfg.Sink = func(s results.Sample) {
		if got.add(s); len(got) == 300 {
			abort(because)
		}
	}
	cfg.Pool = 20
	g := generator(t, cfg)
	if err := g.Run(ctx, time.Now()); !errors.Is(err, because) {
		t.Errorf("ended with %v, want %v", err, because)
	}
	checkBooks(t, g, got)
	if len(got) > 2000 {
		t.Errorf("%d sign-ins, aborted after 300", len(got))
	}
}

func TestTokensAreVerified(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	verify, err := NewVerifier(set)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(`{"preferred_username":"user000001@contoso.test"}`))
	if err != nil {
		t.Fatal(err)
	}
	good, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	if err := verify([]byte(good)); err != nil {
		t.Errorf("a good token: %v", err)
	}
	parts := strings.Split(good, ".")
	for name, bad := range map[string]string{
		"changed":   parts[0] + "." + parts[1][:10] + "AAAA" + parts[1][14:] + "." + parts[2],
		"unsigned":  "eyJhbGciOiJub25lIn0." + parts[1] + ".",
		"no token":  "x",
		"elsewhere": fakeToken("user000001@contoso.test"),
	} {
		if verify([]byte(bad)) == nil {
			t.Errorf("%s: verified", name)
		}
	}
	for _, bad := range []string{"", "{}", `{"keys":[]}`} {
		if _, err := NewVerifier([]byte(bad)); err == nil {
			t.Errorf("key set %q was taken", bad)
		}
	}

	// One in 256 is checked, and a bad one shows.
	cloud := newFakeCloud(t, nil)
	var got list
	cfg := cloud.config(got.add)
	cfg.Verify = verify
	g := generator(t, cfg)
	if err := g.Run(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	p := g.Progress()
	if want := (p.Accepted + verifyEvery - 1) / verifyEvery; p.TokensVerified != want || p.TokensBad != want {
		t.Errorf("of %d accepted, %d verified and %d bad; want %d, all bad", p.Accepted, p.TokensVerified, p.TokensBad, want)
	}
}

func TestImpossibleConfigsAreRefused(t *testing.T) {
	cloud := newFakeCloud(t, nil)
	_, err := New(Config{URL: "http://x", Pool: -1, MaxWorkers: -1, Warmup: -1, Population: cloud.people})
	if err == nil {
		t.Fatal("planned")
	}
	for _, want := range []string{"url", "pool -1", "max workers -1", "warm-up -1", "duration 0", "timeout 0", "sink"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v: no word of %q", err, want)
		}
	}
}
