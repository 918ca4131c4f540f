package connector

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ptabench/connector/updater"
	"ptabench/ports"
	"ptabench/signed"
	"ptabench/update"
)

// defaultUpdateEvery is how often to look for an update unless a flag or the
// cloud says otherwise, as documented.
const defaultUpdateEvery = time.Hour

// downloadTime is how long a program may take on its way.
const downloadTime = 10 * time.Minute

// updatePorts are where updates are to be had.
var updatePorts = []string{ports.Bootstrap, ports.SignIn}

// updater is what looks for updates. It is made when it is first asked for.
func (a *connector) updater() *updater.Updater {
	v := &a.succession
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.updates == nil {
		v.updates = updater.New(updater.Config{
			Version: a.cfg.Version, Platform: update.Platform(), Key: a.updateKey,
			Every: func() time.Duration {
				return a.timer(a.cfg.UpdateEvery, func(t signed.Timers) int64 { return t.UpdateIntervalNS }, defaultUpdateEvery)
			},
			Deadline: a.updateDeadline(), Store: a.store(), Cloud: updateCloud{a}, Host: updateHost{v, a},
			Start: func(program, succeeds string) (updater.Child, error) {
				a.carryTrial() // of one that ended before
				return updater.StartTrial(program, succeeds)
			}, Log: a.log, After: a.outcome(),
		})
	}
	return v.updates
}

// updateHost is the connector as its updater sees it.
type updateHost struct {
	*succession
	a *connector
}

// Refused implements updater.Host. A version on trial that failed has ended.
func (h updateHost) Refused() {
	h.a.carryTrial()
	h.a.doubtful()
}

// outcome is how the update that made this process what it is ended; nil for
// none.
func (a *connector) outcome() *signed.UpdateMessage {
	h := a.cfg.Handoff
	switch {
	case h == nil || h.Trial:
		return nil
	case h.Failed != "":
		return &signed.UpdateMessage{Step: signed.UpdateFailed, From: h.From, To: h.To, Reason: h.Failed}
	}
	return &signed.UpdateMessage{Step: signed.UpdateDone, From: h.From, To: h.To}
}

// updateKey is the key that updates are signed by: the first that the cloud, by
// a bootstrap document that its CA vouches for, said. It is kept from then on,
// so that who gets hold of the cloud later cannot update connectors. It is nil
// when there is none.
func (a *connector) updateKey() ed25519.PublicKey {
	var told ed25519.PublicKey
	if d := a.where.document(); d != nil {
		told = d.UpdateKey
	}
	key, err := updater.PinKey(a.cfg.State, told)
	if err != nil {
		a.log.Error("the key of updates", "error", err)
	}
	return key
}

// updateCloud is the cloud as the updater sees it.
type updateCloud struct{ a *connector }

var _ updater.Cloud = updateCloud{}

// Manifest implements updater.Cloud.
func (c updateCloud) Manifest(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.a.cfg.ConnectTimeout)
	defer cancel()
	answer, err := c.each(ctx, http.MethodGet, "/update/manifest?platform="+update.Platform(), nil)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return io.ReadAll(io.LimitReader(answer.Body, update.MaxManifest+1))
}

// Binary implements updater.Cloud.
func (c updateCloud) Binary(ctx context.Context, version string) (io.ReadCloser, error) {
	ctx, cancel := context.WithTimeout(ctx, downloadTime)
	answer, err := c.each(ctx, http.MethodGet, "/update/"+update.Platform()+"/"+version, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	return &body{answer.Body, cancel}, nil
}

// body ends the context of a request with its answer.
type body struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *body) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// Say implements updater.Cloud.
func (c updateCloud) Say(ctx context.Context, m *signed.UpdateMessage) (answer signed.UpdateAnswer, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.a.cfg.ConnectTimeout)
	defer cancel()
	m.Tenant, m.SentAt = c.a.cfg.Tenant, time.Now()
	text, err := signed.SignUpdate(m, c.a.certificate.Load())
	if err != nil {
		return answer, err
	}
	r, err := c.each(ctx, http.MethodPost, "/"+c.a.cfg.Tenant+"/connectors/update", text)
	if err != nil {
		return answer, err
	}
	defer r.Body.Close()
	return answer, json.NewDecoder(io.LimitReader(r.Body, 1<<16)).Decode(&answer)
}

// each makes a request to one port after the other, until one answers.
func (c updateCloud) each(ctx context.Context, method, path string, text []byte) (*http.Response, error) {
	e := c.a.cloud.Load()
	all := []error{errors.New("the cloud has no port for it")}
	for i, port := range e.ports(updatePorts) {
		if i == 0 {
			all = nil
		}
		answer, err := c.one(ctx, e, e.at[port], method, path, text)
		if err == nil || errors.Is(err, updater.ErrNone) || ctx.Err() != nil {
			return answer, err
		}
		all = append(all, fmt.Errorf("port %s: %w", port, err))
	}
	return nil, errors.Join(all...)
}

func (c updateCloud) one(ctx context.Context, e *endpoints, at, method, path string, text []byte) (*http.Response, error) {
	address, err := url.Parse("https://" + at + path)
	if err != nil {
		return nil, err
	}
	q, err := http.NewRequestWithContext(ctx, method, address.String(), bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	answer, err := c.a.https(e, at).Do(q)
	if err != nil || answer.StatusCode == http.StatusOK {
		return answer, err
	}
	defer answer.Body.Close()
	if method == http.MethodGet && answer.StatusCode == http.StatusNotFound {
		return nil, updater.ErrNone
	}
	why, _ := io.ReadAll(io.LimitReader(answer.Body, 256))
	return nil, fmt.Errorf("it answers %s: %s", answer.Status, strings.TrimSpace(string(why)))
}
