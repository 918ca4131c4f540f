package authority

import (
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ptabench/wire"
)

// The usual tool finds a certificate good that was issued in a renewal, and the
// one before it as long as that overlaps; once the connector is revoked it finds
// both on the list.
func TestOpenSSLAfterRenewal(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatalf("openssl is needed (Debian: apt-get install openssl): %v", err)
	}
	o := openTrust(t)
	if err := o.authority.ListAt(listURL); err != nil {
		t.Fatal(err)
	}
	former := o.connector("connector-1")
	answer, err := o.client(former).Renew(t.Context(), &wire.RenewRequest{CsrDer: request(t, newKey(), nil), Version: "0.1.0"})
	if err != nil {
		t.Fatal(err)
	}
	renewed := must(x509.ParseCertificate(answer.GetCertificateDer()))
	lists, err := NewLists(o.authority, o.store, time.Hour, slog.New(slog.NewJSONHandler(o, nil)), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	put := func(name, kind string, der []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	ca := put("ca.pem", "CERTIFICATE", o.authority.DER())
	files := []string{put("former.pem", "CERTIFICATE", former.Certificate[0]), put("renewed.pem", "CERTIFICATE", renewed.Raw)}
	verify := func(want string, ok bool) {
		t.Helper()
		list := put("list.pem", "X509 CRL", lists.current.Load().der)
		for _, file := range files {
			out, err := exec.Command("openssl", "verify", "-x509_strict", "-attime", strconv.FormatInt(noon.Unix(), 10),
				"-CAfile", ca, "-CRLfile", list, "-crl_check", "-purpose", "sslclient", file).CombinedOutput()
			if (err == nil) != ok || !strings.Contains(string(out), want) {
				t.Errorf("openssl verify %s: %v, %s; expected %q", file, err, out, want)
			}
		}
	}
	verify(": OK", true)
	out, err := exec.Command("openssl", "x509", "-in", files[1], "-noout", "-ext", "crlDistributionPoints,extendedKeyUsage").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "URI:"+listURL) || !strings.Contains(string(out), "TLS Web Client Authentication") {
		t.Errorf("openssl x509: %v, %s", err, out)
	}
	if _, _, err := o.store.Revoke("contoso", "connector-1", noon); err != nil {
		t.Fatal(err)
	}
	if err := lists.Make(); err != nil {
		t.Fatal(err)
	}
	verify("certificate revoked", false)
}
