package netns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// outsideVar holds, in the environment of the program inside, the network
// namespace outside. Comparing it tells a program that is inside from one that
// inherited the variable by accident. Roles do not get it, as proc takes away
// everything called PTABENCH_*.
const outsideVar = "PTABENCH_NETWORK_OUTSIDE"

// Enter makes the program run in a network namespace of its own. Inside, it
// returns true at once. Outside, it runs the same command line again inside,
// hands on the signals that end a run, and returns how that went: the exit
// code, or an error when it could not be started (nothing was) or was killed
// (a *KilledError). When ctx ends, the program inside gets SIGTERM.
func Enter(ctx context.Context, c Command) (inside bool, code int, err error) {
	if inside, err = Inside(); err != nil {
		return false, 0, err
	}
	if inside {
		// In a process group that is not the terminal's foreground one, this
		// would stop a program that prints.
		signal.Ignore(syscall.SIGTTOU)
		if err := up("lo"); err != nil {
			return false, 0, forbidden(err)
		}
		return true, 0, nil
	}
	code, err = again(ctx, c)
	return false, code, err
}

// Inside says whether this program was started by Enter.
func Inside() (bool, error) {
	outside := os.Getenv(outsideVar)
	if outside == "" {
		return false, nil
	}
	here, err := current()
	return err == nil && here != outside, err
}

// current names the network namespace of the process.
func current() (string, error) {
	name, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return "", fmt.Errorf("network: namespaces: finding the present one: %w", err)
	}
	return name, nil
}

// again runs this program in a new network namespace, to its end.
func again(ctx context.Context, c Command) (code int, err error) {
	outside, err := current()
	if err != nil {
		return 0, err
	}
	program, err := os.Executable()
	if err != nil {
		return 0, fmt.Errorf("network: namespaces: finding the program to start again: %w", err)
	}
	cmd := exec.CommandContext(ctx, program, c.Args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Env = append(os.Environ(), outsideVar+"="+outside)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = c.Stdin, c.Stdout, c.Stderr, c.Files
	cmd.SysProcAttr = attributes()

	// Taken before the start, so that none is lost.
	signals := make(chan os.Signal, 8)
	wanted := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		wanted = append(wanted, syscall.SIGHUP)
	}
	signal.Notify(signals, wanted...)
	defer signal.Stop(signals)

	// The parent-death signal comes when the thread that started the child
	// ends. Locked to this goroutine, it stays until the child is gone.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return 0, forbidden(err)
	}
	ended := make(chan struct{})
	forwarded := make(chan struct{})
	go func() {
		defer close(forwarded)
		for {
			select {
			case s := <-signals:
				_ = cmd.Process.Signal(s) // it has ended: nobody to tell
			case <-ended:
				return
			}
		}
	}()
	err = cmd.Wait()
	close(ended)
	<-forwarded
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode(), nil
	case cmd.ProcessState != nil && !cmd.ProcessState.Exited():
		return 0, &KilledError{How: cmd.ProcessState.String()}
	case cmd.ProcessState != nil:
		return cmd.ProcessState.ExitCode(), nil // what ctx or a pipe said is no news
	}
	return 0, fmt.Errorf("network: namespaces: waiting for the harness inside: %w", err)
}

// attributes put the program inside into a new network namespace, and into a
// process group of its own: a Ctrl-C of the terminal reaches only the program
// outside, which hands it on, so that it comes once, as from kill. The program
// inside does not outlive the one outside.
func attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if !privileged() {
		// As root of a user namespace it may do what it likes with the network
		// namespace that belongs to that; its files stay those of its user.
		a.Cloneflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return a
}

// privileged says whether this process may make and fill network namespaces as
// it is. Root in a container often may not.
func privileged() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData // 64 bits in two halves
	if unix.Capget(&header, &sets[0]) != nil {
		return false
	}
	for _, c := range []int{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_NET_BIND_SERVICE} {
		if sets[c/32].Effective&(1<<(c%32)) == 0 {
			return false
		}
	}
	return true
}

// forbidden says why there is no network namespace, and what helps.
func forbidden(err error) error {
	const do = "run it as root, or with network: loopback"
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("network: namespaces: this user may not make a network namespace here: %w "+
			"(see kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns, a container's seccomp profile); %s", err, do)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EUSERS):
		return fmt.Errorf("network: namespaces: no more namespaces are allowed here: %w "+
			"(see user.max_user_namespaces and user.max_net_namespaces); %s", err, do)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("network: namespaces: the kernel has no user or network namespaces, or no veth: %w; use network: loopback", err)
	}
	return fmt.Errorf("network: namespaces: %w", err)
}
