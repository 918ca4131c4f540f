package connector

import (
	"fmt"
	"strings"
	"time"
)

// clockTolerance is how far the clocks of connector and cloud may be apart. The
// cloud refuses whoever is further off.
const clockTolerance = 10 * time.Minute

// noteClock takes what the cloud's clock says, by which certificates are issued
// and expire.
func (a *connector) noteClock(cloudNS int64) {
	if cloudNS == 0 {
		return
	}
	here := time.Now()
	apart := time.Unix(0, cloudNS).Sub(here)
	if apart.Abs() > clockTolerance {
		a.log.Error("the clocks of connector and cloud are too far apart: set the one that is wrong",
			"here", here.UTC().Format(time.RFC3339), "cloud", time.Unix(0, cloudNS).UTC().Format(time.RFC3339), "limit", clockTolerance.String())
		return
	}
	a.skew.Store(int64(apart))
}

// now is the cloud's time, as far as it is known.
func (a *connector) now() time.Time { return time.Now().Add(time.Duration(a.skew.Load())) }

// clockHint adds to an error that says a certificate of the cloud is out of its
// time what most likely is wrong then.
func clockHint(err error) error {
	if err == nil || !strings.Contains(err.Error(), "certificate has expired or is not yet valid") {
		return err
	}
	return fmt.Errorf("%w: the clock of this host says %s: it or the cloud's is wrong by more than %v, or the cloud's certificate is out of date",
		err, time.Now().UTC().Format(time.RFC3339), clockTolerance)
}
