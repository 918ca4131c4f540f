package cli

import (
	"reflect"
	"strings"
	"testing"

	"ptabench/cloudsim"
)

func TestParseTenant(t *testing.T) {
	for _, tc := range []struct {
		text string
		want cloudsim.Tenant
		err  string // begins after the flag and its value
	}{
		{text: "name=contoso,domain=contoso.test", want: cloudsim.Tenant{Name: "contoso", Domains: []string{"contoso.test"},
			Method: cloudsim.PassThrough, Fallback: cloudsim.Automatic}},
		{text: "fallback=off,method=hash-sync,domain=a.test+b.test,name=a", want: cloudsim.Tenant{Name: "a", Domains: []string{"a.test", "b.test"},
			Method: cloudsim.HashSync, Fallback: cloudsim.Off}},
		{text: "name=a,domain=a.test,method=federation,metadata=https://fs.a.test/m.xml?x=y", want: cloudsim.Tenant{Name: "a", Domains: []string{"a.test"},
			Method: cloudsim.Federation, Fallback: cloudsim.Off, Metadata: "https://fs.a.test/m.xml?x=y"}},
		{text: "name=a,domain=a.test,method=federation,fallback=automatic", want: cloudsim.Tenant{Name: "a", Domains: []string{"a.test"},
			Method: cloudsim.Federation, Fallback: cloudsim.Automatic}},
		{text: "", err: `"": expected key=value`},
		{text: "name=a,", err: `"": expected key=value`},
		{text: "contoso", err: `"contoso": expected key=value`},
		{text: "name=a,colour=red", err: `"colour": expected name, domain, method, fallback or metadata`},
		{text: "name=a,name=b", err: `"name" is given twice`},
	} {
		got, err := parseTenant(tc.text)
		switch {
		case tc.err != "":
			if err == nil || !strings.HasPrefix(err.Error(), "--tenant "+tc.text+": "+tc.err) {
				t.Errorf("%q: %v; expected %s", tc.text, err, tc.err)
			}
		case err != nil || !reflect.DeepEqual(got, tc.want):
			t.Errorf("%q: %+v, %v; expected %+v", tc.text, got, err, tc.want)
		}
	}
}

func TestParseSwitch(t *testing.T) {
	for text, want := range map[string]bool{"on": true, "off": false} {
		if got, err := parseSwitch("handoff", text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "ON", "true", "1"} {
		if _, err := parseSwitch("handoff", text); err == nil {
			t.Errorf("%q is taken for a switch", text)
		}
	}
}
