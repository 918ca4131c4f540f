// Package noop is a token endpoint that does nothing: it answers every POST
// with one fixed token that nobody signed. What the load generator reaches
// against it is the most that generator reaches on this machine against
// anything, and so what a figure of the real cloud has to be held against.
//
// It is as cheap as it can be made, because it shares the processors with the
// generator: one goroutine and one buffer for each connection, one write for
// each answer, nothing of net/http.
package noop

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"ptabench/observe"
)

// Role is what the ready line says.
const Role = "noop"

// Port is under which name the ready line says where it listens.
const Port = "443"

// maxConnections bounds the connections that are open at the same time; more
// are closed as they come. A pool has at most 10,000.
const maxConnections = 16_384

// maxRequest bounds a request: head, and body without it.
const maxRequest = 16 << 10

// Config says how it is called and where it listens.
type Config struct {
	Name   string
	Listen string // an address; the port is any
}

// Run listens, says that it is ready, and answers until the context ends.
func Run(ctx context.Context, log *slog.Logger, cfg Config, ready func(observe.Ready)) error {
	certificate, ca, err := selfSigned(cfg.Listen)
	if err != nil {
		return fmt.Errorf("making a certificate: %w", err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(cfg.Listen, "0"))
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	s := &server{
		config: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}},
		open:   make(map[net.Conn]struct{}),
	}
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	ready(observe.Ready{Role: Role, Name: cfg.Name, Ports: map[string]string{Port: listener.Addr().String()}, CAPEM: string(ca)})
	for {
		conn, err := listener.Accept()
		if err != nil {
			s.close()
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("accepting: %w", err)
		}
		if !s.serve(conn) {
			log.Warn("too many connections", "limit", maxConnections)
		}
	}
}

// A server owns its connections.
type server struct {
	config *tls.Config
	work   sync.WaitGroup // one goroutine for each connection
	mu     sync.Mutex
	open   map[net.Conn]struct{}
}

// serve answers on a connection until it ends. It returns false when there are
// too many.
func (s *server) serve(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= maxConnections {
		_ = conn.Close()
		return false
	}
	s.open[conn] = struct{}{}
	s.work.Go(func() {
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.open, conn)
		}()
		defer conn.Close()
		_ = answerAll(tls.Server(conn, s.config)) // a client that goes away is none of our business
	})
	return true
}

// close ends all connections and waits for their goroutines.
func (s *server) close() {
	s.mu.Lock()
	for conn := range s.open {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.work.Wait()
}

// The answers, whole: a sign-in's token, and what a GET gets, by which clients
// open their connections.
var (
	tokenAnswer = answer(
		"X-Ptabench-Method: pass-through\r\nX-Ptabench-Connector: connector-1\r\nX-Ptabench-Attempts: 1\r\n"+
			"X-Ptabench-Times: queue=1,connector=1,directory=1\r\n",
		`{"token_type":"Bearer","scope":"https://graph.microsoft.com/.default","expires_in":3599,"ext_expires_in":3599,"access_token":"`+token()+`"}`)
	openAnswer = answer("", "{}")
)

func answer(headers, body string) []byte {
	return []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n" + headers +
		"Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
}

// token has the form and the length of one of the cloud's, and a signature
// that no key made.
func token() string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"ES256","kid":"none","typ":"JWT"}`)) + "." +
		encode([]byte(`{"aud":"00000003-0000-0000-c000-000000000000","iss":"https://noop.test/noop/v2.0","iat":0,"nbf":0,"exp":0,`+
			`"name":"nobody","oid":"00000000-0000-0000-0000-000000000000","preferred_username":"nobody@noop.test","scp":"User.Read",`+
			`"sub":"`+strings.Repeat("0", 43)+`","tid":"00000000-0000-0000-0000-000000000000","ver":"2.0"}`)) + "." +
		encode(make([]byte, 64))
}

// answerAll answers the requests of a connection, one after the other.
func answerAll(conn io.ReadWriter) error {
	in := bufio.NewReaderSize(conn, maxRequest)
	for {
		post, last, err := readRequest(in)
		if err != nil {
			return err
		}
		what := openAnswer
		if post {
			what = tokenAnswer
		}
		if _, err := conn.Write(what); err != nil || last {
			return err
		}
	}
}

var errRequest = errors.New("not a request of the load generator")

// readRequest reads a request to its end, and says whether it is a POST and
// whether its client wants no more on this connection. It knows no more of HTTP
// than what the load generator sends.
func readRequest(in *bufio.Reader) (post, last bool, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return false, false, err
	}
	post = bytes.HasPrefix(line, []byte("POST "))
	if !post && !bytes.HasPrefix(line, []byte("GET ")) {
		return false, false, errRequest
	}
	length := 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return false, false, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 || length > maxRequest {
				return false, false, errRequest
			}
		}
		last = last || bytes.Equal(line, []byte("Connection: close"))
	}
	_, err = in.Discard(length)
	return post, last, err
}

// selfSigned makes a certificate for an address, good for a day, and its PEM
// text.
func selfSigned(address string) (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ptabench noop"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true,
	}
	if ip := net.ParseIP(address); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{address}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
