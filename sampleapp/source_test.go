package sampleapp

import (
	"net/url"
	"testing"
)

// A browser ignores a source that it can't read, and then stops the form that
// signs out.
func TestSource(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]string{
		"https://127.0.0.1:4443/contoso/authorize": "https://127.0.0.1:4443", "https://login.example/x?y": "https://login.example",
		"https://[::1]:4443/contoso/authorize": "https:",
	} {
		u, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		if got := source(u); got != want {
			t.Errorf("%s: %s; expected %s", at, got, want)
		}
	}
}
