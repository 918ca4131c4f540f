package scenarios

import (
	"slices"
	"strings"
)

// An Expectation is what must be seen while a fault is on, or after it, such as
// serving(connector-1) == 0 or newcomer == waits. See ParseExpectation for the
// grammar. What is seen is measured, or tried by probes that the harness makes
// while the fault is on: those that nobody expects anything of are not made.
type Expectation struct {
	Metric string  // without blanks: serving(connector-1), newcomer, lost ...
	Op     string  // ==, !=, <, <=, >, >=; ~ for text that is contained
	Value  float64 // of counts, in whole numbers, and of ratios
	Word   string  // of words, and of texts
	Unit   Unit
	Phase  Phase
	Text   string // as written
}

// A Phase is the part of a fault that an expectation is about.
type Phase string

// The phases. Each ends before the next fault begins.
const (
	PhaseRow     Phase = "row"     // from the injection until the next fault begins, or the load ends
	PhaseOn      Phase = "on"      // from the injection to the undo
	PhaseSettled Phase = "settled" // the last part of that: see Fault.Settle
	PhaseAfter   Phase = "after"   // from the undo until the next fault begins, or the load ends
)

var phases = words(PhaseRow, PhaseOn, PhaseSettled, PhaseAfter)

// The units of expectations that no objective has.
const (
	Word     Unit = "word"
	Fragment Unit = "text" // part of what a process wrote
)

// Newcomer is the connector that the harness starts to see whether a new one
// can: a real process on a host of its own, in a tenant of its own, so that it
// takes no sign-ins from those under test.
const Newcomer = "newcomer"

// The words for what probes find.
const (
	SignInAnswered = "answered"
	SignInFails    = "fails"

	ReachAnswers = "answers" // TLS or HTTP is spoken there
	ReachRefused = "refused" // by a reset or a refusal, before or after connecting
	ReachSilent  = "silent"

	NewcomerServes = "serves" // it is registered, and both of its streams stand
	NewcomerWaits  = "waits"  // it runs and tries on
	NewcomerEnded  = "ended"  // by itself, with an error

	PathPushed    = "pushed" // on 9350
	PathSignalled = "signalled"
	PathMixed     = "both"
	PathNone      = "none"

	NoPort = "none" // of a stream that there is not
)

// What the subject of an expectation may be.
type subject int

const (
	noSubject  subject = iota
	someone            // connector-N, or connectors for the sum
	oneOnly            // connector-N
	aPort              // a documented port of the cloud, or ldaps
	aProcess           // newcomer, connector-N, cloudsim, directory
	whoServed          // connector-N, pass_through, hash_sync
	connectorN = "a connector such as connector-1"
)

// An expectable is one thing that can be expected.
type expectable struct {
	name    string
	of      subject
	unit    Unit
	words   []string // of Word
	phase   Phase    // when none is written
	phases  []Phase  // it can be seen in; all when nil
	meaning string
}

var probed = []Phase{PhaseSettled, PhaseAfter}

// expectables are listed in mistakes in this order.
var expectables = []expectable{
	{name: "lost", unit: Count, phase: PhaseRow, meaning: "sign-ins that failed or got no answer"},
	{name: "availability", unit: Ratio, phase: PhaseRow, meaning: "share of the sign-ins sent that got an answer"},
	{name: "handed_off", unit: Count, phase: PhaseRow, meaning: "sign-ins answered after a handoff"},
	{name: "share", of: whoServed, unit: Ratio, phase: PhaseSettled, meaning: "of the answers, those of a connector, of pass_through or of hash_sync"},

	{name: "attached", of: someone, unit: Count, phase: PhaseSettled, meaning: "connectors with a session, at the end of the phase"},
	{name: "serving", of: someone, unit: Count, phase: PhaseSettled, meaning: "connectors whose session is fit for sign-ins, at its end"},
	{name: "running", of: someone, unit: Count, phase: PhaseSettled, meaning: "connectors whose process runs, at its end"},
	{name: "state", of: oneOnly, unit: Word, words: []string{"active", "inactive", "expired", "revoked", "removed"}, phase: PhaseSettled, meaning: "as the cloud's list of connectors has it, at its end"},

	{name: "path", of: someone, unit: Word, words: []string{PathPushed, PathSignalled, PathMixed, PathNone}, phase: PhaseSettled, meaning: "by which sign-ins reached it"},
	{name: "signalling_port", of: oneOnly, unit: Word, words: []string{"9352", "5671", NoPort}, phase: PhaseSettled, meaning: "on which it has its signalling stream, at the end of the phase"},
	{name: "fast_port", of: oneOnly, unit: Word, words: []string{"9350", NoPort}, phase: PhaseSettled, meaning: "on which sign-ins are pushed to it, likewise"},
	{name: "response_port", of: oneOnly, unit: Word, words: responseWords(), phase: PhaseSettled, meaning: "on which it answers, likewise"},

	{name: "reports_by_443", of: someone, unit: Count, phase: PhaseSettled, meaning: "status reports that it delivered by 443"},
	{name: "reports_by_8080", of: someone, unit: Count, phase: PhaseSettled, meaning: "likewise by 8080"},
	{name: "reports_failed", of: someone, unit: Count, phase: PhaseSettled, meaning: "status reports that it could not deliver"},
	{name: "bootstraps_by_8080", of: someone, unit: Count, phase: PhaseSettled, meaning: "bootstrap documents that it got by 8080"},
	{name: "bootstraps_by_443", of: someone, unit: Count, phase: PhaseSettled, meaning: "likewise by 443"},
	{name: "bootstraps_failed", of: someone, unit: Count, phase: PhaseSettled, meaning: "attempts at one, by any port, that gave none"},
	{name: "renewals", of: someone, unit: Count, phase: PhaseRow, meaning: "certificates that it renewed"},
	{name: "renewals_failed", of: someone, unit: Count, phase: PhaseRow, meaning: "attempts at that, that failed"},
	{name: "lists", of: someone, unit: Count, phase: PhaseSettled, meaning: "revocation lists that it fetched"},
	{name: "clouds_refused", of: someone, unit: Count, phase: PhaseSettled, meaning: "connections to the cloud that it refused, because it had no list or the list names the cloud"},

	{name: "reach", of: aPort, unit: Word, words: []string{ReachAnswers, ReachRefused, ReachSilent}, phase: PhaseSettled, phases: probed, meaning: "what a client at the host of the target (the first, of several) finds on the port"},
	{name: "sign_in", of: oneOnly, unit: Word, words: []string{SignInAnswered, SignInFails}, phase: PhaseSettled, phases: probed, meaning: "whether a user at its host gets an answer of the sign-in page"},
	{name: "admin_sign_in", of: oneOnly, unit: Word, words: []string{SignInAnswered, SignInFails}, phase: PhaseSettled, phases: probed, meaning: "whether an administrator at its host, who would register a connector, is given a code to sign in by"},
	{name: Newcomer, unit: Word, words: []string{NewcomerServes, NewcomerWaits, NewcomerEnded}, phase: PhaseSettled, phases: probed, meaning: "what becomes of a connector that is started when the fault has begun, by the end of the phase"},
	{name: "says", of: aProcess, unit: Fragment, phase: PhaseRow, phases: []Phase{PhaseRow}, meaning: "what it writes to its log"},
}

