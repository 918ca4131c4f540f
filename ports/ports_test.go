package ports

import (
	"slices"
	"strconv"
	"testing"
)

// TestCloud pins the numbers: firewalls are opened by them.
func TestCloud(t *testing.T) {
	all := Cloud()
	if want := []string{"443", "80", "8080", "9090", "9091", "9350", "9352", "5671", "10100", "10101"}; !slices.Equal(all[:len(want)], want) {
		t.Errorf("%v begins otherwise than %v", all, want)
	}
	if len(all) != 8+21 || all[len(all)-1] != "10120" {
		t.Errorf("%d ports to %s; want 29 to 10120", len(all), all[len(all)-1])
	}
	seen := make(map[string]bool)
	for _, p := range all {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 || seen[p] {
			t.Errorf("port %q: no number of its own from 1 to 65535", p)
		}
		seen[p] = true
	}
}
