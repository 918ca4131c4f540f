package load

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// An alarm wakes one goroutine at an instant. Go's own timers wake an idle
// process at whole milliseconds, the unit of epoll_wait; a timer of the kernel
// that is polled like a socket wakes it within some 50 µs.
type alarm struct {
	file  *os.File
	raw   syscall.RawConn // of file
	poll  func(fd uintptr) (done bool)
	unarm func() bool

	after time.Duration // for poll: when to wake; 0 when that is set
}

// newAlarm makes an alarm that also wakes, for good, when the context ends.
func newAlarm(ctx context.Context) (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making a timer: %w", err)
	}
	a := &alarm{file: os.NewFile(uintptr(fd), "timer")}
	if a.raw, err = a.file.SyscallConn(); err != nil {
		_ = a.file.Close() // it holds nothing
		return nil, fmt.Errorf("making a timer: %w", err)
	}
	a.poll = a.set
	a.unarm = context.AfterFunc(ctx, func() { _ = a.file.SetReadDeadline(time.Unix(1, 0)) })
	return a, nil
}

// wait returns after d, which is more than 0, or when the context has ended,
// and perhaps sooner.
func (a *alarm) wait(d time.Duration) {
	a.after = d
	_ = a.raw.Read(a.poll) // an error is the context's end
}

// set sets the timer when it is first asked, at which the poller is ready for
// it, and is done when it is asked again, at which the timer has gone off. That
// spares reading the timer, before and after: setting it anew clears it.
func (a *alarm) set(fd uintptr) (done bool) {
	if a.after == 0 {
		return true
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(a.after))}
	if unix.TimerfdSettime(int(fd), 0, &spec, nil) != nil {
		time.Sleep(a.after) // a timer cannot refuse a time; if it does, late is better than never
		return true
	}
	a.after = 0
	return false
}

func (a *alarm) close() {
	a.unarm()
	_ = a.file.Close() // nothing was written
}
