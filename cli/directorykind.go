package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"ptabench/onprem/directory"
	"ptabench/onprem/samba"
	"ptabench/onprem/slapd"
)

// directoryServer is the server of others that a kind stands for; nil for the
// test directory itself.
func directoryServer(kind string) (directory.Server, error) {
	switch kind {
	case "embedded":
		return nil, nil
	case "slapd":
		return slapd.Server{}, nil
	case "samba":
		return samba.Server{}, nil
	}
	return nil, fmt.Errorf("kind %q: expected embedded, slapd or samba", kind)
}

// directoryCache is where provisioned directories are kept between runs, unless
// it was said where; nowhere for who has no place for caches.
func directoryCache() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "ptabench", "directories")
}
