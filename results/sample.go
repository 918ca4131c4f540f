package results

import "strconv"

// An Outcome is how a sign-in ended for its user.
type Outcome uint8

// The outcomes.
const (
	OutcomeUnsent Outcome = iota
	OutcomeAccepted
	OutcomeRefused
	OutcomeFailed
	OutcomeUnknown
)

// A Path is who decided a sign-in.
type Path uint8

// The paths.
const (
	PathNone Path = iota // nobody did
	PathPassThrough
	PathHashSync
	PathFederation // a federation server's, taken by the cloud
)

// A Judgement compares an answer with the population's true one.
type Judgement uint8

// The judgements.
const (
	NotJudged Judgement = iota // no definite answer to judge
	Right
	WrongAccept
	WrongRefusal
	OtherReason // rightly refused, with another code than the directory's
)

// A Sample is one sign-in. Times are nanoseconds from time 0, the end of the
// warm-up, and so negative before it; Sent and Done are 0 when Outcome is
// OutcomeUnsent.
type Sample struct {
	Seq       uint32
	User      uint32 // index in the population; of unknown users, in theirs
	Due       int64
	Sent      int64
	Done      int64
	Queue     uint32 // microseconds queued in the cloud
	Connector uint32 // microseconds in the connector or the federation server, the directory included
	Directory uint32 // microseconds of that, waiting for the directory
	Code      uint32 // AADSTS, 0 when accepted or not known
	Intent    uint8  // index in Header.Intents
	Outcome   Outcome
	Path      Path
	Judgement Judgement
	Attempts  uint8 // connectors it was given to
	Server    uint8 // index in Header.Connectors plus one, of PathFederation in Header.Federation; 0 when none
	Error     uint8 // index in Header.Errors plus one, 0 when none
	Tenant    uint8 // index in Header.Tenants plus one, 0 when the load is on one tenant
}

var (
	outcomeNames   = [...]string{"unsent", "accepted", "refused", "failed", "unknown"}
	pathNames      = [...]string{"none", "pass-through", "hash-sync", "federation"}
	judgementNames = [...]string{"", "right", "wrong-accept", "wrong-refusal", "other-reason"}
)

func (o Outcome) String() string { return nameOf(outcomeNames[:], uint8(o), "outcome") }

func (p Path) String() string { return nameOf(pathNames[:], uint8(p), "path") }

// String is the judgement's word, empty for NotJudged.
func (j Judgement) String() string { return nameOf(judgementNames[:], uint8(j), "judgement") }

// nameOf is the name at index i, or what is indexed and i where there is none.
func nameOf(names []string, i uint8, what string) string {
	if int(i) >= len(names) {
		return what + " " + strconv.Itoa(int(i))
	}
	return names[i]
}