// responseWords are the response ports, and none.
func responseWords() []string {
	var all []string
	for _, port := range portNumbers() {
		if port >= firstResponsePort {
			all = append(all, decimal(float64(port)))
		}
	}
	return append(all, NoPort)
}

func expectableNamed(name string) (expectable, bool) {
	i := slices.IndexFunc(expectables, func(e expectable) bool { return e.name == name })
	if i < 0 {
		return expectable{}, false
	}
	return expectables[i], true
}

func expectableNames() []string {
	all := make([]string, len(expectables))
	for i, e := range expectables {
		all[i] = e.name
	}
	return all
}

// expectHelp says what can be expected, for the JSON schema.
func expectHelp() string {
	var b strings.Builder
	b.WriteString("metric operator value [in row|on|settled|after]; metrics, with the phase they are of when none is written:")
	for i, e := range expectables {
		if i > 0 {
			b.WriteByte(';')
		}
		b.WriteString(" " + e.name)
		if e.of != noSubject {
			b.WriteString(" (" + e.of.form() + ")")
		}
		b.WriteString(", " + string(e.phase) + ": " + e.meaning)
	}
	return b.String()
}

// form says in words what the subject may be.
func (s subject) form() string {
	switch s {
	case someone:
		return connectorN + ", or connectors"
	case oneOnly:
		return connectorN
	case aPort:
		return "a port, such as 443 or ldaps"
	case aProcess:
		return "newcomer, cloudsim, directory or " + connectorN
	case whoServed:
		return connectorN + ", pass_through or hash_sync"
	}
	return ""
}

// allows says whether a word can be the subject, in some scenario.
func (s subject) allows(word string) bool {
	connector := connectorNumber(word) > 0
	switch s {
	case someone:
		return connector || word == AllConnectors
	case oneOnly:
		return connector
	case aPort:
		return word == ldapsPort || documentedPorts[word]
	case aProcess:
		return connector || slices.Contains([]string{Newcomer, CloudTarget, DirectoryTarget}, word)
	case whoServed:
		return connector || word == "pass_through" || word == "hash_sync"
	}
	return false
}

// Split takes the metric apart: serving(connector-1) is serving and
// connector-1, newcomer is newcomer and nothing.
func (e Expectation) Split() (name, subject string) {
	name, subject, _ = strings.Cut(strings.TrimSuffix(e.Metric, ")"), "(")
	return name, subject
}

// String is the expectation as it was written.
func (e Expectation) String() string { return e.Text }

// Holds compares what was seen. The word is for Word and Fragment.
func (e Expectation) Holds(value float64, word string) bool {
	switch e.Unit {
	case Fragment:
		return strings.Contains(word, e.Word)
	case Word:
		return (word == e.Word) == (e.Op == "==")
	}
	switch e.Op {
	case "==":
		return value == e.Value
	case "!=":
		return value != e.Value
	case "<":
		return value < e.Value
	case "<=":
		return value <= e.Value
	case ">":
		return value > e.Value
	}
	return value >= e.Value
}

// expects says whether the fault expects anything of a metric.
func (f Fault) expects(name string) bool {
	return slices.ContainsFunc(f.Expect, func(e Expectation) bool {
		metric, subject := e.Split()
		return metric == name || name == Newcomer && subject == Newcomer
	})
}

// ExpectsNewcomer says whether a newcomer is to be started for the fault.
func (f Fault) ExpectsNewcomer() bool { return f.expects(Newcomer) }

// SettledAt is when what the fault does has settled, for its expectations:
// Settle after its beginning, half of its time when that is not given.
func (f Fault) SettledAt() Duration {
	if f.Settle != 0 {
		return f.At + f.Settle
	}
	return f.At + f.For/2
}
