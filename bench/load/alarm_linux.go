package load

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// An alarm wakes one goroutine at an instant. Go's own timers wake an idle
// process at whole milliseconds, the unit of epoll_wait; a timer of the kernel
// that is polled like a socket wakes it within some 50 µs.
type alarm struct {
	fd    int // of file; asking the file for it would make it block a thread
	file  *os.File
	unarm func() bool
}

// newAlarm makes an alarm that also wakes, for good, when the context ends.
func newAlarm(ctx context.Context) (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making a timer: %w", err)
	}
	a := &alarm{fd: fd, file: os.NewFile(uintptr(fd), "timer")}
	a.unarm = context.AfterFunc(ctx, func() { _ = a.file.SetReadDeadline(time.Unix(1, 0)) })
	return a, nil
}

// wait returns after d, which is more than 0, or when the context has ended,
// and perhaps sooner.
func (a *alarm) wait(d time.Duration) {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	if unix.TimerfdSettime(a.fd, 0, &spec, nil) != nil {
		time.Sleep(d) // a timer cannot refuse a time; if it does, late is better than never
		return
	}
	var expirations [8]byte
	_, _ = a.file.Read(expirations[:])
}

func (a *alarm) close() {
	a.unarm()
	_ = a.file.Close() // nothing was written
}
