package kernel

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
)

// requireVar is set where a test that needs root must not be skipped.
const requireVar = "PTABENCH_REQUIRE_ROOT_TESTS"

// childVar makes the test binary say whether the kernel is supported from
// where it runs.
const childVar = "TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVar) == "" {
		os.Exit(m.Run())
	}
	if err := Supported(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("supported")
}

// needRoot skips without root, unless that is forbidden.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 && os.Getenv(requireVar) == "" {
		t.Skipf("needs root; CI sets %s so that this is not skipped there", requireVar)
	}
	if err := Supported(); err != nil {
		t.Fatal(err)
	}
}

// silence is how long nothing must come before it counts as silence; patience
// is how long something may take to come.
const (
	silence  = 300 * time.Millisecond
	patience = 20 * time.Second
)

// table is an empty one, which must be gone when the test is over, with
// everything else as it was.
func table(t testing.TB) *Table {
	needRoot(t)
	before := ruleset(t)
	table := NewTable(fmt.Sprintf("ptabench_test_%d", os.Getpid()))
	t.Cleanup(func() {
		if found, err := Delete(table.Name()); found || err != nil {
			t.Errorf("the table was left: %v, %v", found, err)
		}
		if err := table.Close(); err != nil {
			t.Error(err)
		}
		if after := ruleset(t); !slices.Equal(before, after) {
			t.Errorf("the rule set was %q and is %q", before, after)
		}
	})
	return table
}

// ruleset names every table and chain but those of other tests.
func ruleset(t testing.TB) (all []string) {
	t.Helper()
	conn, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	tables, err := conn.ListTables()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range tables {
		if strings.HasPrefix(one.Name, "ptabench_") && !strings.HasSuffix(one.Name, fmt.Sprint("_", os.Getpid())) {
			continue
		}
		all = append(all, fmt.Sprint(one.Family, one.Name))
	}
	slices.Sort(all)
	return all
}

// echo is a server on loopback that sends back what it is sent.
func echo(t testing.TB) (address string, port uint16) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
			go func() { _, _ = io.Copy(c, c) }() // ends with the connection
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String(), uint16(l.Addr().(*net.TCPAddr).Port)
}

func dial(source, address string, within time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: within, LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	return d.Dial("tcp4", address)
}

// client dials from an address of its own.
func client(t testing.TB, source, address string) net.Conn {
	t.Helper()
	c, err := dial(source, address, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// send writes a word; receive waits for one.
func send(t testing.TB, c net.Conn, word string) {
	t.Helper()
	if _, err := io.WriteString(c, word); err != nil {
		t.Fatal(err)
	}
}

func receive(c net.Conn, word string, within time.Duration) error {
	_ = c.SetReadDeadline(time.Now().Add(within))
	got := make([]byte, len(word))
	_, err := io.ReadFull(c, got)
	if err == nil && string(got) != word {
		err = fmt.Errorf("got %q, want %q", got, word)
	}
	return err
}

// answered says that a client is served.
func answered(t testing.TB, c net.Conn, word string) {
	t.Helper()
	send(t, c, word)
	if err := receive(c, word, patience); err != nil {
		t.Errorf("another peer was not served: %v", err)
	}
}

func add(t testing.TB, table *Table, r Rule) {
	t.Helper()
	if err := table.Add(r); err != nil {
		t.Fatal(err)
	}
}

func end(t testing.TB, table *Table, id string, injected bool) {
	t.Helper()
	packets, err := table.Remove(id)
	if err != nil || (packets > 0) != injected {
		t.Errorf("removing %s: %d packets, %v", id, packets, err)
	}
}

const a, b = "127.0.77.1", "127.0.77.2"

func addresses(all ...string) (found []netip.Addr) {
	for _, one := range all {
		found = append(found, netip.MustParseAddr(one))
	}
	return found
}

// TestDrop is silent, to one peer on one port, and heals without loss.
func TestDrop(t *testing.T) {
	for name, ports := range map[string]bool{"a port": true, "everything": false} {
		t.Run(name, func(t *testing.T) {
			table := table(t)
			address, port := echo(t)
			elsewhere, _ := echo(t)
			first, second, other := client(t, a, address), client(t, b, address), client(t, a, elsewhere)
			rule := Rule{ID: "fault-1", Sources: addresses(a), Direction: Both, Verdict: Drop}
			if ports {
				rule.Ports = []uint16{port}
			}
			add(t, table, rule)
			send(t, first, "held")
			if err := receive(first, "held", silence); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("dropped: %v", err)
			}
			var timeout net.Error
			if _, err := dial(a, address, silence); !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Errorf("dialling: %v", err)
			}
			answered(t, second, "untouched")
			if ports {
				answered(t, other, "untouched")
			}
			end(t, table, "fault-1", true)
			if err := receive(first, "held", patience); err != nil {
				t.Errorf("healed: %v", err)
			}
			answered(t, client(t, a, address), "new")
		})
	}
}

