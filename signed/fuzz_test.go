package signed

import (
	"crypto/x509"
	"testing"
	"time"
)

// Whatever comes as a document, nothing is taken from it but what was signed.
func FuzzVerify(f *testing.F) {
	ca, now := newIssuer(f), time.Now().Truncate(time.Second)
	cloud := ca.issue(ec(f), x509.ExtKeyUsageCodeSigning, BootstrapSigner)
	connector := ca.issue(ec(f), x509.ExtKeyUsageClientAuth, "connector-1")
	boot, err := SignBootstrap(good(now), cloud)
	if err != nil {
		f.Fatal(err)
	}
	report, err := SignReport(&Report{Tenant: "contoso", SentAt: now}, connector)
	if err != nil {
		f.Fatal(err)
	}
	message, err := SignUpdate(&UpdateMessage{Tenant: "contoso", SentAt: now, Step: UpdateConfirm}, connector)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{boot, report, message, nil, []byte("e30.e30."), []byte(`{"payload":"","signatures":[]}`)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if b, err := VerifyBootstrap(text, ca.pool, "contoso", now); (err == nil) != (b != nil) || err == nil && b.Tenant != "contoso" {
			t.Errorf("bootstrap %q: %+v, %v", text, b, err)
		}
		if r, by, err := VerifyReport(text, ca.pool, "contoso", now); (err == nil) != (r != nil && by != nil) || err == nil && r.Tenant != "contoso" {
			t.Errorf("report %q: %+v, %v", text, r, err)
		}
		if m, by, err := VerifyUpdate(text, ca.pool, "contoso", now); (err == nil) != (m != nil && by != nil) || err == nil && m.Tenant != "contoso" {
			t.Errorf("update %q: %+v, %v", text, m, err)
		}
	})
}
