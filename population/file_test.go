package population

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func fileOf(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "users.csv")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestFromFile(t *testing.T) {
	p, err := FromFile(fileOf(t, "\ufeffupn,password,state\n"+
		"Ann@Contoso.test,secret\n"+
		"\"smith, john@contoso.test\",\" with \"\"quotes\"\" and spaces \",\n"+
		"#hash@contoso.test,pässwörd,active\n"+
		"ann@fabrikam.test,other,disabled\n"+
		"o'brien@x@contoso.test,#,must-change\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		upn, name, password string
		state               State
	}{
		{"Ann@contoso.test", "Ann", "secret", Active},
		{"smith, john@contoso.test", "smith, john", ` with "quotes" and spaces `, Active},
		{"#hash@contoso.test", "#hash", "pässwörd", Active},
		{"ann@fabrikam.test", "ann", "other", Disabled},
		{"o'brien@x@contoso.test", "o'brien@x", "#", MustChange},
	}
	if p.Len() != len(want) || p.Domain() != "contoso.test" || !slices.Equal(p.Domains(), []string{"contoso.test", "fabrikam.test"}) {
		t.Fatalf("%d users in %v", p.Len(), p.Domains())
	}
	for i, w := range want {
		if p.UPN(i) != w.upn || p.Name(i) != w.name || p.Password(i) != w.password || p.State(i) != w.state || string(p.AppendUPN([]byte("+"), i)) != "+"+w.upn {
			t.Errorf("user %d: %q, %q, %q, %v", i, p.UPN(i), p.Name(i), p.Password(i), p.State(i))
		}
		if got, ok := p.Index(strings.ToUpper(w.upn)); !ok || got != i {
			t.Errorf("index of %s: %d, %t", w.upn, got, ok)
		}
		if p.WrongPassword(i) == w.password || p.PreviousPassword(i) == w.password || p.VersionOf(i, 0) != w.password {
			t.Errorf("user %d: passwords that are wrong, or were, are not told from the right one", i)
		}
	}
	for i, want := range []string{0: "Ann", 1: "smith, john", 3: "ann@fabrikam.test"} {
		if want != "" && p.UniqueName(i) != want {
			t.Errorf("unique name of user %d: %q, want %q", i, p.UniqueName(i), want)
		}
	}
	if i, ok := p.IndexOfName("ANN"); !ok || i != 0 {
		t.Errorf("of two of a name: %d, %t", i, ok)
	}
	if _, ok := p.Index("nobody000001@contoso.test"); ok {
		t.Error("knows somebody who is not there")
	}
	for n := range 100 { // are in the domains of the users, and are none
		if _, ok := p.Index(p.UnknownUPN(n)); ok {
			t.Errorf("%s is known", p.UnknownUPN(n))
		}
	}
	if !slices.Equal(p.In(Active), []int{0, 1, 2}) || len(p.Changed(9)) != 3 {
		t.Errorf("active: %v, changed: %v", p.In(Active), p.Changed(9))
	}
}

func TestFromFileOneDomain(t *testing.T) {
	p, err := FromFile(fileOf(t, "a@contoso.test,x\nb@contoso.test,y\n"))
	if err != nil {
		t.Fatal(err)
	}
	if p.UnknownUPN(0) != "nobody000001@contoso.test" || p.DomainOf(1) != 0 {
		t.Errorf("%s, domain %d", p.UnknownUPN(0), p.DomainOf(1))
	}
}

// TestFromFileMistakes: each is reported with its line, all at once, and no
// password is.
func TestFromFileMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"empty":   {"", []string{"expected at least one user"}},
		"heading": {"upn,password\n", []string{"expected at least one user"}},
		"several": {
			"ann,verysecret\n" +
				"ann@contoso.test,verysecret\n" +
				"ANN@contoso.test,verysecret\n" +
				"bob@contoso.test\n" +
				"bob@contoso.test,verysecret,lost\n" +
				"bob@contoso.test,\n" +
				"@contoso.test,verysecret\n" +
				"bob@con_toso.test,verysecret\n" +
				"b\x01b@contoso.test,verysecret\n" +
				strings.Repeat("b", 257) + "@contoso.test,verysecret\n" +
				"bob@contoso.test," + strings.Repeat("verysecret", 103) + "\n" +
				"bob@contoso.test,very\x00secret\n" +
				"a,b,c,verysecret\n" +
				"verysecret,ann@contoso.test\n" +
				"carl@contoso.test,very,secret\n",
			[]string{
				`:1: upn: expected name@domain`,
				`:3: upn "ANN@contoso.test": expected once`,
				`:4: 1 fields: expected upn,password or upn,password,state`,
				`:5: state: expected one of active, disabled`,
				`:6: password of bob@contoso.test: 0 bytes: expected 1 to 1024`,
				`:7: upn: expected name@domain`,
				`:8: upn: expected name@domain`,
				`:9: upn "b\x01b@contoso.test": expected at most 256 bytes of printable UTF-8`,
				`:10: upn "bbb`,
				`:11: password of bob@contoso.test: 1030 bytes`,
				`:12: password of bob@contoso.test: 11 bytes: expected 1 to 1024, and no NUL`,
				`:13: 4 fields`,
			},
		},
		"quotes": {"ann@contoso.test,\"verysecret\nbob@contoso.test,verysecret\n", []string{"users.csv:1: a quote that is wrong or not closed"}},
		"a quote and more": {"ann@contoso.test,\"verysecret\nbob@contoso.test\ncarl@contoso.test,very\"secret\n\ndora@contoso.test,\"secret\"x\nerin@contoso.test,secret,lost\n",
			[]string{"users.csv:1: a quote", "users.csv:2: 1 fields", "users.csv:3: a quote", "users.csv:5: a quote", "users.csv:6: state: "}},
		"many": {strings.Repeat("x,verysecret\n", 100), []string{`:20: upn: expected`, "users.csv: and 80 more mistakes"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := FromFile(fileOf(t, c.text))
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("expected %q in:\n%v", want, err)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("a password is in the error: %v", err)
			}
			if name == "many" && strings.Contains(err.Error(), ":21:") {
				t.Error("lists more mistakes than anybody reads")
			}
		})
	}
}

// TestFromFileDomains: a domain that is not expected is told where it is first,
// beside other mistakes, and in the order of the lines.
func TestFromFileDomains(t *testing.T) {
	file := fileOf(t, "ann@contoso.test,secret\nbob@fabrikam.test,secret\nbob@contoso.test\ncarl@fabrikam.test,secret\ndora@tailspin.test,secret\n")
	_, err := FromFile(file, "contoso.test", "contoso.example")
	want := "users: " + file + ":2: users of fabrikam.test: expected users of contoso.test, contoso.example\n" +
		file + ":3: 1 fields: expected upn,password or upn,password,state\n" +
		file + ":5: users of tailspin.test: expected users of contoso.test, contoso.example"
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	if _, err := FromFile(fileOf(t, "ann@contoso.test,secret\n"), "contoso.test"); err != nil {
		t.Error(err)
	}
}

func TestFromFileRefused(t *testing.T) {
	file := fileOf(t, "ann@contoso.test,secret\n")
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := FromFile(file); err == nil || !strings.Contains(err.Error(), "mode 0644 lets others read passwords, expected 0600") {
		t.Errorf("a file that others can read: %v", err)
	}
	if _, err := FromFile(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
