package bind

import (
	"fmt"
	"strings"
	"time"
)

// A Dialect is how a directory says why it refuses, beyond LDAP's own codes.
type Dialect string

// The dialects.
const (
	// Auto reads the root DSE of each server to find out.
	Auto Dialect = "auto"
	// Attributes: a sub-code in the diagnostic text if there is one, or else
	// the account's own attributes, in Active Directory's schema, which the
	// service account reads after a refusal.
	Attributes Dialect = "attributes"
	// PPolicy: the password policy control (draft-behera-ldap-password-policy,
	// as OpenLDAP's ppolicy overlay has it) in request and reply, and the
	// account's operational attributes after a refusal.
	PPolicy Dialect = "ppolicy"
	// AD: the sub-code in the diagnostic text. Nothing is looked up.
	AD Dialect = "ad"
)

// ParseDialect reads a dialect; empty means Auto.
func ParseDialect(text string) (Dialect, error) {
	switch d := Dialect(text); d {
	case "":
		return Auto, nil
	case Auto, Attributes, PPolicy, AD:
		return d, nil
	}
	return "", fmt.Errorf("%q: expected %s, %s, %s or %s", text, Auto, Attributes, PPolicy, AD)
}

// What tells the kinds of directories by their root DSE.
const (
	activeDirectory = "1.2.840.113556.1.4.800" // supportedCapabilities
	openLDAP        = "OpenLDAProotDSE"        // objectClass
)

// A manner is how one server is spoken to.
type manner struct {
	dialect  Dialect
	names    way
	controls string // of each bind
	wanted   []string
}

// manner is that which cfg asks for, as far as it does.
func (c *Config) manner() manner {
	m := manner{dialect: c.Dialect, names: c.Names.way}
	if m.dialect == "" {
		m.dialect = Auto
	}
	return m.settled()
}

// settled fills in what follows from the dialect.
func (m manner) settled() manner {
	if m.names == byDialect && m.dialect != Auto {
		m.names = byUPN
		if m.dialect == PPolicy {
			m.names = byLookup
		}
	}
	switch m.dialect {
	case PPolicy:
		m.controls, m.wanted = policyRequest, policyAttributes
	case Attributes:
		m.wanted = accountAttributes
	}
	return m
}

// detect completes a manner by what the server says of itself.
func (m manner) detect(c *client, deadline time.Time) (manner, error) {
	var isAD, isOpenLDAP, hasPolicy bool
	_, err := c.search(query{
		scope: scopeBase, attribute: "objectClass", wanted: []string{"objectClass", "supportedControl", "supportedCapabilities"},
		entry: func(e *entry) {
			e.each(func(_ string, value []byte) {
				switch {
				case string(value) == activeDirectory:
					isAD = true
				case string(value) == policyControl:
					hasPolicy = true
				case strings.EqualFold(string(value), openLDAP):
					isOpenLDAP = true
				}
			})
		},
	}, deadline)
	if err != nil {
		return m, fmt.Errorf("reading the root DSE: %w", err)
	}
	switch {
	case isAD:
		m.dialect = AD
	case hasPolicy:
		m.dialect = PPolicy
	default: // also where the root DSE may not be read
		m.dialect = Attributes
		if isOpenLDAP && m.names == byDialect {
			m.names = byLookup
		}
	}
	return m.settled(), nil
}
