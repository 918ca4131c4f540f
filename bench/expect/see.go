package expect

import (
	"errors"
	"fmt"

	"ptabench/bench/check"
	"ptabench/observe"
	"ptabench/scenarios"
)

// span is from which look to which a phase lasts.
func span(p scenarios.Phase) (from, to int) {
	switch p {
	case scenarios.PhaseOn:
		return began, undone
	case scenarios.PhaseSettled:
		return settled, undone
	case scenarios.PhaseAfter:
		return undone, over
	}
	return began, over
}

// counts are what connectors count and are asked about.
var counts = map[string]func(*observe.AgentCounters) uint64{
	"reports_by_443":     func(c *observe.AgentCounters) uint64 { return c.Reports["443"] },
	"reports_by_8080":    func(c *observe.AgentCounters) uint64 { return c.Reports["8080"] },
	"reports_failed":     func(c *observe.AgentCounters) uint64 { return c.Reports["failed"] },
	"bootstraps_by_8080": func(c *observe.AgentCounters) uint64 { return c.Bootstraps["8080"] },
	"bootstraps_by_443":  func(c *observe.AgentCounters) uint64 { return c.Bootstraps["443"] },
	"bootstraps_failed":  func(c *observe.AgentCounters) uint64 { return c.Bootstraps["failed"] },
	"renewals":           func(c *observe.AgentCounters) uint64 { return c.Renewals },
	"renewals_failed":    func(c *observe.AgentCounters) uint64 { return c.RenewalFailures },
	"lists":              func(c *observe.AgentCounters) uint64 { return c.Revocation.Lists },
	"clouds_refused": func(c *observe.AgentCounters) uint64 {
		return c.Revocation.Refused["no-list"] + c.Revocation.Refused["revoked"]
	},
}

// ports are on which a connector has its streams.
var ports = map[string]func(*observe.AgentCounters) string{
	"signalling_port": func(c *observe.AgentCounters) string { return c.SignallingPort },
	"fast_port":       func(c *observe.AgentCounters) string { return c.FastPort },
	"response_port":   func(c *observe.AgentCounters) string { return c.ResponsePort },
}

// see says what was seen of one expectation.
func (r *row) see(e scenarios.Expectation) (check.Seen, error) {
	name, of := e.Split()
	from, to := span(e.Phase)
	first, last := r.looks[from], r.looks[to]
	if first == nil || last == nil {
		return check.Seen{}, errors.New("it was not looked at")
	}
	switch name {
	case "lost", "availability", "handed_off", "share":
		return check.Seen{FromSamples: true}, nil
	case "attached", "serving":
		return last.listed(name, of)
	case "state":
		if last.Err != nil {
			return check.Seen{}, last.Err
		}
		if c, found := last.Listed[of]; found {
			return check.Seen{Known: true, Word: string(c.State)}, nil
		}
		return check.Seen{Known: true, Word: "removed"}, nil
	case "running":
		n := 0.0
		for _, c := range last.Connectors {
			if c.meant(of) && c.Runs {
				n++
			}
		}
		return check.Seen{Known: true, Value: n}, nil
	case "path":
		return pathSeen(first, last, of)
	case "reach", "sign_in", "admin_sign_in", scenarios.Newcomer:
		found, made := r.words[key(e.Phase, e.Metric)]
		if !made || found.err != nil {
			return check.Seen{}, errors.Join(errors.New("the probe could not be made"), found.err)
		}
		return check.Seen{Known: true, Word: found.word}, nil
	case "says":
		text, err := r.said(of)
		return check.Seen{Known: err == nil, Word: text}, err
	}
	if port := ports[name]; port != nil {
		return last.port(of, port)
	}
	if count := counts[name]; count != nil {
		return counted(r.looks[from:to+1], of, count)
	}
	return check.Seen{}, fmt.Errorf("nobody knows how to see %s", name)
}

// meant says whether a subject means the connector.
func (c *Connector) meant(subject string) bool {
	return subject == scenarios.AllConnectors || subject == c.Name
}

// listed counts connectors as the cloud lists them.
func (l *Look) listed(name, of string) (check.Seen, error) {
	if l.Err != nil {
		return check.Seen{}, l.Err
	}
	n := 0.0
	for _, c := range l.Connectors {
		if !c.meant(of) {
			continue
		}
		if name == "serving" && l.Listed[c.Name].Serving {
			n++
		}
		for _, counted := range l.Cloud.Connectors {
			if name == "attached" && counted.Name == c.Name && counted.Attached {
				n++
			}
		}
	}
	return check.Seen{Known: true, Value: n}, nil
}

// port is on which one connector has a stream.
func (l *Look) port(of string, port func(*observe.AgentCounters) string) (check.Seen, error) {
	for _, c := range l.Connectors {
		switch {
		case c.Name != of:
		case !c.Runs:
			return check.Seen{Known: true, Word: scenarios.NoPort}, nil
		case !c.Fresh:
			return check.Seen{}, fmt.Errorf("%s could not be asked", of)
		default:
			word := port(&c.Counted)
			if word == "" {
				word = scenarios.NoPort
			}
			return check.Seen{Known: true, Word: word}, nil
		}
	}
	return check.Seen{}, fmt.Errorf("there is no %s", of)
}

// counted is how much connectors counted from the first of some looks to the
// last. One that was started meanwhile counted from nothing, and one that has
// ended is counted up to its last reading.
func counted(looks []*Look, of string, count func(*observe.AgentCounters) uint64) (check.Seen, error) {
	var sum uint64
	for i := range looks[0].Connectors {
		before := &looks[0].Connectors[i]
		if !before.meant(of) {
			continue
		}
		for _, l := range looks[1:] {
			c := &l.Connectors[i]
			if c.Start == nil || c.Runs && !c.Fresh {
				continue // it could not be asked: the next look may tell
			}
			n := count(&c.Counted)
			if before.Start == c.Start {
				n -= min(n, count(&before.Counted))
			}
			sum, before = sum+n, c
		}
		if last := &looks[len(looks)-1].Connectors[i]; before != last {
			return check.Seen{}, fmt.Errorf("%s could not be asked", last.Name)
		}
	}
	return check.Seen{Known: true, Value: float64(sum)}, nil
}

// pathSeen is by which path sign-ins reached connectors between two looks, by
// the cloud's count.
func pathSeen(first, last *Look, of string) (check.Seen, error) {
	if err := errors.Join(first.Err, last.Err); err != nil {
		return check.Seen{}, err
	}
	var pushed, signalled uint64
	for _, c := range last.Cloud.Connectors {
		if !(&Connector{Name: c.Name}).meant(of) {
			continue
		}
		p, s := c.Pushed, c.Signalled
		for _, before := range first.Cloud.Connectors {
			if before.Name == c.Name && before.Pushed <= p && before.Signalled <= s {
				p, s = p-before.Pushed, s-before.Signalled
			}
		}
		pushed, signalled = pushed+p, signalled+s
	}
	word := scenarios.PathNone
	switch {
	case pushed > 0 && signalled > 0:
		word = scenarios.PathMixed
	case pushed > 0:
		word = scenarios.PathPushed
	case signalled > 0:
		word = scenarios.PathSignalled
	}
	return check.Seen{Known: true, Word: word}, nil
}
