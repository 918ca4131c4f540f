package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ptabench/connector/updater"
	"ptabench/observe"
	"ptabench/update"
)

// version is what this program calls itself: as its stamp says, if it was given
// one.
var version = update.Version(built)

// built is what this source calls itself.
const built = "0.1.0"

// readyFD is where a role says that it serves, when whoever started it opened
// it; standard output otherwise.
const readyFD = 3

// A role is the library behind a role's sub-command. It calls ready once, when
// it serves, and returns when the context ends, after it has drained.
type role func(ctx context.Context, log *slog.Logger, ready func(observe.Ready)) error

// gcPercent lets the heap of a busy process, which is small here, grow to five
// times what is live before it is collected: the collector costs less of the
// processor that the load and everything under test share.
const gcPercent = 400

// serve runs a role as a process: JSON log lines to standard error, the ready
// line to fd 3, a graceful end on SIGTERM and SIGINT. When the ready line goes
// to fd 3 somebody holds the other end of standard input too, and the role
// ends when that closes, so that it never outlives its parent.
//
// On a terminal what it says in words when it serves comes first, but for
// warnings: what was done on the way is of no use to whoever reads there.
func serve(cmd *cobra.Command, run role) error {
	level := new(slog.LevelVar)
	if isTerminal(cmd.ErrOrStderr()) {
		level.Set(slog.LevelWarn)
	}
	return serveFrom(cmd, nil, level, run)
}

// serveAfter is serve for a process that may be another program than it was:
// then whoever started it has its ready line already.
func serveAfter(cmd *cobra.Command, before *updater.Handoff, run role) error {
	return serveFrom(cmd, before, new(slog.LevelVar), run)
}

// serveFrom logs from a level on, and from the usual one once the role serves.
func serveFrom(cmd *cobra.Command, before *updater.Handoff, level *slog.LevelVar, run role) error {
	debug.SetGCPercent(gcPercent)
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	var out io.Writer = cmd.OutOrStdout()
	watched := false
	if before != nil && !before.Trial {
		out, watched = io.Discard, before.Watched
	} else if pipe := inheritedPipe(readyFD); pipe != nil {
		defer pipe.Close()
		out, watched = pipe, true
	}
	if watched {
		withCancel, cancel := context.WithCancel(ctx)
		defer cancel()
		ctx = withCancel
		go func() { // ends with the process: a read of standard input cannot be interrupted
			_, _ = io.Copy(io.Discard, cmd.InOrStdin())
			cancel()
		}()
	}
	log := logTo(cmd.ErrOrStderr(), level)
	slog.SetDefault(log) // libraries that log do it in the same form
	err := run(ctx, log, func(r observe.Ready) {
		r.PID, r.Version = os.Getpid(), version
		if err := sayReady(out, cmd, r); err != nil {
			log.Error("saying ready", "error", err)
		}
		level.Set(slog.LevelInfo)
	})
	var next *updater.Next
	if errors.As(err, &next) {
		stop()
		log.Info("becoming another program", "program", next.Program)
		err = next.Exec(watched) // returns only if that cannot be
	}
	if err != nil {
		log.Error("ended", "error", err)
		return &exitError{code: exitUsage} // said already
	}
	return nil
}

// inheritedPipe returns the pipe that the parent left open at fd, nil if there
// is none. Only a pipe counts: at that number a shell may have left anything.
func inheritedPipe(fd int) *os.File {
	if !isPipe(fd) {
		return nil
	}
	unix.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "ready")
}

func isPipe(fd int) bool {
	var stat unix.Stat_t
	return unix.Fstat(fd, &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFIFO
}

// byHand reports whether nobody waits for a ready line at readyFD: a person, or
// a service, starts the role, and no benchmark. Their next start is to be found
// where this one was.
func byHand() bool { return !isPipe(readyFD) }
