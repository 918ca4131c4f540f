package noop

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"ptabench/observe"
)

// serve runs the target and returns where it listens and how to end it.
func serve(t testing.TB) (observe.Ready, func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan observe.Ready, 1), make(chan error, 1)
	go func() {
		ended <- Run(ctx, slog.New(slog.DiscardHandler), Config{Name: "noop", Listen: "127.0.0.1"}, func(r observe.Ready) { ready <- r })
	}()
	stop := func() error { cancel(); return <-ended }
	select {
	case r := <-ready:
		return r, stop
	case err := <-ended:
		cancel()
		t.Fatal(err)
	}
	panic("unreachable")
}

// A client that is not ours understands the answers too.
func TestAnswersAreHTTP(t *testing.T) {
	ready, stop := serve(t)
	roots := x509.NewCertPool()
	if ready.Role != Role || !roots.AppendCertsFromPEM([]byte(ready.CAPEM)) {
		t.Fatalf("ready line %+v", ready)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	base := "https://" + ready.Ports[Port]
	for range 2 { // on one connection
		resp, err := client.Get(base + "/open")
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "{}" {
			t.Errorf("GET: %q, %v", body, err)
		}
		resp.Body.Close()
		resp, err = client.Post(base+"/noop/oauth2/v2.0/token", "application/x-www-form-urlencoded", strings.NewReader("username=a&password=b"))
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Token string `json:"access_token"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || strings.Count(answer.Token, ".") != 2 {
			t.Errorf("POST: %+v, %v", answer, err)
		}
		resp.Body.Close()
	}
	if err := stop(); err != nil { // with a connection open
		t.Error(err)
	}
}

func TestReadRequest(t *testing.T) {
	for name, c := range map[string]struct {
		text       string
		post, last bool
		wrong      bool
		left       string
	}{
		"get":           {text: "GET / HTTP/1.1\r\nHost: x\r\n\r\nNEXT", left: "NEXT"},
		"post":          {text: "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcNEXT", post: true, left: "NEXT"},
		"last":          {text: "POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", post: true, last: true},
		"other method":  {text: "PUT / HTTP/1.1\r\n\r\n", wrong: true},
		"length":        {text: "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", wrong: true},
		"huge":          {text: "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", wrong: true},
		"too long":      {text: "POST /" + strings.Repeat("x", maxRequest) + " HTTP/1.1\r\n\r\n", wrong: true},
		"cut in a head": {text: "POST / HTTP/1.1\r\nContent", wrong: true},
		"cut in a body": {text: "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", wrong: true},
	} {
		in := bufio.NewReaderSize(strings.NewReader(c.text), maxRequest)
		post, last, err := readRequest(in)
		if c.wrong != (err != nil) {
			t.Errorf("%s: error %v", name, err)
		}
		if c.wrong {
			continue
		}
		left, _ := io.ReadAll(in)
		if post != c.post || last != c.last || string(left) != c.left {
			t.Errorf("%s: post %v, last %v, left %q", name, post, last, left)
		}
	}
}

// pipe is a connection on which n requests come, and whose answers are
// counted.
type pipe struct {
	left    int
	request []byte
	written int
}

func (p *pipe) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	p.left--
	return copy(b, p.request), nil
}

func (p *pipe) Write(b []byte) (int, error) { p.written++; return len(b), nil }

// BenchmarkAnswer is the target's own part of a sign-in, TLS aside.
func BenchmarkAnswer(b *testing.B) {
	body := "grant_type=password&username=user000001%40contoso.test&password=Correct-Horse-1"
	p := &pipe{left: b.N, request: []byte("POST /contoso/oauth2/v2.0/token HTTP/1.1\r\nHost: 127.0.0.1:443\r\nUser-Agent: ptabench\r\n" +
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)}
	b.ReportAllocs()
	if err := answerAll(p); !errors.Is(err, io.EOF) {
		b.Fatal(err)
	}
	if p.written != b.N {
		b.Fatalf("%d answers to %d requests", p.written, b.N)
	}
}

// What nobody reads of a client that never sends does not keep Run from
// ending.
func TestSilentClient(t *testing.T) {
	ready, stop := serve(t)
	conn, err := tls.Dial("tcp", ready.Ports[Port], &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := stop(); err != nil {
		t.Error(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still open")
	}
}
