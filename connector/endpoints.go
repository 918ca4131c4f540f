package connector

import (
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

// requestPorts bring sign-ins. The fastest path comes first.
var requestPorts = ports.Requests()

// responsePorts take answers: 10100 to 10120.
var responsePorts = ports.Responses()

// endpoints is where the cloud listens and whom to believe that it is the
// cloud.
type endpoints struct {
	at map[string]string // documented port number to host:port
	ca *x509.CertPool
}

// readEndpoints reads a cloud's ready line.
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
	e := &endpoints{at: ready.Ports, ca: x509.NewCertPool()}
	if !e.ca.AppendCertsFromPEM([]byte(ready.CAPEM)) {
		return nil, fmt.Errorf("%s: ca_pem: expected a certificate in PEM", file)
	}
	var mistakes []error
	for _, need := range []struct {
		what string
		any  []string
	}{
		{"the registration port", []string{registrationPort}},
		{"a request port", requestPorts},
		{"a response port", responsePorts},
	} {
		if len(e.ports(need.any)) == 0 {
			mistakes = append(mistakes, fmt.Errorf("%s: ports: expected %s, %s to %s", file, need.what, need.any[0], need.any[len(need.any)-1]))
		}
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
