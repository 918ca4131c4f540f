package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"sync"
	"time"
)

// profilesDir is where a run that was asked to leaves CPU profiles, for
// go tool pprof.
const profilesDir = "profiles"

// profile takes a CPU profile of every process, the harness included, from
// time 0 to a second before the end of the load, when nobody waits for profiles
// any more: a busy process takes a while to hand over its own. One that is
// killed meanwhile leaves none.
func (m *measurement) profile(ctx context.Context) error {
	dir := filepath.Join(m.Dir, profilesDir)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	select {
	case <-time.After(time.Until(m.zero)):
	case <-ctx.Done():
		return nil
	}
	length := max(time.Duration(m.Scenario.Load.Duration)-time.Second, time.Second).Truncate(time.Second)
	var mu sync.Mutex
	var errs []error
	keep := func(name string, profile *bytes.Buffer, err error) {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name+".pprof"), profile.Bytes(), 0o644)
		}
		if err != nil {
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, fmt.Errorf("profile of %s: %w", name, err))
		}
	}
	var each sync.WaitGroup
	for _, p := range m.roles.Processes() {
		each.Go(func() {
			var b bytes.Buffer
			path := fmt.Sprintf("/debug/pprof/profile?seconds=%d", int(length.Seconds()))
			keep(p.Name(), &b, m.system.client(p).Fetch(ctx, path, &b))
		})
	}
	var own bytes.Buffer
	err := pprof.StartCPUProfile(&own)
	if err == nil {
		select {
		case <-time.After(length):
		case <-ctx.Done():
		}
		pprof.StopCPUProfile()
	}
	keep(harnessName, &own, err)
	each.Wait()
	return errors.Join(errs...)
}