// TestDirection drops one way only: what the other one carries arrives.
func TestDirection(t *testing.T) {
	for _, c := range []struct {
		way     Direction
		arrives bool // what the peer is sent
	}{{Out, true}, {In, false}} {
		t.Run(string(c.way), func(t *testing.T) {
			table := table(t)
			l, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			peer := client(t, a, l.Addr().String())
			server, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			add(t, table, Rule{ID: "fault-1", Sources: addresses(a), Ports: []uint16{uint16(l.Addr().(*net.TCPAddr).Port)},
				Direction: c.way, Verdict: Drop})
			for _, one := range []struct {
				from, to net.Conn
				arrives  bool
			}{{server, peer, c.arrives}, {peer, server, !c.arrives}} {
				send(t, one.from, "word")
				within := silence
				if one.arrives {
					within = patience
				}
				if err := receive(one.to, "word", within); (err == nil) != one.arrives {
					t.Errorf("to %s: %v, want arrival %v", one.to.LocalAddr(), err, one.arrives)
				}
			}
			end(t, table, "fault-1", true)
			late := server
			if !c.arrives {
				late = peer
			}
			if err := receive(late, "word", patience); err != nil {
				t.Errorf("healed: %v", err)
			}
		})
	}
}

// TestReject resets what is established and refuses what is new.
func TestReject(t *testing.T) {
	table := table(t)
	address, port := echo(t)
	first, second := client(t, a, address), client(t, b, address)
	answered(t, first, "before")
	add(t, table, Rule{ID: "fault-1", Sources: addresses(a), Ports: []uint16{port}, Direction: Both, Verdict: Reject})
	send(t, first, "word")
	if err := receive(first, "word", patience); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("established: %v", err)
	}
	if _, err := dial(a, address, patience); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialling: %v", err)
	}
	answered(t, second, "untouched")
	end(t, table, "fault-1", true)
	answered(t, client(t, a, address), "new")
}

// TestLoss loses packets, and TCP makes up for them in its time. Which ones is
// the kernel's choice: of the 80 packets with data, all arrive at the first
// attempt once in 5,000 times.
func TestLoss(t *testing.T) {
	table := table(t)
	address, port := echo(t)
	talk := func(c net.Conn) time.Duration {
		begun := time.Now()
		for i := range 40 {
			answered(t, c, fmt.Sprintf("word %d", i))
		}
		return time.Since(begun)
	}
	first, second := client(t, a, address), client(t, b, address)
	add(t, table, Rule{ID: "fault-1", Sources: addresses(a), Ports: []uint16{port}, Direction: Both, Verdict: Drop, Loss: 0.1})
	lossy, beside := talk(first), talk(second)
	end(t, table, "fault-1", true)
	if lossy < beside+100*time.Millisecond { // TCP sends again after 200 ms or more
		t.Errorf("with loss %v, beside it %v", lossy, beside)
	}
}

func there(t *testing.T, table *Table) (bool, error) {
	conn, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	return exists(conn, table.table())
}

// TestTwoRules ends one and leaves the other, and the table goes with the
// last.
func TestTwoRules(t *testing.T) {
	table := table(t)
	address, port := echo(t)
	first, second := client(t, a, address), client(t, b, address)
	for id, source := range map[string]string{"fault-1": a, "fault-2": b} {
		add(t, table, Rule{ID: id, Sources: addresses(source), Ports: []uint16{port}, Direction: Both, Verdict: Drop})
	}
	if err := table.Add(Rule{ID: "fault-1", Sources: addresses(a), Direction: Both, Verdict: Drop}); err == nil || !strings.Contains(err.Error(), "there already") {
		t.Errorf("adding it again: %v", err)
	}
	end(t, table, "fault-1", false) // nobody sent anything
	answered(t, first, "free")
	send(t, second, "held")
	if err := receive(second, "held", silence); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("dropped: %v", err)
	}
	end(t, table, "fault-1", false) // again: no harm
	if is, err := there(t, table); !is || err != nil {
		t.Errorf("the table is there: %v, %v", is, err)
	}
	end(t, table, "fault-2", true)
	if is, err := there(t, table); is || err != nil {
		t.Errorf("the table is there: %v, %v", is, err)
	}
	if err := receive(second, "held", patience); err != nil {
		t.Errorf("healed: %v", err)
	}
	end(t, table, "fault-2", false) // without a table: no harm
}

