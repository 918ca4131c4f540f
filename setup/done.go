package setup

import (
	"net"
	"net/netip"
	"path/filepath"

	"ptabench/ports"
	"ptabench/setup/cloud"
	"ptabench/setup/install"
)

// done says what there is now, and what to do next.
func (w *wizard) done(c *install.Connector, running *install.Process) {
	a := &w.Answers
	if c == nil {
		switch w.method() {
		case cloud.HashSync:
			w.say("\nDone. Now push the hashes: 'ptabench directory --help', flags --hash-sync-*.")
		default:
			w.say("\nDone.")
		}
		return
	}
	w.say("\nDone. Users sign in at %s/", w.cloud.SignIn())
	w.say("\nOne connector is one failure away from none. To install another one, copy this\nfile, which holds no secret, to its host\n  %s\nand run there", c.FurtherFile())
	w.say("\n  ptabench connector install --from %s \\\n    --administrator %s", Word(filepath.Base(c.FurtherFile())), Word(a.Administrator))
	if loopback(w.cloud.Endpoints[ports.SignIn]) {
		w.say("\nThis cloud listens on loopback, so for now that can only be this host again:\n\n  %s connector install \\\n    --from %s \\\n    --administrator %s --name %s-2 --host-name %s-2",
			Word(w.Call), Word(c.FurtherFile()), Word(a.Administrator), Word(c.Name), Word(c.Name))
	}
	w.say("")
	switch {
	case running == nil && !w.NoStart:
		w.say("To see it:         systemctl status %s", c.UnitName())
	case w.NoStart || !w.Foreground:
		w.say("To start it again: %s connector \\\n    --config %s", Word(w.Call), Word(c.ConfigFile()))
	}
	w.say("To be rid of it:   %s connector uninstall --name %s%s", Word(w.Call), Word(c.Name), c.Elsewhere())
}

func loopback(at string) bool {
	host, _, _ := net.SplitHostPort(at)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
