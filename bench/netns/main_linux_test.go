package netns

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary is the program that enters: TEST_PROGRAM says what it does
// inside, TEST_DIALLER that it is a connector.
const (
	programVar = "TEST_PROGRAM"
	diallerVar = "TEST_DIALLER"
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(diallerVar) != "":
		os.Exit(dialler())
	case os.Getenv(programVar) != "":
		os.Exit(program())
	}
	os.Exit(m.Run())
}

// program enters and, inside, does as TEST_PROGRAM says. What Enter says
// outside goes to standard error.
func program() int {
	inside, code, err := Enter(context.Background(),
		Command{Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
	var killed *KilledError
	switch {
	case errors.As(err, &killed):
		fmt.Fprintln(os.Stderr, err)
		return 4
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return 3
	case !inside:
		return code
	}
	if err := map[string]func() error{
		"echo": echo, "signals": signals, "wait": wait, "network": network, "forbidden": noMore,
		"nothing": func() error { return nil },
	}[os.Getenv(programVar)](); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 9
	}
	return 7
}

// echo says what it was given.
func echo() error {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	if err := os.WriteFile(os.Args[1], text, 0o644); err != nil {
		return err
	}
	// Low ports are this network's own.
	l, err := net.Listen("tcp", "127.0.0.1:443")
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Printf("%s %s %q\n", text, os.Getenv("TEST_GIVEN"), os.Args[1:])
	return nil
}

// signals prints each signal it gets until SIGTERM.
func signals() error {
	got := make(chan os.Signal, 8)
	signal.Notify(got, os.Interrupt, syscall.SIGTERM)
	fmt.Println(os.Getpid())
	for s := range got {
		fmt.Println(s)
		if s == syscall.SIGTERM {
			return nil
		}
	}
	return nil
}

// wait says who it is and waits to be killed.
func wait() error {
	fmt.Println(os.Getpid())
	for {
		time.Sleep(time.Hour)
	}
}

// noMore tries to enter again where no more namespaces are allowed. It runs in
// a user namespace of its own, whose limits are nobody else's.
func noMore() error {
	if privileges, err := os.ReadFile("/proc/self/uid_map"); err != nil || strings.Contains(string(privileges), "4294967295") {
		return fmt.Errorf("not in a user namespace: %s, %v", privileges, err)
	}
	if err := os.WriteFile("/proc/sys/user/max_net_namespaces", []byte("0"), 0); err != nil {
		return err
	}
	if _, err := Build(1); err == nil {
		return errors.New("a network was built where none is allowed")
	} else {
		fmt.Println(err)
	}
	if err := os.Unsetenv(outsideVar); err != nil {
		return err
	}
	inside, _, err := Enter(context.Background(), Command{})
	fmt.Println(inside, err)
	return nil
}

// seen is what network found out.
type seen struct {
	UID         int
	Devices     [][]string // of the harness and of each connector
	Sources     []string   // whom the cloud saw dial
	Neighbour   []string   // what dialling another connector gave, for each connector
	AfterClose  []string   // the harness's devices
	SecondBuild string     // its error
}

// network builds one for two connectors, has each dial the cloud at its real
// port twice, as after a restart, and takes it down.
func network() error {
	n, err := Build(2)
	if err != nil {
		return err
	}
	s := seen{UID: os.Geteuid(), Devices: [][]string{devices()}}
	l, err := net.Listen("tcp", net.JoinHostPort(Cloud, "443"))
	if err != nil {
		return err
	}
	defer l.Close()
	for number := 1; number <= 2; number++ {
		for range 2 {
			child := exec.Command(os.Args[0], Connector(number), Connector(3-number))
			child.Env = append(os.Environ(), diallerVar+"=1")
			child.Stderr = os.Stderr
			out, err := child.StdoutPipe()
			if err != nil {
				return err
			}
			if err := n.Connector(number).Do(child.Start); err != nil {
				return err
			}
			c, err := l.Accept()
			if err != nil {
				return err
			}
			host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
			s.Sources = append(s.Sources, host)
			_ = c.Close()
			var there struct {
				Devices   []string
				Neighbour string
			}
			if err := json.NewDecoder(out).Decode(&there); err != nil {
				return err
			}
			s.Devices, s.Neighbour = append(s.Devices, there.Devices), append(s.Neighbour, there.Neighbour)
			if err := child.Wait(); err != nil {
				return err
			}
		}
	}
	if err := n.Close(); err != nil {
		return err
	}
	s.AfterClose = devices()
	again, err := Build(40) // as the next run of a suite does
	if err != nil {
		s.SecondBuild = err.Error()
	} else if err := again.Close(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(s)
}

// dialler is a connector: it dials the cloud from its address, then another
// connector.
func dialler() int {
	d := net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(os.Args[1])}}
	cloud, err := d.Dial("tcp", net.JoinHostPort(Cloud, "443"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer cloud.Close()
	var neighbour string
	if other, err := d.Dial("tcp", net.JoinHostPort(os.Args[2], "443")); err != nil {
		neighbour = err.Error()
	} else {
		_ = other.Close()
	}
	_ = json.NewEncoder(os.Stdout).Encode(map[string]any{"Devices": devices(), "Neighbour": neighbour})
	return 0
}

// devices are those of this network namespace with their addresses, without
// those of IPv6, which come when they like.
func devices() (all []string) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return []string{err.Error()}
	}
	for _, i := range interfaces {
		text := i.Name
		addresses, _ := i.Addrs()
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil {
				text += " " + n.IP.String()
			}
		}
		all = append(all, text)
	}
	return all
}

