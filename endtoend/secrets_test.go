package endtoend

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"ptabench/population"
)

// findNoSecrets derives every password of quickstart's population and looks
// for it in every file of the run directory.
func findNoSecrets(t *testing.T, dir string) {
	users, err := population.New(population.Spec{Seed: 1, Users: 10_000, Domain: "contoso.test",
		Shares: map[population.State]float64{population.Disabled: 0.02}})
	if err != nil {
		t.Fatal(err)
	}
	// The part behind the first three characters is the same however those are
	// escaped, and always equally long.
	const prefix = len("p#7")
	size := len(users.Password(0)) - prefix
	secrets := make(map[string]int, 2*users.Len())
	for i := range users.Len() {
		secrets[users.Password(i)[prefix:]] = i
		secrets[users.WrongPassword(i)[prefix:]] = i
	}
	if planted := []byte("x" + users.Password(7)); len(search(planted, secrets, size)) == 0 {
		t.Fatal("the search does not find a password that is there")
	}
	files, read := 0, 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		read += len(text)
		for _, user := range search(text, secrets, size) {
			t.Errorf("%s holds a password of user %d", path, user)
		}
		if info, err := d.Info(); err == nil && info.Mode().Perm()&0o077 != 0 && holdsKey(text) {
			t.Errorf("%s holds a private key and has mode %v", path, info.Mode().Perm())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 || read < 1<<17 {
		t.Errorf("searched only %d files with %d bytes", files, read)
	}
}

// search returns the users whose secrets occur in text.
func search(text []byte, secrets map[string]int, size int) (found []int) {
	run := 0 // length of the run of base 32 characters that ends here
	for i, c := range text {
		if c >= 'A' && c <= 'Z' || c >= '2' && c <= '7' {
			run++
		} else {
			run = 0
		}
		if run >= size {
			if user, ok := secrets[string(text[i+1-size:i+1])]; ok {
				found = append(found, user)
			}
		}
	}
	return found
}

// holdsKey reports whether a file has a private key in PEM.
func holdsKey(text []byte) bool { return bytes.Contains(text, []byte("PRIVATE KEY-----")) }
