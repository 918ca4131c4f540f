package samba

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"ptabench/onprem/child"
	"ptabench/onprem/directory"
)

// endGrace is how long the script may take for the change that it is at.
const endGrace = time.Second

// A changer changes accounts while Samba serves, by the script: over LDAP nobody
// can be locked, nor any password have been changed long ago. The script runs
// from the first change on, because starting it takes a second of a processor.
type changer struct {
	log    *slog.Logger
	domain domain
	first  common

	mu     sync.Mutex
	script *child.Talk // nil until it is needed
}

// change makes an account so, in a transaction of its own.
func (c *changer) change(ctx context.Context, want directory.Change) error {
	line, err := json.Marshal(c.domain.change(want))
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := c.start(); err != nil {
		return fmt.Errorf("starting what changes accounts: %w", err)
	}
	answer, err := c.script.Ask(ctx, line)
	var said struct {
		Error string `json:"error"`
	}
	if err == nil {
		err = json.Unmarshal(answer, &said)
	}
	if err != nil {
		c.end() // the next change starts it again
		return err
	}
	if said.Error != "" {
		return fmt.Errorf("%w: %s", directory.ErrRefused, said.Error)
	}
	return nil
}

// start starts the script, unless it runs; mu is held.
func (c *changer) start() error {
	if c.script != nil {
		return nil
	}
	line, err := json.Marshal(c.first)
	if err != nil {
		return err
	}
	if c.script, err = child.StartTalk(c.log, python, "-I", "-c", script); err != nil {
		return err
	}
	if err = c.script.Tell(line); err != nil {
		c.end()
	}
	return err
}

// end is called with mu held.
func (c *changer) end() {
	if c.script != nil {
		c.script.Stop(endGrace)
		c.script = nil
	}
}

// stop ends the script for good.
func (c *changer) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end()
}
