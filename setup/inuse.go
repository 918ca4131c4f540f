package setup

import (
	"context"
	"fmt"
	"os"
	"strings"

	"ptabench/setup/cloud"
	"ptabench/setup/install"
)

// NameInUse refuses the name of a connector that the cloud counts on: one that
// registers by it revokes that. With replace it returns which that is, in words;
// empty for none.
func NameInUse(ctx context.Context, a *cloud.Administrator, name string, replace bool) (replaces string, err error) {
	c, err := a.Active(ctx, name)
	if err != nil || c == nil {
		return "", err
	}
	if !replace {
		return "", fmt.Errorf("--name %s: the tenant has an active connector of that name, on host %s: expected another name, or --replace, which revokes that one", name, orNone(c.Host))
	}
	return fmt.Sprintf("connector %s of host %s", name, orNone(c.Host)), nil
}

// lookHere finds out whether the connector is installed on this host and
// active: then it stays, and only the method is set.
func (w *wizard) lookHere(ctx context.Context) error {
	here := w.Answers.here(w.Host)
	if here == nil {
		return nil
	}
	c, err := w.administrator.Active(ctx, here.Name)
	switch {
	case err != nil:
		return err
	case c == nil && w.Asker == nil && w.method() == cloud.PassThrough:
		return fmt.Errorf("connector %s is installed in %s, and the cloud does not count it as active: start it, or be rid of it by 'ptabench connector uninstall --name %s%s'",
			here.Name, here.Dir, here.Name, here.Elsewhere())
	case c != nil && isOf(here, c.Host):
		w.stays = true
		w.tell("✓ connector %s is installed on this host and active: it stays; another --name installs another one", here.Name)
	case c != nil && w.Asker == nil && w.method() == cloud.PassThrough:
		return fmt.Errorf("connector %s is installed in %s, and the one of that name that is active is of host %s: expected another --name, or 'ptabench connector uninstall --name %s%s' first",
			here.Name, here.Dir, orNone(c.Host), here.Name, here.Elsewhere())
	}
	return nil
}

// isOf reports whether a connector is the one that the cloud has on a host.
func isOf(c *install.Connector, host string) bool {
	own := c.HostName
	if own == "" {
		own, _ = os.Hostname()
	}
	return strings.EqualFold(own, host)
}