// privilege is how a test enters.
type privilege string

const (
	asRoot privilege = "root"
	asUser privilege = "user" // without any privilege
)

// prepare returns the command that runs this binary as a program, and a
// directory in which it may write. It skips the test where a privilege is not
// to be had, unless PTABENCH_REQUIRE_ROOT_TESTS is set.
func prepare(t *testing.T, as privilege, kind string, args ...string) (*exec.Cmd, string) {
	t.Helper()
	must := os.Getenv("PTABENCH_REQUIRE_ROOT_TESTS") != ""
	skip := func(why string) {
		t.Helper()
		if must {
			t.Fatalf("PTABENCH_REQUIRE_ROOT_TESTS is set, but %s", why)
		}
		t.Skip(why + "; PTABENCH_REQUIRE_ROOT_TESTS makes it fail instead")
	}
	if as == asRoot && !privileged() {
		skip("this user may not make network namespaces")
	}
	dir, err := os.MkdirTemp("", "ptabench-netns-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	binary := filepath.Join(dir, "program")
	if err := os.Link(os.Args[0], binary); err != nil {
		text, err := os.ReadFile(os.Args[0])
		if err == nil {
			err = os.WriteFile(binary, text, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, binary, append([]string{filepath.Join(dir, "file")}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), programVar+"="+kind)
	if as == asUser && os.Geteuid() == 0 {
		const nobody = 65534
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if err := errors.Join(os.Chown(dir, nobody, nobody), os.Chmod(binary, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	if as == asUser { // whether it may is for the kernel to say
		trial := exec.CommandContext(ctx, binary)
		trial.Env, trial.SysProcAttr = append(os.Environ(), programVar+"=nothing"), cmd.SysProcAttr
		if said, err := trial.CombinedOutput(); trial.ProcessState.ExitCode() != 7 {
			skip(fmt.Sprintf("a user may not enter: %v: %s", err, said))
		}
	}
	return cmd, dir
}

// lines reads a child's output line by line.
func lines(t *testing.T, cmd *exec.Cmd) (next func() string) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	return func() string {
		t.Helper()
		if !scanner.Scan() {
			t.Fatalf("no more output: %v", scanner.Err())
		}
		return scanner.Text()
	}
}
