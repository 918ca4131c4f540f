package authority

import (
	"crypto/x509"
	"testing"
	"time"
)

// Whatever a peer sends as a certificate request, it gets an error or a
// certificate for who it is, and no more than that.
func FuzzIssue(f *testing.F) {
	a := newTestAuthority(f, memory{}, func() time.Time { return noon })
	for _, key := range []func() []byte{
		func() []byte { return request(f, ecKey(), nil) },
		func() []byte { return request(f, rsaKey(), nil) },
		func() []byte { return a.DER() },
		func() []byte { return nil },
	} {
		f.Add(key())
	}
	f.Fuzz(func(t *testing.T, csr []byte) {
		c, err := a.Issue(csr, connector1, time.Hour)
		if err != nil {
			if c != nil {
				t.Error("an error and a certificate")
			}
			return
		}
		if id, err := IdentityOf(c); err != nil || id != connector1 {
			t.Errorf("issued for %+v, %v", id, err)
		}
		if c.IsCA || len(c.DNSNames)+len(c.IPAddresses)+len(c.EmailAddresses) != 0 {
			t.Errorf("issued with more than asked of this authority: %+v", c)
		}
		if _, err := c.Verify(x509.VerifyOptions{Roots: a.pool, CurrentTime: noon, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
			t.Errorf("issued, and not trusted: %v", err)
		}
	})
}

// What a registration costs besides the disk.
func BenchmarkIssue(b *testing.B) {
	a := newTestAuthority(b, memory{}, time.Now)
	for name, csr := range map[string][]byte{"ECDSA": request(b, ecKey(), nil), "RSA": request(b, rsaKey(), nil)} {
		b.Run("key="+name, func(b *testing.B) {
			for b.Loop() {
				if _, err := a.Issue(csr, connector1, time.Hour); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
