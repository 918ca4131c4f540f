package connector

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"ptabench/whole"
)

// identityFile holds the connector's private key and certificate, in PEM. They
// are one file so that no crash can leave a key without its certificate.
const identityFile = "identity.pem"

// errExpired says that the certificate ran out, and only an administrator with
// a new registration token can help.
var errExpired = errors.New("the connector must be registered again, with a new token in PTABENCH_REGISTRATION_TOKEN")

// loadIdentity reads what saveIdentity wrote. It returns nil when there is
// nothing.
func loadIdentity(dir string) (*tls.Certificate, error) {
	file := filepath.Join(dir, identityFile)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer clear(text)
	c, err := tls.X509KeyPair(text, text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if c.Leaf == nil {
		if c.Leaf, err = x509.ParseCertificate(c.Certificate[0]); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return &c, nil
}

// checkExpiry refuses a certificate that the cloud would refuse.
func checkExpiry(c *tls.Certificate, now time.Time) error {
	if now.After(c.Leaf.NotAfter) {
		return fmt.Errorf("the certificate expired on %s: %w", c.Leaf.NotAfter.UTC().Format(time.RFC3339), errExpired)
	}
	return nil
}

// obtainedLine begins the line that says when a certificate was obtained: it
// counts as valid from before that, so its lifetime cannot be told from it.
// Whoever reads PEM skips the line.
const obtainedLine = "obtained: "

// obtainedAt is when the certificate in a state directory was obtained, or
// failing that when it became valid.
func obtainedAt(dir string, c *tls.Certificate) time.Time {
	text, err := os.ReadFile(filepath.Join(dir, identityFile))
	if err != nil {
		return c.Leaf.NotBefore
	}
	defer clear(text)
	rest, found := bytes.CutPrefix(text, []byte(obtainedLine))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	if at, err := time.Parse(time.RFC3339Nano, string(line)); found && err == nil {
		return at
	}
	return c.Leaf.NotBefore
}

// saveIdentity keeps a key and its certificate, readable by the owner only.
// Either both are kept or what was there before stays.
func saveIdentity(dir string, key *ecdsa.PrivateKey, certificateDER []byte, obtained time.Time) error {
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	defer clear(keyDER)
	var text bytes.Buffer
	defer func() { clear(text.Bytes()) }()
	fmt.Fprintf(&text, "%s%s\n", obtainedLine, obtained.UTC().Format(time.RFC3339Nano))
	for _, b := range []*pem.Block{
		{Type: "PRIVATE KEY", Bytes: keyDER},
		{Type: "CERTIFICATE", Bytes: certificateDER},
	} {
		if err := pem.Encode(&text, b); err != nil {
			return err
		}
	}
	return whole.Bytes(filepath.Join(dir, identityFile), 0o600, text.Bytes())
}
