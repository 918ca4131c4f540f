package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// served is a response as cloudsim gives it.
func served(body string) string {
	return "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nClient-Request-Id: 01234567-89ab-8def-8123-456700000001\r\n" +
		"Content-Type: application/json; charset=utf-8\r\nX-Ptabench-Attempts: 1\r\nX-Ptabench-Connector: connector-1\r\n" +
		"X-Ptabench-Method: pass-through\r\nX-Ptabench-Times: queue=12,connector=3456,directory=3400\r\n" +
		"Date: Sun, 22 Nov 2026 10:00:00 GMT\r\nContent-Length: " + fmt.Sprint(len(body)) + "\r\n\r\n" + body
}

const ok = "HTTP/1.1 200 OK\r\n"

func TestResponses(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		status int
		body   string
		last   bool
	}{
		"a length":                {ok + "Content-Length: 5\r\n\r\nhello", 200, "hello", false},
		"a length of 0":           {ok + "content-length:0\r\n\r\n", 200, "", false},
		"no reason":               {"HTTP/1.1 400\r\nContent-Length: 1\r\n\r\nx", 400, "x", false},
		"an empty reason":         {"HTTP/1.1 503 \r\nContent-Length: 1\r\n\r\nx", 503, "x", false},
		"chunks":                  {ok + "Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n00007 \r\n, world\r\n0\r\n\r\n", 200, "hello, world", false},
		"chunks with extensions":  {ok + "Transfer-Encoding: chunked\r\n\r\nA;x=y\r\n0123456789\r\n0;z\r\n\r\n", 200, "0123456789", false},
		"chunks with trailers":    {ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n", 200, "x", false},
		"no chunk":                {ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, "", false},
		"until the end":           {ok + "\r\nhello", 200, "hello", true},
		"nothing until the end":   {ok + "\r\n", 200, "", true},
		"one that says close":     {ok + "Connection: foo , Close\r\nContent-Length: 1\r\n\r\nx", 200, "x", true},
		"one that keeps":          {ok + "Connection: keep-alive\r\nContent-Length: 1\r\n\r\nx", 200, "x", false},
		"HTTP/1.0":                {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, "x", true},
		"no content":              {"HTTP/1.1 204 No Content\r\n\r\n", 204, "", false},
		"not modified":            {"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n", 304, "", false},
		"1xx before it":           {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ok + "Content-Length: 1\r\n\r\nx", 200, "x", false},
		"1xx that says close":     {"HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n" + ok + "Content-Length: 1\r\n\r\nx", 200, "x", false},
		"what nobody asked for":   {ok + "Content-Length: 1\r\n\r\nxHTTP/1.1 408 Request Timeout\r\n\r\n", 200, "x", true},
		"the largest body":        {ok + fmt.Sprintf("Content-Length: %d\r\n\r\n", maxAnswer) + strings.Repeat("x", maxAnswer), 200, strings.Repeat("x", maxAnswer), false},
		"the largest in chunks":   {ok + "Transfer-Encoding: chunked\r\n\r\n8000\r\n" + strings.Repeat("x", 1<<15) + "\r\n8000\r\n" + strings.Repeat("y", 1<<15) + "\r\n0\r\n\r\n", 200, strings.Repeat("x", 1<<15) + strings.Repeat("y", 1<<15), false},
		"the largest until close": {ok + "\r\n" + strings.Repeat("x", maxAnswer), 200, strings.Repeat("x", maxAnswer), true},
	} {
		t.Run(name, func(t *testing.T) {
			for how, from := range map[string]io.Reader{
				"at once":      strings.NewReader(c.text),
				"by the byte":  iotest.OneByteReader(strings.NewReader(c.text)),
				"with its end": iotest.DataErrReader(strings.NewReader(c.text)),
			} {
				var r response
				if err := r.read(from); err != nil {
					t.Fatalf("%s: %v", how, err)
				}
				unasked := how == "by the byte" && name == "what nobody asked for" // not there yet
				if r.status != c.status || string(r.body) != c.body || r.last != c.last && !unasked {
					t.Errorf("%s: status %d, %d bytes %.40q, last %v; want %d, %.40q, %v", how, r.status, len(r.body), r.body, r.last, c.status, c.body, c.last)
				}
			}
		})
	}
}

