package bench

import "golang.org/x/sys/unix"

// perConnectorSources says whether connectors may dial from addresses of their
// own.
const perConnectorSources = true

// maxRSS is the peak of resident memory, in bytes.
func maxRSS(u unix.Rusage) int64 { return u.Maxrss << 10 }
