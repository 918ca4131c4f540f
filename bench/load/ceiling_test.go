package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestCeiling(t *testing.T) {
	for _, pool := range []int{0, 4} { // of no pool each sign-in shakes hands
		var answered atomic.Int64
		cloud := newFakeCloud(t, func(w http.ResponseWriter, r *http.Request) {
			answered.Add(1)
			fmt.Fprint(w, tokenAnswer("nobody@noop.test")) // to whoever asks
		})
		cfg := cloud.config(nil)
		cfg.Pool = pool
		got, err := ceiling(t.Context(), cfg, 20*time.Millisecond, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		most := float64(answered.Load())
		if got.PerS <= 0 || got.PerS > most || got.Duration != int64(time.Second) {
			t.Errorf("pool %d: %+v; the target answered %.0f/s at most", pool, got, most)
		}
		if got.P99 <= 0 || got.P99 > int64(cfg.Timeout) {
			t.Errorf("pool %d: p99 %v", pool, time.Duration(got.P99))
		}
	}
}

func TestCeilingOfABadTarget(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"refuses": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, errorAnswer("invalid_grant", 50126))
		},
		"breaks off": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		cloud := newFakeCloud(t, answer)
		if got, err := ceiling(t.Context(), cloud.config(nil), 0, time.Minute); err == nil {
			t.Errorf("%s: %+v", name, got)
		} else if !strings.HasPrefix(err.Error(), "measuring the ceiling: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCeilingIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	because := errors.New("somebody pressed Ctrl-C")
	cloud := newFakeCloud(t, func(w http.ResponseWriter, r *http.Request) {
		cancel(because)
		fmt.Fprint(w, tokenAnswer("nobody@noop.test"))
	})
	if _, err := ceiling(ctx, cloud.config(nil), 0, time.Hour); !errors.Is(err, because) {
		t.Errorf("ended with %v, want %v", err, because)
	}
}
