package directory

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"ptabench/population"
)

// users makes the population that is to be served, or reads it.
func (c *Config) users() (*population.Population, error) {
	if c.UsersFile != "" {
		return population.FromFile(c.UsersFile)
	}
	return population.New(c.Population)
}

// validateUsers reports every mistake in where the users come from.
func (c *Config) validateUsers() error {
	if c.UsersFile == "" {
		return c.Population.Validate()
	}
	if _, err := population.FromFile(c.UsersFile); err != nil {
		return fmt.Errorf("users-file: %w", err)
	}
	if len(c.Population.Shares) > 0 {
		return errors.New("states: expected none: users-file says the state of each user")
	}
	return nil
}

// tellUsers says when they are not those of a seed, whose names and passwords
// anybody can make.
func (c *Config) tellUsers(info map[string]string) {
	if c.UsersFile != "" {
		info["users_file"] = c.UsersFile
	}
}

// keyOf names a population: equal keys are of equal users.
func keyOf(users *population.Population) string {
	sum := sha256.New()
	var line []byte
	for i := range users.Len() {
		line = append(users.AppendUPN(line[:0], i), 0)
		line = append(append(line, users.Password(i)...), 0, byte(users.State(i)))
		sum.Write(binary.BigEndian.AppendUint32(line, uint32(len(line))))
	}
	return hex.EncodeToString(sum.Sum(nil))
}
