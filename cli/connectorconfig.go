package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// connectorPaths are the flags of a connector that name files. In a file of
// settings they count from where that is, so that an installation can be moved
// as a whole.
var connectorPaths = []string{"cloud", "state", "directory-ca", "directory-password-file"}

// readSettings sets the flags that a file has, unless they were given. It
// reports every mistake at once.
func readSettings(cmd *cobra.Command, file string) error {
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	var settings map[string]string
	if err := json.Unmarshal(text, &settings); err != nil {
		return fmt.Errorf("--config %s: expected flags and their values, as texts, in JSON: %w", file, err)
	}
	var mistakes []error
	for _, name := range sortedKeys(settings) {
		flag := cmd.Flags().Lookup(name)
		if flag == nil || name == "config" {
			if !connectorFlag(cmd, name) {
				mistakes = append(mistakes, fmt.Errorf("--config %s: %q: expected the name of a flag of 'ptabench connector'", file, name))
			}
			continue // of the connector, and not of this sub-command
		}
		if flag.Changed {
			continue
		}
		value := settings[name]
		if slices.Contains(connectorPaths, name) && value != "" && !filepath.IsAbs(value) {
			value = filepath.Join(filepath.Dir(file), value)
		}
		if err := flag.Value.Set(value); err != nil {
			mistakes = append(mistakes, fmt.Errorf("--config %s: %s: %q: %w", file, name, value, err))
		}
	}
	return errors.Join(mistakes...)
}

// connectorFlag reports whether the command above a sub-command has a flag.
func connectorFlag(cmd *cobra.Command, name string) bool {
	found := false
	if above := cmd.Parent(); above != nil && name != "config" {
		above.Flags().VisitAll(func(f *pflag.Flag) { found = found || f.Name == name })
	}
	return found
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// secret is a password or token: of a variable, or else the first line of a
// file that others cannot read. It is empty when neither is there.
func secret(variable, flag, file string) (string, error) {
	if value := os.Getenv(variable); value != "" || file == "" {
		return value, nil
	}
	info, err := os.Stat(file)
	if err != nil {
		return "", fmt.Errorf("--%s: %w", flag, err)
	}
	if mode := info.Mode().Perm(); info.Mode().IsRegular() && mode&0o077 != 0 {
		return "", fmt.Errorf("--%s %s: mode %#o lets others in, expected 0600", flag, file, mode)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("--%s: %w", flag, err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", fmt.Errorf("--%s %s: expected a secret in its first line", flag, file)
	}
	return line, nil
}
