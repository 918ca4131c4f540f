package preflight

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ptabench/ports"
)

// An Effect is what comes of ports that are not to be had.
type Effect struct {
	Ports  []string `json:"ports"` // empty for the clock
	Text   string   `json:"text"`
	Needed bool     `json:"needed"` // a connector cannot do without
}

// conclude says what follows from the checks. It is the table of ports of the
// specification, read from the side of whoever is about to install a
// connector: what a running one would outlive, a new one does not.
func (r *Report) conclude() {
	r.Effects = []Effect{}
	add := func(needed bool, text string, ports ...string) {
		r.Effects = append(r.Effects, Effect{Ports: ports, Text: text, Needed: needed})
	}
	if r.SkewNS != nil {
		if ahead := time.Duration(*r.SkewNS); ahead.Abs() > MaxSkew {
			way := "ahead of"
			if ahead < 0 {
				way = "behind"
			}
			add(true, fmt.Sprintf("this host's clock is %v %s the cloud's; up to %v is tolerated. Connectors cannot register, certificates seem expired or not yet valid",
				ahead.Abs(), way, MaxSkew))
		}
	}
	down := make(map[string]bool)
	for i := range r.Checks {
		down[r.Checks[i].Port] = !r.Checks[i].OK()
	}
	among := func(list []string) (gone []string) {
		for _, p := range list {
			if down[p] {
				gone = append(gone, p)
			}
		}
		return gone
	}
	if down[ports.Revocation] {
		add(true, "connectors cannot learn which certificates of the cloud are revoked: a running one goes on until its last list runs out, a new one makes no connection", ports.Revocation)
	}
	switch {
	case down[ports.SignIn] && down[ports.Bootstrap]:
		add(true, "a new connector cannot start, a running one goes on with what it has; nobody signs in from here, administrators neither; no status reports, no updates", ports.SignIn, ports.Bootstrap)
	case down[ports.SignIn]:
		add(true, "nobody signs in from here, and no administrator, so that nothing can be registered; connectors report status by 8080", ports.SignIn)
	case down[ports.Bootstrap]:
		add(false, "connectors fetch bootstrap and updates by 443 instead; if that fails too, no new one starts", ports.Bootstrap)
	}
	if down[ports.Registration] {
		add(true, "a new connector cannot register; running ones do not notice", ports.Registration)
	}
	if down[ports.Renewal] {
		add(true, "nothing, until the connector's certificate expires: then it is out and must be registered again", ports.Renewal)
	}
	signalling := among(ports.Signalling())
	switch all := len(signalling) == len(ports.Signalling()); {
	case all && down[ports.Fast]:
		add(true, "no sign-ins reach this connector", append(signalling, ports.Fast)...)
	case all:
		add(false, "sign-ins come by 9350 alone; if that fails too, none reach this connector", signalling...)
	case len(signalling) > 0:
		other := slices.DeleteFunc(ports.Signalling(), func(p string) bool { return down[p] })
		add(false, "requests are signalled by "+strings.Join(other, " and ")+" instead", signalling...)
	}
	if down[ports.Fast] && len(signalling) < len(ports.Signalling()) {
		add(false, "sign-ins are signalled by 9352 or 5671 instead of pushed: one more round trip each", ports.Fast)
	}
	switch responses := among(ports.Responses()); {
	case len(responses) == len(ports.Responses()):
		add(true, "the connector cannot answer, so it takes no sign-ins", responses...)
	case len(responses) > 0:
		add(false, "answers go by the next port of the range that is open", responses...)
	}
	r.OK = !slices.ContainsFunc(r.Effects, func(e Effect) bool { return e.Needed })
}
