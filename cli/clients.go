package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"ptabench/cloudsim"
	"ptabench/cloudsim/signin"
)

// minClientSecret is how long a client's secret has to be, in bytes: it is no
// password, and is kept by a hash that is quick.
const minClientSecret = 16

// parseClients reads ID=REDIRECT, which may come several times for an ID, and
// ID=FILE with the secret of a confidential client.
func parseClients(redirects, secrets []string) ([]signin.Client, error) {
	var clients []signin.Client
	find := func(id string) *signin.Client {
		for i := range clients {
			if clients[i].ID == id {
				return &clients[i]
			}
		}
		return nil
	}
	for _, text := range redirects {
		id, at, ok := strings.Cut(text, "=")
		if !ok || id == "" || at == "" {
			return nil, fmt.Errorf("--client %q: expected ID=REDIRECT, such as web=https://app.example/signed-in", text)
		}
		c := find(id)
		if c == nil {
			clients = append(clients, signin.Client{ID: id, Name: id, Devices: true})
			c = &clients[len(clients)-1]
		}
		c.Redirects = append(c.Redirects, at)
	}
	for _, text := range secrets {
		id, file, ok := strings.Cut(text, "=")
		c := find(id)
		if !ok || c == nil {
			return nil, fmt.Errorf("--client-secret-file %q: expected ID=FILE, the ID of a --client", text)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("--client-secret-file %s: %w", id, err)
		}
		secret := strings.TrimRight(string(b), "\r\n")
		if len(secret) < minClientSecret || strings.ContainsAny(secret, "\r\n") {
			return nil, fmt.Errorf("--client-secret-file %s: %s: expected one line of %d bytes or more", id, file, minClientSecret)
		}
		c.Secret, c.Devices = signin.NewSecret(secret), false
	}
	if err := cloudsim.CheckClients(clients); err != nil {
		return nil, err
	}
	return clients, nil
}

// clientFlags are the programs of one's own that a cloud is to know.
type clientFlags struct{ redirects, secrets []string }

func (c *clientFlags) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&c.redirects, "client", nil, "a program that people may sign in to, besides those that every cloud knows: ID=REDIRECT, where answers may be sent; repeatable, also for one ID")
	flags.StringArrayVar(&c.secrets, "client-secret-file", nil, "ID=FILE: a client that has a server of its own, and its secret in one line; repeatable")
}
