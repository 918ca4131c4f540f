package connector

import (
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ptabench/bind/bindtest"
	"ptabench/wire"
)

// With a cloud that knows no joining, a connector has one stream, which it is
// pushed to on any port: signalling ports first, the one it lost last.
func TestRequestPortsInOrder(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	c.block("9352")
	start(t, settings(t, c, d.Server)).serving()
	s := c.session(1)
	if s.port != "5671" {
		t.Errorf("with 9352 blocked attached on %s, want 5671", s.port)
	}
	c.unblock("9352")
	s.give(given{id: 1, user: ann, password: annSecret})
	expectResult(t, c, 1, wire.Result_RESULT_ACCEPTED) // stays where it is

	c.block("9352", "5671")
	if s = c.session(2); s.port != "9350" {
		t.Errorf("with 9352 and 5671 blocked attached on %s, want 9350", s.port)
	}
	c.unblock("5671")
	c.unblock("9352")
	s.end()
	if s = c.session(3); s.port != "9352" {
		t.Errorf("with all ports open attached on %s, want 9352", s.port)
	}
	s.end()
	if s = c.session(4); s.port != "5671" {
		t.Errorf("after 9352 was lost attached on %s, want 5671", s.port)
	}
	c.block(requestPorts...)
	c.unblock("9352")
	s = c.session(5)
	s.give(given{id: 2, user: ann, password: annSecret})
	expectResult(t, c, 2, wire.Result_RESULT_ACCEPTED)
}

// A port that takes connections and says nothing is given up in time.
func TestSilentRequestPort(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	c.block("9352")
	ln, err := net.Listen("tcp", c.ports["9352"])
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() // never accepts
	cfg := settings(t, c, d.Server)
	cfg.ConnectTimeout = 300 * time.Millisecond
	r := start(t, cfg).serving()
	if s := c.session(1); s.port != "5671" {
		t.Errorf("attached on %s, want 5671", s.port)
	}
	r.stop()
}

func TestNextResponsePort(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	c.unacked.Store(true)
	r := start(t, settings(t, c, d.Server)).serving()
	s := c.session(1)
	s.give(given{id: 1, user: ann, password: annSecret}, given{id: 2, user: ann, password: annSecret})
	expectResult(t, c, 1, wire.Result_RESULT_ACCEPTED)
	expectResult(t, c, 2, wire.Result_RESULT_ACCEPTED)

	first := c.opened()[0]
	c.block(first)
	next := responsePorts[(slices.Index(responsePorts, first)+1)%len(responsePorts)]
	eventually(t, "the next response port is opened", func() bool {
		opened := c.opened()
		return opened[len(opened)-1] == next
	})
	// What was not acknowledged comes again; what follows comes too.
	eventually(t, "both answers come again", func() bool { return c.count(1) == 2 && c.count(2) == 2 })
	s.give(given{id: 3, user: ann, password: annSecret})
	expectResult(t, c, 3, wire.Result_RESULT_ACCEPTED)
	if got := r.counters(); got.Resent != 2 || got.Answers != 3 || got.CloudSessions != 1 {
		t.Errorf("counters: %+v; want 3 answers, 2 resent, 1 session", got)
	}
	c.unacked.Store(false) // or draining would wait for it
}

func TestNoResponsePortEndsTheSession(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	r := start(t, settings(t, c, d.Server)).serving()
	s := c.session(1)
	c.block(responsePorts...)
	select {
	case <-s.done:
	case <-time.After(patience):
		t.Fatal("the connector keeps taking sign-ins that it cannot answer")
	}
	eventually(t, "it tries again and gives up again", func() bool {
		return strings.Count(r.log.String(), errNoAnswers.Error()) >= 2
	})
	before := len(c.opened()) // the first of them may have been this very port
	c.unblock(responsePorts[7])
	eventually(t, "it is attached again, over the one port that works", func() bool {
		opened := c.opened()
		return len(opened) > before && opened[len(opened)-1] == responsePorts[7]
	})
	c.mu.Lock()
	last := len(c.sessions)
	c.mu.Unlock()
	c.session(last).give(given{id: 1, user: ann, password: annSecret})
	expectResult(t, c, 1, wire.Result_RESULT_ACCEPTED)
}

func TestSilentCloud(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	c.interval, c.misses = 40*time.Millisecond, 5
	r := start(t, settings(t, c, d.Server)).serving()
	s := c.session(1)
	c.silent.Store(true)
	select {
	case <-s.done:
	case <-time.After(patience):
		t.Fatal("the connector does not give a silent cloud up")
	}
	eventually(t, "the log says that the cloud was silent", func() bool {
		return strings.Contains(r.log.String(), errSilent.Error())
	})
	c.silent.Store(false)
	eventually(t, "it is attached again", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		last := c.sessions[len(c.sessions)-1]
		return last != s && last.respond != nil
	})
}

func TestHeartbeats(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	c.interval = 10 * time.Millisecond
	start(t, settings(t, c, d.Server)).serving()
	s := c.session(1)
	eventually(t, "heartbeats come on both streams", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.beats >= 5 && c.answerBeats.Load() >= 5
	})
}

// A cloud that is started again elsewhere is found by its file.
func TestCloudThatMoves(t *testing.T) {
	c, d := newFakeCloud(t), bindtest.NewDirectory(t, users())
	cfg := settings(t, c, d.Server)
	start(t, cfg).serving()
	s := c.session(1)
	c.block(requestPorts...)
	for _, port := range requestPorts {
		delete(c.ports, port) // a new one
		c.unblock(port)
	}
	text := c.file
	c.writeFile(t.TempDir())
	if err := os.Rename(c.file, text); err != nil {
		t.Fatal(err)
	}
	if again := c.session(2); again == s || again.port != "5671" {
		t.Errorf("attached again on port %s, want 5671, where it was not lost", again.port)
	}
}
