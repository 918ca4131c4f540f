// Package places has a role that is started again by hand listen where it did
// the last time: whoever knows its address knows that one.
package places

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"ptabench/whole"
)

// file says in a state directory where the role listened last.
const file = "ports.json"

// Listen opens the listener of a name. Where any port will do, that of the last
// time is tried first, which dir says; an empty dir remembers nothing.
func Listen(log *slog.Logger, dir, name, address string, open func(network, address string) (net.Listener, error)) (net.Listener, error) {
	if last := before(dir, name, address); last != "" {
		l, err := open("tcp", last)
		if !errors.Is(err, syscall.EADDRINUSE) {
			return l, err
		}
		log.Warn("the last port is in use: who knows only that one needs the new address", "port", name, "last", last)
	}
	return open("tcp", address)
}

// before is the last address of a name, if any port of its host will do.
func before(dir, name, address string) string {
	host, port, err := net.SplitHostPort(address)
	if dir == "" || err != nil || port != "0" {
		return ""
	}
	var last map[string]string
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil || json.Unmarshal(text, &last) != nil { // a first start, or nothing to go by
		return ""
	}
	_, number, err := net.SplitHostPort(last[name])
	if err != nil {
		return ""
	}
	return net.JoinHostPort(host, number)
}

// Keep writes down where a role listens, for the next start.
func Keep(dir string, ports map[string]string) error {
	if dir == "" {
		return nil
	}
	text, err := json.Marshal(ports)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = whole.Bytes(filepath.Join(dir, file), 0o644, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keeping the ports: %w", err)
	}
	return nil
}
