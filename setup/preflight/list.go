package preflight

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"ptabench/setup/reach"
)

// listPath is where port 80 has the revocation list of the cloud's authority.
const listPath = "/crl/ca.crl"

const maxList = 1 << 20

// fetchList gets the revocation list, which also tells what the cloud's clock
// says.
func (a *attempt) fetchList(ctx context.Context) error {
	u := url.URL{Scheme: "http", Host: a.address, Path: listPath}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	// No proxy is asked: whether the port is open is the question.
	transport := &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	asked := a.cfg.Now()
	answer, err := client.Do(q)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	answered := a.cfg.Now()
	if date, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		ahead := int64(skew(asked, answered, date))
		a.date = &ahead
	}
	if answer.StatusCode != http.StatusOK {
		return &reach.Problem{Outcome: reach.Failed, Err: fmt.Errorf("what answers there has no revocation list: HTTP status %d", answer.StatusCode)}
	}
	der, err := io.ReadAll(io.LimitReader(answer.Body, maxList+1))
	if err != nil {
		return err
	}
	if a.list, err = x509.ParseRevocationList(der); err != nil {
		a.list = nil
		return &reach.Problem{Outcome: reach.Failed, Err: fmt.Errorf("what answers there is no revocation list: a proxy may answer in the cloud's place")}
	}
	return nil
}

// skew is by how much this host's clock is ahead of one that said date in
// between. A date has whole seconds, so less than two are none.
func skew(asked, answered, date time.Time) time.Duration {
	between := asked.Add(answered.Sub(asked) / 2)
	ahead := between.Sub(date.Add(time.Second / 2))
	if ahead.Abs() < 2*time.Second+answered.Sub(asked)/2 {
		return 0
	}
	return ahead.Round(time.Second)
}