// TestDelete ends everything at once, for whoever knows the name.
func TestDelete(t *testing.T) {
	table := table(t)
	add(t, table, Rule{ID: "fault-1", Sources: addresses(a), Direction: Both, Verdict: Drop})
	if found, err := Delete(table.Name()); !found || err != nil {
		t.Errorf("deleting: %v, %v", found, err)
	}
	if found, err := Delete(table.Name()); found || err != nil {
		t.Errorf("deleting again: %v, %v", found, err)
	}
	// Whose table went away still undoes, and can go on.
	end(t, table, "fault-1", false)
	add(t, table, Rule{ID: "fault-1", Sources: addresses(a), Direction: Both, Verdict: Drop})
	end(t, table, "fault-1", false)
}

// TestCloseLeavesNothing deletes the table with the rules that nobody removed.
func TestCloseLeavesNothing(t *testing.T) {
	table := table(t)
	address, port := echo(t)
	held := client(t, a, address)
	for _, id := range []string{"fault-1", "fault-2"} {
		add(t, table, Rule{ID: id, Sources: addresses(a), Ports: []uint16{port}, Direction: Both, Verdict: Drop})
	}
	send(t, held, "held")
	for range 2 { // again: no harm
		if err := table.Close(); err != nil {
			t.Error(err)
		}
		if is, err := there(t, table); is || err != nil {
			t.Errorf("the table is there: %v, %v", is, err)
		}
	}
	if err := receive(held, "held", patience); err != nil {
		t.Errorf("healed: %v", err)
	}
}

// TestSupported says what is lacking without privilege, and lacks nothing in a
// network namespace of its own.
func TestSupported(t *testing.T) {
	ask := func(flags uintptr) string {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childVar+"=supported")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}}
		out, err := cmd.CombinedOutput()
		switch {
		case err != nil && os.Getenv(requireVar) != "":
			t.Fatalf("no user namespaces here, and %s says that this must run: %v", requireVar, err)
		case err != nil:
			t.Skipf("no user namespaces here: %v; CI sets %s so that this is not skipped there", err, requireVar)
		}
		return strings.TrimSpace(string(out))
	}
	// Root of a user namespace that the network is not part of.
	if got := ask(syscall.CLONE_NEWUSER); got != "nftables: it lacks CAP_NET_ADMIN: needs root, or network: namespaces" {
		t.Errorf("without privilege: %s", got)
	}
	needRoot(t)
	if got := ask(syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET); got != "supported" {
		t.Errorf("in a namespace of its own: %s", got)
	}
	if Namespace() == "" {
		t.Error("the namespace has no name")
	}
}

// BenchmarkRule adds and removes a rule: alone, so that the table comes and
// goes with it, and beside another one.
func BenchmarkRule(b *testing.B) {
	rule := Rule{ID: "fault-1", Sources: addresses(a), Ports: []uint16{9350, 9352, 5671}, Direction: Both, Verdict: Drop}
	for _, beside := range []bool{false, true} {
		b.Run(fmt.Sprintf("beside=%v", beside), func(b *testing.B) {
			table := table(b)
			if beside {
				add(b, table, Rule{ID: "fault-2", Sources: addresses(a), Direction: Both, Verdict: Drop})
			}
			var adding, removing time.Duration
			for b.Loop() {
				begun := time.Now()
				add(b, table, rule)
				added := time.Now()
				if _, err := table.Remove(rule.ID); err != nil {
					b.Fatal(err)
				}
				adding, removing = adding+added.Sub(begun), removing+time.Since(added)
			}
			b.ReportMetric(float64(adding)/float64(b.N), "add_ns/op")
			b.ReportMetric(float64(removing)/float64(b.N), "remove_ns/op")
			if beside {
				if _, err := table.Remove("fault-2"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
