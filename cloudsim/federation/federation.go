// Package federation reads what a federation server says of itself: its
// metadata (WS-Federation 1.2 section 3), of which the cloud needs to know where
// browsers are to be sent.
package federation

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// MaxMetadata bounds a metadata document, in bytes. That of AD FS has some 70 KB.
const MaxMetadata = 1 << 20

// MaxAddress bounds an address, in bytes.
const MaxAddress = 2048

// maxDepth bounds how deep elements are nested.
const maxDepth = 64

// CheckAddress says what is wrong with an address that is to be https.
func CheckAddress(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || len(text) > MaxAddress {
		return fmt.Errorf("%.80q: expected an https URL of up to %d bytes, without user or fragment", text, MaxAddress)
	}
	return nil
}

// Fetch gets the metadata at an https address and returns the passive endpoint
// that it names.
func Fetch(ctx context.Context, client *http.Client, at string) (passive string, err error) {
	if err := CheckAddress(at); err != nil {
		return "", err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return "", err
	}
	r, err := client.Do(q)
	if err != nil {
		return "", fmt.Errorf("fetching the federation metadata: %w", err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return "", fmt.Errorf("fetching the federation metadata: %s answered %s", at, r.Status)
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, MaxMetadata+1))
	if err != nil {
		return "", fmt.Errorf("fetching the federation metadata: %w", err)
	}
	return Passive(text)
}

// Passive finds the passive endpoint in a metadata document: the first address
// of PassiveRequestorEndpoint of a security token service. The document's
// signature is not looked at: who may say where it is, an administrator said,
// and TLS.
func Passive(text []byte) (string, error) {
	if len(text) > MaxMetadata {
		return "", fmt.Errorf("federation metadata: more than %d bytes", MaxMetadata)
	}
	// encoding/xml knows no entities but the five of XML and fetches nothing.
	in := xml.NewDecoder(strings.NewReader(string(text)))
	var within []string
	for {
		part, err := in.Token()
		if errors.Is(err, io.EOF) {
			return "", errors.New("federation metadata: it names no passive endpoint (PassiveRequestorEndpoint)")
		}
		if err != nil {
			return "", fmt.Errorf("federation metadata: %w", err)
		}
		switch part := part.(type) {
		case xml.Directive:
			return "", errors.New("federation metadata: it has a document type, which metadata has not")
		case xml.StartElement:
			if len(within) >= maxDepth {
				return "", fmt.Errorf("federation metadata: nested deeper than %d", maxDepth)
			}
			within = append(within, part.Name.Local)
		case xml.EndElement:
			within = within[:len(within)-1]
		case xml.CharData:
			if address := strings.TrimSpace(string(part)); address != "" && passiveAddress(within) {
				if err := CheckAddress(address); err != nil {
					return "", fmt.Errorf("federation metadata: passive endpoint %w", err)
				}
				return address, nil
			}
		}
	}
}

// passiveAddress reports whether elements are those around a passive address.
func passiveAddress(within []string) bool {
	inEndpoint := false
	for _, name := range within {
		inEndpoint = inEndpoint || name == "PassiveRequestorEndpoint"
	}
	return inEndpoint && within[len(within)-1] == "Address"
}
