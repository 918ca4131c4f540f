package cloudsim_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ptabench/connector"
	"ptabench/observe"
	"ptabench/setup/cloud/cloudtest"
)

// A certificate that the cloud counts no more is told from a cloud that cannot
// be told, and one that is somebody else's is not waited for.
func TestDeregistersWhatIsNotCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve()
	l := w.live("connector-1")
	w.attached(1)
	identity, err := os.ReadFile(filepath.Join(l.state, "identity.pem"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := connector.Config{State: l.state, Cloud: filepath.Join(w.cfg.State, "cloud.json"), ConnectTimeout: 10 * time.Second}
	log := slog.New(slog.DiscardHandler)
	if err := connector.Deregister(t.Context(), log, cfg); err != nil {
		t.Fatal(err)
	}
	_ = l.end() // it has been removed
	if err := os.WriteFile(filepath.Join(l.state, "identity.pem"), identity, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := connector.Deregister(t.Context(), log, cfg); !errors.Is(err, connector.ErrNotCounted) {
		t.Errorf("once more: %v", err)
	}

	text, err := os.ReadFile(cfg.Cloud)
	var ready observe.Ready
	if err == nil {
		err = json.Unmarshal(text, &ready)
	}
	if err != nil {
		t.Fatal(err)
	}
	ready.CAPEM = string(cloudtest.NewAuthority(t).PEM)
	ready.Ports = map[string]string{"8080": ready.Ports["8080"]}
	if text, err = json.Marshal(ready); err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	for file, text := range map[string][]byte{"cloud.json": text, "identity.pem": identity} {
		if err := os.WriteFile(filepath.Join(state, file), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg.Cloud, cfg.State = filepath.Join(state, "cloud.json"), state
	bounded, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	err = connector.Deregister(bounded, log, cfg)
	if err == nil || !strings.Contains(err.Error(), "unknown authority") || errors.Is(err, connector.ErrNotCounted) || bounded.Err() != nil {
		t.Errorf("with another's authority: %v", err)
	}
}
