package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"ptabench/setup/ask"
	"ptabench/setup/cloud"
	"ptabench/setup/install"
)

// signInLeft is what must be left of the administrator's sign-in when things
// begin to change.
const signInLeft = 2 * time.Minute

// confirm is the page Ready to configure.
func (w *wizard) confirm(ctx context.Context) error {
	a := &w.Answers
	if w.installs() && w.Asker != nil {
		err := w.insist(ctx, func() ask.Page {
			return ask.Page{
				Title: "This host's connector",
				Questions: []ask.Question{
					{Title: "Name", Help: "Unique within the tenant.", Answer: &a.Name, Check: install.CheckName},
				},
			}
		}, func() error {
			return w.checkConnector(ctx)
		})
		if err != nil {
			return err
		}
	} else if w.installs() {
		if err := w.checkConnector(ctx); err != nil {
			return interrupted(ctx, err)
		}
	}
	plan, err := w.plan()
	if err != nil {
		return err
	}
	if w.Asker == nil {
		w.say("\nReady to configure\n%s", ask.Wrap(plan, 3))
		return nil
	}
	go_ := ask.Yes
	if err := w.Asker.Ask(ctx, ask.Page{Title: "Ready to configure", Text: plan, Keep: true, Questions: []ask.Question{
		{Kind: ask.YesNo, Title: "Configure now?", Answer: &go_},
	}}); err != nil {
		return err
	}
	if go_ != ask.Yes {
		return errDeclined
	}
	return nil
}

// installs reports whether a connector is to be installed.
func (w *wizard) installs() bool { return w.method() == cloud.PassThrough && !w.stays }

// checkConnector reports what keeps the connector from being installed.
func (w *wizard) checkConnector(ctx context.Context) error {
	c, err := w.connector()
	if err == nil {
		err = c.Validate()
	}
	if err != nil {
		return err
	}
	w.replaces, err = NameInUse(ctx, w.administrator, c.Name, w.Answers.Replace)
	return err
}

func (w *wizard) method() cloud.Method { return cloud.Method(w.Answers.Method) }

// wanted is the sign-in method to set: of "do not configure" the one there is.
func (w *wizard) wanted() cloud.SignInMethod {
	if w.method() == cloud.None {
		return w.before
	}
	m := cloud.SignInMethod{Method: w.method()}
	switch m.Method {
	case cloud.PassThrough:
		m.HashSyncBackup = w.Answers.backup()
	case cloud.Federation:
		m.HashSyncBackup, m.FederationMetadata = w.Answers.backup(), w.Answers.FederationMetadata
	}
	return m
}

// plan says what will be done.
func (w *wizard) plan() (string, error) {
	a := &w.Answers
	var lines []string
	add := func(format string, args ...any) {
		lines = append(lines, fmt.Sprintf("%d. ", len(lines)+1)+fmt.Sprintf(format, args...))
	}
	if w.method() == cloud.PassThrough && w.stays {
		add("Connector %s of this host stays as it is", a.Name)
	}
	if w.installs() {
		dir, err := a.dir()
		if err != nil {
			return "", err
		}
		add("Install connector %s in %s", a.Name, dir)
		add("Register it with tenant %s of the cloud", a.Tenant)
		if w.replaces != "" {
			lines[len(lines)-1] += ":\n   replaces " + w.replaces
		}
		switch {
		case w.NoStart:
		case w.Host.Systemd:
			add("Start it as the service %s.service", install.UnitName(a.Name))
		case w.Foreground:
			add("Start it; it ends with this command")
		default:
			add("Start it in the background (systemd does not run here)")
		}
		if !w.NoStart {
			add("Wait until the cloud says that it is attached")
		}
	}
	m, backup := w.wanted(), ""
	if m.HashSyncBackup {
		backup = ", with hash sync as backup"
	}
	if m == w.before {
		add("Leave sign-in of tenant %s as it is: %s%s", a.Tenant, methodName(m.Method), backup)
	} else {
		add("Set sign-in of tenant %s to %s%s", a.Tenant, methodName(m.Method), backup)
	}
	return strings.Join(lines, "\n"), nil
}

// connector is the one to install.
func (w *wizard) connector() (*install.Connector, error) {
	a := &w.Answers
	dir, err := a.dir()
	if err != nil {
		return nil, fmt.Errorf("--dir: %w", err)
	}
	c := &install.Connector{
		Name: a.Name, Tenant: a.Tenant, HostName: a.HostName, Dir: dir, Host: w.Host,
		Directory: a.Directory, BindDN: a.BindDN, BaseDN: a.BaseDN, DirectoryPassword: a.DirectoryPassword,
	}
	if c.DirectoryCA, err = os.ReadFile(a.DirectoryCA); err != nil {
		return nil, fmt.Errorf("--directory-ca: %w", err)
	}
	if c.CloudFile, err = w.cloud.ConnectorFile(); err != nil {
		return nil, err
	}
	if w.cloud.File != "" && !w.Host.Systemd {
		// A simulator on this host may listen elsewhere after a restart, which
		// its file then says. A service has a user who may not read it.
		c.CloudAt, c.CloudFile = w.cloud.File, nil
	}
	return c, nil
}

