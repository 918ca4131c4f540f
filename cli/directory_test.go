package cli

import (
	"bytes"
	"maps"
	"strings"
	"testing"

	"ptabench/population"
)

func TestParseShares(t *testing.T) {
	tests := []struct {
		text string
		want map[population.State]float64
		errs []string // what the error mentions
	}{
		{text: "", want: map[population.State]float64{}},
		{text: "disabled=2%,locked=1%", want: map[population.State]float64{population.Disabled: .02, population.Locked: .01}},
		{text: "expired=0.25, must-change=100%", want: map[population.State]float64{population.PasswordExpired: .25, population.MustChange: 1}},
		{text: "disabled", errs: []string{"state=share"}},
		{text: "gone=1%", errs: []string{`state "gone"`}},
		{text: "active=1%", errs: []string{"active users"}},
		{text: "disabled=1%,disabled=2%", errs: []string{"given twice"}},
		{text: "disabled=-1%,locked=101%,expired=NaN,must-change=,account-expired=1%%", errs: []string{`"-1%"`, `"101%"`, `"NaN"`, `share ""`, `"1%%"`}},
		{text: ",", errs: []string{"state=share"}},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			got, err := parseShares(tt.text)
			if (err != nil) != (tt.errs != nil) {
				t.Fatalf("error %v", err)
			}
			for _, want := range tt.errs {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not mention %s", err, want)
				}
			}
			if err == nil && !maps.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestDirectoryUsage holds that mistakes in flags are told all at once.
func TestDirectoryUsage(t *testing.T) {
	cmd := directoryCommand()
	cmd.SetArgs([]string{"--users", "0", "--states", "gone=1%", "--ldaps", "nowhere", "--domain", "a b", "--hash-sync-tenant", "contoso"})
	cmd.SetOut(new(bytes.Buffer))
	cmd.SetErr(new(bytes.Buffer))
	err := cmd.Execute()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"users 0", `state "gone"`, `ldaps "nowhere"`, `domain "a b"`, "state: expected a directory", "hash-sync-url"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not mention %s", err, want)
		}
	}
}
