//go:build linux

package child

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func talk(t *testing.T, script string) *Talk {
	t.Helper()
	talk, err := StartTalk(slog.New(slog.DiscardHandler), "/bin/sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { talk.Stop(0) })
	return talk
}

// TestTalk: each line has its answer, and the child ends by itself when there
// are no more.
func TestTalk(t *testing.T) {
	to := talk(t, `read hello; while read -r line; do echo "said" >&2; echo "$hello $line"; done; exec 1>&-; sleep 0.1`)
	if err := to.Tell([]byte("re:")); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"one", "two"} {
		if answer, err := to.Ask(t.Context(), []byte(line)); err != nil || string(answer) != "re: "+line+"\n" {
			t.Errorf("%s: %q, %v", line, answer, err)
		}
	}
	to.Stop(patience)
	if err := to.process.Err(); !strings.Contains(err.Error(), "exit status 0: said; said") {
		t.Errorf("it ended with %v", err)
	}
}

// TestTalkOver: a child that ends says why, and nobody waits for one that is
// silent.
func TestTalkOver(t *testing.T) {
	to := talk(t, `read -r line; echo "not $line" >&2; exit 3`)
	if _, err := to.Ask(t.Context(), []byte("this")); err == nil || !strings.Contains(err.Error(), "exit status 3: not this") {
		t.Errorf("one that ends: %v", err)
	}
	silent := talk(t, `trap '' TERM; while :; do sleep 1; done`)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := silent.Ask(ctx, []byte("anybody?")); err == nil {
		t.Error("one that is silent has answered")
	}
	silent.Stop(0)
	if !gone(silent.process.PID()) {
		t.Error("it was not ended")
	}
}
