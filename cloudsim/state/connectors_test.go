package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func issue(t testing.TB, s *Store, tenant string) string {
	t.Helper()
	token, err := s.IssueToken(tenant, noon)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// testKey is the public key of whoever registers.
var testKey = []byte("a public key")

func connector(name, serial string) Connector {
	return Connector{
		ID: "id of " + serial, Tenant: "contoso", Name: name, Version: "0.1.0", Serial: serial,
		NotAfter: noon.Add(180 * 24 * time.Hour), RegisteredAt: noon,
	}
}

func TestConnectorsSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	want := connector("connector-1", "0a")
	if err := s.Register(issue(t, s, "contoso"), want, testKey, noon); err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"at once", "after a restart"} {
		if got, found := s.Known("0a"); !found || got != want {
			t.Errorf("%s: known %v as %+v; expected %+v", when, found, got, want)
		}
		s = reopen(t, s, dir)
	}
	if got := s.Connectors("contoso"); len(got) != 1 || got[0] != want {
		t.Errorf("connectors %+v", got)
	}
	if got := s.Connectors("fabrikam"); len(got) != 0 {
		t.Errorf("another tenant's connectors are %+v", got)
	}
}

// Registering again replaces the certificate: the old serial is not known any
// more, and does not come back by a restart.
func TestRegisteringAgainReplaces(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, serial := range []string{"0a", "0b"} {
		if err := s.Register(issue(t, s, "contoso"), connector("connector-1", serial), testKey, noon); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, found := s.Known("0a"); found {
			t.Error("the replaced certificate is still known")
		}
		if c, found := s.Known("0b"); !found || c.ID != "id of 0b" {
			t.Errorf("the new certificate is known: %v, %+v", found, c)
		}
		s = reopen(t, s, dir)
	}
}

func TestTokens(t *testing.T) {
	for _, tc := range []struct {
		name   string
		tenant string
		at     time.Duration
		spoil  func(token string) string
		want   error
	}{
		{name: "in time", tenant: "contoso", at: TokenLifetime - 1},
		{name: "too late", tenant: "contoso", at: TokenLifetime, want: ErrTokenExpired},
		{name: "another tenant", tenant: "fabrikam", want: ErrTokenTenant},
		{name: "a guess", tenant: "contoso", spoil: func(token string) string { return token[1:] + "A" }, want: ErrTokenUnknown},
		{name: "nothing", tenant: "contoso", spoil: func(string) string { return "" }, want: ErrTokenUnknown},
		{name: "its hash", tenant: "contoso", spoil: func(token string) string { return string(hashToken(token)) }, want: ErrTokenUnknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := open(t, t.TempDir())
			token := issue(t, s, "contoso")
			if tc.spoil != nil {
				token = tc.spoil(token)
			}
			c := connector("connector-1", "0a")
			c.Tenant = tc.tenant
			if err := s.CheckToken(tc.tenant, token, noon.Add(tc.at)); !errors.Is(err, tc.want) {
				t.Errorf("checking: %v; expected %v", err, tc.want)
			}
			if err := s.Register(token, c, testKey, noon.Add(tc.at)); !errors.Is(err, tc.want) {
				t.Errorf("registering: %v; expected %v", err, tc.want)
			}
			_, found := s.Known("0a")
			if found != (tc.want == nil) {
				t.Errorf("the certificate is known: %v", found)
			}
		})
	}
}

