package directory

import (
	"net"
	"strings"
	"testing"
)

// A directory that is to keep its ports has them again after a restart, but one
// that something else has meanwhile.
func TestKeepsItsPorts(t *testing.T) {
	cfg := testConfig(t)
	cfg.KeepPorts = true
	first := start(t, cfg)
	first.stop()
	if taken, err := net.Listen("tcp", first.ready.Ports["ldap"]); err == nil { // or a stranger has it: as good
		defer taken.Close()
	}
	again := start(t, cfg)
	if again.ready.Ports["ldaps"] != first.ready.Ports["ldaps"] || again.ready.Ports["ldap"] == first.ready.Ports["ldap"] {
		t.Errorf("ports %v, before %v", again.ready.Ports, first.ready.Ports)
	}
	if !strings.Contains(again.log.String(), "the last port is in use") {
		t.Error("no warning of the port that was in use")
	}
	again.stop()
	cfg.KeepPorts = false
	if third := start(t, cfg); third.ready.Ports["ldaps"] == again.ready.Ports["ldaps"] {
		t.Error("the port was kept, and is not to be")
	}
}
