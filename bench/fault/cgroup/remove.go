package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// removePoll is how often a group is looked at that still has processes, such
// as some that are ending.
const removePoll = 5 * time.Millisecond

// Remove puts processes back where they were and removes the group. It returns
// when each that still runs has been found there and the group is gone; that
// there was no group is no error.
func (g *Group) Remove(ctx context.Context) error {
	back := func(pid int) string {
		if home, ok := g.home[pid]; ok {
			return home
		}
		for _, home := range g.home {
			return home // started by one that was moved in
		}
		return filepath.Dir(g.path)
	}
	if _, err := g.empty(ctx, g.path, back); err != nil {
		return err
	}
	for pid, home := range g.home {
		is, err := g.tree.groupOf(g.host, pid)
		switch {
		case errors.Is(err, os.ErrProcessDone):
		case err != nil:
			return err
		case is != home && !g.ended(pid):
			return fmt.Errorf("cgroup: process %d is in %s: expected %s", pid, is, home)
		}
	}
	g.home = map[int]string{}
	return nil
}

// Remove removes a group of which only the path is known, for whoever made it
// cannot: what is in it goes to its parent. It says whether there was one.
func Remove(ctx context.Context, path string) (found bool, err error) { return this.remove(ctx, path) }

func (h host) remove(ctx context.Context, path string) (found bool, err error) {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || !strings.HasPrefix(filepath.Base(path), prefix) {
		return false, fmt.Errorf("cgroup %q: expected a path whose last name begins with %s", path, prefix)
	}
	return h.empty(ctx, path, func(int) string { return filepath.Dir(path) })
}

// empty moves every process of a group to where it belongs, and removes it.
func (h host) empty(ctx context.Context, path string, to func(pid int) string) (found bool, err error) {
	tick := time.NewTicker(removePoll)
	defer tick.Stop()
	for {
		processes, err := words(filepath.Join(path, "cgroup.procs"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
			return found, nil
		}
		found = true
		var why error
		for _, p := range processes {
			pid, err := strconv.Atoi(p)
			if err != nil {
				return true, fmt.Errorf("cgroup: %s: %w", path, err)
			}
			if err := h.attach(to(pid), pid); err != nil && !errors.Is(err, os.ErrProcessDone) {
				why = err
			}
		}
		if err == nil && why == nil {
			why = h.rmdir(path)
		}
		if why = errors.Join(err, why); why == nil || errors.Is(why, fs.ErrNotExist) {
			return true, nil
		}
		if !errors.Is(why, unix.EBUSY) && !errors.Is(why, unix.ENOTEMPTY) {
			return true, stuck(path, why)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return true, stuck(path, errors.Join(why, ctx.Err()))
		}
	}
}

// stuck says what to type.
func stuck(path string, err error) error {
	return fmt.Errorf("cgroup: removing %s: %w; when its processes have ended, as root: rmdir %s", path, err, path)
}

// probe does with the calling process what a fault does with others, without
// limiting it.
func (g *Group) probe() (err error) {
	defer func() {
		within, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		err = errors.Join(err, g.Remove(within))
	}()
	if err := g.create(); err != nil {
		return err
	}
	return g.move(os.Getpid())
}
