package cloudsim

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ptabench/cloudsim/signin"
)

// Bounds of what may be registered.
const (
	maxClients   = 100
	maxClientID  = 128 // bytes
	maxRedirects = 20  // of a client
)

// CheckClients reports everything that is wrong with clients, for who is told of
// them long before a cloud is.
func CheckClients(clients []signin.Client) error {
	var errs []error
	c := Config{Clients: clients}
	c.validateClients(func(field string, value any, expected string) {
		errs = append(errs, fmt.Errorf("--%s: %v: expected %s", field, value, expected))
	})
	return errors.Join(errs...)
}

// validateClients reports what is wrong with the clients.
func (c *Config) validateClients(bad func(field string, value any, expected string)) {
	if n := len(c.Clients); n > maxClients {
		bad("client", n, fmt.Sprintf("up to %d", maxClients))
	}
	var known []string
	for _, b := range signin.Builtin() {
		known = append(known, b.ID)
	}
	for _, client := range c.Clients {
		if client.ID == "" || len(client.ID) > maxClientID || strings.IndexFunc(client.ID, notInID) >= 0 || slices.Contains(known, client.ID) {
			bad("client", strconv.Quote(client.ID), fmt.Sprintf("an ID of its own, of up to %d letters, digits, -, _ and .", maxClientID))
		}
		known = append(known, client.ID)
		if n := len(client.Redirects); n == 0 || n > maxRedirects {
			bad("client "+client.ID, n, fmt.Sprintf("1 to %d redirect URIs", maxRedirects))
		}
		for _, at := range client.Redirects {
			if !signin.ValidRedirect(at) {
				bad("client "+client.ID, fmt.Sprintf("%.200q", at), "an https address, or one of http on 127.0.0.1, [::1] or localhost, without user or fragment")
			}
		}
	}
}

func notInID(r rune) bool {
	return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune("-_.", r)
}
