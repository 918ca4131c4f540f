package kernel

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"
)

// A Table holds the rules of one run. It is made with the first rule and
// deleted with the last. Its owner calls Close when there are none any more.
// Its methods may be called from several goroutines.
type Table struct {
	name string

	mu   sync.Mutex
	on   []string       // IDs of the rules that may be in it
	conn *nftables.Conn // opened when it is needed, because closing one takes 17 ms
}

// NewTable returns the table of that name, of family inet. Nothing is made of
// it yet.
func NewTable(name string) *Table { return &Table{name: name} }

// Name is that of the table.
func (t *Table) Name() string { return t.name }

func (t *Table) table() *nftables.Table {
	return &nftables.Table{Name: t.name, Family: nftables.TableFamilyINet}
}

// Close ends the connection to the kernel. Rules that could not be removed, or
// were not, go with the whole table.
func (t *Table) Close() (err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.on) > 0 {
		if _, err = Delete(t.name); err == nil {
			t.on = nil
		}
	}
	return errors.Join(err, t.hangUp())
}

// hangUp closes the connection. The caller holds t.mu.
func (t *Table) hangUp() error {
	if t.conn == nil {
		return nil
	}
	err := t.conn.CloseLasting()
	t.conn = nil
	return err
}

// call lets do talk to the kernel. After an error there may be more to read on
// the connection, so it is given up. The caller holds t.mu.
func (t *Table) call(doing string, do func() error) (err error) {
	if t.conn == nil {
		t.conn, err = nftables.New(nftables.AsLasting())
	}
	if err == nil {
		err = do()
	}
	if err == nil {
		return nil
	}
	_ = t.hangUp() // what went wrong is known
	err = fmt.Errorf("nftables: %s: %w", doing, err)
	if len(t.on) > 0 {
		err = fmt.Errorf("%w; as root, to end every rule of the run: %s", err, Command(t.name))
	}
	return err
}

// Add has the kernel follow a rule from the moment it returns. It does
// nothing when there is an error.
func (t *Table) Add(r Rule) error {
	if err := r.check(); err != nil {
		return fmt.Errorf("nftables rule: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.Contains(t.on, r.ID) {
		return fmt.Errorf("nftables rule %s: it is there already", r.ID)
	}
	err := t.call("adding "+r.ID, func() error {
		if err := r.add(t.conn, t.conn.AddTable(t.table())); err != nil {
			return err
		}
		return t.conn.Flush() // all of it or nothing
	})
	if err == nil {
		t.on = append(t.on, r.ID)
	}
	return err
}

// removeTries bounds how often rules are listed and removed: a listing may be
// cut short by somebody else's change.
const removeTries = 3

// Remove ends a rule, and returns how many packets it hit. When it returns
// without an error the rule has been looked for and is not there; that it was
// not there before is no error.
func (t *Table) Remove(id string) (packets uint64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	err = t.call("removing "+id, func() error {
		others := slices.DeleteFunc(slices.Clone(t.on), func(other string) bool { return other == id })
		for range removeTries {
			rules, err := t.find(id)
			if err != nil {
				return err
			}
			var now uint64
			for _, r := range rules {
				now += hits(r)
			}
			packets = max(packets, now)
			switch {
			case len(others) == 0: // nothing stays, not even an empty table
				if _, err := remove(t.conn, t.table()); err != nil {
					return err
				}
				t.on = nil
				return nil
			case len(rules) == 0:
				t.on = others
				return nil
			}
			if err := t.removeRules(rules); err != nil {
				return err
			}
		}
		return errors.New("its rules are still there")
	})
	if err != nil && !slices.Contains(t.on, id) {
		t.on = append(t.on, id) // adding it may have failed after the kernel had it
	}
	return packets, err
}

// removeRules takes rules and their sets out, all or nothing.
func (t *Table) removeRules(rules []*nftables.Rule) error {
	table := t.table()
	sets := map[string]bool{}
	for _, r := range rules {
		r.Table = table
		if err := t.conn.DelRule(r); err != nil {
			return err
		}
		for _, e := range r.Exprs {
			if l, ok := e.(*expr.Lookup); ok {
				sets[l.SetName] = true
			}
		}
	}
	for name := range sets {
		t.conn.DelSet(&nftables.Set{Table: table, Name: name})
	}
	return t.conn.Flush()
}

// find lists the rules of a fault; none where there is no table or no chain.
func (t *Table) find(id string) ([]*nftables.Rule, error) {
	var found []*nftables.Rule
	for _, hook := range hooks {
		rules, err := t.conn.GetRules(t.table(), &nftables.Chain{Name: hook.name})
		if err != nil {
			return nil, fmt.Errorf("listing chain %s: %w", hook.name, err)
		}
		for _, r := range rules {
			if comment, _ := userdata.GetString(r.UserData, userdata.TypeComment); comment == id {
				r.Chain = &nftables.Chain{Name: hook.name}
				found = append(found, r)
			}
		}
	}
	return found, nil
}

// hits is how many packets a rule has hit so far.
func hits(r *nftables.Rule) (packets uint64) {
	for _, e := range r.Exprs {
		if c, ok := e.(*expr.Counter); ok {
			packets += c.Packets
		}
	}
	return packets
}

// Delete deletes a table with everything in it, and returns when it has looked
// and there is none of that name. It says whether there was one.
func Delete(table string) (found bool, err error) {
	conn, err := nftables.New()
	if err == nil {
		found, err = remove(conn, &nftables.Table{Name: table, Family: nftables.TableFamilyINet})
	}
	if err != nil {
		return found, fmt.Errorf("nftables: deleting table %s: %w; as root: %s", table, err, Command(table))
	}
	return found, nil
}

func remove(conn *nftables.Conn, table *nftables.Table) (found bool, err error) {
	there, err := exists(conn, table)
	if err != nil || !there {
		return false, err
	}
	conn.DelTable(table)
	if err := conn.Flush(); err != nil {
		return true, err
	}
	if there, err = exists(conn, table); err == nil && there {
		err = errors.New("it is still there")
	}
	return true, err
}

// exists says whether there is a table of that name. It is looked up, because
// a listing may be cut short by somebody else's change.
func exists(conn *nftables.Conn, table *nftables.Table) (bool, error) {
	_, err := conn.ListTableOfFamily(table.Name, table.Family)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	return err == nil, err
}

// Supported says why the kernel cannot be told to break anything from here,
// nil when it can. It makes a table of its own, with a rule in it, and deletes
// that again.
func Supported() error {
	t := NewTable(fmt.Sprintf("ptabench_probe_%d", os.Getpid()))
	err := t.Add(probe)
	if err == nil {
		_, err = t.Remove(probe.ID)
	}
	err = errors.Join(err, t.Close())
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrPermission):
		return errors.New("nftables: it lacks CAP_NET_ADMIN: needs root, or network: namespaces")
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("nftables: the kernel lacks nf_tables: %w", err)
	}
	return fmt.Errorf("nftables cannot be used: %w", err)
}

// Holder is a process that is in a network namespace, 0 when none is that can
// be seen.
func Holder(namespace string) (pid int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if name, err := os.Readlink("/proc/" + e.Name() + "/ns/net"); err == nil && name == namespace {
			return n
		}
	}
	return 0
}

// Namespace names the network namespace of the calling thread, in which its
// tables are: another thread may be elsewhere, to start a process there.
func Namespace() string {
	name, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return "" // not mounted: nothing to tell namespaces apart by
	}
	return name
}
