package observe

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// ErrNotFound says that a role has nothing at a path: of a fault, that it is
// not set.
var ErrNotFound = errors.New("nothing is there")

// A StatusError is an answer that is none of success.
type StatusError struct {
	Status int
	text   string
}

func (e *StatusError) Error() string { return e.text }

// Refused reports whether a role understood what it was asked, and did not do
// it: asking again would be no use.
func Refused(err error) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Status/100 == 4
}

// A Client watches one role.
type Client struct {
	Address string // host:port of the role's observe listener
	Token   string
	HTTP    *http.Client // http.DefaultClient when nil
}

// Get decodes what the role answers at path into v.
func (c *Client) Get(ctx context.Context, path string, v any) error {
	return c.call(ctx, http.MethodGet, path, nil, v)
}

// Put sends body to path and decodes the answer into v, unless v is nil.
func (c *Client) Put(ctx context.Context, path string, body, v any) error {
	return c.call(ctx, http.MethodPut, path, body, v)
}

// Post sends body to path and decodes the answer into v, unless v is nil.
func (c *Client) Post(ctx context.Context, path string, body, v any) error {
	return c.call(ctx, http.MethodPost, path, body, v)
}

// Delete undoes what Put did at path and decodes the answer into v, unless v
// is nil.
func (c *Client) Delete(ctx context.Context, path string, v any) error {
	return c.call(ctx, http.MethodDelete, path, nil, v)
}

// Events calls on for each event of the role, from the first it still has,
// until the context or the role ends.
func (c *Client) Events(ctx context.Context, on func(Event)) error {
	resp, err := c.do(ctx, http.MethodGet, "/events", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		var e Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("reading an event of %s: %w", c.Address, err)
		}
		on(e)
	}
	return lines.Err()
}

// Fetch copies what the role answers at path to w.
func (c *Client) Fetch(ctx context.Context, path string, w io.Writer) error {
	resp, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(w, resp.Body)
	return err
}

func (c *Client) call(ctx context.Context, method, path string, body, v any) error {
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if v == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		return fmt.Errorf("reading %s of %s: %w", path, c.Address, err)
	}
	return nil
}

func (c *Client) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var sent io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.Address+path, sent)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
		resp.Body.Close()
		err := error(&StatusError{resp.StatusCode, fmt.Sprintf("%s %s: %s: %s", method, path, resp.Status, strings.TrimSpace(string(text)))})
		if resp.StatusCode == http.StatusNotFound {
			err = fmt.Errorf("%w: %w", ErrNotFound, err)
		}
		return nil, err
	}
	return resp, nil
}
