package directory

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"ptabench/whole"
)

// portsFile says in the state directory where the directory listened last.
const portsFile = "ports.json"

// addresses are those to listen on, by the name of what is served there.
func (c *Config) addresses() map[string]string {
	return map[string]string{"ldap": c.LDAP, "ldaps": c.LDAPS, "observe": c.Observe}
}

// lastPorts are the addresses to try before free ports, where any port will do:
// those of last time, for a directory that is to keep them. Connectors hold a
// copy of the address.
func (c *Config) lastPorts() map[string]string {
	if !c.KeepPorts {
		return nil
	}
	var last map[string]string
	text, err := os.ReadFile(filepath.Join(c.State, portsFile))
	if err != nil || json.Unmarshal(text, &last) != nil { // a first start, or nothing to go by
		return nil
	}
	kept := make(map[string]string)
	for name, address := range c.addresses() {
		host, port, _ := net.SplitHostPort(address) // Validate has checked it
		if _, number, err := net.SplitHostPort(last[name]); err == nil && port == "0" {
			kept[name] = net.JoinHostPort(host, number)
		}
	}
	return kept
}

// keepPorts writes them down for the next start.
func (c *Config) keepPorts(ports map[string]string) error {
	if !c.KeepPorts {
		return nil
	}
	text, err := json.Marshal(ports)
	if err != nil {
		return fmt.Errorf("keeping the ports: %w", err)
	}
	if err := whole.Bytes(filepath.Join(c.State, portsFile), 0o644, append(text, '\n')); err != nil {
		return fmt.Errorf("keeping the ports: %w", err)
	}
	return nil
}
