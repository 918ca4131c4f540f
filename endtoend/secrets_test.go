package endtoend

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"ptabench/population"
)

// findNoSecrets looks for every password of quickstart's population in every file
// of the run directory.
func findNoSecrets(t *testing.T, dir string) {
	t.Helper()
	secrets := derived(t)
	size := 0
	for secret := range secrets {
		size = len(secret)
		break
	}
	files, read := 0, 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := withoutHoles(path)
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

// secretsOf holds what derived made once.
var secretsOf map[string]int

// derived is whose each password of the population is, right and wrong ones,
// without its first three characters: the rest is the same however those are
// escaped, and always equally long.
func derived(t *testing.T) map[string]int {
	t.Helper()
	if secretsOf != nil {
		return secretsOf
	}
	users, err := population.New(population.Spec{Seed: 1, Users: 10_000, Domain: "contoso.test",
		Shares: map[population.State]float64{population.Disabled: 0.02}})
	if err != nil {
		t.Fatal(err)
	}
	const prefix = len("p#7")
	all := make(map[string]int, 2*users.Len())
	for i := range users.Len() {
		all[users.Password(i)[prefix:]] = i
		all[users.WrongPassword(i)[prefix:]] = i
	}
	planted := users.Password(7)
	if len(search([]byte("x"+planted), all, len(planted)-prefix)) == 0 {
		t.Fatal("the search does not find a password that is there")
	}
	secretsOf = all
	return all
}

// withoutHoles is what was ever written to a file: a database may be a gigabyte,
// nearly all of it a hole.
func withoutHoles(path string) (text []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for at := int64(0); ; {
		from, err := f.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // there is no more
			return text, nil
		}
		if err != nil {
			return nil, err
		}
		if at, err = f.Seek(from, unix.SEEK_HOLE); err != nil {
			return nil, err
		}
		data := make([]byte, at-from)
		if _, err := f.ReadAt(data, from); err != nil {
			return nil, err
		}
		text = append(text, data...)
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
