// Package revocation keeps a connector from talking to a cloud whose
// certificate was revoked. For each new connection it looks the certificate up
// in the revocation list of whoever issued it, which it fetches over plain HTTP
// (port 80) from where the certificate says, keeps in memory and on disk, and
// replaces in the background once half of its validity is over.
//
// A list that was signed once serves until its next update is due, whatever
// becomes of port 80. After that nothing is known of any certificate, and new
// connections are refused (Hard), or made with a warning (Soft). Connections
// that stand are let be.
//
// A list may be read with a clock that is up to MaxSkew off. By how much it
// is, the answer's Date header says, and anybody on the way could say so too:
// who does can have a list believed for MaxSkew longer, no more.
package revocation

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Mode is what happens when nothing is known of a certificate.
type Mode string

// The modes. Revoked certificates are refused in Hard and Soft alike.
const (
	Hard Mode = "hard" // the connection is refused
	Soft Mode = "soft" // it is made, with a warning
	Off  Mode = "off"  // no certificate is checked
)

// Modes are all modes.
func Modes() []Mode { return []Mode{Hard, Soft, Off} }

// MaxSkew is how far this host's clock and the cloud's may be apart.
const MaxSkew = 10 * time.Minute

// maxSpread is a share of the time from when a list is due to be replaced until
// it runs out.
const maxSpread = 0.1

// fileName is the kept list within the state directory.
const fileName = "revocation.crl"

// The errors of Verify.
var (
	ErrRevoked = errors.New("the cloud's certificate is revoked")
	ErrNoList  = errors.New("whether the cloud's certificate is revoked is not known")
)

// Config is what a Checker needs. Everything but Now is required.
type Config struct {
	Mode    Mode
	State   string // directory that keeps the list
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
	Timeout time.Duration // for a fetch
	Log     *slog.Logger
	Now     func() time.Time // time.Now but in tests
}

// A Checker checks the certificates of one cloud. It is safe for concurrent
// use. Its one goroutine replaces the list in the background, until Close.
type Checker struct {
	cfg    Config
	client *http.Client
	count  counts

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	done   chan struct{}
	wake   chan struct{} // there is something new to consider

	// spread, up to maxSpread, is how much of a list's second half this one
	// waits, so that not all connectors ask at once.
	spread float64

	fetching sync.Mutex // held around a fetch, before mu

	mu      sync.Mutex
	stored  []byte        // what was on disk, until an issuer is known by whom to check it
	kept    *list         // nil for none
	ahead   time.Duration // of this host's clock, when kept was fetched
	source  source
	failing failing
	warned  time.Time // when Soft last said that it knows nothing
}

// source is where lists come from, as the cloud's last certificate said.
type source struct {
	point  string
	issuer *x509.Certificate
}

func (s source) is(o source) bool {
	return s.point == o.point && s.issuer != nil && o.issuer != nil && s.issuer.Equal(o.issuer)
}

// failing is since when no list was to be had. The zero value is not failing.
type failing struct {
	since, retry time.Time
	tries        int
	err          error
}

