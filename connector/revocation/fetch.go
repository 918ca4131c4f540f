package revocation

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// maxList bounds the bytes of a list: about 25,000 revoked certificates.
const maxList = 1 << 20

// newClient fetches lists. A connection is used once, so that each fetch says
// whether the port is open, and no proxy is asked: the answer is signed, but
// where it came from is part of the diagnosis.
func newClient(dial func(ctx context.Context, network, address string) (net.Conn, error), timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext:            dial,
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 16 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// fetch gets what is at a distribution point, and by how much this host's
// clock is ahead of that of the host that answered: 0 when that is not said.
func fetch(ctx context.Context, client *http.Client, at string, now func() time.Time) (der []byte, ahead time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, 0, fault(Malformed, "%w", err)
	}
	asked := now()
	response, err := client.Do(request)
	if err != nil {
		var inURL *url.Error // which repeats the address
		if errors.As(err, &inURL) {
			err = inURL.Err
		}
		return nil, 0, fault(Unreachable, "%w", err)
	}
	defer response.Body.Close()
	answered := now()
	switch {
	case response.StatusCode >= 300 && response.StatusCode < 400:
		return nil, 0, fault(Redirected, "HTTP status %d: the list is only believed to be where the certificate says", response.StatusCode)
	case response.StatusCode != http.StatusOK:
		return nil, 0, fault(HTTPStatus, "HTTP status %d: expected 200", response.StatusCode)
	}
	if der, err = io.ReadAll(io.LimitReader(response.Body, maxList+1)); err != nil {
		return nil, 0, fault(Unreachable, "reading the list: %w", err)
	}
	if len(der) > maxList {
		return nil, 0, fault(TooLarge, "the list has more than %d bytes, the most that is taken", maxList)
	}
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		ahead = skew(asked, answered, date)
	}
	return der, ahead, nil
}

// skew is by how much this host's clock is ahead of one that said date in
// between. A date has whole seconds, so less than two are none.
func skew(asked, answered, date time.Time) time.Duration {
	between := asked.Add(answered.Sub(asked) / 2)
	ahead := between.Sub(date.Add(time.Second / 2))
	if ahead.Abs() < 2*time.Second+answered.Sub(asked)/2 {
		return 0
	}
	return ahead
}

// httpPoint picks the distribution point that can be asked.
func httpPoint(points []string) string {
	for _, p := range points {
		if u, err := url.Parse(p); err == nil && u.Scheme == "http" && u.Host != "" {
			return p
		}
	}
	return ""
}

// hostOf is host:port of a distribution point.
func hostOf(point string) string {
	u, err := url.Parse(point)
	if err != nil {
		return point
	}
	return u.Host
}
