package bind

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// MaxServers bounds the directory servers of one pool.
const MaxServers = 16

// A Server is where one server of the directory listens.
type Server struct {
	Address string // host:port, LDAPS
	Name    string // the host, as its certificate names it
}

// An Order says which server is asked.
type Order string

// The orders. Ordered asks the first of the list that is in service; Balanced
// the one with the fewest sign-ins outstanding.
const (
	Ordered  Order = "ordered"
	Balanced Order = "balanced"
)

// ParseOrder reads an order; empty means Ordered.
func ParseOrder(text string) (Order, error) {
	switch o := Order(text); o {
	case "":
		return Ordered, nil
	case Ordered, Balanced:
		return o, nil
	}
	return "", fmt.Errorf("%q: expected %s or %s", text, Ordered, Balanced)
}

// ParseServers reads ldaps://host or ldaps://host:port of each server, and
// reports every mistake at once.
func ParseServers(urls []string) ([]Server, error) {
	var (
		servers  []Server
		mistakes []error
		seen     = map[string]bool{}
	)
	for _, text := range urls {
		s, err := parseServer(text)
		switch {
		case err != nil:
			mistakes = append(mistakes, fmt.Errorf("%q: %w", redacted(text), err))
		case seen[s.Address]:
			mistakes = append(mistakes, fmt.Errorf("%q: expected each server once", text))
		}
		seen[s.Address] = true
		servers = append(servers, s)
	}
	if n := len(urls); n < 1 || n > MaxServers {
		mistakes = append(mistakes, fmt.Errorf("%d servers: expected 1 to %d", n, MaxServers))
	}
	if len(mistakes) > 0 {
		return nil, errors.Join(mistakes...)
	}
	return servers, nil
}

func parseServer(text string) (Server, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "ldaps" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Path != "" && u.Path != "/" {
		return Server{}, errors.New("expected ldaps://host or ldaps://host:port; passwords go over TLS only")
	}
	port := u.Port()
	if port == "" {
		port = "636"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return Server{}, fmt.Errorf("port %s: expected 1 to 65535", port)
	}
	return Server{Address: net.JoinHostPort(u.Hostname(), port), Name: u.Hostname()}, nil
}

// redacted leaves out what may be a password.
func redacted(text string) string {
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		return "…" + text[at:]
	}
	return text
}
