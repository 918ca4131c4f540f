// Package kernel breaks TCP between peers in the kernel: silent drop, reject
// and random loss by nftables rules, in one table of the run's own that is
// there only while it has rules. Deleting the table whole is the undo of last
// resort, by Delete or, by hand, by what Command says.
//
// Peers are told apart by the address that they dial from. What the host's own
// rules do is left alone, and nothing is matched by the state of a connection:
// a rule of that kind, loaded late, ends what was established before it.
//
// On a loopback network both ways of a connection come in at the hook input,
// and are dropped there, so that a sender is not told; with a peer beyond an
// interface what it is sent goes out at output.
package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// A Rule is what is done to the packets of some peers. They are IPv4.
type Rule struct {
	// ID names the fault; it is unique in a table and stands in listings as
	// the rules' comment.
	ID        string
	Sources   []netip.Addr // the peers: where they dial from
	Ports     []uint16     // what they dial over TCP; none means everything from and to them
	Direction Direction
	Verdict   Verdict
	// Loss is the share of packets that a Drop hits at random; 0 means all.
	Loss float64
}

// A Direction is one way, as the peers see it.
type Direction string

// The directions. The values are those of scenarios.
const (
	Both Direction = "both"
	Out  Direction = "out" // what the peers send
	In   Direction = "in"  // what they are sent
)

// A Verdict is what becomes of a packet.
type Verdict string

// The verdicts. The values are those of scenarios.
const (
	Drop   Verdict = "drop"   // silence
	Reject Verdict = "reject" // a TCP reset to its sender; resets themselves pass
)

// Command is what to type, as root, to delete a table.
func Command(table string) string { return "nft delete table inet " + table }

// maxID is the longest ID, so that names of sets and comments made of it fit.
const maxID = 64

// check says what is wrong with a rule, all at once.
func (r Rule) check() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if r.ID == "" || len(r.ID) > maxID || strings.ContainsRune(r.ID, 0) {
		wrong("id %q: expected 1 to %d bytes", r.ID, maxID)
	}
	if len(r.Sources) == 0 {
		wrong("sources: expected at least one")
	}
	for _, s := range r.Sources {
		if !s.Is4() {
			wrong("source %s: expected an IPv4 address", s)
		}
		if s.IsLoopback() != r.Sources[0].IsLoopback() {
			wrong("source %s: expected one on the same side as %s", s, r.Sources[0])
		}
	}
	if r.Direction != Both && r.Direction != Out && r.Direction != In {
		wrong("direction %q: expected both, out or in", r.Direction)
	}
	if r.Loss < 0 || r.Loss > 1 {
		wrong("loss %v: expected 0 to 1", r.Loss)
	}
	switch r.Verdict {
	case Drop:
	case Reject:
		if len(r.Ports) == 0 || r.Loss != 0 {
			wrong("reject: expected ports and no loss")
		}
	default:
		wrong("verdict %q: expected drop or reject", r.Verdict)
	}
	return errors.Join(errs...)
}
