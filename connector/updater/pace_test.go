package updater

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

func TestPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		n, err := io.Copy(io.Discard, &paced{ctx: t.Context(), from: bytes.NewReader(make([]byte, 3*paceBytes))})
		if took := time.Since(began); n != 3*paceBytes || err != nil || took < 2900*time.Millisecond || took > 3100*time.Millisecond {
			t.Errorf("%d bytes in %v, %v; want 3 s", n, took, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := io.Copy(io.Discard, &paced{ctx: ctx, from: bytes.NewReader(make([]byte, 3*paceBytes))}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("beyond its context: %v", err)
		}
	})
}
