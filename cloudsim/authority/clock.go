package authority

import (
	"errors"
	"fmt"
	"time"
)

// ClockTolerance is by how much the clocks of a connector and of the cloud may
// differ. Certificates are backdated by a little more, so that whose clock is
// too far behind is mostly told so, and not that a certificate is not valid
// yet.
const ClockTolerance = 10 * time.Minute

// ErrClock says that the clocks of a connector and of the cloud are further
// apart than ClockTolerance.
var ErrClock = errors.New("the clocks of connector and cloud differ")

// CheckClock compares what a connector's clock said, in ns since the Unix
// epoch, with the cloud's. 0 is of a connector that says nothing.
func CheckClock(connectorNS int64, now time.Time) error {
	if connectorNS == 0 {
		return nil
	}
	theirs := time.Unix(0, connectorNS)
	apart := theirs.Sub(now).Round(time.Second)
	if apart.Abs() <= ClockTolerance {
		return nil
	}
	return fmt.Errorf("%w by %v: the connector's says %s, the cloud's %s; expected at most %v: set the clock that is wrong",
		ErrClock, apart.Abs(), theirs.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339), ClockTolerance)
}
