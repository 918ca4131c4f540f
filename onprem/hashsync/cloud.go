package hashsync

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ptabench/synchash"
)

// A cursor is how far the cloud has a tenant's accounts. The cloud keeps it,
// together with them.
type cursor struct {
	Source    string `json:"source"`
	Passwords uint64 `json:"passwords"`
	Standings uint64 `json:"standings"`
	Complete  bool   `json:"complete"` // all there was has travelled once
}

// A line is an account as it travels.
type line struct {
	UPN      string `json:"upn"`
	Salt     []byte `json:"salt,omitempty"`
	Hash     []byte `json:"hash,omitempty"`
	Disabled bool   `json:"disabled,omitempty"`
	Deleted  bool   `json:"deleted,omitempty"`
	Part     string `json:"part,omitempty"`
}

func (l *line) set(h synchash.Hash) { l.Salt, l.Hash = h.Salt[:], h.Sum[:] }

// postPatience bounds a request to the cloud.
const postPatience = 10 * time.Second

// cloud is the hash sync port of the cloud.
type cloud struct {
	url, token string
	client     *http.Client
}

func newCloud(address, token string, config *tls.Config) *cloud {
	return &cloud{url: strings.TrimSuffix(address, "/"), token: token, client: &http.Client{
		Transport: &http.Transport{TLSClientConfig: config}, Timeout: postPatience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the token goes nowhere else
	}}
}

func (c *cloud) close() { c.client.CloseIdleConnections() }

// cursor asks where a tenant is.
func (c *cloud) cursor(ctx context.Context, tenant string) (at cursor, err error) {
	status, text, err := c.do(ctx, http.MethodGet, tenant, "cursor", nil)
	if err == nil && status != http.StatusOK {
		err = statusError(status)
	}
	if err == nil {
		err = json.Unmarshal(text, &at)
	}
	if err != nil {
		return at, fmt.Errorf("asking the cloud where tenant %s is: %w", tenant, err)
	}
	return at, nil
}

// errElsewhere says that the cloud is not where the agent took it to be: another
// agent moved it, its state was lost, or an answer was.
var errElsewhere = errors.New("the cloud is elsewhere")

// send has the cloud take lines and move from one cursor to another, both or
// neither.
func (c *cloud) send(ctx context.Context, tenant string, from, to cursor, lines []line) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	err := encoder.Encode(struct {
		From cursor `json:"from"`
		To   cursor `json:"to"`
	}{from, to})
	for i := range lines {
		if err == nil {
			err = encoder.Encode(&lines[i])
		}
	}
	var answer struct {
		Accepted int `json:"accepted"`
	}
	status, text := 0, []byte(nil)
	if err == nil {
		status, text, err = c.do(ctx, http.MethodPost, tenant, "changes", body.Bytes())
	}
	switch {
	case err != nil:
	case status == http.StatusConflict:
		err = errElsewhere
	case status != http.StatusOK:
		err = statusError(status)
	default:
		if err = json.Unmarshal(text, &answer); err == nil && answer.Accepted != len(lines) {
			err = fmt.Errorf("%w: it took %d", errGiveUp, answer.Accepted)
		}
	}
	if err != nil {
		return fmt.Errorf("sending %d accounts of tenant %s: %w", len(lines), tenant, err)
	}
	return nil
}

func statusError(status int) error {
	err := fmt.Errorf("the cloud answered %d %s", status, http.StatusText(status))
	if status < 500 && status != http.StatusTooManyRequests {
		err = fmt.Errorf("%w: %w", errGiveUp, err)
	}
	return err
}

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 4 << 10

func (c *cloud) do(ctx context.Context, method, tenant, what string, body []byte) (status int, text []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, c.url+"/"+url.PathEscape(tenant)+"/hashsync/"+what, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := c.client.Do(req)
	if err != nil {
		var untrusted *tls.CertificateVerificationError
		if errors.As(err, &untrusted) {
			err = fmt.Errorf("%w: %w", errGiveUp, err)
		}
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, nil, fmt.Errorf("reading the answer: %w", err)
	}
	return resp.StatusCode, text, nil
}
