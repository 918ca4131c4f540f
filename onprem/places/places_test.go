package places

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// TestAgain: the next start listens where the last one did, while it is free.
func TestAgain(t *testing.T) {
	log, dir := slog.New(slog.DiscardHandler), filepath.Join(t.TempDir(), "state")
	listen := func(name, address string) net.Listener {
		t.Helper()
		l, err := Listen(log, dir, name, address, net.Listen)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	first := listen("https", "127.0.0.1:0")
	at := first.Addr().String()
	if err := Keep(dir, map[string]string{"https": at}); err != nil {
		t.Fatal(err)
	}
	if again := listen("https", "127.0.0.1:0").Addr().String(); again == at {
		t.Fatalf("two at %s", at)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again := listen("https", "127.0.0.1:0")
	if again.Addr().String() != at {
		t.Errorf("at %s, expected %s", again.Addr(), at)
	}
	again.Close()
	if other := listen("observe", "127.0.0.1:0"); other.Addr().String() == at {
		t.Error("another name has its place")
	}
	if fixed, err := Listen(log, dir, "https", "127.0.0.1:x", net.Listen); err == nil {
		t.Errorf("at %s, which is no address", fixed.Addr())
	}
	if err := os.WriteFile(filepath.Join(dir, file), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	listen("https", "127.0.0.1:0")
	dir = ""
	if err := Keep(dir, map[string]string{"https": at}); err != nil {
		t.Errorf("where nothing is remembered: %v", err)
	}
	listen("https", "127.0.0.1:0")
}
