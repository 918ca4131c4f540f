package connector

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"

	"ptabench/observe"
	"ptabench/ports"
)

// registrationPort is where a certificate is to be had.
const registrationPort = ports.Registration

// renewalPort is where the next one is to be had.
const renewalPort = ports.Renewal

// requestPorts bring sign-ins: the fast path, and those for signalling.
var requestPorts = ports.Requests()

// responsePorts take answers: 10100 to 10120.
var responsePorts = ports.Responses()

// bootstrapPorts say where the others are. The second is for when a firewall
// blocks the first.
var bootstrapPorts = []string{ports.Bootstrap, ports.SignIn}

// endpoints is where the cloud listens and whom to believe that it is the
// cloud.
type endpoints struct {
	at  map[string]string // documented port number to host:port
	ca  *x509.CertPool
	sum [sha256.Size]byte // of the cloud file
}

// readEndpoints reads the cloud file: a cloud's ready line, or as much of it as
// finds the rest by bootstrap, which is ca_pem and the port 8080 or 443.
func readEndpoints(file string) (*endpoints, error) {
	if file == "" {
		return nil, errors.New("expected a file")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var ready observe.Ready
	if err := json.Unmarshal(text, &ready); err != nil {
		return nil, fmt.Errorf("%s: expected the ready line of a cloud: %w", file, err)
	}
	e := &endpoints{at: ready.Ports, ca: x509.NewCertPool(), sum: sha256.Sum256(text)}
	if !e.ca.AppendCertsFromPEM([]byte(ready.CAPEM)) {
		return nil, fmt.Errorf("%s: ca_pem: expected a certificate in PEM", file)
	}
	var mistakes []error
	if !e.bootstraps() && !e.complete() {
		mistakes = append(mistakes, fmt.Errorf("%s: ports: expected %s or %s, which say the others, or else %s, one of %s to %s, and one of %s to %s", file,
			bootstrapPorts[0], bootstrapPorts[1], registrationPort, requestPorts[0], requestPorts[len(requestPorts)-1],
			responsePorts[0], responsePorts[len(responsePorts)-1]))
	}
	for port, address := range ready.Ports {
		if _, _, err := net.SplitHostPort(address); err != nil {
			mistakes = append(mistakes, fmt.Errorf("%s: ports: %s: %q is not host:port", file, port, address))
		}
	}
	if len(mistakes) > 0 {
		return nil, errors.Join(mistakes...)
	}
	return e, nil
}

// complete reports whether the endpoints suffice without a bootstrap.
func (e *endpoints) complete() bool {
	return e.at[registrationPort] != "" && len(e.ports(requestPorts)) > 0 && len(e.ports(responsePorts)) > 0
}

// bootstraps reports whether there is a port to fetch a bootstrap from.
func (e *endpoints) bootstraps() bool { return len(e.ports(bootstrapPorts)) > 0 }

// ports picks those the cloud has, in order.
func (e *endpoints) ports(among []string) []string {
	var there []string
	for _, p := range among {
		if e.at[p] != "" {
			there = append(there, p)
		}
	}
	return there
}
