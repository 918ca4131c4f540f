//go:build !linux

package bench

import "golang.org/x/sys/unix"

// perConnectorSources says whether connectors may dial from addresses of their
// own: elsewhere than on Linux only 127.0.0.1 answers.
const perConnectorSources = false

// maxRSS is the peak of resident memory, in bytes.
func maxRSS(u unix.Rusage) int64 { return u.Maxrss }
