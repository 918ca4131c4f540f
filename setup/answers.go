// Package setup is the wizard that makes a tenant's users sign in through this
// host: it connects to the cloud and to the directory, asks how users are to
// sign in, and, once that is confirmed, registers and starts the first
// connector and sets the tenant's method.
//
// It follows the real product's wizard page by page. Nothing is changed before
// the last page is confirmed, and what was begun when something fails, or
// somebody interrupts, is undone.
package setup

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"ptabench/setup/ask"
	"ptabench/setup/cloud"
	"ptabench/setup/install"
	"ptabench/setup/survey"
)

// How an administrator signs in.
const (
	Browser    = "browser"     // of this host
	DeviceCode = "device-code" // any browser, on any device
	Password   = "password"    // this program fills in the page: for scripts
)

// Answers are what the wizard asks for. Each is a flag too, and what a flag
// gave is the default of its question.
type Answers struct {
	Cloud, CloudCA        string
	Administrator, Tenant string
	SignIn                string // Browser, DeviceCode or Password; empty to find out
	AdministratorPassword string // a secret, for Password

	Directory, DirectoryCA string
	BindDN, BaseDN         string // empty: as the directory says
	DirectoryPassword      string // of BindDN, a secret
	TestUser, TestPassword string // a user whose sign-in is to be tried; may be empty

	Method             string
	HashSyncBackup     string // ask.Yes or ask.No
	FederationMetadata string

	Name, HostName string
	Dir            string // empty for the default of the name
	Replace        bool   // a connector of that name that is active elsewhere
}

// check completes what can be derived, and reports every answer that is missing or wrong, where nobody can be
// asked.
func (a *Answers) check() error {
	var mistakes []error
	missing := func(value, flag, expected string) {
		if value == "" {
			mistakes = append(mistakes, fmt.Errorf("%s: expected %s", flag, expected))
		}
	}
	missing(a.Cloud, "--cloud", "the address of the cloud, with --cloud-ca, or a file with its ready line")
	if a.Cloud != "" {
		if _, err := cloud.Read(a.Cloud, a.CloudCA, a.Tenant, time.Second); err != nil {
			mistakes = append(mistakes, err)
		}
	}
	if a.Tenant == "" {
		a.Tenant = TenantOf(a.Administrator)
	}
	if err := checkTenant(a.Tenant); a.Administrator != "" && err != nil {
		mistakes = append(mistakes, fmt.Errorf("--tenant %w", err))
	}
	missing(a.Administrator, "--administrator", "the account of an administrator, such as admin@contoso.test")
	if a.SignIn == Password {
		missing(a.AdministratorPassword, "--administrator-password-file", "the file with the password of the administrator, or it in PTABENCH_ADMINISTRATOR_PASSWORD")
	}
	missing(a.Method, "--method", "pass-through, hash-sync, federation or none")
	if err := checkMethod(a.Method); a.Method != "" && err != nil {
		mistakes = append(mistakes, fmt.Errorf("--method %w", err))
	}
	if a.Method == string(cloud.Federation) {
		if err := checkMetadata(a.FederationMetadata); err != nil {
			mistakes = append(mistakes, fmt.Errorf("--federation-metadata %w", err))
		}
	}
	if (a.Method == string(cloud.PassThrough) || a.Method == "") && !a.installed() { // of no method yet, what the usual one needs
		missing(a.Directory, "--directory", "the directory, ldaps://host:port")
		if err := checkDirectory(a.Directory); a.Directory != "" && err != nil {
			mistakes = append(mistakes, fmt.Errorf("--directory %w", err))
		}
		missing(a.DirectoryCA, "--directory-ca", "the file with the certificate that the directory is verified against")
		missing(a.DirectoryPassword, "--directory-password-file", "the file with the password of --bind-dn, or it in PTABENCH_DIRECTORY_PASSWORD")
	}
	if a.TestUser != "" {
		missing(a.TestPassword, "--test-password-file", "the file with the password of --test-user, or it in PTABENCH_TEST_PASSWORD")
	}
	if err := install.CheckName(a.Name); err != nil {
		mistakes = append(mistakes, fmt.Errorf("--name %w", err))
	}
	return errors.Join(mistakes...)
}

func checkMethod(method string) error {
	for _, m := range methods {
		if m.Value == method {
			return nil
		}
	}
	return fmt.Errorf("%q: expected pass-through, hash-sync, federation or none", method)
}

// methods are the answers of the page User sign-in, as the real one has them.
var methods = []ask.Option{
	{Value: string(cloud.HashSync), Label: "Password hash synchronization"},
	{Value: string(cloud.PassThrough), Label: "Pass-through authentication"},
	{Value: string(cloud.Federation), Label: "Federation with AD FS"},
	{Value: string(cloud.None), Label: "Do not configure"},
}

func checkMetadata(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return fmt.Errorf("%q: expected the https address of the federation server's metadata", text)
	}
	return nil
}

func checkDirectory(text string) error {
	if _, _, err := survey.Address(text); err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	return nil
}

func expected(what string) func(string) error {
	return func(answer string) error {
		if answer == "" {
			return errors.New("expected " + what)
		}
		return nil
	}
}

// TenantOf guesses the name of a tenant from an administrator's account.
func TenantOf(administrator string) string {
	_, domain, _ := strings.Cut(administrator, "@")
	name, _, _ := strings.Cut(domain, ".")
	return strings.ToLower(name)
}

// dir is where the connector goes.
func (a *Answers) dir() (string, error) {
	if a.Dir == "" {
		return install.DefaultDir(a.Name), nil
	}
	return filepath.Abs(a.Dir)
}

// here is the connector of the name and tenant that is installed on this host;
// nil for none.
func (a *Answers) here(host install.Host) *install.Connector {
	dir, err := a.dir()
	if err != nil {
		return nil
	}
	c, err := install.At(dir, host)
	if err != nil || c.Name != a.Name || c.Tenant != a.Tenant {
		return nil
	}
	return c
}

func (a *Answers) installed() bool { return a.here(install.Host{}) != nil }

func (a *Answers) backup() bool { return a.HashSyncBackup != ask.No }