// configure does what was confirmed, all of it or nothing.
func (w *wizard) configure(ctx context.Context) (err error) {
	if !w.administrator.Outlasts(signInLeft) {
		w.say("The sign-in has run out meanwhile.")
		if err := w.signIn(ctx); err != nil {
			return interrupted(ctx, err)
		}
	}
	w.say("")
	back := Undo{Say: func(line string) { w.tell("%s", line) }}
	var running *install.Process
	defer func() {
		if err != nil {
			err = back.RollBack(ctx, err)
		}
	}()
	var c *install.Connector
	if w.installs() {
		if c, err = w.connector(); err != nil {
			return err
		}
		if running, err = w.install(ctx, c, &back); err != nil {
			return err
		}
	}
	if m := w.wanted(); m != w.before {
		back.Add("set the sign-in method", func(ctx context.Context) error { return w.administrator.SetSignInMethod(ctx, w.before) })
		if err = w.administrator.SetSignInMethod(ctx, m); err != nil {
			return fmt.Errorf("setting the sign-in method: %w", err)
		}
	}
	if w.method() == cloud.None {
		w.say("✓ sign-in of %s is left as it was: %s", w.Answers.Tenant, strings.ToLower(methodName(w.before.Method)))
	} else {
		w.say("✓ users of %s sign in by %s", w.Answers.Tenant, strings.ToLower(methodName(w.method())))
	}
	w.done(c, running)
	back = Undo{} // it is configured, whatever becomes of the connector
	if w.Foreground && running != nil {
		return w.attend(ctx, running)
	}
	return nil
}

// install lays out, registers and starts the connector.
func (w *wizard) install(ctx context.Context, c *install.Connector, back *Undo) (*install.Process, error) {
	step := func(format string, args ...any) { w.tell("✓ "+format, args...) }
	if err := c.Lay(); err != nil {
		return nil, err
	}
	back.Add("installed in "+c.Dir, func(context.Context) error { return c.Remove() })
	cloudFile, err := w.cloud.ConnectorFile()
	if err != nil {
		return nil, err
	}
	if err := c.WriteFurther(cloudFile); err != nil {
		return nil, err
	}
	step("installed in %s", c.Dir)
	if err := c.Register(ctx, w.administrator.Token()); err != nil {
		return nil, err
	}
	back.Add("registered "+c.Name, c.Deregister)
	step("registered as %s", c.Name)
	running, err := StartConnector(ctx, c, w.Foreground, w.NoStart, w.Out, back.Add)
	if err != nil || w.NoStart {
		return running, err
	}
	if err := Serves(ctx, w.administrator, c.Name, running); err != nil {
		return nil, err
	}
	step("attached to the cloud: it serves sign-ins")
	return running, nil
}

// StartConnector starts an installed connector in the way of its host, and says
// how. The process is nil for a service.
func StartConnector(ctx context.Context, c *install.Connector, foreground, noStart bool, out io.Writer,
	undo func(string, func(context.Context) error)) (*install.Process, error) {
	say := func(format string, args ...any) { fmt.Fprintf(out, "✓ "+format+"\n", args...) }
	if c.Host.Systemd && !foreground {
		undo("the unit "+c.UnitName(), c.RemoveUnit)
		if err := c.WriteUnit(); err != nil {
			return nil, err
		}
		say("wrote %s", c.UnitFile())
		if noStart {
			return nil, nil
		}
		if err := c.StartUnit(ctx); err != nil {
			return nil, err
		}
		say("started %s, which logs to\n  journalctl -u %s", c.UnitName(), c.UnitName())
		return nil, nil
	}
	if noStart {
		return nil, nil
	}
	start := c.StartBackground
	if foreground {
		start = func() (*install.Process, error) { return c.StartForeground(os.Stdout, os.Stderr) }
	}
	running, err := start()
	if err != nil {
		return nil, err
	}
	undo("started the connector", func(context.Context) error { running.Stop(); return nil })
	if foreground {
		say("started, process %d", running.PID())
	} else {
		say("started in the background, process %d, which logs to\n  %s", running.PID(), c.LogFile())
	}
	return running, nil
}

// Serves waits until the cloud says that the connector serves.
func Serves(ctx context.Context, a *cloud.Administrator, name string, running *install.Process) error {
	bounded, cancel := context.WithTimeout(ctx, attachTime)
	defer cancel()
	var ended <-chan struct{}
	if running != nil {
		ended = running.Ended()
	}
	last := errors.New("the cloud does not list it")
	for {
		list, err := a.Connectors(bounded)
		if err != nil && bounded.Err() == nil {
			last = err
		}
		for i := range list.Connectors {
			if c := &list.Connectors[i]; c.Name == name {
				if c.Serving {
					return nil
				}
				last = fmt.Errorf("the cloud says that it is %s", c.Status())
			}
		}
		select {
		case <-ended:
			return running.Why()
		case <-bounded.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if running != nil {
				if said := running.LastWords(); said != "" {
					last = fmt.Errorf("%w; it says: %s", last, said)
				}
			}
			return fmt.Errorf("connector %s is not attached after %v: %w", name, attachTime, last)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// attend stays with a connector in the foreground until it has ended.
func (w *wizard) attend(ctx context.Context, running *install.Process) error {
	w.say("\nThe connector runs until Ctrl-C.")
	select {
	case <-ctx.Done():
		running.Stop()
		return nil
	case <-running.Ended():
		return errors.New("the connector ended by itself; its last words are above")
	}
}
