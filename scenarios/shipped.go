package scenarios

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
)

//go:embed *.yaml
var shipped embed.FS

// shippedNames is the order in which scenarios are listed: the one to begin
// with first.
var shippedNames = []string{
	"quickstart", "throughput",
	"crash-one", "freeze-one", "drop-one", "power-loss", "crash-all", "rolling-restart",
	"ports", "block-ports", "real-ports", "active-but-dead", "poor-network", "starved",
	"directory-down", "one-directory-down", "slow-directory", "hanging-directory",
	"directory-failover", "federation-failover",
	"fallback-answers", "stale-hashes", "stale-answers", "cloud-restart",
	"certificate-expiry", "revocation", "connector-limit", "rolling-update", "bad-update",
	"failover", "uneven", "noisy-neighbour", "methods", "compare-presets", "soak",
}

// A Listed scenario is one that is shipped.
type Listed struct {
	Name    string
	Summary string // the first sentence of its description
}

// List returns the shipped scenarios.
func List() []Listed { return slices.Clone(listed()) }

// listed reads all of them, once: they are part of the program.
var listed = sync.OnceValue(func() (all []Listed) {
	for _, name := range shippedNames {
		text, err := Shipped(name)
		if err != nil {
			panic(err)
		}
		s, err := Parse(name+".yaml", text, nil)
		if err != nil {
			panic(err)
		}
		all = append(all, Listed{Name: name, Summary: firstSentence(s.Description)})
	}
	return all
})

// firstSentence is that of a text, without its full stop.
func firstSentence(text string) string {
	first, _, _ := strings.Cut(strings.TrimSuffix(text, "."), ". ")
	return first
}

// Shipped returns the document of a shipped scenario.
func Shipped(name string) ([]byte, error) {
	if !slices.Contains(shippedNames, name) {
		return nil, fmt.Errorf("scenario %s: expected %s", shownValue(name), meant(name, shippedNames))
	}
	text, err := shipped.ReadFile(name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("scenario %s: %w", name, err)
	}
	return text, nil
}

// Open returns the document of a scenario, a shipped one by its name or else a
// file, and what errors should call it.
func Open(nameOrFile string) (name string, text []byte, err error) {
	if slices.Contains(shippedNames, nameOrFile) {
		text, err = Shipped(nameOrFile)
		return nameOrFile + ".yaml", text, err
	}
	text, err = ReadFile(nameOrFile)
	if errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(nameOrFile, "./\\") {
		return "", nil, notShipped("scenario", nameOrFile, shippedNames)
	}
	return nameOrFile, text, err
}

// ReadFile reads the document of a scenario, no more of it than Parse accepts.
func ReadFile(path string) ([]byte, error) { return readFile("scenario", path) }

// readFile reads a document of what.
func readFile(what, path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s %s: expected a file, and it is a directory", what, path)
	}
	text, err := io.ReadAll(io.LimitReader(file, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if len(text) > MaxSize {
		return nil, fmt.Errorf("%s %s: expected at most %d bytes", what, path, MaxSize)
	}
	return text, nil
}
