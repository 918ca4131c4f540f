package bench

import "testing"

func TestNextVersion(t *testing.T) {
	for _, tt := range []struct {
		version string
		n       int
		want    string // empty for an error
	}{
		{"0.1.0", 1, "0.2.0"}, {"0.9.3", 2, "0.11.0"}, {"12.0.7", 5, "12.5.0"}, {"1.2.3-rc.1", 1, "1.3.0"}, {"devel", 1, ""}, {"1.2", 1, ""},
	} {
		if got, err := nextVersion(tt.version, tt.n); got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("after %s, number %d: %q, %v; want %q", tt.version, tt.n, got, err, tt.want)
		}
	}
}
