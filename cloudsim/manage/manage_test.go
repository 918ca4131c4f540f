package manage

import (
	"strings"
	"testing"
)

// All that is wrong with a choice is said at once.
func TestReadMethod(t *testing.T) {
	for _, text := range []string{`{"method":"pass-through"}`, `{"method":"pass-through","hash_sync_backup":true}`, `{"method":"hash-sync"}`,
		`{"method":"none"}`, `{"method":"federation","federation_metadata":"https://fs.test/m.xml"}`,
		`{"method":"federation","hash_sync_backup":true,"federation_metadata":"https://fs.test/m.xml"}`} {
		if _, err := readMethod(strings.NewReader(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	_, err := readMethod(strings.NewReader(`{"method":"x","hash_sync_backup":true,"federation_metadata":"y","warning":"z"}`))
	for _, want := range []string{`method: "x"`, "hash_sync_backup: true", "federation_metadata: given", "passive_endpoint, warning"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; expected %s in it", err, want)
		}
	}
}

func FuzzReadMethod(f *testing.F) {
	for _, seed := range []string{"", "{}", "null", `{"method":"none"}`, `{"method":"federation","federation_metadata":"https://a"}`, `[]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := readMethod(strings.NewReader(text))
		if err == nil && (m.check() != nil || m.PassiveEndpoint != "") {
			t.Fatalf("%q became %+v", text, m)
		}
	})
}
