package adfs

import (
	"strings"
	"testing"
	"time"

	"ptabench/onprem/adfs/farm"
)

func usable() Config {
	return Config{
		Name: "adfs-1", State: "state", Farm: "farm", Listen: "127.0.0.1:0", Observe: "127.0.0.1:0", Directories: []string{"ldaps://dc1.contoso.test"},
		BindDN: "cn=service", BindPassword: "secret", BaseDN: "dc=contoso,dc=test", Terms: farm.DefaultTerms, Parties: []string{realm},
		Concurrency: DefaultConcurrency, Pool: DefaultPool, BindTimeout: DefaultBindTimeout, ConnectTimeout: DefaultConnectTimeout, ConnectionAge: DefaultConnectionAge,
	}
}

// TestMistakes: each is said by its flag, all at once, and no secret is.
func TestMistakes(t *testing.T) {
	if err := usable().Validate(); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*Config)
		want   []string
	}{
		"nothing": {func(c *Config) { *c = Config{} }, []string{"--name", "--state", "--farm", "--listen", "--observe", "--directory", "--bind-dn", "--base-dn",
			"PTABENCH_DIRECTORY_PASSWORD", "--signing-lifetime", "--signing-next-before", "--signing-promote-after", "--concurrency 0", "--pool 0", "--bind-timeout", "--connect-timeout", "--connection-age"}},
		"addresses":       {func(c *Config) { c.Listen, c.Observe, c.Public = "here", "127.0.0.1:70000", ":443" }, []string{"--listen", "--observe", "--public"}},
		"a public port 0": {func(c *Config) { c.Public = "fs.contoso.test:0" }, []string{"--public"}},
		"the directory":   {func(c *Config) { c.Directories = []string{"ldap://dc1"} }, []string{"--directory: \"ldap://dc1\""}},
		"how it is asked": {func(c *Config) { c.Order, c.Dialect, c.Names, c.MaxPasswordAge = "x", "y", "{z}", -1 }, []string{"--directory-order", "--directory-dialect", "--directory-names", "--max-password-age"}},
		"who":             {func(c *Config) { c.Issuer, c.Parties = "no uri", []string{"neither", "urn:x=https://user@host/"} }, []string{"--issuer", `--relying-party "neither"`, `--relying-party "urn:x=https://user@host/"`}},
		"terms":           {func(c *Config) { c.Terms.PromoteAfter = c.Terms.NextBefore + time.Hour }, []string{"--signing-promote-after"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := usable()
			test.change(&c)
			err := c.Validate()
			if err == nil {
				t.Fatal("it is taken")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("nothing of %s in: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("a secret: %v", err)
			}
		})
	}
}

func TestParties(t *testing.T) {
	c := usable()
	c.Parties = []string{realm, "urn:a=b=https://x.test/in?c=d", "urn:c=https://x.test/in", "urn:c", everybodysCloud + "=https://cloud.test/in"}
	parties, err := c.parties()
	if err != nil {
		t.Fatal(err)
	}
	for realm, reply := range map[string]string{realm: "", "urn:a=b": "https://x.test/in?c=d", "urn:c": "https://x.test/in", everybodysCloud: "https://cloud.test/in"} {
		if p, found := parties[realm]; !found || p.reply != reply || p.realm != realm {
			t.Errorf("%s: %+v, %v", realm, p, found)
		}
	}
	if len(parties) != 4 {
		t.Errorf("%d parties: %v", len(parties), parties)
	}
}

// TestTexts: there are words for each code that a user can meet.
func TestTexts(t *testing.T) {
	for result, code := range codes {
		if _, found := userTexts[code]; !found && code != codeAccepted {
			t.Errorf("%s: no text for %d", result, code)
		}
	}
}