func TestAnswerHeaders(t *testing.T) {
	var r response
	text := "HTTP/1.1 103 Early Hints\r\nX-Ptabench-Method: hash-sync\r\n\r\n" + strings.Replace(served("{}"), "X-Ptabench-A", "x-ptabench-connector: \t connector-2 \r\nX-pTABENCH-a", 1)
	if err := r.read(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		got  []byte
		want string
	}{
		{r.id, "01234567-89ab-8def-8123-456700000001"}, {r.method, "pass-through"}, {r.connector, "connector-2"},
		{r.attempts, "1"}, {r.times, "queue=12,connector=3456,directory=3400"}, {r.body, "{}"},
	} {
		if string(c.got) != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
	if err := r.read(strings.NewReader(ok + "Content-Length: 1\r\n\r\nx")); err != nil || r.id != nil || r.method != nil || r.times != nil {
		t.Errorf("%v; the next response has headers of the one before: %q", err, r.answer)
	}
}

func TestWhatIsNoResponse(t *testing.T) {
	long := strings.Repeat("x", 2*maxResponse)
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"nothing":                  {"", io.EOF},
		"a piece of a line":        {"HTTP/1.1 2", io.ErrUnexpectedEOF},
		"a piece of the headers":   {ok + "Content-Length: 5\r\n", io.ErrUnexpectedEOF},
		"a piece of the body":      {ok + "Content-Length: 5\r\n\r\nhell", io.ErrUnexpectedEOF},
		"a piece of a chunk":       {ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhell", io.ErrUnexpectedEOF},
		"no last chunk":            {ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", io.ErrUnexpectedEOF},
		"1xx and no more":          {"HTTP/1.1 100 Continue\r\n\r\n", io.ErrUnexpectedEOF},
		"another protocol":         {"220 smtp ready\r\n", errNotHTTP},
		"TLS":                      {"\x15\x03\x01\x00\x02\x02\x0a\n", errNotHTTP},
		"HTTP/2":                   {"HTTP/2.0 200 OK\r\n\r\n", errNotHTTP},
		"HTTP/1.2":                 {"HTTP/1.2 200 OK\r\n\r\n", errNotHTTP},
		"no status":                {"HTTP/1.1 OK\r\n\r\n", errNotHTTP},
		"a status of two digits":   {"HTTP/1.1 20 OK\r\n\r\n", errNotHTTP},
		"a status of four digits":  {"HTTP/1.1 2000 OK\r\n\r\n", errNotHTTP},
		"a status under 100":       {"HTTP/1.1 099 OK\r\n\r\n", errNotHTTP},
		"another protocol offered": {"HTTP/1.1 101 Switching Protocols\r\n\r\n", errNotHTTP},
		"no CR":                    {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", errNotHTTP},
		"a CR within":              {ok + "A: b\rc\r\nContent-Length: 0\r\n\r\n", errNotHTTP},
		"a NUL within":             {ok + "A: b\x00\r\nContent-Length: 0\r\n\r\n", errNotHTTP},
		"a header without a colon": {ok + "Content-Length\r\n\r\n", errNotHTTP},
		"a header without a name":  {ok + ": 0\r\n\r\n", errNotHTTP},
		"a space before the colon": {ok + "Content-Length : 0\r\n\r\n", errNotHTTP},
		"a folded header":          {ok + "A: b\r\n c\r\nContent-Length: 0\r\n\r\n", errNotHTTP},
		"a negative length":        {ok + "Content-Length: -1\r\n\r\n", errNotHTTP},
		"a signed length":          {ok + "Content-Length: +1\r\n\r\nx", errNotHTTP},
		"no length":                {ok + "Content-Length:\r\n\r\n", errNotHTTP},
		"two lengths":              {ok + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", errNotHTTP},
		"a length and chunks":      {ok + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", errNotHTTP},
		"chunks twice":             {ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", errNotHTTP},
		"another encoding":         {ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", errNotHTTP},
		"chunks in HTTP/1.0":       {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", errNotHTTP},
		"a chunk of no size":       {ok + "Transfer-Encoding: chunked\r\n\r\n\r\n", errNotHTTP},
		"a chunk of a wrong size":  {ok + "Transfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n", errNotHTTP},
		"a chunk that goes on":     {ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n", errNotHTTP},
		"a trailer that is none":   {ok + "Transfer-Encoding: chunked\r\n\r\n0\r\nx\r\n\r\n", errNotHTTP},
		"an endless line":          {"HTTP/1.1 200 " + long, errAnswerTooLong},
		"endless headers":          {ok + strings.Repeat("A: b\r\n", maxHead), errAnswerTooLong},
		"endless 1xx":              {strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", maxHead), errAnswerTooLong},
		"a long body":              {ok + fmt.Sprintf("Content-Length: %d\r\n\r\n", maxAnswer+1), errAnswerTooLong},
		"a long body, no length":   {ok + "\r\n" + long, errAnswerTooLong},
		"a long chunk":             {ok + "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFFFF\r\n", errAnswerTooLong},
		"many chunks":              {ok + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("8000\r\n"+long[:1<<15]+"\r\n", 3), errAnswerTooLong},
		"many small chunks":        {ok + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\nx\r\n", maxAnswer), errAnswerTooLong},
		"endless trailers":         {ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("A: b\r\n", maxResponse), errAnswerTooLong},
	} {
		t.Run(name, func(t *testing.T) {
			for how, from := range map[string]io.Reader{
				"at once":     strings.NewReader(c.text),
				"by the byte": iotest.OneByteReader(strings.NewReader(c.text)),
			} {
				var r response
				if err := r.read(from); err != c.want {
					t.Errorf("%s: %v, want %v", how, err, c.want)
				}
				if cap(r.raw) > 2*maxResponse {
					t.Errorf("%s: a buffer of %d bytes", how, cap(r.raw))
				}
			}
		})
	}
	broken := errors.New("broken")
	var r response
	if err := r.read(io.MultiReader(strings.NewReader(ok+"\r\nhello"), iotest.ErrReader(broken))); err != broken {
		t.Errorf("a body that breaks off: %v, want %v", err, broken)
	}
}

// FuzzResponse holds what is taken for a response against net/http's view of
// it: the same status, headers and body, however the bytes arrive.
func FuzzResponse(f *testing.F) {
	for _, text := range []string{
		served(tokenAnswer("user000001@contoso.test")),
		"HTTP/1.1 100 Continue\r\n\r\n" + ok + "Connection: close\r\nContent-Length: 1\r\n\r\nx",
		ok + "Transfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.0 400 Bad\r\nX-Ptabench-Method:\t a b \r\nX-Ptabench-Method: c\r\n\r\nrest",
		"HTTP/1.1 304 x\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got, slow response
		err := got.read(bytes.NewReader(text))
		if slowErr := slow.read(iotest.OneByteReader(bytes.NewReader(text))); slowErr != err {
			t.Fatalf("%v; by the byte %v", err, slowErr)
		}
		if err != nil {
			return
		}
		if slow.status != got.status || !bytes.Equal(slow.body, got.body) || !bytes.Equal(slow.id, got.id) || got.parsed != slow.parsed {
			t.Fatalf("status %d, body %q; by the byte %d, %q", got.status, got.body, slow.status, slow.body)
		}
		in := bufio.NewReader(bytes.NewReader(text))
		var want *http.Response
		for want == nil || want.StatusCode < 200 {
			if want, err = http.ReadResponse(in, nil); err != nil {
				t.Fatalf("net/http does not read it: %v", err)
			}
		}
		body, err := io.ReadAll(want.Body)
		if err != nil {
			t.Fatalf("net/http does not read its body: %v", err)
		}
		if got.status != want.StatusCode || !bytes.Equal(got.body, body) {
			t.Fatalf("status %d, body %q; by net/http %d, %q", got.status, got.body, want.StatusCode, body)
		}
		if want.Close && !got.last {
			t.Fatal("net/http would close the connection")
		}
		for key, value := range map[string][]byte{
			"Client-Request-Id": got.id, "X-Ptabench-Method": got.method, "X-Ptabench-Connector": got.connector,
			"X-Ptabench-Attempts": got.attempts, "X-Ptabench-Times": got.times,
		} {
			if want.Header.Get(key) != string(value) {
				t.Fatalf("%s %q; by net/http %q", key, value, want.Header.Get(key))
			}
		}
	})
}

func BenchmarkResponse(b *testing.B) {
	text := []byte(served(tokenAnswer("user000001@contoso.test")))
	var from bytes.Reader
	var r response
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		from.Reset(text)
		if err := r.read(&from); err != nil || r.status != 200 {
			b.Fatal(r.status, err)
		}
	}
}
