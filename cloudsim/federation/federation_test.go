package federation

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const document = `<?xml version="1.0"?><EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="http://fs.test/adfs/services/trust">
<RoleDescriptor xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:fed="http://docs.oasis-open.org/wsfed/federation/200706" xsi:type="fed:SecurityTokenServiceType">
<fed:SecurityTokenServiceEndpoint><EndpointReference xmlns="http://www.w3.org/2005/08/addressing"><Address>https://fs.test/adfs/services/trust/2005/certificatemixed</Address></EndpointReference></fed:SecurityTokenServiceEndpoint>
<fed:PassiveRequestorEndpoint><EndpointReference xmlns="http://www.w3.org/2005/08/addressing"><Address>
 PASSIVE </Address></EndpointReference></fed:PassiveRequestorEndpoint>
</RoleDescriptor></EntityDescriptor>`

func with(passive string) string { return strings.Replace(document, "PASSIVE", passive, 1) }

func TestPassive(t *testing.T) {
	if got, err := Passive([]byte(with("https://fs.test/adfs/ls/"))); err != nil || got != "https://fs.test/adfs/ls/" {
		t.Errorf("got %q, %v", got, err)
	}
	for name, text := range map[string]string{
		"nothing":         "",
		"no XML":          "<html",
		"no endpoint":     "<EntityDescriptor/>",
		"plain http":      with("http://fs.test/adfs/ls/"),
		"a script":        with("javascript:alert(1)"),
		"a user":          with("https://user@fs.test/"),
		"no host":         with("https://:443/"),
		"a fragment":      with("https://fs.test/#x"),
		"a long address":  with("https://fs.test/" + strings.Repeat("x", MaxAddress)),
		"an entity":       strings.Replace(with("&x;"), "?>", `?><!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>`, 1),
		"a document type": strings.Replace(with("https://fs.test/"), "?>", `?><!DOCTYPE x>`, 1),
		"too deep":        strings.Repeat("<a>", 10_000),
		"too long":        strings.Repeat(" ", MaxMetadata+1),
	} {
		if got, err := Passive([]byte(text)); err == nil || got != "" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestFetch(t *testing.T) {
	answer := func(w http.ResponseWriter) { _, _ = w.Write([]byte(with("https://fs.test/adfs/ls/"))) }
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
	defer s.Close()
	if got, err := Fetch(t.Context(), s.Client(), s.URL+"/m.xml"); err != nil || got != "https://fs.test/adfs/ls/" {
		t.Errorf("got %q, %v", got, err)
	}
	answer = func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) }
	for _, at := range []string{s.URL, "http://fs.test/", "", "https://127.0.0.1:1/"} {
		if _, err := Fetch(t.Context(), s.Client(), at); err == nil {
			t.Errorf("%q: no error", at)
		}
	}
}

func FuzzPassive(f *testing.F) {
	f.Add([]byte(with("https://fs.test/adfs/ls/")))
	f.Add([]byte("<PassiveRequestorEndpoint><Address>https://a/"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, err := Passive(text); err == nil && CheckAddress(got) != nil {
			t.Fatalf("%q gave %q", text, got)
		}
	})
}
