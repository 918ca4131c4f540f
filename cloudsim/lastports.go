package cloudsim

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"ptabench/observe"
)

// lastPorts are the addresses to try before free ports: the ports that the
// simulator of this state directory had last, where none are configured and it
// is to keep them. Whoever holds a copy of its cloud file finds it there again.
func (c *Config) lastPorts() map[string]string {
	if !c.KeepPorts {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(c.State, cloudFile))
	var last observe.Ready
	if err != nil || json.Unmarshal(text, &last) != nil { // a first start, or nothing to go by
		return nil
	}
	kept := make(map[string]string)
	for _, port := range Ports() {
		if _, number, err := net.SplitHostPort(last.Ports[port]); err == nil && c.Ports[port] == "" {
			kept[port] = net.JoinHostPort(c.Listen, number)
		}
	}
	return kept
}

// listenLast opens a port where it was last, or with a warning on a free one
// when that is in use for longer than soon lasts.
func (srv *server) listenLast(ctx, soon context.Context, port, last string) (net.Listener, error) {
	if last != "" {
		l, err := srv.listenOn(soon, port, last)
		if !errors.Is(err, syscall.EADDRINUSE) {
			return l, err
		}
		srv.log.Warn("the last port is in use: connectors that know only that one need the new cloud file", "port", port, "last", last)
	}
	return srv.listenOn(ctx, port, srv.cfg.listenAddress(port))
}