// New returns a Checker, which begins with what the last one kept.
func New(cfg Config) (*Checker, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Checker{cfg: cfg, client: newClient(cfg.Dial, cfg.Timeout), spread: rand.Float64() * maxSpread, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if cfg.Mode == Off {
		close(c.done)
		return c, nil
	}
	var err error
	if c.stored, err = readBounded(filepath.Join(cfg.State, fileName)); err != nil {
		c.cancel()
		return nil, fmt.Errorf("reading the kept revocation list: %w", err)
	}
	go c.run()
	return c, nil
}

// Close ends what goes on in the background.
func (c *Checker) Close() {
	c.cancel()
	<-c.done
	c.client.CloseIdleConnections()
}

// Verify is for tls.Config.VerifyConnection, which calls it on new connections
// only, after the chain was verified as usual.
func (c *Checker) Verify(state tls.ConnectionState) error {
	if c.cfg.Mode == Off {
		return nil
	}
	if len(state.VerifiedChains) == 0 || len(state.VerifiedChains[0]) == 0 {
		return errors.New("checking revocation: the certificate was not verified")
	}
	chain := state.VerifiedChains[0]
	leaf, issuer := chain[0], chain[min(1, len(chain)-1)]
	l, err := c.listOf(source{httpPoint(leaf.CRLDistributionPoints), issuer}, len(chain))
	switch {
	case l != nil && l.names(leaf):
		c.count.refuse("revoked")
		return fmt.Errorf("%w: serial %x, by list %v of %s", ErrRevoked, leaf.SerialNumber, l.number, stamp(l.thisUpdate))
	case err == nil:
		return nil
	case c.cfg.Mode == Soft:
		c.count.warned.Add(1)
		c.warn(err)
		return nil
	}
	c.count.refuse("no-list")
	return err
}

// listOf returns the list to look a certificate up in. One that has run out
// comes with an error: what it names is revoked still.
func (c *Checker) listOf(s source, length int) (*list, error) {
	if length > 2 {
		return nil, fmt.Errorf("%w: it is the first of a chain of %d: expected one directly below its authority", ErrNoList, length)
	}
	if s.point == "" {
		return nil, fmt.Errorf("%w: it names no http address of a list", ErrNoList)
	}
	l, good, wait := c.usable(s)
	if good || wait != nil {
		return l, wait
	}
	// Nothing is known yet, so this connection waits for the answer.
	_ = c.fetch(s, true)
	l, good, wait = c.usable(s)
	if !good && wait == nil { // another cloud's certificate came between
		wait = fmt.Errorf("%w: port 80 (%s) has not been asked yet", ErrNoList, hostOf(s.point))
	}
	return l, wait
}

// usable returns the list of a source and whether it serves. If it does not,
// an error says that none is to be had just now; nil that it is worth asking.
func (c *Checker) usable(s source) (l *list, good bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.source.is(s) { // another cloud, or the same at another address
		c.source, c.failing = s, failing{}
		c.nudge()
	}
	if c.stored != nil {
		c.restore(s.issuer)
	}
	if c.kept != nil && c.kept.issuer == idOf(s.issuer) {
		l = c.kept
		good = !c.now().After(l.nextUpdate)
	}
	if !good && c.failing.err != nil && c.cfg.Now().Before(c.failing.retry) {
		err = c.unknown(l)
	}
	return l, good, err
}

// now is the cloud's time, as far as it is known: mu is held.
func (c *Checker) now() time.Time { return c.cfg.Now().Add(-c.ahead) }

// unknown is the error of a connection for which there is no list; mu is held.
func (c *Checker) unknown(l *list) error {
	ranOut := "there is no revocation list yet"
	if l != nil {
		ranOut = fmt.Sprintf("revocation list %v ran out on %s", l.number, stamp(l.nextUpdate))
	}
	return fmt.Errorf("%w: %s, and port 80 (%s) has given no good one since %s: %w",
		ErrNoList, ranOut, hostOf(c.source.point), stamp(c.failing.since), c.failing.err)
}

// warnEvery is how often Soft says that it knows nothing.
const warnEvery = 10 * time.Second

func (c *Checker) warn(err error) {
	c.mu.Lock()
	now := c.cfg.Now()
	again := !c.warned.IsZero() && now.Sub(c.warned).Abs() < warnEvery
	if !again {
		c.warned = now
	}
	c.mu.Unlock()
	if !again {
		c.cfg.Log.Warn("connecting to the cloud all the same", "revocation", string(c.cfg.Mode), "error", err)
	}
}

// restore takes what was on disk, if the issuer signed it; mu is held.
func (c *Checker) restore(issuer *x509.Certificate) {
	der := c.stored
	c.stored = nil
	l, err := parse(der, issuer)
	if err != nil {
		c.cfg.Log.Warn("the kept revocation list is of no use", "file", filepath.Join(c.cfg.State, fileName), "error", err)
		return
	}
	c.kept = l
	c.cfg.Log.Info("revocation list kept from before", "number", l.number.String(), "next_update", l.nextUpdate)
}

// readBounded reads a file that may be missing.
func readBounded(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Size() > maxList { // none that was kept here
		return nil, nil
	}
	return os.ReadFile(name)
}