// Who used a token may use it again for a while, with the same key under the
// same name: the first answer may have been lost.
func TestLostRegistration(t *testing.T) {
	otherKey := []byte("another public key")
	for _, tc := range []struct {
		name  string
		as    string
		key   []byte
		after time.Duration
		want  error
	}{
		{name: "again", as: "connector-1", key: testKey, after: RetryTime - 1},
		{name: "too late", as: "connector-1", key: testKey, after: RetryTime, want: ErrTokenUsed},
		{name: "another key", as: "connector-1", key: otherKey, want: ErrTokenUsed},
		{name: "no key", as: "connector-1", want: ErrTokenUsed},
		{name: "another name", as: "connector-2", key: testKey, want: ErrTokenUsed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			token := issue(t, s, "contoso")
			if err := s.Register(token, connector("connector-1", "0a"), testKey, noon); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir)
			if err := s.Register(token, connector(tc.as, "0b"), tc.key, noon.Add(tc.after)); !errors.Is(err, tc.want) {
				t.Errorf("registering again: %v; expected %v", err, tc.want)
			}
			_, first := s.Known("0a")
			_, second := s.Known("0b")
			if again := tc.want == nil; first == again || second != again {
				t.Errorf("known: the first certificate %v, the second %v; expected the one or the other", first, second)
			}
			// A retry does not make the token last longer.
			if err := s.CheckToken("contoso", token, noon.Add(RetryTime)); !errors.Is(err, ErrTokenUsed) {
				t.Errorf("checking the token later: %v; expected it used", err)
			}
		})
	}
}

func TestTokenIsUsedOnce(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	token := issue(t, s, "contoso")
	var wg sync.WaitGroup
	var granted atomic.Int32
	for i := range 16 {
		wg.Go(func() {
			err := s.Register(token, connector(fmt.Sprint("connector-", i), fmt.Sprint(i)), testKey, noon)
			switch {
			case err == nil:
				granted.Add(1)
			case !errors.Is(err, ErrTokenUsed):
				t.Errorf("denied with %v", err)
			}
		})
	}
	wg.Wait()
	if n := granted.Load(); n != 1 {
		t.Errorf("one token registered %d connectors", n)
	}
	if n := len(s.Connectors("contoso")); n != 1 {
		t.Errorf("%d connectors are recorded", n)
	}
	s = reopen(t, s, dir)
	if err := s.CheckToken("contoso", token, noon.Add(RetryTime)); !errors.Is(err, ErrTokenUsed) {
		t.Errorf("after a restart: %v", err)
	}
}

func TestTokensAreBounded(t *testing.T) {
	s := open(t, t.TempDir())
	record, err := json.Marshal(token{Tenant: "contoso", Expires: noon.Add(TokenLifetime)})
	if err != nil {
		t.Fatal(err)
	}
	err = s.db.Update(func(tx *bbolt.Tx) error {
		for i := range maxTokens {
			if err := tx.Bucket(tokenBucket).Put(hashToken(fmt.Sprint(i)), record); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.IssueToken("contoso", noon); err == nil {
		t.Error("there is no bound on tokens")
	}
	if _, err := s.IssueToken("fabrikam", noon); err != nil {
		t.Errorf("another tenant's stand in the way: %v", err)
	}
	if _, err := s.IssueToken("contoso", noon.Add(2*TokenLifetime+1)); err != nil {
		t.Errorf("expired tokens stay: %v", err)
	}
}

func TestConnectorsAreBounded(t *testing.T) {
	s := open(t, t.TempDir())
	for i := range MaxConnectors {
		s.remember(connector(fmt.Sprint("connector-", i), fmt.Sprint(i)))
	}
	token := issue(t, s, "contoso")
	if err := s.Register(token, connector("one-more", "ff"), testKey, noon); !errors.Is(err, ErrTooManyConnectors) {
		t.Errorf("one more than allowed: %v", err)
	}
	if err := s.Register(token, connector("connector-7", "ff"), testKey, noon); err != nil {
		t.Errorf("registering one of them again: %v", err)
	}
}

// Of a token, the file holds no more than its hash.
func TestTokenIsNotInTheFile(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	token := issue(t, s, "contoso")
	if err := s.Register(token, connector("connector-1", "0a"), testKey, noon); err != nil {
		t.Fatal(err)
	}
	unused := issue(t, s, "contoso")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(file, hashToken(token)) {
		t.Error("the hash of the token is not in the file either: this test sees nothing")
	}
	for _, secret := range []string{token, unused} {
		if bytes.Contains(file, []byte(secret)) {
			t.Error("a token is in the file")
		}
	}
}
