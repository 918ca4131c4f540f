package telemetry

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestServe(t *testing.T) {
	for _, c := range []struct {
		name, address, token string
		host, authorization  string
		status               int
	}{
		{"loopback", "127.0.0.1:0", "", "", "", 200},
		{"by the name of this machine", "127.0.0.1:0", "", "localhost:9464", "", 200},
		{"a web site whose name was turned here", "127.0.0.1:0", "", "example.com", "", 421},
		{"with a token", "127.0.0.1:0", "s3cret", "", "Bearer s3cret", 200},
		{"without the token", "127.0.0.1:0", "s3cret", "", "", 401},
		{"with a part of the token", "127.0.0.1:0", "s3cret", "", "Bearer s3cre", 401},
		{"everywhere, with a token", "0.0.0.0:0", "s3cret", "example.com", "Bearer s3cret", 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := told(2).Serve(c.address, c.token)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				if err := s.Close(ctx); err != nil {
					t.Error(err)
				}
			}()
			req, err := http.NewRequest(http.MethodGet, strings.Replace(s.URL(), "[::]", "127.0.0.1", 1), nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = c.host
			if c.authorization != "" {
				req.Header.Set("Authorization", c.authorization)
			}
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != c.status {
				t.Fatalf("status %d, expected %d: %s", resp.StatusCode, c.status, body)
			}
			if told := strings.Contains(string(body), "ptabench_run_sign_ins_total"); told != (c.status == 200) {
				t.Errorf("metrics told: %v\n%s", told, body)
			}
		})
	}
}

func TestServeRefusesToTellEverybody(t *testing.T) {
	_, err := told(1).Serve("0.0.0.0:0", "")
	if err == nil || !strings.Contains(err.Error(), TokenVariable) {
		t.Errorf("got %v, expected an error that names %s", err, TokenVariable)
	}
	s, err := told(1).Serve("127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	if _, err := told(1).Serve(s.listener.Addr().String(), ""); err == nil {
		t.Error("a port that is taken is no error")
	}
}
