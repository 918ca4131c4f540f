package authority

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"regexp"
)

// scheme is that of the URI by which a certificate names its connector.
const scheme = "ptabench"

// Identity is whom a client certificate is for.
type Identity struct {
	Tenant string
	Name   string // of the connector, unique within its tenant
	ID     string // of its registration
}

func (id Identity) uri() *url.URL {
	return &url.URL{Scheme: scheme, Host: id.Tenant, Path: "/" + id.ID}
}

// IdentityOf reads from a verified certificate whom it is for. It trusts the
// signature, not the shape.
func IdentityOf(c *x509.Certificate) (Identity, error) {
	if len(c.URIs) != 1 || len(c.Subject.Organization) != 1 {
		return Identity{}, fmt.Errorf("%w: %d URIs and %d organizations; expected one of each",
			errNoConnector, len(c.URIs), len(c.Subject.Organization))
	}
	u := c.URIs[0]
	id := Identity{Tenant: c.Subject.Organization[0], Name: c.Subject.CommonName}
	if len(u.Path) > 1 {
		id.ID = u.Path[1:]
	}
	if id.ID == "" || *u != *id.uri() {
		return Identity{}, fmt.Errorf("%w: its URI %q does not name one of tenant %q", errNoConnector, u, id.Tenant)
	}
	if err := id.check(); err != nil {
		return Identity{}, fmt.Errorf("%w: %w", errNoConnector, err)
	}
	return id, nil
}

// Tenants and connectors are named so that their names need no escaping in a
// certificate, a URL, a log or a metric.
var (
	tenantSyntax = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?$`)
	nameSyntax   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	idSyntax     = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
)

// TenantName reports whether a tenant may be called so.
func TenantName(name string) bool { return tenantSyntax.MatchString(name) }

func (id Identity) check() error {
	switch {
	case !TenantName(id.Tenant):
		return fmt.Errorf("tenant %.80q: expected up to 64 of a-z, 0-9, . and -, first and last no sign", id.Tenant)
	case !nameSyntax.MatchString(id.Name):
		return fmt.Errorf("connector name %.80q: expected up to 64 of A-Z, a-z, 0-9, ., _ and -, the first no sign", id.Name)
	case !idSyntax.MatchString(id.ID):
		return fmt.Errorf("connector id %.80q: expected up to 64 of A-Z, a-z, 0-9 and -", id.ID)
	}
	return nil
}
