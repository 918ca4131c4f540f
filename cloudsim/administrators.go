package cloudsim

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"ptabench/cloudsim/signin"
)

// passwordFile is where the administrators' password is kept when no other
// place is given.
const passwordFile = "administrator.password"

// maxAdministrators bounds the accounts that a configuration may name.
const maxAdministrators = 1000

// validateAdministrators reports administrators that are of no tenant.
func (c *Config) validateAdministrators(bad func(field string, value any, expected string)) {
	if n := len(c.Administrators); n > maxAdministrators {
		bad("administrator", n, fmt.Sprintf("up to %d", maxAdministrators))
	}
	for _, user := range c.Administrators {
		name, domain, _ := strings.Cut(user, "@")
		if name == "" || len(user) > maxUser || !signin.Sayable(user) || strings.ContainsAny(user, " \t") || c.tenantOf(domain) == "" {
			bad("administrator", strconv.Quote(user), "NAME@DOMAIN, a domain of one of the tenants")
		}
	}
}

// tenantOf is the name of the tenant that has a domain, empty for none.
func (c *Config) tenantOf(domain string) string {
	for _, t := range c.Tenants {
		for _, d := range t.Domains {
			if strings.EqualFold(d, domain) {
				return t.Name
			}
		}
	}
	return ""
}

// administrators are those named, and admin of its first domain for each tenant
// that has none named.
func (c *Config) administrators() (list []signin.Administrator) {
	named := make(map[string]bool)
	for _, user := range c.Administrators {
		_, domain, _ := strings.Cut(user, "@")
		t := c.tenantOf(domain)
		named[t] = true
		list = append(list, signin.Administrator{User: user, Tenant: t})
	}
	for _, t := range c.Tenants {
		if !named[t.Name] && len(t.Domains) > 0 {
			list = append(list, signin.Administrator{User: "admin@" + t.Domains[0], Tenant: t.Name})
		}
	}
	return list
}

// passwordPath is the file that has the administrators' password.
func (c *Config) passwordPath() string {
	if c.AdministratorPasswordFile != "" {
		return c.AdministratorPasswordFile
	}
	return filepath.Join(c.State, passwordFile)
}

// administratorPassword reads the password of the administrators, or makes one
// at random where none was given.
func (c *Config) administratorPassword() (signin.Password, error) {
	path := c.passwordPath()
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && c.AdministratorPasswordFile == "" {
		text = []byte(rand.Text() + "\n")
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		return signin.Password{}, fmt.Errorf("the administrators' password: %w", err)
	}
	defer clear(text)
	line := bytes.TrimRight(text, "\r\n")
	if len(line) == 0 || len(line) > signin.MaxPassword || bytes.ContainsAny(line, "\r\n\x00") || !utf8.Valid(line) {
		return signin.Password{}, fmt.Errorf("the administrators' password: %s: expected one line of 1 to %d bytes", path, signin.MaxPassword)
	}
	return signin.NewPassword(line), nil
}
